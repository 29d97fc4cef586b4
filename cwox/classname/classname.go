package classname

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Names are the classes of a model with their names. It is immutable and safe for concurrent use.
type Names struct {
	count    int
	labels   []string
	synonyms [][]string

	once  sync.Once
	whole map[string][]int // folded label -> classes, ascending
	other map[string][]int // folded synonym -> classes, ascending
}

// New makes the names of so many classes, 0 where the number is not known, of their labels and,
// where there are any, further names; both may be nil or shorter than the classes are many. A
// label that is a list of synonyms, as ImageNet's "tench, Tinca tinca" is, is known by each.
func New(count int, labels []string, synonyms [][]string) *Names {
	if count > 0 {
		labels, synonyms = labels[:min(count, len(labels))], synonyms[:min(count, len(synonyms))]
	}
	return &Names{count: count, labels: labels, synonyms: synonyms}
}

// SplitSynonyms is the label and the other names of a class whose line of a labels file is
// "tench, Tinca tinca".
func SplitSynonyms(line string) (label string, others []string) {
	parts := strings.Split(line, ",")
	for i, p := range parts {
		if p = strings.TrimSpace(p); i == 0 {
			label = p
		} else if p != "" {
			others = append(others, p)
		}
	}
	return label, others
}

// Count is the number of classes, 0 where it is not known.
func (n *Names) Count() int { return n.count }

// Label is a class's name, "" where it has none.
func (n *Names) Label(class int) string {
	if class < 0 || class >= len(n.labels) {
		return ""
	}
	return n.labels[class]
}

// All are the names of a class: its label, the parts of it, its synonyms.
func (n *Names) All(class int) []string {
	var out []string
	if label := n.Label(class); label != "" {
		out = append(out, label)
		if first, others := SplitSynonyms(label); others != nil {
			out = append(append(out, first), others...)
		}
	}
	if class >= 0 && class < len(n.synonyms) {
		out = append(out, n.synonyms[class]...)
	}
	return out
}

// Find is the class that a text means: 486 and c486 by number, a label or a synonym by name,
// case and underscores ignored. Labels come before synonyms. What is the number of one class
// and the name of another is ambiguous.
func (n *Names) Find(text string) (int, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, errors.New("no class is named: want a number or a name")
	}
	named := n.Named(text)
	number, ok := parseNumber(text)
	switch {
	case ok && (n.count == 0 || number < n.count):
		if len(named) > 0 && !slices.Equal(named, []int{number}) {
			return 0, fmt.Errorf("%q is the number of %s and the name of %s: give the number of the one that is meant, c%d or c%d, or [%q] for the name",
				clip(text), n.describe([]int{number}), n.describe(named), number, named[0], clip(text))
		}
		return number, nil
	case len(named) == 1:
		return named[0], nil
	case len(named) > 1:
		return 0, n.ambiguous(text, named)
	case ok:
		return 0, fmt.Errorf("class %d: the model has classes 0 to %d", number, n.count-1)
	}
	return 0, n.unknown(text)
}

// Named are the classes that have a name, ascending; labels come before synonyms.
func (n *Names) Named(name string) []int {
	n.once.Do(n.index)
	key := fold(name)
	if at := n.whole[key]; at != nil {
		return at
	}
	return n.other[key]
}

func (n *Names) index() {
	n.whole, n.other = map[string][]int{}, map[string][]int{}
	add := func(to map[string][]int, name string, class int) {
		if key := fold(name); key != "" && !slices.Contains(to[key], class) {
			to[key] = append(to[key], class)
		}
	}
	for class := range max(len(n.labels), len(n.synonyms)) {
		for i, name := range n.All(class) {
			if i == 0 && class < len(n.labels) {
				add(n.whole, name, class)
			} else {
				add(n.other, name, class)
			}
		}
	}
}

// List are the classes of a list: names and numbers with commas between, or a JSON array of them
// for names that have commas. A part of the text that is a name with commas is taken whole.
func (n *Names) List(text string) ([]int, error) {
	if err := tooLong(text); err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.TrimSpace(text), "[") && len(n.Named(text)) == 0 {
		var items []any
		if err := decode(text, &items); err != nil {
			return nil, fmt.Errorf("%w: want names and numbers with commas between, or a list like [\"cello\", 889]", err)
		}
		return n.classes(items)
	}
	var out []int
	parts := strings.Split(text, ",")
	for len(parts) > 0 {
		take := 1
		for k := min(len(parts), mostCommas); k > 1; k-- {
			if len(n.Named(strings.Join(parts[:k], ","))) > 0 {
				take = k
				break
			}
		}
		class, err := n.Find(strings.Join(parts[:take], ","))
		if err != nil {
			return nil, err
		}
		out = append(out, class)
		parts = parts[take:]
	}
	return out, nil
}

// mostCommas bounds the parts of a name with commas in a list; ImageNet's longest has 6.
const mostCommas = 12

// Clusters are the sets of classes of a JSON array of arrays of names and numbers:
// [["cello","violin"],[402]]. There is at least one set, and none is empty.
func (n *Names) Clusters(text string) ([][]int, error) {
	if err := tooLong(text); err != nil {
		return nil, err
	}
	const want = `want lists of class numbers or names like [[486,889],["acoustic guitar"]]`
	var sets [][]any
	if err := decode(text, &sets); err != nil {
		return nil, fmt.Errorf("%w: %s", err, want)
	}
	var out [][]int
	for i, items := range sets {
		set, err := n.classes(items)
		if err != nil {
			return nil, err
		}
		if len(set) == 0 {
			return nil, fmt.Errorf("cluster %d of %d is empty: %s", i+1, len(sets), want)
		}
		out = append(out, set)
	}
	if len(out) == 0 {
		return nil, errors.New("no clusters: " + want)
	}
	return out, nil
}

