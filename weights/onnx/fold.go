package onnx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// FoldOptions steer Fold. The zero value folds for one image.
type FoldOptions struct {
	// Outputs are the tensors that are wanted; nil means the graph's outputs.
	Outputs []string
	// Dim settles an axis of an input that the file leaves open. nil means 1 for all.
	Dim func(input *ValueInfo, axis int, name string) int
	// Given are inputs that are known. With all of them the whole graph is evaluated.
	Given map[string]*Value
	// Work lifts the bound on what is computed, to that many operations and elements.
	Work int
}

// Program is a graph for inputs of fixed sizes, all that does not depend on them evaluated.
type Program struct {
	Inputs  []*Value
	Outputs []*Value
	Steps   []*Step // in evaluation order; those that no output needs are left out
	Opset   int64
}

// Bounds on a graph that is spread out: functions and branches in it.
const (
	mostSteps     = 1 << 17
	mostFunctions = 32 // within each other
)

// Fold settles the shapes of all tensors and evaluates what depends on none of the inputs.
func (m *Model) Fold(o FoldOptions) (*Program, error) {
	f := &folder{model: m, options: o, values: map[string]*Value{}, opsets: m.Opsets}
	f.budget = &budget{bytes: foldedFree + foldedRatio*m.bytes, work: foldedWork + foldedRatio*int64(m.bytes)}
	if o.Work > 0 {
		f.budget.bytes, f.budget.work = 8*o.Work, int64(o.Work)
	}
	p := &Program{Opset: m.Opsets[""]}
	if err := f.inputs(p); err != nil {
		return nil, err
	}
	wanted := o.Outputs
	if wanted == nil {
		for _, v := range m.Graph.Outputs {
			wanted = append(wanted, v.Name)
		}
	}
	if len(wanted) == 0 {
		return nil, errors.New("the graph has no outputs")
	}
	if err := f.run(m.Graph.Nodes, wanted); err != nil {
		return nil, err
	}
	for _, name := range wanted {
		v := f.values[name]
		if v == nil {
			return nil, fmt.Errorf("output %s is made by no node", quote(name))
		}
		p.Outputs = append(p.Outputs, v)
	}
	p.Steps = needed(f.steps, p.Outputs)
	return p, nil
}

// needed are the steps that the outputs depend on.
func needed(steps []*Step, outputs []*Value) []*Step {
	used := map[*Value]bool{}
	for _, v := range outputs {
		used[v] = true
	}
	var out []*Step
	for _, s := range slices.Backward(steps) {
		if !slices.ContainsFunc(s.Out, func(v *Value) bool { return used[v] }) {
			continue
		}
		for _, v := range s.In {
			used[v] = true
		}
		out = append(out, s)
	}
	slices.Reverse(out)
	return out
}

// Needed are the steps that some values depend on, in evaluation order.
func (p *Program) Needed(outputs ...*Value) []*Step { return needed(p.Steps, outputs) }

// folder is a graph, or a function's body, that is being folded.
type folder struct {
	model   *Model
	options FoldOptions
	opsets  map[string]int64
	budget  *budget
	outer   *folder // of the graph around a branch, whose tensors it sees
	values  map[string]*Value
	steps   []*Step
	count   *int
	prefix  string // of names in a function's body
	depth   int
}

// inputs settles what the graph is given: inputs and stored constants.
func (f *folder) inputs(p *Program) error {
	f.count = new(int)
	for _, t := range f.model.Graph.Initializers {
		if f.values[t.Name] != nil {
			return fmt.Errorf("two constants called %s", quote(t.Name))
		}
		f.name(t.Name, t.Value())
	}
	for _, in := range f.model.Graph.Inputs {
		if f.values[in.Name] != nil {
			continue // a constant that a caller may replace (IR version 3)
		}
		v := f.options.Given[in.Name]
		if v == nil {
			var err error
			if v, err = f.input(in); err != nil {
				return fmt.Errorf("input %s: %w", quote(in.Name), err)
			}
		}
		v = v.reshaped(v.Shape)
		f.name(in.Name, v)
		p.Inputs = append(p.Inputs, v)
	}
	return nil
}

