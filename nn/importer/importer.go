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

	watch func(b *builder) // by tests, after each step
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
	watch   func(b *builder)
	listed  map[*nn.Node]bool
	spatial map[*nn.Node]bool // whether its rows and columns are those of the picture
	current *onnx.Step
	padding map[*onnx.Value][4]int // top, left, bottom, right that the convolution of a padded value adds
}

// Import makes the network of a model.
func Import(m *onnx.Model, o Options) (*Network, error) {
	b, err := build(m, o)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	b.net.Graph = b.Graph
	return b.net, nil
}

func build(m *onnx.Model, o Options) (*builder, error) {
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
	b.watch = o.watch
	if err := b.start(p, image.Name); err != nil {
		return nil, err
	}
	if err := b.run(); err != nil {
		return nil, err
	}
	return b, b.finish(logits, o.TwoClasses)
}

// newBuilder prepares to make the steps that end with a value.
func newBuilder(net *Network, steps []*onnx.Step, end *onnx.Value) *builder {
	b := &builder{net: net, steps: steps, tensors: map[*onnx.Value]*tensor{}, readers: map[*onnx.Value][]*onnx.Step{end: {nil}},
		taken: map[string]bool{"input": true}, skip: map[*onnx.Step]bool{}, noted: map[string]bool{}, listed: map[*nn.Node]bool{}, spatial: map[*nn.Node]bool{}, padding: map[*onnx.Value][4]int{}}
	for _, s := range b.steps {
		for _, v := range s.In {
			b.readers[v] = append(b.readers[v], s)
		}
	}
	return b
}

// run makes all steps.
func (b *builder) run() error {
	tokens := lastTokens(b.steps)
	for _, s := range b.steps {
		if b.skip[s] {
			continue
		}
		b.current = s
		if err := b.step(s); err != nil {
			return err
		}
		if b.watch != nil {
			b.watch(b)
		}
		if s == tokens {
			if err := b.mapTokens(s); err != nil {
				return s.Error("%w", err)
			}
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
		b.spatial[t.node] = true
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
	if _, seen := b.spatial[t.node]; !seen {
		b.spatial[t.node] = b.stays(b.current)
	}
	if _, ok := t.arrangement(); !ok || t.node == b.Graph.Input() {
		return
	}
	for _, name := range v.Names {
		if l := b.label(name); l != "" {
			b.Alias(t.node, l)
		}
	}
	b.layer(t)
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
		b.Linear(b.fresh(logits.Name()), node, []float32{-0.5, 0.5}, nil, 2)
		b.net.Classes = 2
	}
	b.pivots()
	return nil
}

// stays says that a step's result has rows and columns of the picture if an operand has.
func (b *builder) stays(s *onnx.Step) bool {
	if s.Op == "MatMul" && !s.In[1].Known() { // attention
		return false
	}
	return slices.ContainsFunc(s.In, func(v *onnx.Value) bool { t := b.tensors[v]; return t != nil && b.spatial[t.node] })
}

// layer lists a tensor's node, once it has the tensor's name, as a map that can be explained.
func (b *builder) layer(t *tensor) {
	shape := t.node.Shape()
	if b.listed[t.node] || !b.spatial[t.node] || shape.H*shape.W == 1 || t.pre != nil || t.node == b.Graph.Input() {
		return
	}
	b.listed[t.node] = true
	b.net.Layers = append(b.net.Layers, Layer{t.name, shape})
}

// pivots chooses the default maps: the last, and the last of a finer resolution; there one that
// everything passes through, if there is one, not a branch on the way to the next resolution.
func (b *builder) pivots() {
	net := b.net
	if len(net.Layers) == 0 {
		return
	}
	net.Cluster = net.Layers[len(net.Layers)-1]
	net.Class = net.Cluster
	trunk, found := b.trunk(), false
	for _, l := range slices.Backward(net.Layers) {
		if l.Shape.H <= net.Cluster.Shape.H || l.Shape.W <= net.Cluster.Shape.W {
			continue
		}
		if found && (l.Shape.H != net.Class.Shape.H || l.Shape.W != net.Class.Shape.W) {
			break
		}
		if !found || trunk[l.Name] {
			net.Class, found = l, true
		}
		if trunk[l.Name] {
			break
		}
	}
}

// trunk are the names of tensors that everything passes through: what comes after them depends on
// no other that comes before.
func (b *builder) trunk() map[string]bool {
	last := map[*onnx.Value]int{}
	for i, s := range b.steps {
		for _, v := range s.In {
			last[v] = i
		}
	}
	out := map[string]bool{}
	live := map[*onnx.Value]bool{}
	for i, s := range b.steps {
		for _, v := range s.In {
			if last[v] == i {
				delete(live, v)
			}
		}
		for _, v := range s.Out {
			if last[v] > i {
				live[v] = true
			}
		}
		if len(live) != 1 {
			continue
		}
		for v := range live {
			for _, name := range v.Names {
				out[name] = true
			}
			if t := b.tensors[v]; t != nil {
				out[t.name] = true
			}
		}
	}
	return out
}
