package importer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/internal/onnxmake"
	"cwox/nn"
	"cwox/weights/onnx"
)

// chain is a small network by hand: nodes that each read the one before it, "x" or what they
// name, and constants that are made up of a shape.
type chain struct {
	name   string
	input  []int64 // [1][3][4][6] where it is not given
	opset  int64
	consts map[string]any // a shape of numbers made up, or integers as they are
	nodes  []string       // "out = Op(in, in) attribute=value ..."
	want   string         // of an error
}

type shape []int64

// parse reads a node.
func parse(t *testing.T, text string) onnxmake.Node {
	t.Helper()
	out, rest, _ := strings.Cut(text, " = ")
	op, rest, _ := strings.Cut(rest, "(")
	in, rest, ok := strings.Cut(rest, ")")
	if !ok {
		t.Fatalf("%q", text)
	}
	n := onnxmake.Node{Op: op, Out: strings.Split(out, ", "), In: strings.Split(in, ", "), Attributes: map[string]any{}}
	for _, a := range strings.Fields(rest) {
		name, value, _ := strings.Cut(a, "=")
		var f float64
		switch {
		case strings.Contains(value, ">"):
			n.Attributes[name] = value
		case strings.Contains(value, ","):
			var list []int64
			for _, part := range strings.Split(strings.TrimSuffix(value, ","), ",") {
				var k int64
				fmt.Sscan(part, &k)
				list = append(list, k)
			}
			n.Attributes[name] = list
		case strings.Contains(value, "."):
			fmt.Sscan(value, &f)
			n.Attributes[name] = f
		case value[0] >= '0' && value[0] <= '9' || value[0] == '-':
			var k int
			fmt.Sscan(value, &k)
			n.Attributes[name] = k
		default:
			n.Attributes[name] = value
		}
	}
	return n
}

// madeUp are numbers between -1 and 1 without a pattern.
func madeUp(n int, seed uint32) []float32 {
	out := make([]float32, n)
	for i := range out {
		seed = seed*1664525 + 1013904223
		out[i] = float32(int32(seed)) / (1 << 31)
	}
	return out
}

