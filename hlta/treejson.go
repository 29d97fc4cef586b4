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

	"cwox/internal/outside"
)

// treeFormat is the "format" of tree.json; it changes when old readers would
// misunderstand a file.
const treeFormat = "cwox-tree/1"

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

// parseTreeJSON reads tree.json. Probabilities that are not known are null or left out; other
// fields than those that WriteJSON writes are skipped.
func parseTreeJSON(data []byte) (*Tree, error) {
	t := &Tree{}
	format := ""
	return t, walk(data, func(w *jsonWalker) error {
		err := w.object(
			field{"format", func() error {
				if err := w.Decode(&format); err != nil || format == treeFormat {
					return err
				}
				return fmt.Errorf("format %.40q, want %q", format, treeFormat)
			}},
			field{"provenance", func() error {
				var text json.RawMessage
				if err := w.Decode(&text); err != nil {
					return err
				}
				return outside.JSON(text, &t.Provenance, 4*maxVariables) // it may name all words
			}},
			field{"roots", func() (err error) {
				t.Roots, err = w.latents(maxLevels)
				return err
			}},
			field{"links", func() error {
				return w.array(func() error {
					var l Link
					var p [2]probability // P(child=1 | parent=0), P(child=1 | parent=1)
					err := w.object(field{"parent", &l.Parent}, field{"child", &l.Child}, field{"p", &p})
					l.P = pair(p)
					t.Links = append(t.Links, l)
					return err
				})
			}})
		if err == nil && format == "" {
			err = fmt.Errorf("no \"format\": not a tree.json, which has %q", treeFormat)
		}
		return err
	})
}

// latents reads an array of latents with at most that many levels.
func (w *jsonWalker) latents(levels int) (nodes []*Node, err error) {
	if levels == 0 {
		return nil, fmt.Errorf("more than %d levels", maxLevels)
	}
	err = w.array(func() error {
		n := &Node{}
		var p [2]probability // P(Z=1 | parent=0), P(Z=1 | parent=1)
		var marginal probability
		err := w.object(field{"id", &n.ID}, field{"level", &n.Level}, field{"p", &p}, field{"marginal", &marginal},
			field{"children", func() (err error) {
				n.Children, err = w.latents(levels - 1)
				return err
			}},
			field{"words", func() error {
				return w.array(func() error {
					var word Word
					var p [2]probability // P(w=1 | Z=0), P(w=1 | Z=1)
					err := w.object(field{"word", &word.Name}, field{"p", &p})
					word.P = pair(p)
					n.Words = append(n.Words, word)
					return err
				})
			}})
		n.P, n.Marginal = pair(p), marginal.float()
		nodes = append(nodes, n)
		return err
	})
	return nodes, err
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
