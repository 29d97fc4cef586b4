package hlta

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"cwox/internal/elementary"
)

// A node of the authors' nodes.json (specification section 11) has an id, a text, data and
// children. Words are not nodes: they are in the text of level-1 latents, each followed by
// P(word=1 | Z=0) rounded to two decimals. The text of latents above has at most
// 100 of the words below, so it says nothing about membership.
type nodeData struct {
	Name       string   `json:"name"`
	Level      *int     `json:"level,omitempty"`
	Percentage *float64 `json:"percentage,omitempty"` // P(Z=1)
}

// parseNodes reads nodes.json. If any text of a level-1 latent has a word that
// stands for a class, only such words count: what else is there are parts of names. The name
// in such a word, up to a space, becomes the word's name.
func parseNodes(data []byte) (*Tree, error) {
	var p nodesParser
	t := &Tree{}
	err := walk(data, func(w *jsonWalker) (err error) {
		t.Roots, err = p.nodes(w, maxLevels)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, text := range p.texts {
		p.onlyClasses = p.onlyClasses || hasClass(text)
	}
	for i, n := range p.leaves {
		n.Words = p.words(p.texts[i])
		if len(n.Words) == 0 {
			return nil, fmt.Errorf("node %q: no words in its text %.60q", n.ID, p.texts[i])
		}
		if p.n += len(n.Words); p.n > maxVariables {
			return nil, fmt.Errorf("more than %d words", maxVariables)
		}
	}
	t.names = p.names
	return t, nil
}

func hasClass(text string) bool {
	for token := range strings.FieldsSeq(text) {
		if _, ok := ParseClassWord(token); ok {
			return true
		}
	}
	return false
}

type nodesParser struct {
	leaves      []*Node  // latents of level 1,
	texts       []string // and their texts
	onlyClasses bool
	n           int // words so far
	names       map[string]string
}

// nodes reads an array of nodes with at most that many levels.
func (p *nodesParser) nodes(w *jsonWalker, levels int) (nodes []*Node, err error) {
	if levels == 0 {
		return nil, fmt.Errorf("more than %d levels", maxLevels)
	}
	err = w.array(func() error {
		n := &Node{Level: 1, P: [2]float64{math.NaN(), math.NaN()}, Marginal: math.NaN()}
		var text string
		var data nodeData
		err := w.object(field{"id", &n.ID}, field{"text", &text}, field{"data", &data},
			field{"children", func() (err error) {
				n.Children, err = p.nodes(w, levels-1)
				return err
			}})
		if err != nil {
			return err
		}
		if n.ID == "" {
			return errors.New("a node has no \"id\": not a nodes.json")
		}
		for _, c := range n.Children {
			n.Level = max(n.Level, c.Level+1)
		}
		if level := data.Level; level != nil {
			if *level < n.Level || len(n.Children) == 0 && *level != 1 {
				return fmt.Errorf("node %q: level %d, but its children make it level %d", n.ID, *level, n.Level)
			}
			n.Level = *level
		}
		if data.Percentage != nil {
			n.Marginal = *data.Percentage
		}
		if n.Level == 1 {
			p.leaves, p.texts = append(p.leaves, n), append(p.texts, text)
		}
		nodes = append(nodes, n)
		return nil
	})
	return nodes, err
}

// words reads the text of a level-1 latent: words, each followed by its number (or
// by none, as in files whose numbers were stripped).
func (p *nodesParser) words(text string) []Word {
	var words []Word
	fresh := false // is the last word still without its number?
	for token := range strings.FieldsSeq(text) {
		name, isClass := className(token)
		if fresh && !isClass {
			if v, err := strconv.ParseFloat(token, 64); err == nil && !math.IsNaN(v) {
				words[len(words)-1].P[0] = v
				fresh = false
				continue
			}
		}
		if p.onlyClasses && !isClass {
			continue
		}
		words = append(words, Word{Name: name, P: [2]float64{math.NaN(), math.NaN()}})
		if _, given, ok := strings.Cut(token, "-"); isClass && ok && given != "" {
			if p.names == nil {
				p.names = map[string]string{}
			}
			p.names[name] = strings.ReplaceAll(given, "_", " ")
		}
		fresh = true
		if len(words) > maxVariables {
			break
		}
	}
	return words
}

// nodesWords is the number of words in the text of a node.
const nodesWords = 100

// WriteNodes writes the tree as the authors' nodes.json, which their web page and
// scripts read. The text of a node has its words (at most 100) by descending mutual
// information with it, or in the tree's order where the tree has no parameters.
// name, if not nil, gives the name to put behind a word that stands for a class
// ("" for none): "c889-violin".
func (t *Tree) WriteNodes(w io.Writer, name func(word string) string) error {
	nw := nodesWriter{Writer: bufio.NewWriter(w), name: name, hasParameters: t.HasParameters()}
	nw.WriteByte('[')
	for i, n := range t.Roots {
		nw.node(n, i == 0, 0)
	}
	nw.WriteString("]\n")
	return nw.Flush()
}

type nodesWriter struct {
	*bufio.Writer // remembers the first error
	name          func(string) string
	hasParameters bool
}

func (w *nodesWriter) node(n *Node, first bool, depth int) {
	indent := strings.Repeat("  ", depth)
	if !first {
		w.WriteString(", ")
	}
	data := nodeData{Name: n.ID, Level: &n.Level}
	if !math.IsNaN(n.Marginal) {
		data.Percentage = &n.Marginal
	}
	fmt.Fprintf(w, "{\n%s  \"id\": %s, \"text\": %s, \"data\": %s, \"children\": [",
		indent, jsonOf(n.ID), jsonOf(w.text(n)), jsonOf(data))
	for i, c := range n.Children {
		w.node(c, i == 0, depth+1)
	}
	fmt.Fprintf(w, "]\n%s}", indent)
}

func (w *nodesWriter) text(n *Node) string {
	var b strings.Builder
	for i, d := range describe(n, w.hasParameters, nodesWords) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.token(d.name))
		if !math.IsNaN(d.p[0]) {
			b.WriteByte(' ')
			b.WriteString(twoDecimals(d.p[0]))
		}
	}
	return b.String()
}

