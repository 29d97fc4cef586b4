package hlta

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// treeFormat is the "format" of tree.json; it changes when old readers would
// misunderstand a file.
const treeFormat = "cwox-tree/1"

// treeJSON is tree.json. Probabilities that are not known are null or left out.
type treeJSON struct {
	Format     string       `json:"format"`
	Provenance Provenance   `json:"provenance"`
	Roots      []latentJSON `json:"roots"`
	Links      []linkJSON   `json:"links"`
}

type latentJSON struct {
	ID       string         `json:"id"`
	Level    int            `json:"level"`
	P        [2]probability `json:"p"`        // P(Z=1 | parent=0), P(Z=1 | parent=1)
	Marginal probability    `json:"marginal"` // P(Z=1)
	Children []latentJSON   `json:"children"`
	Words    []wordJSON     `json:"words"`
}

type wordJSON struct {
	Name string         `json:"word"`
	P    [2]probability `json:"p"` // P(w=1 | Z=0), P(w=1 | Z=1)
}

type linkJSON struct {
	Parent int            `json:"parent"` // indices into roots
	Child  int            `json:"child"`
	P      [2]probability `json:"p"` // P(child=1 | parent=0), P(child=1 | parent=1)
}

// probability is a number, or unknown: null in the file and NaN in the tree.
type probability struct {
	known bool
	value float64
}

func (p *probability) UnmarshalJSON(data []byte) error {
	*p = probability{}
	if string(data) == "null" {
		return nil
	}
	v, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return fmt.Errorf("probability %.30s is not a number", data)
	}
	*p = probability{true, v}
	return nil
}

func (p probability) float() float64 {
	if !p.known {
		return math.NaN()
	}
	return p.value
}

func pair(p [2]probability) [2]float64 { return [2]float64{p[0].float(), p[1].float()} }

func parseTreeJSON(data []byte) (*Tree, error) {
	var j treeJSON
	// Read the format first, so that a file of another kind gets a plain answer.
	var head struct {
		Format *string `json:"format"`
	}
	if err := unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Format == nil {
		return nil, fmt.Errorf("no \"format\": not a tree.json, which has %q", treeFormat)
	}
	if *head.Format != treeFormat {
		return nil, fmt.Errorf("format %.40q, want %q", *head.Format, treeFormat)
	}
	if err := unmarshal(data, &j); err != nil {
		return nil, err
	}
	t := &Tree{Provenance: j.Provenance}
	for i := range j.Roots {
		t.Roots = append(t.Roots, j.Roots[i].node())
	}
	for _, l := range j.Links {
		t.Links = append(t.Links, Link{Parent: l.Parent, Child: l.Child, P: pair(l.P)})
	}
	return t, nil
}

func (j *latentJSON) node() *Node {
	n := &Node{ID: j.ID, Level: j.Level, P: pair(j.P), Marginal: j.Marginal.float()}
	for i := range j.Children {
		n.Children = append(n.Children, j.Children[i].node())
	}
	for _, w := range j.Words {
		n.Words = append(n.Words, Word{Name: w.Name, P: pair(w.P)})
	}
	return n
}

// WriteJSON writes tree.json: everything there is to know about the tree. The same
// tree gives the same bytes; reading them gives the same tree, to the last bit of
// every probability.
func (t *Tree) WriteJSON(w io.Writer) error {
	provenance, err := json.MarshalIndent(t.Provenance, "", "  ")
	if err != nil {
		return fmt.Errorf("hlta: provenance: %w", err)
	}
	tw := treeWriter{bufio.NewWriter(w)}
	fmt.Fprintf(tw, "{\"format\": %q,\n\"provenance\": %s,\n\"roots\": [", treeFormat, bytes.TrimSpace(provenance))
	tw.nodes(t.Roots, 0)
	tw.WriteString("]")
	if len(t.Links) > 0 {
		tw.WriteString(",\n\"links\": [")
		for i, l := range t.Links {
			fmt.Fprintf(tw, "%s\n {\"parent\": %d, \"child\": %d, \"p\": %s}", comma(i), l.Parent, l.Child, pairText(l.P))
		}
		tw.WriteString("]")
	}
	tw.WriteString("}\n")
	return tw.Flush()
}

type treeWriter struct{ *bufio.Writer } // remembers the first error

func (w treeWriter) nodes(nodes []*Node, depth int) {
	indent := strings.Repeat(" ", depth+1)
	for i, n := range nodes {
		fmt.Fprintf(w, "%s\n%s{\"id\": %s, \"level\": %d", comma(i), indent, jsonOf(n.ID), n.Level)
		if !math.IsNaN(n.P[0]) || !math.IsNaN(n.P[1]) {
			fmt.Fprintf(w, ", \"p\": %s", pairText(n.P))
		}
		if !math.IsNaN(n.Marginal) {
			fmt.Fprintf(w, ", \"marginal\": %s", floatText(n.Marginal))
		}
		if len(n.Children) > 0 {
			w.WriteString(", \"children\": [")
			w.nodes(n.Children, depth+1)
			w.WriteString("]")
		}
		if len(n.Words) > 0 {
			w.WriteString(", \"words\": [")
			for i, word := range n.Words {
				fmt.Fprintf(w, "%s\n%s {\"word\": %s", comma(i), indent, jsonOf(word.Name))
				if !math.IsNaN(word.P[0]) || !math.IsNaN(word.P[1]) {
					fmt.Fprintf(w, ", \"p\": %s", pairText(word.P))
				}
				w.WriteString("}")
			}
			w.WriteString("]")
		}
		w.WriteString("}")
	}
}

func pairText(p [2]float64) string { return "[" + floatText(p[0]) + ", " + floatText(p[1]) + "]" }

// floatText is the shortest decimal number that reads back as v.
func floatText(v float64) string {
	if math.IsNaN(v) {
		return "null"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}