func (c *chain) model(t *testing.T) *onnx.Model {
	t.Helper()
	m := onnxmake.Model{Opset: c.opset, Inputs: []onnxmake.Value{{Name: "x", Shape: c.input}}}
	for name, v := range c.consts {
		k := onnxmake.Constant{Name: name}
		switch v := v.(type) {
		case shape:
			n := 1
			for _, d := range v {
				n *= int(d)
			}
			k.Shape, k.Floats = v, madeUp(n, uint32(len(name))+uint32(name[0]))
		case []int64:
			k.Shape, k.Ints = []int64{int64(len(v))}, v
		case float64:
			k.Shape, k.Floats = []int64{}, []float32{float32(v)}
		}
		m.Constants = append(m.Constants, k)
	}
	for _, text := range c.nodes {
		m.Nodes = append(m.Nodes, parse(t, text))
	}
	last := m.Nodes[len(m.Nodes)-1]
	m.Outputs = []onnxmake.Value{{Name: last.Out[0]}}
	model, err := onnx.Parse(m.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// chains are arrangements of elements, and operators in all of their spellings.
var chains = []chain{
	{name: "Flatten and Gemm", consts: map[string]any{"w": shape{5, 72}, "b": shape{5}}, nodes: []string{"f = Flatten(x)", "y = Gemm(f, w, b) transB=1"}},
	{name: "Keras: NHWC, flattened", input: []int64{1, 4, 6, 3}, consts: map[string]any{"w": shape{8, 3, 1, 1}, "v": shape{192, 5}, "b": shape{5}, "s": []int64{-1, 192}},
		nodes: []string{"t = Transpose(x) perm=0,3,1,2", "c = Conv(t, w)", "u = Transpose(c) perm=0,2,3,1", "f = Reshape(u, s)", "m = MatMul(f, v)", "y = Add(m, b)"}},
	{name: "Transpose of rows and columns", consts: map[string]any{"w": shape{5, 72}}, nodes: []string{"t = Transpose(x) perm=0,1,3,2", "f = Flatten(t)", "y = Gemm(f, w) transB=1"}},
	{name: "channel shuffle", input: []int64{1, 6, 4, 4}, consts: map[string]any{"a": []int64{1, 2, 3, 4, 4}, "b": []int64{1, 6, 4, 4}, "w": shape{4, 6, 3, 3}},
		nodes: []string{"r = Reshape(x, a)", "t = Transpose(r) perm=0,2,1,3,4", "s = Reshape(t, b)", "y = Conv(s, w)"}},
	{name: "ConvNeXt: LayerNorm and MatMul in NHWC", opset: 17, consts: map[string]any{"g": shape{3}, "h": shape{3}, "w": shape{3, 8}, "b": shape{8}, "v": shape{8, 3}, "k": shape{3, 1, 1}},
		nodes: []string{"t = Transpose(x) perm=0,2,3,1", "l = LayerNormalization(t, g, h)", "m = MatMul(l, w)", "a = Add(m, b)", "q = Relu(a)", "n = MatMul(q, v)",
			"u = Transpose(n) perm=0,3,1,2", "z = Mul(k, u)", "y = Add(x, z)"}},
	{name: "LayerNorm over the whole map", opset: 17, consts: map[string]any{"g": shape{3, 4, 6}, "h": shape{3, 4, 6}}, nodes: []string{"y = LayerNormalization(x, g, h) axis=1"}},
	{name: "spelt-out LayerNorm", consts: map[string]any{"two": 2.0, "e": 1e-3}, nodes: []string{"m = ReduceMean(x) axes=1,", "d = Sub(x, m)", "p = Pow(d, two)", "v = ReduceMean(p) axes=1,", "w = Add(v, e)",
		"s = Sqrt(w)", "y = Div(d, s)"}},
	{name: "squeeze and excitation", consts: map[string]any{"w": shape{2, 3, 1, 1}, "v": shape{3, 2, 1, 1}},
		nodes: []string{"a = GlobalAveragePool(x)", "b = Conv(a, w)", "c = Relu(b)", "d = Conv(c, v)", "e = Sigmoid(d)", "y = Mul(x, e)"}},
	{name: "a gate without keepdims", consts: map[string]any{"w": shape{3, 3}, "s": []int64{1, 3, 1, 1}},
		nodes: []string{"a = ReduceMean(x) axes=2,3 keepdims=0", "b = MatMul(a, w)", "c = Sigmoid(b)", "d = Reshape(c, s)", "y = Mul(d, x)"}},
	{name: "SiLU", nodes: []string{"s = Sigmoid(x)", "y = Mul(x, s)"}},
	{name: "a sigmoid read twice", nodes: []string{"s = Sigmoid(x)", "z = Mul(x, s)", "y = Add(z, s)"}},
	{name: "hard swish", nodes: []string{"s = HardSigmoid(x) alpha=0.16666667 beta=0.5", "y = Mul(s, x)"}},
	{name: "another hard sigmoid", nodes: []string{"s = HardSigmoid(x)", "y = Mul(s, x)"}},
	{name: "GELU spelt out", consts: map[string]any{"r": math.Sqrt2, "one": 1.0, "half": 0.5}, nodes: []string{"d = Div(x, r)", "e = Erf(d)", "a = Add(e, one)", "m = Mul(x, a)", "y = Mul(m, half)"}},
	{name: "nearly GELU", consts: map[string]any{"r": math.Sqrt2, "one": 1.0, "half": 0.25}, nodes: []string{"d = Div(x, r)", "e = Erf(d)", "a = Add(e, one)", "m = Mul(x, a)", "y = Mul(m, half)"}},
	{name: "constants on either side", consts: map[string]any{"c": shape{3, 1, 1}, "k": 2.0}, nodes: []string{"a = Sub(c, x)", "b = Add(c, a)", "d = Mul(k, b)", "e = Sub(d, c)", "y = Div(e, k)"}},
	{name: "a constant over a number", consts: map[string]any{"k": 2.0, "t": 3.0}, nodes: []string{"a = Add(x, t)", "y = Div(k, a)"}},
	{name: "constants of a map", consts: map[string]any{"c": shape{4, 6}, "d": shape{3, 4, 1}}, nodes: []string{"a = Mul(x, c)", "y = Add(d, a)"}},
	{name: "batch norm spelt out, in NHWC", consts: map[string]any{"g": shape{3}, "h": shape{3}, "w": shape{4, 3, 1, 1}},
		nodes: []string{"t = Transpose(x) perm=0,2,3,1", "a = Mul(t, g)", "b = Add(a, h)", "u = Transpose(b) perm=0,3,1,2", "y = Conv(u, w)"}},
	{name: "concat of channels", nodes: []string{"r = Relu(x)", "y = Concat(r, x, r) axis=1"}},
	{name: "concat of rows", nodes: []string{"r = Relu(x)", "y = Concat(r, x) axis=2"}},
	{name: "concat with a constant", consts: map[string]any{"k": shape{1, 2, 4, 6}}, nodes: []string{"y = Concat(x, k) axis=1"}},
	{name: "concat in NHWC", nodes: []string{"t = Transpose(x) perm=0,2,3,1", "r = Relu(t)", "c = Concat(t, r) axis=3", "y = Transpose(c) perm=0,3,1,2"}},
	{name: "slices", consts: map[string]any{"s": []int64{1, 1}, "e": []int64{3, 1000}, "a": []int64{1, 3}, "k": []int64{1, 2}}, nodes: []string{"r = Relu(x)", "y = Slice(r, s, e, a, k)"}},
	{name: "a slice backwards", consts: map[string]any{"s": []int64{-1}, "e": []int64{-1000}, "a": []int64{1}, "k": []int64{-1}}, nodes: []string{"y = Slice(x, s, e, a, k)"}},
	{name: "BGR by Gather", consts: map[string]any{"i": []int64{2, 1, 0}, "w": shape{4, 3, 1, 1}}, nodes: []string{"g = Gather(x, i) axis=1", "y = Conv(g, w)"}},
	{name: "Gather of some", input: []int64{1, 6, 2, 2}, consts: map[string]any{"i": []int64{5, 0, 0, 3}}, nodes: []string{"y = Gather(x, i) axis=1"}},
	{name: "split in two", input: []int64{1, 6, 4, 4}, nodes: []string{"a, b = Split(x) axis=1", "y = Sub(b, a)"}},
	{name: "split of a reshaped axis", input: []int64{1, 6, 2, 2}, consts: map[string]any{"s": []int64{1, 2, 3, 2, 2}, "z": []int64{1}}, nodes: []string{"r = Reshape(x, s)", "a, b = Split(r) axis=1", "q = Squeeze(b, z)", "y = Relu(q)"}},
	{name: "GoogLeNet's transform_input", consts: map[string]any{"i": []int64{0}, "j": []int64{1}, "k": []int64{2}, "u": 0.5, "v": 0.25},
		nodes: []string{"a = Gather(x, i) axis=1", "b = Gather(x, j) axis=1", "c = Gather(x, k) axis=1", "d = Mul(a, u)", "e = Add(b, v)", "y = Concat(d, e, c) axis=1"}},
	{name: "Pad and Conv", consts: map[string]any{"p": []int64{0, 0, 0, 1, 0, 0, 1, 2}, "w": shape{4, 3, 3, 3}, "b": shape{4}}, nodes: []string{"q = Pad(x, p)", "y = Conv(q, w, b) strides=2,2 pads=1,0,1,0"}},
	{name: "Pad alone", consts: map[string]any{"p": []int64{0, 1, 0, 1, 0, 0, 1, 2}, "k": 2.0}, nodes: []string{"y = Pad(x, p, k)"}},
	{name: "Pad by reflection", consts: map[string]any{"p": []int64{0, 0, 2, 1, 0, 0, 1, 2}}, nodes: []string{"y = Pad(x, p) mode=reflect"}},
	{name: "Pad and MaxPool", consts: map[string]any{"p": []int64{0, 0, 0, 0, 0, 0, 1, 1}}, nodes: []string{"q = Pad(x, p)", "y = MaxPool(q) kernel_shape=2,2 strides=2,2"}},
	{name: "SAME_UPPER", consts: map[string]any{"w": shape{4, 3, 3, 3}}, nodes: []string{"y = Conv(x, w) auto_pad=SAME_UPPER strides=2,2"}},
	{name: "depthwise and grouped", input: []int64{1, 4, 5, 5}, consts: map[string]any{"w": shape{8, 1, 3, 3}, "v": shape{4, 4, 1, 1}}, nodes: []string{"a = Conv(x, w) group=4 dilations=2,1", "y = Conv(a, v) group=2"}},
	{name: "pooling of all kinds", input: []int64{1, 3, 7, 9}, nodes: []string{"a = MaxPool(x) kernel_shape=3,2 strides=1,2 pads=1,1,0,0", "b = AveragePool(a) kernel_shape=2,3 strides=2,1 pads=0,1,1,1 ceil_mode=1",
		"y = AveragePool(b) kernel_shape=2,2 pads=1,0,0,1 count_include_pad=1"}},
	{name: "resize, nearest", consts: map[string]any{"s": []int64{1, 3, 7, 9}}, nodes: []string{"y = Resize(x, , , s) mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor"}},
	{name: "resize, linear", consts: map[string]any{"s": []int64{1, 3, 8, 12}}, nodes: []string{"y = Resize(x, , , s) mode=linear"}},
	{name: "resize, antialiased", opset: 19, consts: map[string]any{"s": []int64{1, 3, 3, 4}}, nodes: []string{"y = Resize(x, , , s) mode=linear antialias=1"}},
	{name: "depth to space", input: []int64{1, 8, 2, 3}, nodes: []string{"a = DepthToSpace(x) blocksize=2", "y = Relu(a)"}},
	{name: "space to depth", nodes: []string{"a = SpaceToDepth(x) blocksize=2", "y = Relu(a)"}},
	{name: "norms", opset: 21, input: []int64{1, 4, 3, 3}, consts: map[string]any{"g": shape{4}, "h": shape{4}}, nodes: []string{"a = InstanceNormalization(x, g, h)", "y = GroupNormalization(a, g, h) num_groups=2"}},
	{name: "sums over axes", consts: map[string]any{"a": []int64{1}, "b": []int64{2}}, nodes: []string{"s = ReduceSum(x, a)", "t = ReduceSum(x, b)", "y = Add(s, t)"}},
	{name: "attention", opset: 17, input: []int64{1, 8, 2, 3}, consts: map[string]any{"s": []int64{1, 8, 6}, "w": shape{8, 24}, "h": []int64{1, 6, 3, 2, 4}, "i": []int64{0}, "j": []int64{1}, "k": []int64{2}, "d": 2.0, "o": []int64{1, 6, 8}, "z": []int64{0}},
		nodes: []string{"r = Reshape(x, s)", "t = Transpose(r) perm=0,2,1", "q = MatMul(t, w)", "g = Reshape(q, h)", "p = Transpose(g) perm=2,0,3,1,4", "a0 = Gather(p, i)", "a = Squeeze(a0, z)",
			"b0 = Gather(p, j)", "b = Squeeze(b0, z)", "c0 = Gather(p, k)", "c = Squeeze(c0, z)", "u = Transpose(b) perm=0,1,3,2", "e = Div(a, d)", "l = MatMul(e, u)", "m = Softmax(l)", "n = MatMul(m, c)",
			"v = Transpose(n) perm=0,2,1,3", "y = Reshape(v, o)"}},
	{name: "a class token", input: []int64{1, 4, 2, 3}, consts: map[string]any{"s": []int64{1, 4, 6}, "c": shape{1, 1, 4}, "p": shape{1, 7, 4}, "i": []int64{0}, "z": []int64{1}},
		nodes: []string{"r = Reshape(x, s)", "t = Transpose(r) perm=0,2,1", "k = Concat(c, t) axis=1", "a = Add(k, p)", "g = Gather(a, i) axis=1", "y = Squeeze(g, z)"}},
	{name: "windows and rolls", input: []int64{1, 2, 4, 4}, consts: map[string]any{"s": []int64{1, 2, 2, 2, 2, 2}, "o": []int64{4, 4, 2}, "w": shape{2, 2}, "a1": []int64{1}, "a2": []int64{2}, "b0": []int64{0}, "b1": []int64{1}, "b9": []int64{9}},
		nodes: []string{"t = Transpose(x) perm=0,2,3,1", "l = Slice(t, b1, b9, a1)", "m = Slice(t, b0, b1, a1)", "n = Concat(l, m) axis=1",
			"r = Reshape(n, s)", "p = Transpose(r) perm=0,1,3,2,4,5", "q = Reshape(p, o)", "y = MatMul(q, w)"}},
	{name: "einsum", input: []int64{1, 2, 4, 4}, consts: map[string]any{"k": shape{3, 4}}, nodes: []string{"r = Relu(x)", "e = Einsum(x, r) equation=bcij,bckj->bikc", "y = Einsum(e, k) equation=bikc,ok->bcoi"}},
	{name: "cut anew", input: []int64{1, 2, 6, 4}, consts: map[string]any{"s": []int64{1, 2, 3, 2, 2, 2}, "r": []int64{1, 2, 2, 3, 4}}, nodes: []string{"a = Reshape(x, s)", "b = Relu(a)", "y = Reshape(b, r)"}},
	{name: "batch norm of tokens", input: []int64{1, 4, 2, 3}, consts: map[string]any{"s": []int64{6, 4}, "g": shape{4}, "h": shape{4}, "m": shape{4}, "w": shape{4, 4}},
		nodes: []string{"t = Transpose(x) perm=0,2,3,1", "r = Reshape(t, s)", "v = Mul(g, g)", "b = BatchNormalization(r, g, h, m, v)", "y = MatMul(b, w)"}},
	{name: "lengths", nodes: []string{"l = ReduceL2(x) axes=1,", "d = Div(x, l)", "s = ReduceSumSquare(x) axes=2,3", "y = Add(d, s)"}},
	{name: "broadcast to a larger shape", consts: map[string]any{"k": shape{1, 3, 4, 6}}, nodes: []string{"a = GlobalAveragePool(x)", "y = Add(a, k)"}},
	{name: "expand", consts: map[string]any{"s": []int64{1, 3, 2, 5}}, nodes: []string{"a = GlobalMaxPool(x)", "y = Expand(a, s)"}},

	{name: "two tensors' maximum", nodes: []string{"a = Relu(x)", "y = Max(a, x)"}, want: `node "y" (Max), opset 13: of two tensors`},
	{name: "a convolution by a computed kernel", nodes: []string{"y = Conv(x, x)"}, want: "depends on the network's input"},
	{name: "an operator of images that is not there", nodes: []string{"a = ArgMax(x)", "y = Cast(a) to=1"}, want: `node "a" (ArgMax), opset 13: operator ArgMax cannot be run on images yet`},
	{name: "a batch that is mixed", input: []int64{2, 3, 2, 2}, consts: map[string]any{"s": []int64{1, 24}, "w": shape{24, 2}}, nodes: []string{"a = Reshape(x, s)", "y = MatMul(a, w)"}, want: "export the model with a batch of 1"},
}

// TestChains compares the engine with onnx's own evaluation.
func TestChains(t *testing.T) {
	for _, c := range chains {
		t.Run(c.name, func(t *testing.T) {
			if c.opset == 0 {
				c.opset = 13
			}
			if c.input == nil {
				c.input = []int64{1, 3, 4, 6}
			}
			m := c.model(t)
			size := []int{}
			n := 1
			for _, d := range c.input {
				size, n = append(size, int(d)), n*int(d)
			}
			x := onnx.NewFloats(size, madeUp(n, 7))
			known, err := m.Fold(onnx.FoldOptions{Given: map[string]*onnx.Value{"x": x}})
			if err != nil && c.want == "" {
				t.Fatal(err)
			}
			p, err := m.Fold(onnx.FoldOptions{})
			var got []float32
			if err == nil {
				got, err = engine(p, "x", x, p.Outputs[0])
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := known.Outputs[0].Float64s()
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if !(math.Abs(float64(got[i])-w) <= 2e-6*max(1, math.Abs(w))) {
					t.Fatalf("element %d of %v: %g, want %g", i, known.Outputs[0].Shape, got[i], w)
				}
			}
		})
	}
}

// TestArrangements wants that nothing is moved where the elements can be taken as they lie.
func TestArrangements(t *testing.T) {
	free := []string{"Flatten and Gemm", "Keras: NHWC, flattened", "ConvNeXt: LayerNorm and MatMul in NHWC", "squeeze and excitation", "a gate without keepdims",
		"batch norm spelt out, in NHWC", "concat in NHWC", "Pad and Conv"}
	for _, c := range chains {
		if !slices.Contains(free, c.name) {
			continue
		}
		if c.opset == 0 {
			c.opset = 13
		}
		if c.input == nil {
			c.input = []int64{1, 3, 4, 6}
		}
		p, err := c.model(t).Fold(onnx.FoldOptions{})
		if err != nil {
			t.Fatal(err)
		}
		net := &Network{Input: Input{Layout: layoutOf(p.Inputs[0].Shape)}}
		b := newBuilder(net, p.Steps, p.Outputs[0])
		if err = b.start(p, "x"); err == nil {
			err = b.run()
		}
		if err != nil {
			t.Fatal(err)
		}
		for name := range b.taken {
			if strings.Contains(name, "#") {
				t.Errorf("%s: moved: %s", c.name, name)
			}
		}
	}
}

// TestView takes tensors apart and puts them together again.
func TestView(t *testing.T) {
	g := nn.NewGraph(nn.Shape{C: 6, H: 4, W: 5})
	x := arranged(g.Input(), []int{1, 6, 4, 5}, standard(4), "x")
	if v := x.reshape([]int{1, 2, 3, 20}); v == nil || fmt.Sprint(v.dims) != "[[] [{0 2 3}] [{0 3 1}] [{1 4 1} {2 5 1}]]" {
		t.Errorf("%v", v)
	} else if v = v.permuted([]int{0, 2, 1, 3}).reshape([]int{1, 6, 4, 5}); fmt.Sprint(v.dims) != "[[] [{0 3 1} {0 2 3}] [{1 4 1}] [{2 5 1}]]" {
		t.Errorf("%v", v.dims)
	} else if v = v.reshape([]int{1, 3, 2, 4, 5}).permuted([]int{0, 2, 1, 3, 4}).reshape([]int{1, 6, 4, 5}); fmt.Sprint(v.dims) != fmt.Sprint(x.dims) {
		t.Errorf("%v, want %v", v.dims, x.dims)
	}
	if v := x.reshape([]int{1, 4, 30}); v != nil {
		t.Errorf("6 x 20 as 4 x 30: %v", v.dims)
	}
	if at := position([]atom{{1, 4, 1}, {2, 5, 1}, {0, 6, 1}}, [3]int{2, 1, 3}); at != (1*5+3)*6+2 {
		t.Errorf("place %d", at)
	}
}

// TestTurns wants every order reached, the usual ones at once.
func TestTurns(t *testing.T) {
	for _, c := range []struct {
		order []int
		turns int // at most
	}{
		{[]int{0, 1, 2}, 0}, {[]int{0, 2, 1}, 1}, {[]int{2, 1, 0}, 1}, {[]int{1, 3, 0, 2}, 2}, {[]int{5, 2, 4, 0, 3, 1}, 3},
		{[]int{8, 3, 0, 6, 1, 2, 7, 5, 4}, 100},
	} {
		now := "abcdefghi"[:len(c.order)]
		list := turns(c.order)
		for _, turn := range list {
			now = turn.apply(now)
		}
		for i, k := range c.order {
			if now[i] != byte('a'+k) {
				t.Errorf("%v: reached %s", c.order, now)
				break
			}
		}
		if len(list) > c.turns {
			t.Errorf("%v: %d turns, want %d", c.order, len(list), c.turns)
		}
	}
}
