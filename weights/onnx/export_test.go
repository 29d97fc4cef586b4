package onnx

// ParseTensor reads a file of one TensorProto, as ONNX's tests come with.
func ParseTensor(data []byte) (*Value, error) {
	t := &Tensor{}
	if err := decode(&decoder{left: 1 << 20}, t, data, tensorFields); err != nil {
		return nil, err
	}
	if err := new(loader).tensor(t); err != nil {
		return nil, err
	}
	return t.value()
}

// Operators lists what is evaluated.
func Operators() []string {
	var out []string
	for name := range operators {
		out = append(out, name)
	}
	return out
}
