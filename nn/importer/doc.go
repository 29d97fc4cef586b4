// Package importer makes networks of ONNX models.
//
//	net, err := importer.Import(file.Model(), importer.Options{})
//	m, err := nn.Compile(net.Graph, nn.CompileOptions{})
//	logits := s.Forward(x)             // x as [n][C][H][W], whatever layout the model has
//	a, _, err := s.Activation(0, net.Cluster.Name) // layers have the names of ONNX tensors
//
// # Layout
//
// The engine's values are maps, [C][H][W]; ONNX's tensors have any number of axes in any order.
// A tensor here is a node of the network and the way that the node's elements lie in the ONNX
// shape: for each axis a product of atoms, pieces of channels, rows or columns (view.go). So
// Transpose, Reshape, Flatten, Squeeze and Unsqueeze compute nothing: they rearrange atoms.
// An operator asks for the arrangement that it needs, and only where the elements lie otherwise
// are they moved, by a channel shuffle where that is all. A linear layer behind a Flatten in
// either layout, a LayerNorm between two Transposes, and a matrix product over the last axis take
// the elements as they lie; their weights are rearranged instead.
//
// # Operators
//
// rows.go is the table: an ONNX operator, and how it is made. What is not there is an error that
// names the node, its attributes and the opset.
//
// # What is changed
//
// A Softmax, LogSoftmax or Sigmoid at the end is left out: the network gives what goes into it,
// and Network.Ending says what it was. Of several outputs the one that looks like class scores is
// taken. Quantised models run in float32 on dequantised weights; what a QuantizeLinear rounds is
// rounded, and gradients pass as if it were not. A Pad becomes a part of the convolution behind it,
// x*sigmoid(x) and GELU spelt out one function, an Add behind a linear layer its bias: the tensors
// between have no name then. Steps of preprocessing stay what they are, operators on the image, and
// Input.Range says what numbers they want.
package importer
