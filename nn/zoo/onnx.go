package zoo

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
	"cwox/nn/importer"
	"cwox/nn/vision"
	"cwox/weights"
	"cwox/weights/onnx"
)

// ONNX is the name and the family of a network that its file describes.
const ONNX = "onnx"

// imported is a network that its file describes: nothing is matched.
type imported struct {
	model *onnx.Model
	net   *importer.Network // for the transform's size; Load makes others
}

// matchONNX describes the network of an ONNX file.
func matchONNX(f *weights.File, s Spec) (*Arch, error) {
	if s.Name != "" && s.Name != ONNX || len(s.Settings) > 0 {
		return nil, fmt.Errorf("%s: --model %v: an ONNX file says itself what its network is", f.Name(), s)
	}
	net, err := importer.Import(f.Model(), importer.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	a := &Arch{
		Name: ONNX, Transform: wanted(net), imported: &imported{f.Model(), net},
		ClusterLayer: net.Cluster.Name, ClassLayer: net.Class.Name, MWPClusterLayer: net.Cluster.Name, MWPClassLayer: net.Class.Name,
		Facts: Facts{
			Family: ONNX, Classes: net.Classes, Channels: net.Input.Shape.C, Spelling: "ONNX", HeadName: net.Logits, Head: net.Logits,
			Taken: len(f.Names()), Sigmoid: net.Ending == "sigmoid", Range: net.Input.Range,
			ChannelsLast: net.Input.Layout == "NHWC", FixedSize: !net.Input.Open,
		},
	}
	if net.Output != net.Logits {
		a.Facts.Head += ", then " + net.Ending
	}
	for _, l := range slices.Backward(net.Layers) {
		a.Facts.Layers = append(a.Facts.Layers, Layer(l))
	}
	return a, nil
}

// wanted is the input as far as the graph tells: its size, and the range of pixels where it
// normalises them itself. Else numbers are torchvision's.
func wanted(net *importer.Network) vision.Transform {
	in := net.Input.Shape
	t := vision.Paper
	if in.C == 1 || in.C == 3 {
		if preset, err := vision.Preset("torchvision", in.C, in.H, in.W); err == nil {
			t = preset
		}
	}
	t.Width, t.Height = in.W, in.H
	if net.Input.Range != 0 {
		t.Name = "onnx"
		t.Scale = 255 / float32(net.Input.Range)
		t.Mean, t.Std = make([]float32, in.C), slices.Repeat([]float32{1}, in.C)
	}
	return t
}

// load makes the network for an input of a size.
func (m *imported) load(a *Arch, o LoadOptions) (*nn.Model, error) {
	in := m.net.Input
	if o.Width == 0 && o.Height == 0 {
		o.Width, o.Height = in.Shape.W, in.Shape.H
	}
	if err := checkSize(o.Width, o.Height); err != nil {
		return nil, err
	}
	net := m.net
	if o.Width != in.Shape.W || o.Height != in.Shape.H || a.OneLogit() {
		if !in.Open && (o.Width != in.Shape.W || o.Height != in.Shape.H) {
			return nil, fmt.Errorf("zoo: an input of %dx%d pixels, the model takes %dx%d (height x width) and no other: --size %dx%d, or export it with dynamic axes",
				o.Height, o.Width, in.Shape.H, in.Shape.W, in.Shape.H, in.Shape.W)
		}
		var err error
		if net, err = importer.Import(m.model, importer.Options{Height: o.Height, Width: o.Width, TwoClasses: true}); err != nil {
			return nil, err
		}
	}
	return nn.Compile(net.Graph, o.CompileOptions)
}

// describe says in a line what the model is.
func (m *imported) describe() string {
	in := m.net.Input
	size := fmt.Sprintf("%dx%d", in.Shape.H, in.Shape.W)
	if in.Open {
		size = "any size"
	}
	s := fmt.Sprintf("onnx (%s), opset %d", plural(m.net.Classes, "class", "classes"), m.model.Opsets[""])
	if p := strings.TrimSpace(m.model.Producer + " " + m.model.ProducerVersion); p != "" {
		s += fmt.Sprintf(" by %q", p)
	}
	s += fmt.Sprintf(", input %q %s %s of %s", in.Name, in.Layout, size, plural(in.Shape.C, "channel", "channels"))
	switch in.Range {
	case 255:
		s += " from 0 to 255, which the model normalises"
	case 1:
		s += " from 0 to 1, which the model normalises"
	}
	s += fmt.Sprintf("; logits %q", m.net.Logits)
	if m.net.Ending != "" {
		s += fmt.Sprintf(" before the %s of %q", m.net.Ending, m.net.Output)
	}
	for _, note := range m.net.Notes {
		s += "; " + note
	}
	return s
}
