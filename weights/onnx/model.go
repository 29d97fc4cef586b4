package onnx

import (
	"fmt"
	"math"
	"strings"
)

// Model is a ModelProto: a graph, and what its operators mean.
type Model struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Graph           *Graph
	Opsets          map[string]int64 // by domain; "" is ONNX's own
	Metadata        map[string]string
	functions       []*function
	opsets          []*opset
	metadata        []*entry
	bytes           int // of the file and its external data
}

// Graph is a GraphProto.
type Graph struct {
	Name         string
	Nodes        []*Node
	Initializers []*Tensor
	Inputs       []*ValueInfo
	Outputs      []*ValueInfo
}

// Node is a NodeProto.
type Node struct {
	Name, Op, Domain string
	Inputs, Outputs  []string // "" where an optional one is left out
	Attributes       []*Attribute
	overload         string
}

// Attribute is an AttributeProto. Which of its values holds says Type.
type Attribute struct {
	Name, Reference string
	Type            int64
	F               float32
	I               int64
	S               string
	T               *Tensor
	G               *Graph
	Ints            []int64
	Strings         []string
	floats          []byte
}

// The types of attributes that operators of classifiers have.
const (
	attributeFloat  = 1
	attributeInt    = 2
	attributeString = 3
	attributeTensor = 4
	attributeGraph  = 5
	attributeFloats = 6
	attributeInts   = 7
	attributeTexts  = 8
)

// ValueInfo is the name, type and shape of a graph's input or output.
type ValueInfo struct {
	Name string
	kind *typeProto
}

// Dim is an axis: its length, or -1 and perhaps a name.
type Dim struct {
	Size int64
	Name string
}

// Type is the element type; Undefined where it is not a tensor's.
func (v *ValueInfo) Type() Type {
	if v.kind == nil || v.kind.tensor == nil {
		return Undefined
	}
	return Type(v.kind.tensor.elem)
}

// Dims are the axes; nil where the file does not tell.
func (v *ValueInfo) Dims() []Dim {
	if v.kind == nil || v.kind.tensor == nil || v.kind.tensor.shape == nil {
		return nil
	}
	dims := []Dim{}
	for _, d := range v.kind.tensor.shape.dims {
		if d.given {
			dims = append(dims, Dim{Size: d.size})
		} else {
			dims = append(dims, Dim{-1, d.name})
		}
	}
	return dims
}

type typeProto struct{ tensor *tensorType }

type tensorType struct {
	elem  int64
	shape *shapeProto
}

type shapeProto struct{ dims []*dimProto }

type dimProto struct {
	given bool
	size  int64
	name  string
}

type opset struct {
	domain  string
	version int64
}

type entry struct{ key, value string }

// function is a FunctionProto: an operator that the model defines by nodes.
type function struct {
	name, domain, overload string
	inputs, outputs        []string
	attributes             []string
	defaults               []*Attribute
	nodes                  []*Node
	opsets                 []*opset
}

// The tables: field numbers as in onnx.proto (ONNX 1.23, Apache-2.0).

var (
	modelFields      message[Model]
	graphFields      message[Graph]
	nodeFields       message[Node]
	attributeFields  message[Attribute]
	tensorFields     message[Tensor]
	valueInfoFields  message[ValueInfo]
	tensorTypeFields message[tensorType]
	dimFields        message[dimProto]
	opsetFields      message[opset]
	entryFields      message[entry]
	functionFields   message[function]
	typeFields       message[typeProto]
	shapeFields      message[shapeProto]
)

