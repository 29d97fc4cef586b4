package hlta

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// looksLikeBIF says whether text begins like a Bayesian network interchange file.
func looksLikeBIF(data []byte) bool {
	lex := bifLexer{text: data, line: 1}
	tok, err := lex.next()
	return err == nil && tok.kind == bifName && (tok.text == "network" || tok.text == "variable")
}

// parseBIF reads a Bayesian network in interchange format (.bif) that is a
// hierarchical latent tree: binary variables with at most one parent each. Variables
// without children are words. State 1 is the second one listed.
//
// The file does not store levels: the level of a latent is one more than the lowest
// level of its children, words having level 0 (specification section 10). Edges
// between latents of the highest level become Links.
func parseBIF(data []byte) (*Tree, error) {
	p := bifParser{lex: bifLexer{text: data, line: 1}, at: map[string]int{}}
	if err := p.file(); err != nil {
		return nil, fmt.Errorf("line %d: %w", p.lex.line, err)
	}
	return p.tree()
}

type bifVariable struct {
	name   string
	states [2]string
	parent int           // -1 without one
	p      [2][2]float64 // p[s][t] = P(s | parent = t); without a parent t is 0
	given  bool          // there was a probability block
}

type bifParser struct {
	lex  bifLexer
	tok  bifToken // the current token
	vars []bifVariable
	at   map[string]int // variables by name
}

