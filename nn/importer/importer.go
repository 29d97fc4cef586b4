package importer

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
	"cwox/weights/onnx"
)

// Options steer Import. The zero value is the good default.
type Options struct {
	// Height and Width are those of the input where the model leaves them open; 0 means 224.
	Height, Width int
	// Output is the tensor that the network ends with; "" chooses.
	Output string
	// Work lifts the bound on constants that are made of constants, to that many elements and
	// operations.
	Work int
	// TwoClasses makes of a network with one logit z one of two classes, with -z/2 and z/2.
	TwoClasses bool
}

// Network is a model as a graph of the engine, and what it tells.
type Network struct {
	Graph *nn.Graph
	Input Input
	// Output is the model's output, Logits the tensor that the network ends with: the same,
	// or what goes into the Softmax, LogSoftmax or Sigmoid that Ending names.
	Output, Logits, Ending string
	Classes                int // logits
	// Layers are the maps of more than one pixel, in evaluation order.
	Layers []Layer
	// Cluster and Class are the default pivot layers: the last map, and the last of the
	// resolution before it.
	Cluster, Class Layer
	// Notes say what was changed, a sentence each without its full stop.
	Notes []string
}

// Input is what the model takes.
type Input struct {
	Name   string
	Type   onnx.Type
	Layout string   // of the model: "NCHW" or "NHWC"
	Shape  nn.Shape // of the network
	Open   bool     // the model leaves height and width open
	// Range is what the steps of preprocessing in the graph show: pixels from 0 to 255 or from
	// 0 to 1; 0 where the graph has none, and the numbers are to be normalised outside.
	Range int
}

// Layer is a map by its ONNX name.
type Layer struct {
	Name  string
	Shape nn.Shape
}

// builder is a network under construction.
type builder struct {
	*nn.Graph
	net     *Network
	tensors map[*onnx.Value]*tensor
	readers map[*onnx.Value][]*onnx.Step // a nil among them is the network's end
	steps   []*onnx.Step
	taken   map[string]bool
	skip    map[*onnx.Step]bool // done with an earlier one
	noted   map[string]bool
	padding map[*onnx.Value][4]int // top, left, bottom, right that the convolution of a padded value adds
}

// Import makes the network of a model.
func Import(m *onnx.Model, o Options) (*Network, error) {
	net, err := build(m, o)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return net, nil
}

func build(m *onnx.Model, o Options) (*Network, error) {
	net := &Network{}
	image, err := net.chooseInput(m)
	if err != nil {
		return nil, err
	}
	height, width := 2, 3
	if net.Input.Layout == "NHWC" {
		height, width = 1, 2
	}
	p, err := m.Fold(onnx.FoldOptions{Work: o.Work, Dim: func(in *onnx.ValueInfo, d int, _ string) int {
		switch {
		case in == image && d == height:
			net.Input.Open = true
			return orElse(o.Height, 224)
		case in == image && d == width:
			net.Input.Open = true
			return orElse(o.Width, 224)
		}
		return 1 // one image
	}})
	if err != nil {
		return nil, err
	}
	logits, err := net.chooseOutput(p, o.Output)
	if err != nil {
		return nil, err
	}
	b := newBuilder(net, p.Needed(logits), logits)
	if err := b.start(p, image.Name); err != nil {
		return nil, err
	}
	if err := b.run(); err != nil {
		return nil, err
	}
	if err := b.finish(logits, o.TwoClasses); err != nil {
		return nil, err
	}
	net.Graph = b.Graph
	return net, nil
}

// newBuilder prepares to make the steps that end with a value.
func newBuilder(net *Network, steps []*onnx.Step, end *onnx.Value) *builder {
	b := &builder{net: net, steps: steps, tensors: map[*onnx.Value]*tensor{}, readers: map[*onnx.Value][]*onnx.Step{end: {nil}},
		taken: map[string]bool{"input": true}, skip: map[*onnx.Step]bool{}, noted: map[string]bool{}, padding: map[*onnx.Value][4]int{}}
	for _, s := range b.steps {
		for _, v := range s.In {
			b.readers[v] = append(b.readers[v], s)
		}
	}
	return b
}

// run makes all steps.
func (b *builder) run() error {
	for _, s := range b.steps {
		if b.skip[s] {
			continue
		}
		if err := b.step(s); err != nil {
			return err
		}
	}
	return nil
}