func init() { // they refer to each other
	modelFields = message[Model]{
		1:  {"ir_version", number(func(m *Model) *int64 { return &m.IRVersion })},
		2:  {"producer_name", text(func(m *Model) *string { return &m.Producer })},
		3:  {"producer_version", text(func(m *Model) *string { return &m.ProducerVersion })},
		7:  {"graph", single(func(m *Model) **Graph { return &m.Graph }, &graphFields)},
		8:  {"opset_import", each(func(m *Model) *[]*opset { return &m.opsets }, &opsetFields)},
		14: {"metadata_props", each(func(m *Model) *[]*entry { return &m.metadata }, &entryFields)},
		25: {"functions", each(func(m *Model) *[]*function { return &m.functions }, &functionFields)},
	}
	graphFields = message[Graph]{
		1:  {"node", each(func(g *Graph) *[]*Node { return &g.Nodes }, &nodeFields)},
		2:  {"name", text(func(g *Graph) *string { return &g.Name })},
		5:  {"initializer", each(func(g *Graph) *[]*Tensor { return &g.Initializers }, &tensorFields)},
		11: {"input", each(func(g *Graph) *[]*ValueInfo { return &g.Inputs }, &valueInfoFields)},
		12: {"output", each(func(g *Graph) *[]*ValueInfo { return &g.Outputs }, &valueInfoFields)},
		15: {"sparse_initializer", func(*decoder, *Graph, field) error {
			return fmt.Errorf("sparse weights, which are not read")
		}},
	}
	nodeFields = message[Node]{
		1: {"input", texts(func(n *Node) *[]string { return &n.Inputs })},
		2: {"output", texts(func(n *Node) *[]string { return &n.Outputs })},
		3: {"name", text(func(n *Node) *string { return &n.Name })},
		4: {"op_type", text(func(n *Node) *string { return &n.Op })},
		5: {"attribute", each(func(n *Node) *[]*Attribute { return &n.Attributes }, &attributeFields)},
		7: {"domain", text(func(n *Node) *string { return &n.Domain })},
		8: {"overload", text(func(n *Node) *string { return &n.overload })},
	}
	attributeFields = message[Attribute]{
		1: {"name", text(func(a *Attribute) *string { return &a.Name })},
		2: {"f", func(_ *decoder, a *Attribute, f field) error {
			a.F = math.Float32frombits(uint32(f.value))
			return f.wants(wire32)
		}},
		3:  {"i", number(func(a *Attribute) *int64 { return &a.I })},
		4:  {"s", text(func(a *Attribute) *string { return &a.S })},
		5:  {"t", single(func(a *Attribute) **Tensor { return &a.T }, &tensorFields)},
		6:  {"g", single(func(a *Attribute) **Graph { return &a.G }, &graphFields)},
		7:  {"floats", numbers(wire32, func(a *Attribute) *[]byte { return &a.floats })},
		8:  {"ints", ints(func(a *Attribute) *[]int64 { return &a.Ints })},
		9:  {"strings", texts(func(a *Attribute) *[]string { return &a.Strings })},
		20: {"type", number(func(a *Attribute) *int64 { return &a.Type })},
		21: {"ref_attr_name", text(func(a *Attribute) *string { return &a.Reference })},
	}
	tensorFields = message[Tensor]{
		1:  {"dims", ints(func(t *Tensor) *[]int64 { return &t.dims })},
		2:  {"data_type", number(func(t *Tensor) *int64 { return &t.kind })},
		3:  {"segment", func(*decoder, *Tensor, field) error { return fmt.Errorf("a tensor in segments, which are not read") }},
		4:  {"float_data", numbers(wire32, func(t *Tensor) *[]byte { return &t.floats })},
		5:  {"int32_data", numbers(wireVarint, func(t *Tensor) *[]byte { return &t.ints32 })},
		7:  {"int64_data", numbers(wireVarint, func(t *Tensor) *[]byte { return &t.ints64 })},
		8:  {"name", text(func(t *Tensor) *string { return &t.Name })},
		9:  {"raw_data", func(_ *decoder, t *Tensor, f field) error { t.raw, t.hasRaw = f.bytes, true; return f.wants(wireBytes) }},
		10: {"double_data", numbers(wire64, func(t *Tensor) *[]byte { return &t.doubles })},
		11: {"uint64_data", numbers(wireVarint, func(t *Tensor) *[]byte { return &t.uints64 })},
		13: {"external_data", each(func(t *Tensor) *[]*entry { return &t.external }, &entryFields)},
		14: {"data_location", number(func(t *Tensor) *int64 { return &t.location })},
	}
	valueInfoFields = message[ValueInfo]{
		1: {"name", text(func(v *ValueInfo) *string { return &v.Name })},
		2: {"type", single(func(v *ValueInfo) **typeProto { return &v.kind }, &typeFields)},
	}
	tensorTypeFields = message[tensorType]{
		1: {"elem_type", number(func(t *tensorType) *int64 { return &t.elem })},
		2: {"shape", single(func(t *tensorType) **shapeProto { return &t.shape }, &shapeFields)},
	}
	dimFields = message[dimProto]{
		1: {"dim_value", func(_ *decoder, p *dimProto, f field) error {
			p.given, p.size = true, int64(f.value)
			return f.wants(wireVarint)
		}},
		2: {"dim_param", text(func(p *dimProto) *string { return &p.name })},
	}
	opsetFields = message[opset]{
		1: {"domain", text(func(o *opset) *string { return &o.domain })},
		2: {"version", number(func(o *opset) *int64 { return &o.version })},
	}
	entryFields = message[entry]{
		1: {"key", text(func(e *entry) *string { return &e.key })},
		2: {"value", text(func(e *entry) *string { return &e.value })},
	}
	functionFields = message[function]{
		1:  {"name", text(func(f *function) *string { return &f.name })},
		4:  {"input", texts(func(f *function) *[]string { return &f.inputs })},
		5:  {"output", texts(func(f *function) *[]string { return &f.outputs })},
		6:  {"attribute", texts(func(f *function) *[]string { return &f.attributes })},
		7:  {"node", each(func(f *function) *[]*Node { return &f.nodes }, &nodeFields)},
		9:  {"opset_import", each(func(f *function) *[]*opset { return &f.opsets }, &opsetFields)},
		10: {"domain", text(func(f *function) *string { return &f.domain })},
		11: {"attribute_proto", each(func(f *function) *[]*Attribute { return &f.defaults }, &attributeFields)},
		13: {"overload", text(func(f *function) *string { return &f.overload })},
	}
	typeFields = message[typeProto]{1: {"tensor_type", single(func(t *typeProto) **tensorType { return &t.tensor }, &tensorTypeFields)}}
	shapeFields = message[shapeProto]{1: {"dim", each(func(s *shapeProto) *[]*dimProto { return &s.dims }, &dimFields)}}
}

