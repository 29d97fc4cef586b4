// Package onnxmake writes small ONNX models, for tests.
package onnxmake

import (
	"encoding/binary"
	"math"
)

// Model is a model of one graph.
type Model struct {
	Opset     int64
	Inputs    []Value
	Outputs   []Value
	Constants []Constant
	Nodes     []Node
	Functions []Function
}

// Function is an operator that the model defines.
type Function struct {
	Domain, Name string
	In, Out      []string
	Attributes   []string
	Nodes        []Node
}

// Reference is an attribute of a node in a function: that of the caller.
type Reference string

// Value is the name and shape of an input or output of float32. Axes of -1 are left open.
type Value struct {
	Name  string
	Shape []int64
}

// Constant is a weight: Floats, or Ints of int64.
type Constant struct {
	Name   string
	Shape  []int64
	Floats []float32
	Ints   []int64
}

// Node is an operator. Attributes are an int, a float64, a string, a list of int64,
// a Reference, or a *Model, of which the graph is taken.
type Node struct {
	Op, Domain string
	In, Out    []string
	Attributes map[string]any
}

// message is a protocol buffer under construction.
type message []byte

func (m *message) number(field int, v int64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, uint64(v))
}

func (m *message) bytes(field int, data []byte) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = binary.AppendUvarint(*m, uint64(len(data)))
	*m = append(*m, data...)
}

func (m *message) text(field int, s string) { m.bytes(field, []byte(s)) }

// graph is the model's, without what is around it.
func (m *Model) graph() message {
	var graph message
	for _, n := range m.Nodes {
		graph.bytes(1, n.bytes())
	}
	graph.text(2, "made")
	for _, c := range m.Constants {
		graph.bytes(5, c.bytes())
	}
	for _, v := range m.Inputs {
		graph.bytes(11, v.bytes())
	}
	for _, v := range m.Outputs {
		graph.bytes(12, v.bytes())
	}
	return graph
}

// Bytes are the file.
func (m *Model) Bytes() []byte {
	var opset, file message
	opset.text(1, "")
	opset.number(2, m.Opset)
	file.number(1, 8)
	file.bytes(7, m.graph())
	file.bytes(8, opset)
	for _, f := range m.Functions {
		file.bytes(25, f.bytes(opset))
	}
	return file
}

func (f *Function) bytes(opset message) []byte {
	var out message
	out.text(1, f.Name)
	for _, name := range f.In {
		out.text(4, name)
	}
	for _, name := range f.Out {
		out.text(5, name)
	}
	for _, name := range f.Attributes {
		out.text(6, name)
	}
	for _, n := range f.Nodes {
		out.bytes(7, n.bytes())
	}
	out.bytes(9, opset)
	out.text(10, f.Domain)
	return out
}

func (v *Value) bytes() []byte {
	var shape, tensor, kind, out message
	for i, n := range v.Shape {
		var dim message
		if n >= 0 {
			dim.number(1, n)
		} else {
			dim.text(2, string(rune('a'+i)))
		}
		shape.bytes(1, dim)
	}
	tensor.number(1, 1)
	tensor.bytes(2, shape)
	kind.bytes(1, tensor)
	out.text(1, v.Name)
	out.bytes(2, kind)
	return out
}

func (c *Constant) bytes() []byte {
	var out message
	for _, n := range c.Shape {
		out.number(1, n)
	}
	var raw []byte
	kind := int64(1)
	for _, v := range c.Floats {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	if c.Ints != nil {
		kind = 7
		for _, v := range c.Ints {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
	}
	out.number(2, kind)
	out.text(8, c.Name)
	out.bytes(9, raw)
	return out
}

func (n *Node) bytes() []byte {
	var out message
	for _, name := range n.In {
		out.text(1, name)
	}
	for _, name := range n.Out {
		out.text(2, name)
	}
	out.text(3, n.Out[0])
	out.text(4, n.Op)
	if n.Domain != "" {
		out.text(7, n.Domain)
	}
	for name, v := range n.Attributes {
		var a message
		a.text(1, name)
		switch v := v.(type) {
		case int:
			a.number(3, int64(v))
			a.number(20, 2)
		case float64:
			a = binary.AppendUvarint(a, 2<<3|5)
			a = binary.LittleEndian.AppendUint32(a, math.Float32bits(float32(v)))
			a.number(20, 1)
		case string:
			a.text(4, v)
			a.number(20, 3)
		case Reference:
			a.text(21, string(v))
			a.number(20, 1)
		case *Model: // a branch: its nodes and outputs
			a.bytes(6, v.graph())
			a.number(20, 5)
		case []int64:
			for _, k := range v {
				a.number(8, k)
			}
			a.number(20, 7)
		}
		out.bytes(5, a)
	}
	return out
}