func orElse(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// chooseInput finds the images among the model's inputs.
func (net *Network) chooseInput(m *onnx.Model) (*onnx.ValueInfo, error) {
	stored := map[string]bool{}
	for _, t := range m.Graph.Initializers {
		stored[t.Name] = true
	}
	var all []string
	var image *onnx.ValueInfo
	for _, in := range m.Graph.Inputs {
		if stored[in.Name] {
			continue
		}
		dims := in.Dims()
		all = append(all, fmt.Sprintf("%q of %d axes", clip(in.Name), len(dims)))
		if len(dims) == 4 && image == nil {
			image = in
		}
	}
	if image == nil {
		return nil, fmt.Errorf("no input of four axes, which images would be: %s", strings.Join(all[:min(len(all), 8)], ", "))
	}
	dims := image.Dims()
	net.Input = Input{Name: image.Name, Type: image.Type(), Layout: "NCHW"}
	if d := dims[1].Size; (d < 1 || d > 4) && dims[3].Size >= 1 && dims[3].Size <= 4 {
		net.Input.Layout = "NHWC"
	}
	if net.Input.Layout == "NCHW" && dims[1].Size < 1 {
		return nil, fmt.Errorf("input %q: the number of channels is left open", clip(image.Name))
	}
	return image, nil
}

func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// endings are the functions at the end that are left out.
var endings = map[string]string{"Softmax": "softmax", "LogSoftmax": "log-softmax", "Sigmoid": "sigmoid"}

// chooseOutput finds the class scores among the model's outputs, and what goes into the function
// at the end.
func (net *Network) chooseOutput(p *onnx.Program, name string) (*onnx.Value, error) {
	var best *onnx.Value
	for _, v := range p.Outputs {
		switch {
		case name != "" && slices.Contains(v.Names, name):
			best = v
		case name == "" && best == nil && isScores(v):
			best = v
		}
	}
	if best == nil {
		var all []string
		for _, v := range p.Outputs {
			all = append(all, fmt.Sprintf("%q %v", clip(v.Name()), v.Shape))
		}
		return nil, fmt.Errorf("no output of class scores, [images][classes], among %s", strings.Join(all[:min(len(all), 8)], ", "))
	}
	if best.Known() {
		return nil, fmt.Errorf("output %q does not depend on the input", clip(best.Name()))
	}
	net.Output = best.Name()
	made := map[*onnx.Value]*onnx.Step{}
	for _, s := range p.Steps {
		for _, v := range s.Out {
			made[v] = s
		}
	}
	v := best
	for {
		s := made[v]
		if s == nil {
			break
		}
		if ending := endings[s.Op]; ending != "" && net.Ending == "" {
			net.Ending = ending
		} else if !slices.Contains([]string{"Reshape", "Flatten", "Squeeze", "Cast", "QuantizeLinear", "DequantizeLinear"}, s.Op) || !endsIn(made, s.In[0]) {
			break
		}
		v = s.In[0]
	}
	net.Logits = v.Name()
	return v, nil
}

// endsIn says that a value comes from a function at the end, by operators that change nothing.
func endsIn(made map[*onnx.Value]*onnx.Step, v *onnx.Value) bool {
	for s := made[v]; s != nil; s = made[s.In[0]] {
		if endings[s.Op] != "" {
			return true
		}
		if !slices.Contains([]string{"Reshape", "Flatten", "Squeeze", "Cast", "QuantizeLinear", "DequantizeLinear"}, s.Op) {
			return false
		}
	}
	return false
}

// isScores says that an output looks like [images][classes], whatever axes of length 1 it has.
func isScores(v *onnx.Value) bool {
	if len(v.Shape) == 0 || !v.Type.IsFloat() {
		return false
	}
	wide := 0
	for _, n := range v.Shape[1:] {
		if n > 1 {
			wide++
		}
	}
	return wide <= 1
}

// start begins the graph with the image.
func (b *builder) start(p *onnx.Program, name string) error {
	for _, v := range p.Inputs {
		if !slices.Contains(v.Names, name) {
			continue // an error where something reads it
		}
		shape, g := v.Shape, grouping{{1}, {2}, {3}}
		if b.net.Input.Layout == "NHWC" {
			g = grouping{{3}, {1}, {2}}
		}
		s := nn.Shape{C: shape[g[0][0]], H: shape[g[1][0]], W: shape[g[2][0]]}
		if s.C < 1 || s.H < 1 || s.W < 1 || s.H > maxSide || s.W > maxSide || s.C > maxChannels {
			return fmt.Errorf("input %q of shape %v: want 1 to %d channels, sides of 1 to %d", clip(name), shape, maxChannels, maxSide)
		}
		b.net.Input.Shape = s
		b.Graph = nn.NewGraph(s)
		t := arranged(b.Graph.Input(), shape, g, name)
		t.pre = newAffine(s.C)
		b.tensors[v] = t
		if n := b.label(name); n != "" {
			b.Alias(t.node, n)
		}
	}
	return nil
}

// Bounds on the input.
const (
	maxSide     = 4096
	maxChannels = 64
)

// label is a name that no node has yet: "" where it is taken.
func (b *builder) label(name string) string {
	if name == "" || b.taken[name] {
		return ""
	}
	b.taken[name] = true
	return name
}

// fresh is the name of a node on the way to the tensor of a name.
func (b *builder) fresh(name string) string {
	for i := 0; ; i++ {
		n := fmt.Sprintf("%s#%d", name, i)
		if l := b.label(n); l != "" {
			return l
		}
	}
}

// name is what the node of a value is to be called.
func (b *builder) name(v *onnx.Value) string {
	if n := b.label(v.Name()); n != "" {
		return n
	}
	return b.fresh(v.Name())
}

// set keeps the tensor of a value; the node gets the value's other names.
func (b *builder) set(v *onnx.Value, t *tensor) {
	t.name = v.Name()
	b.tensors[v] = t
	for _, name := range v.Names {
		if _, ok := t.arrangement(); ok && !b.taken[name] && t.node != b.Graph.Input() {
			b.Alias(t.node, b.label(name))
		}
	}
}

// of is the tensor of an operand that is no constant.
func (b *builder) of(s *onnx.Step, i int) (*tensor, error) {
	v := s.Operand(i)
	if v == nil {
		return nil, fmt.Errorf("operand %d is missing", i)
	}
	t := b.tensors[v]
	if t == nil {
		if v.Known() {
			return nil, fmt.Errorf("operand %d is a constant, which is not expected there", i)
		}
		return nil, fmt.Errorf("reads %q, another input than the images", clip(v.Name()))
	}
	return t, nil
}

// constant are the elements of an operand that must be one.
func constant(s *onnx.Step, i int) ([]float32, error) {
	v := s.Operand(i)
	if v == nil {
		return nil, fmt.Errorf("operand %d is missing", i)
	}
	return v.Float32s()
}

// step appends what a node of the model is.
func (b *builder) step(s *onnx.Step) error {
	row := rows[s.Op]
	if row == nil || s.Domain != "" && s.Domain != "ai.onnx" {
		return s.Error("operator %s cannot be run on images yet", s.Op)
	}
	err := row(b, s)
	if e := b.Err(); e != nil { // the engine's, which what follows may come of
		err = e
	}
	if err != nil {
		return s.Error("%w", err)
	}
	return nil
}

// next is the only step that reads a value, if it is of the given operator; else nil.
func (b *builder) next(v *onnx.Value, op string) *onnx.Step {
	if r := b.readers[v]; len(r) == 1 && r[0] != nil && r[0].Op == op {
		return r[0]
	}
	return nil
}

// note says once what was changed.
func (b *builder) note(text string) {
	if !b.noted[text] {
		b.noted[text] = true
		b.net.Notes = append(b.net.Notes, text)
	}
}

// finish ends the network with the logits and lists its maps.
func (b *builder) finish(logits *onnx.Value, two bool) error {
	t := b.tensors[logits]
	if t == nil {
		return fmt.Errorf("output %q is not computed", clip(logits.Name()))
	}
	var g grouping
	for d, dim := range t.dims {
		if len(dim) > 0 && dim[0].axis != batch {
			g[channels] = append(g[channels], d)
		}
	}
	node, err := b.as(t, g)
	if err != nil {
		return fmt.Errorf("output %q: %w", clip(logits.Name()), err)
	}
	b.net.Classes = node.Shape().C
	if node == b.Graph.Input() {
		return fmt.Errorf("output %q is the input", clip(logits.Name()))
	}
	if two && b.net.Classes == 1 {
		node = b.Linear(b.fresh(logits.Name()), node, []float32{-0.5, 0.5}, nil, 2)
		b.net.Classes = 2
	}
	b.pivots()
	return nil
}

// pivots lists the maps and chooses the default ones.
func (b *builder) pivots() {
	net := b.net
	seen := map[*nn.Node]bool{b.Graph.Input(): true}
	for _, s := range b.steps {
		for _, v := range s.Out {
			t := b.tensors[v]
			if t == nil || seen[t.node] || t.pre != nil {
				continue
			}
			seen[t.node] = true
			if shape := t.node.Shape(); shape.H*shape.W > 1 && b.taken[v.Name()] {
				if _, ok := t.arrangement(); ok {
					net.Layers = append(net.Layers, Layer{v.Name(), shape})
				}
			}
		}
	}
	if len(net.Layers) == 0 {
		return
	}
	net.Cluster = net.Layers[len(net.Layers)-1]
	net.Class = net.Cluster
	for _, l := range slices.Backward(net.Layers) {
		if l.Shape.H > net.Cluster.Shape.H || l.Shape.W > net.Cluster.Shape.W {
			net.Class = l
			break
		}
	}
}