func (f *folder) input(in *ValueInfo) (*Value, error) {
	if !in.Type().known() {
		return nil, fmt.Errorf("%v, want a tensor of numbers", in.Type())
	}
	dims := in.Dims()
	shape := make([]int, len(dims))
	for d, dim := range dims {
		switch {
		case dim.Size >= 1 && dim.Size <= mostElements:
			shape[d] = int(dim.Size)
		case dim.Size > 0:
			return nil, fmt.Errorf("an axis of %d: too large", dim.Size)
		case f.options.Dim != nil:
			shape[d] = f.options.Dim(in, d, dim.Name)
		default:
			shape[d] = 1
		}
	}
	if _, err := elements(shape); err != nil {
		return nil, err
	}
	return blank(in.Type(), shape), nil
}

// name gives a value a name.
func (f *folder) name(name string, v *Value) {
	f.values[name] = v
	if full := f.prefix + name; !slices.Contains(v.Names, full) {
		v.Names = append(v.Names, full)
	}
}

// find is a tensor of this graph or of one around it; nil where there is none.
func (f *folder) find(name string) *Value {
	for ; f != nil; f = f.outer {
		if v := f.values[name]; v != nil {
			return v
		}
	}
	return nil
}

// run evaluates the nodes that the wanted tensors need, in their order.
func (f *folder) run(nodes []*Node, wanted []string) error {
	if f.depth > mostFunctions {
		return fmt.Errorf("functions within each other more than %d deep", mostFunctions)
	}
	makers := map[string]*Node{}
	for _, n := range nodes {
		for _, out := range n.Outputs {
			if out == "" {
				continue
			}
			if makers[out] != nil || f.values[out] != nil {
				return fmt.Errorf("%v makes %s, which something else makes too", n, quote(out))
			}
			makers[out] = n
		}
	}
	keep := neededNodes(makers, wanted)
	for _, n := range nodes {
		if !keep[n] {
			continue
		}
		if *f.count++; *f.count > mostSteps {
			return fmt.Errorf("more than %d nodes", mostSteps)
		}
		if err := f.node(n); err != nil {
			return err
		}
	}
	return nil
}

// neededNodes are those that the wanted tensors are made by, directly or not.
func neededNodes(makers map[string]*Node, wanted []string) map[*Node]bool {
	keep := map[*Node]bool{}
	todo := slices.Clone(wanted)
	for len(todo) > 0 {
		n := makers[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if n == nil || keep[n] {
			continue
		}
		keep[n] = true
		todo = append(todo, n.Inputs...)
		for _, a := range n.Attributes {
			if a.G != nil {
				todo = append(todo, reads(a.G)...)
			}
		}
	}
	return keep
}

// reads are the names that a branch reads, those of its own tensors among them.
func reads(g *Graph) []string {
	var out []string
	for _, v := range g.Outputs {
		out = append(out, v.Name)
	}
	for _, n := range g.Nodes {
		out = append(out, n.Inputs...)
		for _, a := range n.Attributes {
			if a.G != nil {
				out = append(out, reads(a.G)...)
			}
		}
	}
	return out
}

// node folds one node.
func (f *folder) node(n *Node) error {
	s := &Step{Node: n, Opset: f.opsets[""], budget: f.budget}
	for _, name := range n.Inputs {
		if name == "" {
			s.In = append(s.In, nil)
			continue
		}
		v := f.find(name)
		if v == nil {
			return fmt.Errorf("%v reads %s, which no node before it makes", n, quote(name))
		}
		s.In = append(s.In, v)
	}
	out, inlined, err := f.results(s)
	if err != nil {
		return err
	}
	if len(out) < len(n.Outputs) {
		for _, name := range n.Outputs[len(out):] {
			if name != "" {
				return s.Error("result %s is not computed", quote(name))
			}
		}
	}
	unknown := false
	for i, name := range n.Outputs {
		if i < len(out) && name != "" {
			f.name(name, out[i])
			if names := out[i].Names; inlined && f.values[names[0]] != out[i] && names[len(names)-1] == f.prefix+name { // of the graph's own names and those within, the graph's come first
				out[i].Names = slices.Insert(slices.Clone(names[:len(names)-1]), 0, names[len(names)-1])
			}
			unknown = unknown || !out[i].isKnown && !slices.Contains(s.In, out[i])
		}
	}
	if unknown && !inlined {
		s.Out = out
		f.steps = append(f.steps, s)
	}
	return nil
}

// results are those of a node: of an operator, or of a function that the model defines or a
// branch, whose nodes have become steps instead of it.
func (f *folder) results(s *Step) (out []*Value, inlined bool, err error) {
	if s.Op == "If" && s.Domain == "" {
		out, err = f.branch(s)
		return out, true, err
	}
	if fn := f.model.function(s.Node); fn != nil {
		out, err = f.call(s, fn)
		return out, true, err
	}
	if out, err = s.evaluate(); err != nil {
		return nil, false, err
	}
	for i, v := range out { // a value that is another's elements in the same shape is a new one
		if !slices.Contains(s.In, v) && v.Names != nil {
			out[i] = v.reshaped(v.Shape)
		}
	}
	return out, false, nil
}

// branch takes the branch that a constant condition chooses.
func (f *folder) branch(s *Step) ([]*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, s.Error("%w", err)
	}
	c, err := s.In[0].Int64s()
	if err != nil || len(c) != 1 {
		return nil, s.Error("a condition that is no constant: %w", errors.Join(err, fmt.Errorf("%d elements", len(c))))
	}
	name := "else_branch"
	if c[0] != 0 {
		name = "then_branch"
	}
	a := s.Attribute(name)
	if a == nil || a.G == nil {
		return nil, s.Error("no %s", name)
	}
	inner := &folder{model: f.model, opsets: f.opsets, budget: f.budget, outer: f, values: map[string]*Value{}, count: f.count, prefix: f.prefix, depth: f.depth + 1}
	for _, t := range a.G.Initializers {
		inner.name(t.Name, t.Value())
	}
	var wanted []string
	for _, v := range a.G.Outputs {
		wanted = append(wanted, v.Name)
	}
	return inner.finish(f, a.G.Nodes, wanted)
}

