// Package onnx reads ONNX models: the file, the shapes of all tensors for an input of a given
// size, and what in the graph does not depend on the input.
//
//	m, err := onnx.Parse(data, nil)           // or weights.Open(path), then File.Model
//	p, err := m.Fold(onnx.FoldOptions{})      // for one image
//	for _, s := range p.Steps { ... }         // what is left to compute: s.Op, s.In, s.Out
//
// # The file
//
// Protocol buffers are read by hand, by one table per message (model.go); what a table lacks is
// passed over. Constants are read when somebody asks for them: floats are views of the file
// where they are aligned. External data is read from files in the model's folder. Opsets 6 to 28
// of ONNX's own operators are known, where classifiers use them.
//
// # Folding
//
// One table (operators.go) has a row for each operator: what it makes of its operands. Types and
// shapes always, elements where those of all operands are known. So shape inference, folding of
// constants, and running a whole graph are one thing; Given makes the inputs known. Elements are
// computed in float64 and rounded to their type: this is the authority for the tests of whatever
// is faster. Functions that the model defines are spread out, and the branch of an If is taken
// where its condition is a constant.
//
// # Hostile files
//
// Whatever is wrong is an error that names the field, the tensor or the node. Bounds: messages
// take at most 32 MiB and six times the file, are nested at most 24 deep; constants that are
// made of constants take at most 48 MiB and 16 times the file (with its external data), and as
// many operations and 2^28; a tensor has at most 2^31 elements and 16 axes; a graph that is
// spread out has at most 131,072 nodes.
package onnx