// classes are those of the numbers and strings of a JSON list; a string is a name where some
// class has it.
func (n *Names) classes(items []any) ([]int, error) {
	var out []int
	for _, item := range items {
		var class int
		var err error
		switch v := item.(type) {
		case json.Number:
			number, ok := parseNumber(v.String())
			switch {
			case !ok:
				err = fmt.Errorf("class %s: want a whole number of at least 0", clip(v.String()))
			case n.count > 0 && number >= n.count:
				err = fmt.Errorf("class %d: the model has classes 0 to %d", number, n.count-1)
			}
			class = number
		case string:
			switch named := n.Named(v); len(named) {
			case 0:
				class, err = n.Find(v)
			case 1:
				class = named[0]
			default:
				err = n.ambiguous(v, named)
			}
		default:
			err = fmt.Errorf("%v is neither a number nor a name", item)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, class)
	}
	return out, nil
}

// Complete are the ways to go on with a list of which the last item may be unfinished, each with
// a description behind a tab: for shell completion. A name that is ambiguous or has a comma is
// offered as c and its number. There are at most so many.
func (n *Names) Complete(text string, most int) []string {
	done, last := "", text
	if i := strings.LastIndexByte(text, ','); i >= 0 {
		done, last = text[:i+1], text[i+1:]
	}
	prefix := fold(last)
	var out []string
	for class := 0; class < len(n.labels) && len(out) < most; class++ {
		label, _ := SplitSynonyms(n.labels[class])
		if label == "" || !strings.HasPrefix(fold(label), prefix) {
			continue
		}
		offer := label
		if found, err := n.Find(label); err != nil || found != class || strings.ContainsAny(label, "\t\n") {
			offer = "c" + strconv.Itoa(class)
		}
		out = append(out, fmt.Sprintf("%s%s\tclass %d: %s", done, offer, class, strings.Map(printable, n.labels[class])))
	}
	return out
}

func (n *Names) ambiguous(text string, classes []int) error {
	return fmt.Errorf("%q is the name of several classes, %s: give the number", clip(text), n.describe(classes))
}

// unknown is an error that says what the text may have meant.
func (n *Names) unknown(text string) error {
	near := n.near(text)
	switch {
	case len(near) > 0:
		return fmt.Errorf("no class is called %q: the nearest are %s", clip(text), n.describe(near))
	case len(n.labels) == 0:
		return fmt.Errorf("%q is not a class number, and the classes have no names here: name them with --labels", clip(text))
	}
	return fmt.Errorf("no class is called %q", clip(text))
}

// describe lists classes: "134 (crane), 517 (crane)".
func (n *Names) describe(classes []int) string {
	const most = 8
	var parts []string
	for _, c := range classes[:min(len(classes), most)] {
		if label := n.Label(c); label != "" {
			parts = append(parts, fmt.Sprintf("%d (%s)", c, clip(label)))
		} else {
			parts = append(parts, fmt.Sprintf("class %d", c))
		}
	}
	if more := len(classes) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

// near are at most five classes that a text may mean: of names that contain it, the shortest
// first, then of those that few changes make of it, the fewest first.
func (n *Names) near(text string) []int {
	const most = 5
	key := []rune(fold(text))
	if len(key) == 0 || len(key) > longestGuess {
		return nil
	}
	type guess struct{ class, changes, length int }
	var guesses []guess
	allowed := 1 + len(key)/4
	for class := range max(len(n.labels), len(n.synonyms)) {
		best := guess{changes: -1}
		for _, name := range n.All(class) {
			folded := fold(name)
			g := guess{class, 0, len(folded)}
			if len(key) < 3 || !strings.Contains(folded, string(key)) {
				g.changes = distance(key, []rune(folded), allowed)
			}
			if g.changes <= allowed && (best.changes < 0 || g.changes < best.changes) {
				best = g
			}
		}
		if best.changes >= 0 {
			guesses = append(guesses, best)
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int {
		if a.changes != b.changes {
			return a.changes - b.changes
		}
		return a.length - b.length
	})
	var out []int
	for _, g := range guesses[:min(len(guesses), most)] {
		out = append(out, g.class)
	}
	return out
}

const longestGuess = 64

// distance is the Levenshtein distance of two texts, or some number above most.
func distance(a, b []rune, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			change := diagonal
			if x != y {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// parseNumber reads a class number, 486 or c486.
func parseNumber(text string) (int, bool) {
	digits := strings.TrimPrefix(text, "c")
	if digits == "" || len(digits) > 9 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	number, err := strconv.Atoi(digits)
	return number, err == nil
}

// fold is a name as names are compared: in lower case, underscores as spaces, single spaces.
func fold(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r == '_' || unicode.IsSpace(r)
	}), " ")
}

// Alike says whether a name is one of a class's but for punctuation: "pay phone" is "pay-phone".
func (n *Names) Alike(class int, name string) bool {
	want := letters(name)
	return slices.ContainsFunc(n.All(class), func(s string) bool {
		got := letters(s)
		return got == want && (got != "" || fold(s) == fold(name))
	})
}

// letters are the letters and digits of a name, in lower case.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// decode reads one JSON value whose numbers are kept as text.
func decode(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the list")
	}
	return nil
}

// tooLong bounds what a list makes of memory and time.
func tooLong(text string) error {
	const most = 1 << 20
	if len(text) > most {
		return fmt.Errorf("a list of %d bytes, at most %d are read", len(text), most)
	}
	return nil
}

// clip shortens what is quoted from outside.
func clip(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}