// finish runs a graph within another, whose steps its own become.
func (f *folder) finish(into *folder, nodes []*Node, wanted []string) ([]*Value, error) {
	if err := f.run(nodes, wanted); err != nil {
		return nil, err
	}
	into.steps = append(into.steps, f.steps...)
	var out []*Value
	for _, name := range wanted {
		v := f.find(name)
		if v == nil {
			return nil, fmt.Errorf("%s is made by no node", quote(name))
		}
		out = append(out, v)
	}
	return out, nil
}

// function is the model's definition of a node's operator; nil where it has none.
func (m *Model) function(n *Node) *function {
	for _, f := range m.functions {
		if f.name == n.Op && f.domain == n.Domain && f.overload == n.overload {
			return f
		}
	}
	return nil
}

// call spreads a function out: its body with the node's operands and attributes.
func (f *folder) call(s *Step, fn *function) ([]*Value, error) {
	opsets, err := opsetsOf(fn.opsets)
	if err != nil {
		return nil, s.Error("%w", err)
	}
	if _, ok := opsets[""]; !ok {
		opsets = maps.Clone(opsets)
		opsets[""] = f.opsets[""]
	}
	inner := &folder{model: f.model, opsets: opsets, budget: f.budget, values: map[string]*Value{}, count: f.count, depth: f.depth + 1}
	inner.prefix = f.prefix + s.callName() + "/"
	if len(inner.prefix) > 1<<12 {
		return nil, s.Error("names of more than %d bytes", 1<<12)
	}
	for i, name := range fn.inputs {
		if v := s.Operand(i); v != nil {
			inner.values[name] = v
		}
	}
	nodes := make([]*Node, len(fn.nodes))
	for i, n := range fn.nodes {
		nodes[i] = bind(n, s, fn)
	}
	return inner.finish(f, nodes, fn.outputs)
}

func (s *Step) callName() string {
	if s.Name != "" || len(s.Outputs) == 0 {
		return s.Name
	}
	return s.Outputs[0]
}

// bind gives a node of a function's body the attributes that refer to the caller's.
func bind(n *Node, caller *Step, fn *function) *Node {
	if !slices.ContainsFunc(n.Attributes, func(a *Attribute) bool { return a.Reference != "" }) {
		return n
	}
	out := *n
	out.Attributes = nil
	for _, a := range n.Attributes {
		if a.Reference == "" {
			out.Attributes = append(out.Attributes, a)
			continue
		}
		given := caller.Attribute(a.Reference)
		for _, d := range fn.defaults {
			if given == nil && d.Name == a.Reference {
				given = d
			}
		}
		if given == nil {
			continue // left out
		}
		bound := *given
		bound.Name = a.Name
		out.Attributes = append(out.Attributes, &bound)
	}
	return &out
}
