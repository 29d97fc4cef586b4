package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cwox/weights"
)

// tensorFlags name network inputs that are given as they are: no picture, no preprocessing.
type tensorFlags struct{ file, name string }

func (f *tensorFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.file, "tensor", "", "a .safetensors file of network inputs [N][C][H][W] or [C][H][W] instead of images, taken as they are")
	s.StringVar(&f.name, "tensor-name", "", "the tensor in that file (default: the only one, or \"input\")")
}

// args wants images, or none with --tensor.
func (f *tensorFlags) args(c *cobra.Command, args []string) error {
	switch {
	case f.file != "":
		return exactly(0, "no images with --tensor")(c, args)
	case f.name != "":
		return usage(c, "--tensor-name %s: --tensor names no file", f.name)
	}
	return atLeast(1, "images or folders")(c, args)
}

// inputs are network inputs given as they are: [n][c][h][w], for an ONNX model that takes channels
// last [n][h][w][c] until arranged knows it.
type inputs struct {
	file    string
	x       []float32
	n       int
	c, h, w int
	sha256  string // of the file

	arrangedAlready bool
}

// read reads the inputs, none without --tensor, and tells the model of them.
func (f *tensorFlags) read(m *modelFlags) (*inputs, error) {
	if f.file == "" {
		return &inputs{}, nil
	}
	in, err := f.open()
	if err == nil {
		m.given = in
	}
	return in, err
}

func (f *tensorFlags) open() (*inputs, error) {
	file, err := weights.Open(f.file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	t, err := f.pick(file)
	if err != nil {
		return nil, err
	}
	if t.DType != weights.F32 && t.DType != weights.U8 {
		return nil, fmt.Errorf("%s: %q: %s, want F32 or U8", f.file, t.Name, t.DType)
	}
	shape := t.Shape
	if len(shape) == 3 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 4 || t.Len() == 0 {
		return nil, fmt.Errorf("%s: %q: shape %v, want [images channels height width] or [channels height width]", f.file, t.Name, t.Shape)
	}
	x, err := t.Float32()
	if err != nil {
		return nil, err
	}
	sum, err := file.SHA256()
	if err != nil {
		return nil, err
	}
	return &inputs{file: f.file, x: append([]float32(nil), x...), n: shape[0], c: shape[1], h: shape[2], w: shape[3], sha256: sum}, nil
}

// pick finds the tensor in the file.
func (f *tensorFlags) pick(file *weights.File) (*weights.Tensor, error) {
	names := file.Names()
	name := f.name
	switch {
	case name != "":
	case len(names) == 1:
		name = names[0]
	default:
		name = "input"
	}
	if t, ok := file.Tensor(name); ok {
		return t, nil
	}
	return nil, fmt.Errorf("%s: no tensor %q: choose one with --tensor-name: %s", f.file, name, strings.Join(names[:min(len(names), 8)], ", "))
}

// arranged brings the inputs to [n][c][h][w], once the model is known.
func (in *inputs) arranged(channelsLast bool) *inputs {
	if !channelsLast || in.arrangedAlready {
		return in
	}
	h, w, c := in.c, in.h, in.w
	x := make([]float32, 0, len(in.x))
	for i := range in.n {
		for k := range c {
			for p := range h * w {
				x = append(x, in.x[(i*h*w+p)*c+k])
			}
		}
	}
	in.x, in.c, in.h, in.w, in.arrangedAlready = x, c, h, w, true
	return in
}

// at is the i-th input, and what it is called.
func (in *inputs) at(i int) (x []float32, name string) {
	size := in.c * in.h * in.w
	return in.x[i*size:][:size], fmt.Sprintf("%s[%d]", in.file, i)
}