// Bounds on what a file becomes in memory, before constants are folded.
const (
	messagesFree  = 32 << 20
	messagesRatio = 6
)

// External opens a file of weights beside the model's and gives all its bytes, which must stay
// as they are while the model is used.
type External func(location string) ([]byte, error)

// Parse reads a model. It uses data as long as the model lives. external is asked for each file
// that the model's tensors name, whose names are those of files in the model's folder or below
// it; nil where there can be none. The sizes of all tensors are checked, their elements are
// read when they are asked for.
func Parse(data []byte, external External) (*Model, error) {
	m := &Model{bytes: len(data)}
	d := &decoder{left: messagesFree + messagesRatio*len(data)}
	if err := decode(d, m, data, modelFields); err != nil {
		return nil, err
	}
	if m.Graph == nil {
		return nil, fmt.Errorf("no graph: not an ONNX model, or one cut short")
	}
	var err error
	if m.Opsets, err = opsetsOf(m.opsets); err != nil {
		return nil, err
	}
	if _, ok := m.Opsets[""]; !ok {
		return nil, fmt.Errorf("no opset of ONNX's own operators: cut short, or of another tool's operators alone")
	}
	m.Metadata = map[string]string{}
	for _, e := range m.metadata {
		m.Metadata[e.key] = e.value
	}
	l := &loader{open: external, files: map[string][]byte{}}
	if err := l.graph("graph", m.Graph); err != nil {
		return nil, err
	}
	for i, f := range m.functions {
		if err := l.nodes(fmt.Sprintf("functions[%d]", i), f.nodes); err != nil {
			return nil, err
		}
	}
	for _, data := range l.files {
		m.bytes += len(data)
	}
	return m, nil
}

// Opsets of ONNX's own operators that are read: what changed before the first and what came
// after the last is not known.
const (
	FirstOpset = 6
	LastOpset  = 28
)

// opsetsOf checks what operators a model or function asks for. Domains other than ONNX's own
// matter only where a node names them.
func opsetsOf(list []*opset) (map[string]int64, error) {
	out := map[string]int64{}
	for _, o := range list {
		domain := o.domain
		if domain == "ai.onnx" {
			domain = ""
		}
		if domain == "" && (o.version < FirstOpset || o.version > LastOpset) {
			return nil, fmt.Errorf("opset %d, want %d to %d: convert the model (onnx.version_converter) or export it again", o.version, FirstOpset, LastOpset)
		}
		out[domain] = o.version
	}
	return out, nil
}

// String describes a node in errors: its operator and name, or its first output.
func (n *Node) String() string {
	name := n.Name
	if name == "" && len(n.Outputs) > 0 {
		name = n.Outputs[0]
	}
	op := n.Op
	if n.Domain != "" {
		op = n.Domain + "." + op
	}
	return fmt.Sprintf("node %s (%s)", quote(name), clip(op))
}

// Details are a node's attributes in words.
func (n *Node) Details() string {
	var parts []string
	for _, a := range n.Attributes {
		if len(parts) == 12 {
			parts = append(parts, "...")
			break
		}
		parts = append(parts, clip(a.Name)+"="+a.value())
	}
	return strings.Join(parts, " ")
}

func (a *Attribute) value() string {
	switch a.Type {
	case attributeFloat:
		return fmt.Sprint(a.F)
	case attributeInt:
		return fmt.Sprint(a.I)
	case attributeString:
		return clip(a.S)
	case attributeFloats:
		return clip(fmt.Sprint(a.Floats()[:min(len(a.floats)/4, 16)]))
	case attributeInts:
		return clip(fmt.Sprint(a.Ints[:min(len(a.Ints), 16)]))
	}
	return "..."
}

// clip bounds a string from outside.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }
