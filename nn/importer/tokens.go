package importer

import (
	"fmt"

	"cwox/weights/onnx"
)

// Transformers for images carry patches as tokens, [images][tokens][channels], beside a token or
// two for the class. Grad-CAM needs a map: by common use the patches' tokens in what the last
// attention reads, after its normalisation (jacobgil/pytorch-grad-cam's reshape_transform). So that
// gradients pass through it, the map is made a value of the network: the patches are taken out, laid
// as a map, and put back beside the others.

// mostExtra is the most tokens that are no patches: for the class, for distillation, registers.
const mostExtra = 8

// lastTokens is the step whose result is to have a map: the last layer normalisation before the
// last product of two tensors; nil where there is none.
func lastTokens(steps []*onnx.Step) *onnx.Step {
	var norm, found *onnx.Step
	for _, s := range steps {
		switch {
		case s.Op == "LayerNormalization":
			norm = s
		case s.Op == "MatMul" && !s.In[0].Known() && !s.In[1].Known():
			found = norm
		}
	}
	return found
}

// mapTokens gives a step's result a map, called NAME@HxW, if it is tokens of the last map so far.
func (b *builder) mapTokens(s *onnx.Step) error {
	v := s.Out[0]
	t := b.tensors[v]
	if len(b.net.Layers) == 0 || len(t.dims) != 3 || b.spatial[t.node] || !t.isWhole(t.dims[2], channels) {
		return nil
	}
	grid, shape := b.net.Layers[len(b.net.Layers)-1].Shape, t.shape()
	patches := grid.H * grid.W
	extra := shape[1] - patches
	if shape[0] != 1 || extra < 0 || extra > mostExtra {
		return nil
	}
	rest, err := b.cut(t, 1, extra, patches, 1, b.fresh(t.name))
	if err != nil {
		return err
	}
	laid, err := b.reshaped(rest, []int{1, grid.H, grid.W, shape[2]})
	if err != nil {
		return err
	}
	laid.name = fmt.Sprintf("%s@%dx%d", v.Name(), grid.H, grid.W)
	node, err := b.as(laid, grouping{{3}, {1}, {2}})
	if err != nil {
		return err
	}
	b.spatial[node] = true
	b.layer(laid)
	back, err := b.reshaped(laid, []int{1, patches, shape[2]})
	if err != nil {
		return err
	}
	all := []*tensor{back}
	if extra > 0 {
		others, err := b.cut(t, 1, 0, extra, 1, b.fresh(t.name))
		if err != nil {
			return err
		}
		all = []*tensor{others, back}
	}
	joined, err := b.joined(all, 1, shape, b.fresh(t.name))
	if err == nil {
		b.spatial[joined.node] = false
		b.tensors[v] = &tensor{node: joined.node, dims: joined.dims, name: v.Name()}
	}
	return err
}