func (w *nodesWriter) token(word string) string {
	if _, ok := ParseClassWord(word); !ok || w.name == nil {
		return word
	}
	name := strings.Join(strings.FieldsFunc(w.name(word), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), "_")
	if name == "" {
		return word
	}
	return word + "-" + name
}

// twoDecimals writes a probability as the authors do: 0.0, 0.12. Above 0.99 it stays
// there, since their reader takes the 1 of "1.0" for a class.
func twoDecimals(p float64) string {
	s := strconv.FormatFloat(math.Min(math.Round(p*100)/100, 0.99), 'f', -1, 64)
	if s == "0" {
		return "0.0"
	}
	return s
}

// described is a word as seen from a latent above it.
type described struct {
	name string
	p    [2]float64 // P(word=1 | Z=0), P(word=1 | Z=1)
	mi   float64    // nats
}

// describe returns the words below a latent by descending mutual information with
// it, at most n. Without parameters they come in the tree's order, and p is only
// known at level 1.
func describe(z *Node, hasParameters bool, n int) []described {
	var words []described
	var visit func(x *Node, p [2]float64) // p is P(x=1 | Z)
	visit = func(x *Node, p [2]float64) {
		for _, w := range x.Words {
			d := described{name: w.Name, p: [2]float64{total(w.P, p[0]), total(w.P, p[1])}}
			if x == z {
				d.p = w.P // the same, also where only P[0] is known
			}
			if hasParameters {
				d.mi = information(z.Marginal, d.p)
			}
			words = append(words, d)
		}
		for _, c := range x.Children {
			if !hasParameters && len(words) >= n {
				return
			}
			visit(c, [2]float64{total(c.P, p[0]), total(c.P, p[1])})
		}
	}
	visit(z, [2]float64{0, 1})
	slices.SortStableFunc(words, func(a, b described) int { return cmp.Compare(b.mi, a.mi) })
	return words[:min(n, len(words))]
}

// information is the mutual information, in nats, of two binary variables: z is 1
// with probability pz, and w with probability pw[z].
func information(pz float64, pw [2]float64) float64 {
	w := total(pw, pz)
	mi := 0.0
	for _, c := range [4][3]float64{ // joint, and the two marginals
		{(1 - pz) * (1 - pw[0]), 1 - pz, 1 - w},
		{(1 - pz) * pw[0], 1 - pz, w},
		{pz * (1 - pw[1]), pz, 1 - w},
		{pz * pw[1], pz, w},
	} {
		if c[0] > 0 && c[1] > 0 && c[2] > 0 {
			mi += float64(c[0] * elementary.Log(c[0]/(c[1]*c[2])))
		}
	}
	return max(mi, 0)
}

func jsonOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("hlta: a value without NaN cannot be marshalled")
	}
	return b
}