func (p *bifParser) file() error {
	if err := p.next(); err != nil {
		return err
	}
	for p.tok.kind != bifEnd {
		keyword := p.tok
		if err := p.next(); err != nil {
			return err
		}
		var err error
		switch keyword.text {
		case "network":
			err = p.network()
		case "variable":
			err = p.variable()
		case "probability":
			err = p.probability()
		default:
			err = fmt.Errorf("%q, want network, variable or probability", keyword.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *bifParser) network() error {
	if p.tok.text != "{" {
		if _, err := p.name(); err != nil {
			return err
		}
	}
	if err := p.want("{"); err != nil {
		return err
	}
	for p.tok.text != "}" {
		if err := p.skipStatement(); err != nil {
			return err
		}
	}
	return p.want("}")
}

func (p *bifParser) variable() error {
	name, err := p.name()
	if err != nil {
		return err
	}
	name, _ = className(name)
	if len(p.vars) == maxVariables {
		return fmt.Errorf("more than %d variables", maxVariables)
	}
	if _, ok := p.at[name]; ok {
		return fmt.Errorf("variable %q is declared twice", name)
	}
	v := bifVariable{name: name, parent: -1}
	if err := p.want("{"); err != nil {
		return err
	}
	typed := false
	for p.tok.text != "}" {
		if p.tok.text != "type" {
			if err := p.skipStatement(); err != nil {
				return err
			}
			continue
		}
		if v.states, err = p.states(name); err != nil {
			return err
		}
		typed = true
	}
	if !typed {
		return fmt.Errorf("variable %q has no type", name)
	}
	p.at[name] = len(p.vars)
	p.vars = append(p.vars, v)
	return p.want("}")
}

// states reads "type discrete[2] { a b };" of a variable.
func (p *bifParser) states(variable string) (states [2]string, err error) {
	if err := p.want("type", "discrete", "["); err != nil {
		return states, err
	}
	if p.tok.text != "2" {
		return states, fmt.Errorf("variable %q has %.20q states, want 2", variable, p.tok.text)
	}
	if err := p.want("2", "]", "{"); err != nil {
		return states, err
	}
	for i := range states {
		if states[i], err = p.name(); err != nil {
			return states, err
		}
		if p.tok.text == "," {
			if err := p.next(); err != nil {
				return states, err
			}
		}
	}
	return states, p.want("}", ";")
}

func (p *bifParser) probability() error {
	if err := p.want("("); err != nil {
		return err
	}
	child, err := p.declared()
	if err != nil {
		return err
	}
	v := &p.vars[child]
	if v.given {
		return fmt.Errorf("variable %q has two probability blocks", v.name)
	}
	v.given = true
	if p.tok.text == "|" {
		if err := p.next(); err != nil {
			return err
		}
		if v.parent, err = p.declared(); err != nil {
			return err
		}
		if p.tok.text != ")" {
			return fmt.Errorf("variable %q has several parents: not a tree", v.name)
		}
	}
	if err := p.want(")", "{"); err != nil {
		return err
	}
	columns := 1 // states of the parent
	if v.parent >= 0 {
		columns = 2
	}
	var done [2]bool
	for p.tok.text != "}" {
		switch p.tok.text {
		case "table": // P(0|0) P(0|1) P(1|0) P(1|1)
			err = p.next()
			for s := range 2 {
				for t := 0; t < columns && err == nil; t++ {
					v.p[s][t], err = p.number(v.name)
					done[t] = true
				}
			}
		case "(": // a row for one state of the parent
			var t int
			if t, err = p.parentState(v); err == nil {
				for s := 0; s < 2 && err == nil; s++ {
					v.p[s][t], err = p.number(v.name)
				}
				done[t] = true
			}
		default:
			if err := p.skipStatement(); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			err = p.want(";")
		}
		if err != nil {
			return err
		}
	}
	for t := range columns {
		if !done[t] {
			return fmt.Errorf("variable %q: probabilities are missing", v.name)
		}
		sum := v.p[0][t] + v.p[1][t]
		if !(sum > 0.999 && sum < 1.001) {
			return fmt.Errorf("variable %q: probabilities %v and %v, want a sum of 1", v.name, v.p[0][t], v.p[1][t])
		}
		v.p[1][t] /= sum // exact for what WriteBIF wrote: 1-p and p sum to 1
	}
	return p.want("}")
}

// parentState reads "(state)" at the start of a row.
func (p *bifParser) parentState(v *bifVariable) (int, error) {
	if v.parent < 0 {
		return 0, fmt.Errorf("variable %q has no parent, but a row for a state of it", v.name)
	}
	if err := p.want("("); err != nil {
		return 0, err
	}
	state, err := p.name()
	if err != nil {
		return 0, err
	}
	for t, s := range p.vars[v.parent].states {
		if s == state {
			return t, p.want(")")
		}
	}
	return 0, fmt.Errorf("variable %q has no state %q", p.vars[v.parent].name, state)
}

// number reads a probability and the comma that may follow it.
func (p *bifParser) number(variable string) (float64, error) {
	v, err := strconv.ParseFloat(p.tok.text, 64)
	if err != nil || p.tok.kind != bifName {
		return 0, fmt.Errorf("variable %q: %.40q, want a probability", variable, p.tok.text)
	}
	if !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("variable %q: probability %v, want 0 to 1", variable, v)
	}
	if err := p.next(); err != nil {
		return 0, err
	}
	if p.tok.text == "," {
		return v, p.next()
	}
	return v, nil
}

// declared reads the name of a variable that was declared before.
func (p *bifParser) declared() (int, error) {
	name, err := p.name()
	if err != nil {
		return 0, err
	}
	name, _ = className(name)
	i, ok := p.at[name]
	if !ok {
		return 0, fmt.Errorf("variable %q is not declared", name)
	}
	return i, nil
}

// name reads a name, with or without quotes.
func (p *bifParser) name() (string, error) {
	name := p.tok.text
	if p.tok.kind != bifName && p.tok.kind != bifQuoted {
		return "", fmt.Errorf("%q, want a name", name)
	}
	return name, p.next()
}

// skipStatement skips to behind the next semicolon: properties and the like.
func (p *bifParser) skipStatement() error {
	for p.tok.text != ";" || p.tok.kind == bifQuoted {
		if p.tok.kind == bifEnd {
			return errors.New("the file ends inside a block")
		}
		if err := p.next(); err != nil {
			return err
		}
	}
	return p.next()
}

// want reads exactly these tokens.
func (p *bifParser) want(tokens ...string) error {
	for _, want := range tokens {
		if p.tok.kind == bifEnd {
			return fmt.Errorf("the file ends, want %q", want)
		}
		if p.tok.text != want || p.tok.kind == bifQuoted {
			return fmt.Errorf("%.40q, want %q", p.tok.text, want)
		}
		if err := p.next(); err != nil {
			return err
		}
	}
	return nil
}

func (p *bifParser) next() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// tree makes the tree from the variables. Nothing here recurses: a chain of a
// million variables must not be dangerous.
func (p *bifParser) tree() (*Tree, error) {
	order, err := p.topDown()
	if err != nil {
		return nil, err
	}
	level := make([]int, len(p.vars)) // 0 for words
	for i := len(order) - 1; i >= 0; i-- {
		v := order[i]
		if up := p.vars[v].parent; up >= 0 && (level[up] == 0 || level[up] > level[v]+1) {
			level[up] = level[v] + 1
		}
	}
	top := 0
	for _, l := range level {
		top = max(top, l)
	}

	t := &Tree{}
	nodes := make([]*Node, len(p.vars))
	root := make([]int, len(p.vars)) // indices into Roots
	for i, v := range p.vars {
		if level[i] > 0 {
			nodes[i] = &Node{ID: v.name, Level: level[i], P: [2]float64{v.p[1][0], v.p[1][1]}}
			if v.parent < 0 {
				nodes[i].P[1] = nodes[i].P[0]
			}
			if v.parent < 0 || level[v.parent] == level[i] && level[i] == top {
				root[i] = len(t.Roots)
				t.Roots = append(t.Roots, nodes[i])
			}
		}
	}
	for i, v := range p.vars {
		switch {
		case v.parent < 0 && level[i] == 0:
			return nil, fmt.Errorf("variable %q has neither a parent nor children", v.name)
		case v.parent < 0:
		case level[i] == 0:
			up := nodes[v.parent]
			up.Words = append(up.Words, Word{Name: v.name, P: [2]float64{v.p[1][0], v.p[1][1]}})
		case level[i] == level[v.parent] && level[i] == top:
			t.Links = append(t.Links, Link{Parent: root[v.parent], Child: root[i], P: nodes[i].P})
		case level[i] >= level[v.parent]:
			return nil, fmt.Errorf("latent %q of level %d is below %q of level %d (the highest is %d)",
				v.name, level[i], p.vars[v.parent].name, level[v.parent], top)
		default:
			up := nodes[v.parent]
			up.Children = append(up.Children, nodes[i])
		}
	}
	return t, nil
}

// topDown returns the variables with parents before their children.
func (p *bifParser) topDown() ([]int, error) {
	children := make([][]int, len(p.vars))
	order := make([]int, 0, len(p.vars))
	for i, v := range p.vars {
		if !v.given {
			return nil, fmt.Errorf("variable %q has no probability block", v.name)
		}
		if v.parent < 0 {
			order = append(order, i)
		} else {
			children[v.parent] = append(children[v.parent], i)
		}
	}
	reached := make([]bool, len(p.vars))
	for at := 0; at < len(order); at++ {
		reached[order[at]] = true
		order = append(order, children[order[at]]...)
	}
	for i, v := range p.vars {
		if !reached[i] {
			return nil, fmt.Errorf("variable %q is on a cycle or below one", v.name)
		}
	}
	return order, nil
}

type bifKind uint8

const (
	bifEnd bifKind = iota
	bifName
	bifQuoted
	bifPunctuation
)

type bifToken struct {
	kind bifKind
	text string // without quotes
}

// bifLexer cuts a .bif into tokens: names and numbers, names in quotes, and single
// characters of punctuation. Comments are // to the end of the line and /* */.
type bifLexer struct {
	text []byte
	line int
}

const bifMarks = "{}()[]|;,"

func (l *bifLexer) next() (bifToken, error) {
	if err := l.skipSpace(); err != nil {
		return bifToken{}, err
	}
	if len(l.text) == 0 {
		return bifToken{}, nil
	}
	if c := l.text[0]; strings.IndexByte(bifMarks, c) >= 0 {
		return l.take(bifPunctuation, 1), nil
	}
	if l.text[0] == '"' {
		l.text = l.text[1:]
		n := bytes.IndexAny(l.text, "\"\n")
		if n < 0 || l.text[n] == '\n' {
			return bifToken{}, errors.New("a quote is not closed")
		}
		tok := l.take(bifQuoted, n)
		l.text = l.text[1:]
		return tok, nil
	}
	n := bytes.IndexAny(l.text, bifMarks+"\" \t\r\n")
	if n < 0 {
		n = len(l.text)
	}
	return l.take(bifName, n), nil
}

func (l *bifLexer) take(kind bifKind, n int) bifToken {
	tok := bifToken{kind, string(l.text[:n])}
	l.text = l.text[n:]
	return tok
}

func (l *bifLexer) skipSpace() error {
	for {
		switch {
		case len(l.text) > 0 && strings.IndexByte(" \t\r\n", l.text[0]) >= 0:
			l.skip(1)
		case bytes.HasPrefix(l.text, []byte("//")):
			n := bytes.IndexByte(l.text, '\n')
			if n < 0 {
				n = len(l.text)
			}
			l.skip(n)
		case bytes.HasPrefix(l.text, []byte("/*")):
			n := bytes.Index(l.text, []byte("*/"))
			if n < 0 {
				return errors.New("a comment is not closed")
			}
			l.skip(n + 2)
		default:
			return nil
		}
	}
}

func (l *bifLexer) skip(n int) {
	l.line += bytes.Count(l.text[:n], []byte("\n"))
	l.text = l.text[n:]
}

// WriteBIF writes the tree as a Bayesian network in the interchange format of the
// authors' program: the state of the child is the slow index of a table, and the
// second state of a variable is "on". A tree without parameters is an error.
func (t *Tree) WriteBIF(w io.Writer) error {
	if !t.HasParameters() {
		return errors.New("hlta: the tree has no parameters, which .bif needs (nodes.json does not store them)")
	}
	b := bufio.NewWriter(w) // remembers the first error
	b.WriteString("// hierarchical latent tree model\nnetwork \"cwox\" {\n}\n")
	x := t.indexed()
	declare := func(name string) {
		fmt.Fprintf(b, "\nvariable \"%s\" {\n\ttype discrete[2] { \"s0\" \"s1\" };\n}\n", name)
	}
	for _, n := range x.latents {
		declare(n.ID)
		for _, word := range n.Words {
			declare(word.Name)
		}
	}
	prior := func(name string, p float64) {
		fmt.Fprintf(b, "\nprobability ( \"%s\" ) {\n\ttable %v %v;\n}\n", name, 1-p, p)
	}
	conditional := func(name, parent string, p [2]float64) {
		fmt.Fprintf(b, "\nprobability ( \"%s\" | \"%s\" ) {\n\ttable %v %v %v %v;\n}\n", name, parent, 1-p[0], 1-p[1], p[0], p[1])
	}
	for _, e := range t.rootOrder() {
		if e.parent < 0 {
			prior(t.Roots[e.root].ID, t.Roots[e.root].P[1])
		} else {
			conditional(t.Roots[e.root].ID, t.Roots[e.parent].ID, t.Roots[e.root].P)
		}
	}
	for i, n := range x.latents {
		if up := x.parent[i]; up >= 0 {
			conditional(n.ID, x.latents[up].ID, n.P)
		}
		for _, word := range n.Words {
			conditional(word.Name, n.ID, word.P)
		}
	}
	return b.Flush()
}
