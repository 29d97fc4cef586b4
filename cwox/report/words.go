package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
)

// From which probability on an answer is likely, and possible at all.
const (
	likely   = 0.5
	possible = 0.2
)

// lead answers the reader's first question: what does the model see, and where
// does it hesitate?
func (b *builder) lead() string {
	e := b.e
	if len(e.Top) == 0 {
		return "There is nothing to explain."
	}
	first := e.Top[0]
	switch {
	case len(e.Top) == 1:
		return fmt.Sprintf("One answer: %s (%s).", b.names[first.Class], percent(first.Probability))
	case e.Method != cwox.CWOX2s || len(e.Clusters) == 0:
		return fmt.Sprintf("The first answer is %s (%s); %s classes are explained.",
			b.names[first.Class], percent(first.Probability), number(len(e.Top)))
	case len(e.Clusters) == 1:
		return fmt.Sprintf("One answer with %s names: %s (%s).",
			number(len(e.Top)), b.either(e.Clusters[0].Classes), percent(e.Clusters[0].Probability))
	}
	var parts []string
	best := 0.0
	for i, c := range e.Clusters {
		if i == 4 && len(e.Clusters) > 5 {
			parts = append(parts, number(len(e.Clusters)-i)+" more")
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", b.either(c.Classes), percent(c.Probability)))
		best = max(best, c.Probability)
	}
	all := strings.Join(parts, "; ")
	switch count := number(len(e.Clusters)); {
	case e.Model.Output != saliency.Softmax: // each by itself
		return fmt.Sprintf("%s answers, each by itself: %s.", capital(count), all)
	case e.Clusters[0].Probability >= likely:
		return fmt.Sprintf("Most likely %s; otherwise %s.", parts[0], strings.Join(parts[1:], "; "))
	case best >= possible:
		return fmt.Sprintf("Undecided between %s answers: %s.", count, all)
	default:
		return fmt.Sprintf("%s unrelated guesses, none of them likely: %s.", capital(count), all)
	}
}

// about says what a cluster is.
func (b *builder) about(c cwox.Cluster) string {
	alone := len(b.e.Clusters) == 1
	switch {
	case b.e.Method != cwox.CWOX2s:
		return ""
	case len(c.Classes) == 1 && alone:
		return "Nothing competes with it, so nothing is contrasted: the maps show what speaks for it."
	case len(c.Classes) == 1:
		return "One name that " + b.relation("tends to come without the others.", "is unlike the others.") + " It has no rival in its group, so its own map is not contrasted: it shows what speaks for it, in more detail."
	case alone:
		return capital(number(len(c.Classes))) + " names that " + b.relation("the model tends to give together.", "are alike to the model.") + " All explained classes are among them, so the group as a whole is not contrasted."
	}
	return capital(number(len(c.Classes))) + " names that " + b.relation("the model tends to give together.", "are alike to the model.")
}

// relation is what the tree says of names: learned from what appeared together, or of the weights.
func (b *builder) relation(together, alike string) string {
	if b.e.Tree.Source == cwox.TreeWeights {
		return alike
	}
	return together
}

func (b *builder) either(classes []int) string { return either(pick(b.names, classes)) }

// notes say how the maps of the method are to be read.
func notes(m cwox.Method) []string {
	list := []string{"Colour is evidence in favour; where the photograph is bare there is none. Heatmaps are not certainties: they say which pixels the model used, not whether it was right to."}
	switch m {
	case cwox.SWOX:
		list = append(list, "Each map stands alone (method swox): it shows what speaks for a class, and may look the same for several.")
	case cwox.CWOX1sA:
		list = append(list, "Each class is contrasted with all other explained classes at once (method cwox1sa), not with its group first.")
	case cwox.CWOX1sB:
		list = append(list, "Each class map is multiplied by the inverse of the map of all other explained classes (method cwox1sb).")
	}
	return list
}

// MethodName is a method as the paper writes it.
func MethodName(m cwox.Method) string {
	names := map[cwox.Method]string{cwox.SWOX: "SWOX", cwox.CWOX1sA: "CWOX-1sA", cwox.CWOX1sB: "CWOX-1sB", cwox.CWOX2s: "CWOX-2s"}
	return cmp.Or(names[m], shown(string(m)))
}

// ExplainerName is a base explainer as its paper writes it.
func ExplainerName(x string) string {
	names := map[string]string{"gradcam": "Grad-CAM", "mwp": "MWP", "rise": "RISE", "lime": "LIME", "guided": "Guided backprop", "deeplift": "DeepLIFT"}
	return cmp.Or(names[x], shown(x))
}

// runSays names an explanation by method and explainer: "CWOX-2s, Grad-CAM".
func runSays(e *cwox.Explanation) string {
	return MethodName(e.Method) + ", " + ExplainerName(e.Explainer)
}

// unique drops what was said before.
func unique(list []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// grouping says where the groups come from, in a sentence; none where nothing is grouped.
func grouping(e *cwox.Explanation) []string {
	if e.Method != cwox.CWOX2s || len(e.Top) < 2 {
		return nil
	}
	t := e.Tree
	var say string
	switch t.Source {
	case cwox.TreeWeights:
		say = "Groups come from the model itself: classes whose weights in its last layer are alike form one."
	case cwox.TreeEmbedded:
		say = "Groups come from the label tree that is part of cwox, learned from the names that a model gave together for many pictures."
	case cwox.TreeFile:
		say = "Groups come from the label tree in " + shown(filepath.Base(t.File)) + "."
	case cwox.ClustersOnly:
		say = "Groups were given by hand."
		if t.SHA256 != "" {
			say = "Groups come from a label tree that was given."
		}
	default:
		return nil
	}
	if t.Level > 1 {
		say = strings.TrimSuffix(say, ".") + fmt.Sprintf(", cut at its level %d.", t.Level)
	}
	return []string{say}
}

// where says in words where on the photograph a map is strong.
func (b *builder) where(s measurement) string {
	of := "the picture"
	if b.frame.Cropped {
		of = "what the network saw"
	}
	s.row, s.col = b.seen.Y+float64(s.row*b.seen.Height), b.seen.X+float64(s.col*b.seen.Width)
	return where(s, of)
}

// where says in words where a map is strong, and on how much of what.
func where(s measurement, of string) string {
	switch {
	case s.nan:
		return "the map holds values that are not numbers, nothing can be concluded"
	case s.max == 0:
		return "blank, no pixel speaks for it"
	}
	rows, cols := [3]string{"upper", "", "lower"}, [3]string{"left", "", "right"}
	third := func(share float64) int { return min(max(int(share*3), 0), 2) }
	at := strings.TrimSpace(rows[third(s.row)] + " " + cols[third(s.col)])
	switch at {
	case "":
		at = "in the centre"
	case "upper":
		at = "at the top"
	case "lower":
		at = "at the bottom"
	case "left", "right":
		at = "on the " + at
	default:
		at = "at the " + at
	}
	return fmt.Sprintf("strongest %s; at least half as strong on %s of %s", at, percent(s.strong), of)
}

// labels are the names to show: cut to a readable length, "class 486" where there
// is none, with the index where two classes share a name.
func labels(e *cwox.Explanation) map[int]string {
	count := map[string]int{}
	names := map[int]string{}
	for _, t := range e.Top {
		names[t.Class] = shown(t.Label)
		if names[t.Class] == "" {
			names[t.Class] = "class " + strconv.Itoa(t.Class)
		}
		count[names[t.Class]]++
	}
	for class, name := range names {
		if count[name] > 1 {
			names[class] = name + " (" + strconv.Itoa(class) + ")"
		}
	}
	return names
}

func pick(names map[int]string, classes []int) []string {
	var list []string
	for _, c := range classes {
		name, ok := names[c]
		if !ok {
			name = "class " + strconv.Itoa(c)
		}
		list = append(list, name)
	}
	return list
}

// either joins names: "a", "a or b", "a, b or c"; long lists are cut.
func either(names []string) string {
	if n := len(names); n > 7 {
		names = append(slices.Clone(names[:5]), strconv.Itoa(n-5)+" more")
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func number(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < len(words) {
		return words[n]
	}
	return strconv.Itoa(n)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// tag is a cluster's letter: A .. Z, then A27 and so on.
func tag(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return "A" + strconv.Itoa(i+1)
}

// percent is a share in words: "87.9 %", "< 0.1 %".
func percent(p float64) string {
	switch {
	case math.IsNaN(p):
		return "not a number"
	case p > 0 && p < 0.001:
		return "< 0.1\u00a0%"
	default:
		return strconv.FormatFloat(100*p, 'f', 1, 64) + "\u00a0%"
	}
}

// share is a probability as a width.
func share(p float64) template.CSS {
	return template.CSS(strconv.FormatFloat(100*min(max(p, 0), 1), 'f', 2, 64) + "%")
}

// shown is a name as a page shows it: plain, and not longer than a line.
func shown(s string) string { return clip(Plain(s), 80) }

// Plain drops what could break or reverse a line: control and format characters,
// invalid UTF-8.
func Plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case r == '\ufffd' || r < ' ' || r >= 0x7f && r < 0xa0, r >= '\u200b' && r <= '\u200f',
			r >= '\u2028' && r <= '\u202e', r >= '\u2060' && r <= '\u206f', r == '\ufeff':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}

// clip cuts after n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "\u2026"
	}
	return s
}
