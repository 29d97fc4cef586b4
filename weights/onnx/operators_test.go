package onnx_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/internal/onnxmake"
	"cwox/weights/onnx"
)

// array is a constant: float32, or int64 where ints are given.
type array struct {
	shape  []int64
	floats []float32
	ints   []int64
}

func list(x ...float32) array           { return array{[]int64{int64(len(x))}, x, nil} }
func integers(x ...int64) array         { return array{[]int64{int64(len(x))}, nil, x} }
func scalar(x float32) array            { return array{[]int64{}, []float32{x}, nil} }
func (a array) as(shape ...int64) array { return array{append([]int64{}, shape...), a.floats, a.ints} }

func counted(n int) array {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i)
	}
	return list(x...)
}

type attributes = map[string]any

// single is a model of one operator whose operands are constants; left-out ones have no shape.
func single(opset int64, op string, a attributes, outputs int, in ...array) *onnxmake.Model {
	m := &onnxmake.Model{Opset: opset}
	n := onnxmake.Node{Op: op, Attributes: a}
	for i, x := range in {
		name := ""
		if x.shape != nil {
			name = fmt.Sprintf("in%d", i)
			m.Constants = append(m.Constants, onnxmake.Constant{Name: name, Shape: x.shape, Floats: x.floats, Ints: x.ints})
		}
		n.In = append(n.In, name)
	}
	for i := range outputs {
		name := fmt.Sprintf("out%d", i)
		n.Out = append(n.Out, name)
		m.Outputs = append(m.Outputs, onnxmake.Value{Name: name})
	}
	m.Nodes = []onnxmake.Node{n}
	return m
}

// TestOperators holds values that are arithmetic, or written in ONNX's definitions.
func TestOperators(t *testing.T) {
	e := math.E
	square := counted(9).as(1, 1, 3, 3)
	for _, c := range []struct {
		opset int64
		op    string
		a     attributes
		in    []array
		shape []int
		want  []float64
	}{
		{13, "Relu", nil, []array{list(-1, 0, 2)}, []int{3}, []float64{0, 0, 2}},
		{13, "LeakyRelu", attributes{"alpha": 0.5}, []array{list(-2, 2)}, []int{2}, []float64{-1, 2}},
		{13, "Elu", nil, []array{list(-1, 1)}, []int{2}, []float64{1/e - 1, 1}},
		{13, "HardSigmoid", nil, []array{list(-3, 0, 1, 3)}, []int{4}, []float64{0, .5, .7, 1}},
		{14, "HardSwish", nil, []array{list(-3, 0, 3, 1)}, []int{4}, []float64{0, 0, 3, 2.0 / 3}},
		{13, "Softplus", nil, []array{list(0, 100)}, []int{2}, []float64{math.Ln2, 100}},
		{20, "Gelu", nil, []array{list(0, 1)}, []int{2}, []float64{0, 0.8413447460685429}},
		{13, "Clip", nil, []array{list(-5, 5, 1), scalar(-1), scalar(2)}, []int{3}, []float64{-1, 2, 1}},
		{6, "Clip", attributes{"min": -1.0, "max": 2.0}, []array{list(-5, 5, 1)}, []int{3}, []float64{-1, 2, 1}},
		{13, "PRelu", nil, []array{list(-1, 1, -2, 2).as(2, 2), list(2, 3)}, []int{2, 2}, []float64{-2, 1, -4, 2}},
		{7, "Add", nil, []array{list(1, 2, 3, 4).as(2, 2), list(10, 20)}, []int{2, 2}, []float64{11, 22, 13, 24}},
		{6, "Add", attributes{"broadcast": 1, "axis": 0}, []array{list(1, 2, 3, 4).as(2, 2), list(10, 20)}, []int{2, 2}, []float64{11, 12, 23, 24}},
		{13, "Div", nil, []array{integers(-7, 7), integers(2, -2)}, []int{2}, []float64{-3, -3}},
		{13, "Mod", nil, []array{integers(-7, 7), integers(3, -3)}, []int{2}, []float64{2, -2}},
		{13, "Mod", attributes{"fmod": 1}, []array{integers(-7, 7), integers(3, -3)}, []int{2}, []float64{-1, 1}},
		{13, "Cast", attributes{"to": 7}, []array{list(-1.7, 2.9)}, []int{2}, []float64{-1, 2}},
		{13, "Cast", attributes{"to": 2}, []array{list(257)}, []int{1}, []float64{1}},
		{13, "Cast", attributes{"to": 10}, []array{list(1.0001)}, []int{1}, []float64{1}},

		{13, "Shape", nil, []array{square}, []int{4}, []float64{1, 1, 3, 3}},
		{15, "Shape", attributes{"start": -2}, []array{square}, []int{2}, []float64{3, 3}},
		{13, "Reshape", nil, []array{counted(6).as(2, 3), integers(0, -1, 1)}, []int{2, 3, 1}, []float64{0, 1, 2, 3, 4, 5}},
		{13, "Transpose", attributes{"perm": []int64{1, 0}}, []array{counted(6).as(2, 3)}, []int{3, 2}, []float64{0, 3, 1, 4, 2, 5}},
		{13, "Slice", nil, []array{counted(6), integers(-1), integers(-100), integers(0), integers(-2)}, []int{3}, []float64{5, 3, 1}},
		{9, "Slice", attributes{"starts": []int64{1}, "ends": []int64{1000}, "axes": []int64{1}}, []array{counted(6).as(2, 3)}, []int{2, 2}, []float64{1, 2, 4, 5}},
		{13, "Gather", attributes{"axis": 1}, []array{counted(6).as(2, 3), integers(-1, 0)}, []int{2, 2}, []float64{2, 0, 5, 3}},
		{13, "Concat", attributes{"axis": -1}, []array{counted(2).as(2, 1), counted(4).as(2, 2)}, []int{2, 3}, []float64{0, 0, 1, 1, 2, 3}},
		{13, "Expand", nil, []array{counted(2).as(2, 1), integers(2, 2)}, []int{2, 2}, []float64{0, 0, 1, 1}},
		{13, "Tile", nil, []array{counted(2), integers(2)}, []int{4}, []float64{0, 1, 0, 1}},
		{13, "Pad", attributes{"mode": "reflect"}, []array{counted(3), integers(2, 1)}, []int{6}, []float64{2, 1, 0, 1, 2, 1}},
		{13, "Pad", nil, []array{counted(3), integers(-1, 1), scalar(9)}, []int{3}, []float64{1, 2, 9}},
		{13, "Range", nil, []array{scalar(1), scalar(2), scalar(0.5)}, []int{2}, []float64{1, 1.5}},
		{13, "DepthToSpace", attributes{"blocksize": 2}, []array{counted(4).as(1, 4, 1, 1)}, []int{1, 1, 2, 2}, []float64{0, 1, 2, 3}},
		{13, "SpaceToDepth", attributes{"blocksize": 2}, []array{counted(4).as(1, 1, 2, 2)}, []int{1, 4, 1, 1}, []float64{0, 1, 2, 3}},
		{13, "Unsqueeze", nil, []array{counted(2), integers(-1, 0)}, []int{1, 2, 1}, []float64{0, 1}},
		{11, "Squeeze", attributes{"axes": []int64{0}}, []array{counted(2).as(1, 2, 1)}, []int{2, 1}, []float64{0, 1}},
		{16, "ScatterND", nil, []array{counted(4).as(2, 2), integers(1, 0).as(2, 1), list(9, 8, 7, 6).as(2, 2)}, []int{2, 2}, []float64{7, 6, 9, 8}},
		{16, "ScatterND", nil, []array{counted(4).as(2, 2), integers(1, -1).as(1, 2), list(9)}, []int{2, 2}, []float64{0, 1, 2, 9}},
		{13, "GatherND", nil, []array{counted(4).as(2, 2), integers(1, 0, 0, 1).as(2, 2)}, []int{2}, []float64{2, 1}},
		{13, "GatherND", attributes{"batch_dims": 1}, []array{counted(8).as(2, 2, 2), integers(1, 0).as(2, 1)}, []int{2, 2}, []float64{2, 3, 4, 5}},
		{13, "GatherElements", attributes{"axis": 1}, []array{counted(4).as(2, 2), integers(0, 0, 1, 0).as(2, 2)}, []int{2, 2}, []float64{0, 0, 3, 2}},
		{14, "Trilu", attributes{"upper": 0}, []array{list(1, 2, 3, 4).as(2, 2)}, []int{2, 2}, []float64{1, 0, 3, 4}},
		{14, "Trilu", nil, []array{list(1, 2, 3, 4).as(2, 2), integers(1).as()}, []int{2, 2}, []float64{0, 2, 0, 0}},
		{13, "NonZero", nil, []array{list(0, 2, 3, 0).as(2, 2)}, []int{2, 2}, []float64{0, 1, 1, 0}},
		{14, "CumSum", nil, []array{list(1, 2, 3, 4).as(2, 2), integers(0).as()}, []int{2, 2}, []float64{1, 2, 4, 6}},

		{13, "Conv", attributes{"pads": []int64{1, 1, 0, 0}, "strides": []int64{2, 2}}, []array{square, list(1, 1, 1, 1).as(1, 1, 2, 2), list(100)},
			[]int{1, 1, 2, 2}, []float64{100, 103, 109, 124}},
		{13, "Conv", attributes{"auto_pad": "SAME_LOWER"}, []array{square, list(1, 0, 0, 0).as(1, 1, 2, 2)}, []int{1, 1, 3, 3}, []float64{0, 0, 0, 0, 0, 1, 0, 3, 4}},
		{13, "Conv", attributes{"dilations": []int64{2, 2}}, []array{square, list(1, 2, 3, 4).as(1, 1, 2, 2)}, []int{1, 1, 1, 1}, []float64{0 + 4 + 18 + 32}},
		{13, "Conv", attributes{"group": 2}, []array{list(1, 2).as(1, 2, 1, 1), list(3, 5).as(2, 1, 1, 1)}, []int{1, 2, 1, 1}, []float64{3, 10}},
		{13, "MaxPool", attributes{"kernel_shape": []int64{2, 2}, "strides": []int64{2, 2}, "ceil_mode": 1}, []array{square}, []int{1, 1, 2, 2}, []float64{4, 5, 7, 8}},
		{13, "AveragePool", attributes{"kernel_shape": []int64{2, 2}, "pads": []int64{1, 1, 0, 0}, "strides": []int64{2, 2}}, []array{square}, []int{1, 1, 2, 2}, []float64{0, 1.5, 4.5, 6}},
		{13, "AveragePool", attributes{"kernel_shape": []int64{2, 2}, "pads": []int64{1, 1, 0, 0}, "strides": []int64{2, 2}, "count_include_pad": 1}, []array{square}, []int{1, 1, 2, 2}, []float64{0, 0.75, 2.25, 6}},
		{13, "GlobalAveragePool", nil, []array{square}, []int{1, 1, 1, 1}, []float64{4}},
		{13, "Gemm", attributes{"alpha": 2.0, "beta": 3.0, "transB": 1}, []array{list(1, 2).as(1, 2), list(3, 4, 5, 6).as(2, 2), list(1, 2)}, []int{1, 2}, []float64{25, 40}},
		{13, "MatMul", nil, []array{counted(4).as(2, 2), list(1, 1)}, []int{2}, []float64{1, 5}},
		{13, "Einsum", attributes{"equation": "ij,kj->ki"}, []array{counted(4).as(2, 2), list(1, 2).as(1, 2)}, []int{1, 2}, []float64{2, 8}},
		{13, "BatchNormalization", attributes{"epsilon": 0.0}, []array{list(1, 5).as(1, 2), list(2, 3), list(1, 1), list(0, 1), list(4, 1)}, []int{1, 2}, []float64{2, 13}},
		{15, "BatchNormalization", attributes{"epsilon": 0.0, "training_mode": 1}, []array{list(-1, 0, 1, 2).as(2, 2), list(1, 2), list(0, 1), list(0, 0), list(0, 0)}, []int{2, 2}, []float64{-1, -1, 1, 3}},
		{17, "LayerNormalization", attributes{"epsilon": 0.0}, []array{list(-1, 1).as(1, 2), list(1, 2), list(0, 1)}, []int{1, 2}, []float64{-1, 3}},
		{13, "InstanceNormalization", attributes{"epsilon": 0.0}, []array{list(-1, 1).as(1, 1, 2), list(3), list(1)}, []int{1, 1, 2}, []float64{-2, 4}},
		{21, "GroupNormalization", attributes{"epsilon": 0.0, "num_groups": 1}, []array{list(-1, 1).as(1, 2, 1), list(1, 2), list(0, 1)}, []int{1, 2, 1}, []float64{-1, 3}},
		{13, "LRN", attributes{"size": 3, "alpha": 3.0, "beta": 1.0}, []array{list(1, 2, 3).as(1, 3, 1)}, []int{1, 3, 1}, []float64{1.0 / 6, 2.0 / 15, 3.0 / 14}},
		{13, "Softmax", nil, []array{list(0, float32(math.Ln2), 0, 0).as(2, 2)}, []int{2, 2}, []float64{1.0 / 3, 2.0 / 3, .5, .5}},
		{11, "Softmax", nil, []array{list(0, 0, 0, 0).as(1, 2, 2)}, []int{1, 2, 2}, []float64{.25, .25, .25, .25}},
		{13, "ReduceMean", attributes{"axes": []int64{-1}, "keepdims": 0}, []array{counted(4).as(2, 2)}, []int{2}, []float64{.5, 2.5}},
		{18, "ReduceMax", nil, []array{counted(4).as(2, 2), integers(0)}, []int{1, 2}, []float64{2, 3}},
		{13, "ArgMax", attributes{"axis": 1, "keepdims": 0}, []array{list(1, 3, 3, 0).as(2, 2)}, []int{2}, []float64{1, 0}},
		{13, "Resize", attributes{"mode": "linear"}, []array{counted(2).as(1, 1, 1, 2), {}, list(1, 1, 1, 2)}, []int{1, 1, 1, 4}, []float64{0, .25, .75, 1}},
		{13, "Resize", attributes{"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, []array{counted(2).as(1, 1, 1, 2), {}, {}, integers(1, 1, 1, 3)}, []int{1, 1, 1, 3}, []float64{0, 0, 1}},
		{13, "Resize", attributes{"mode": "cubic"}, []array{counted(4).as(1, 1, 1, 4), {}, list(1, 1, 1, 2)}, []int{1, 1, 1, 8}, // as PyTorch's interpolate has it
			[]float64{-.10546875, .19140625, .66796875, 1.296875, 1.703125, 2.33203125, 2.80859375, 3.10546875}},
		{13, "QuantizeLinear", nil, []array{list(-1, .3, 100, .5), scalar(.2)}, []int{4}, []float64{0, 2, 255, 2}},
	} {
		t.Run(c.op, func(t *testing.T) {
			m, err := onnx.Parse(single(c.opset, c.op, c.a, 1, c.in...).Bytes(), nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := m.Fold(onnx.FoldOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Outputs[0].Float64s()
			if err != nil || !slices.Equal(p.Outputs[0].Shape, c.shape) || len(got) != len(c.want) {
				t.Fatalf("%v: %v %v, want %v %v", err, p.Outputs[0].Shape, got, c.shape, c.want)
			}
			for i, w := range c.want {
				if !(math.Abs(got[i]-w) <= 1e-6) {
					t.Errorf("%v, want %v", got, c.want)
					break
				}
			}
		})
	}
}

// TestRefused wants errors that name the operator and what is wrong.
func TestRefused(t *testing.T) {
	image := counted(12).as(1, 3, 2, 2)
	for _, c := range []struct {
		op   string
		a    attributes
		in   []array
		want string
	}{
		{"Frobnicate", nil, []array{image}, "operator Frobnicate is not supported"},
		{"Conv", nil, []array{image, counted(4).as(1, 4, 1, 1)}, "weights of shape [1 4 1 1] in 1 groups on 3 channels"},
		{"Conv", attributes{"group": 2}, []array{image, counted(3).as(1, 3, 1, 1)}, "in 2 groups on 3 channels"},
		{"Conv", attributes{"strides": []int64{0, 1}}, []array{image, counted(3).as(1, 3, 1, 1)}, "strides of 0"},
		{"Conv", attributes{"pads": []int64{1, 1, 1}}, []array{image, counted(3).as(1, 3, 1, 1)}, "pads [1 1 1], want 4 numbers"},
		{"Conv", nil, []array{image, counted(27).as(1, 3, 3, 3)}, "on a map of [2 2]"},
		{"ConstantOfShape", nil, []array{integers(1<<20, 1<<20)}, "too large"},
		{"ConstantOfShape", nil, []array{integers(1<<15, 1<<10)}, "too large for a file of this size"},
		{"Reshape", nil, []array{image, integers(5, -1)}, "cannot become [5 -1]"},
		{"Transpose", attributes{"perm": []int64{0, 0, 1, 2}}, []array{image}, "not each axis once"},
		{"Gather", nil, []array{image, integers(1)}, "index 1 of 1"},
		{"Concat", attributes{"axis": 1}, []array{image, counted(3).as(1, 3, 1, 1)}, "along axis 1"},
		{"Add", nil, []array{image, counted(5)}, "do not go together"},
		{"Div", nil, []array{integers(1), integers(0)}, "division by zero"},
		{"BatchNormalization", nil, []array{image, list(1), list(1), list(1), list(1)}, "a list of 3 numbers"},
		{"MatMul", nil, []array{image, counted(3)}, "a matrix product of shapes"},
		{"MaxPool", attributes{"kernel_shape": []int64{1 << 19, 1 << 19}, "pads": []int64{1 << 20, 1 << 20, 1 << 20, 1 << 20}}, []array{image}, "too large"},
		{"Tile", nil, []array{image, integers(1<<20, 1<<20, 1, 1)}, "too large"},
	} {
		m, err := onnx.Parse(single(13, c.op, c.a, 1, c.in...).Bytes(), nil)
		if err == nil {
			_, err = m.Fold(onnx.FoldOptions{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.op) {
			t.Errorf("%s %v: %v, want %q", c.op, c.a, err, c.want)
		}
	}
}

// TestGraphs wants the graph's own mistakes found.
func TestGraphs(t *testing.T) {
	relu := func(in, out string) onnxmake.Node {
		return onnxmake.Node{Op: "Relu", In: []string{in}, Out: []string{out}}
	}
	x := []onnxmake.Value{{Name: "x", Shape: []int64{1, 3, 4, 4}}}
	y := []onnxmake.Value{{Name: "y"}}
	for _, c := range []struct {
		m    onnxmake.Model
		want string // "" is no error
	}{
		{onnxmake.Model{Opset: 13, Inputs: x, Outputs: y, Nodes: []onnxmake.Node{relu("x", "y"), relu("nobody", "z")}}, ""}, // z is not wanted
		{onnxmake.Model{Opset: 13, Inputs: x, Outputs: y, Nodes: []onnxmake.Node{relu("z", "y"), relu("y", "z")}}, `reads "z"`},
		{onnxmake.Model{Opset: 13, Inputs: x, Outputs: y, Nodes: []onnxmake.Node{relu("x", "y"), relu("x", "y")}}, `makes "y"`},
		{onnxmake.Model{Opset: 13, Inputs: x, Outputs: y}, `output "y" is made by no node`},
		{onnxmake.Model{Opset: 13, Inputs: x, Nodes: []onnxmake.Node{relu("x", "y")}}, "no outputs"},
		{onnxmake.Model{Opset: 999, Inputs: x, Outputs: y, Nodes: []onnxmake.Node{relu("x", "y")}}, "opset 999"},
		{onnxmake.Model{Opset: 13, Inputs: []onnxmake.Value{{Name: "x", Shape: []int64{1, 1, 1 << 20, 1 << 20}}}, Outputs: y, Nodes: []onnxmake.Node{relu("x", "y")}}, "too large"},
	} {
		m, err := onnx.Parse(c.m.Bytes(), nil)
		if err == nil {
			_, err = m.Fold(onnx.FoldOptions{})
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestCutShort reads every beginning of a model: an error, never a panic.
func TestCutShort(t *testing.T) {
	whole := single(13, "Conv", attributes{"strides": []int64{1, 1}}, 1, counted(12).as(1, 3, 2, 2), counted(3).as(1, 3, 1, 1)).Bytes()
	if !onnx.Is(whole) {
		t.Error("not known as a model")
	}
	for n := range whole {
		m, err := onnx.Parse(whole[:n], nil)
		if err == nil {
			_, err = m.Fold(onnx.FoldOptions{})
		}
		if err == nil {
			t.Errorf("no error of the first %d of %d bytes", n, len(whole))
		}
	}
}

// TestFunctions spreads functions of the model out, and takes the branch that a constant chooses.
func TestFunctions(t *testing.T) {
	node := func(op string, a attributes, out string, in ...string) onnxmake.Node {
		return onnxmake.Node{Op: op, In: in, Out: []string{out}, Attributes: a}
	}
	own := func(n onnxmake.Node) onnxmake.Node { n.Domain = "my.own"; return n }
	branch := func(op string) *onnxmake.Model {
		return &onnxmake.Model{Nodes: []onnxmake.Node{node(op, nil, "inner", "a")}, Outputs: []onnxmake.Value{{Name: "inner"}}}
	}
	m := onnxmake.Model{
		Opset: 13, Inputs: []onnxmake.Value{{Name: "x", Shape: []int64{4}}}, Outputs: []onnxmake.Value{{Name: "y"}},
		Constants: []onnxmake.Constant{{Name: "two", Shape: []int64{}, Floats: []float32{2}}},
		Nodes: []onnxmake.Node{
			own(node("Twice", attributes{"slope": 0.5}, "a", "x", "two")),
			node("Equal", nil, "c", "two", "two"),
			node("If", attributes{"then_branch": branch("Neg"), "else_branch": branch("Abs")}, "y", "c"),
		},
		Functions: []onnxmake.Function{
			{Domain: "my.own", Name: "Twice", In: []string{"v", "k"}, Out: []string{"w"}, Attributes: []string{"slope"},
				Nodes: []onnxmake.Node{own(node("Leaky", attributes{"by": onnxmake.Reference("slope")}, "t", "v")), node("Mul", nil, "w", "t", "k")}},
			{Domain: "my.own", Name: "Leaky", In: []string{"v"}, Out: []string{"w"}, Attributes: []string{"by"},
				Nodes: []onnxmake.Node{node("LeakyRelu", attributes{"alpha": onnxmake.Reference("by")}, "w", "v")}},
		},
	}
	model, err := onnx.Parse(m.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Fold(onnx.FoldOptions{Given: map[string]*onnx.Value{"x": onnx.NewFloats([]int{4}, []float32{-2, -1, 0, 3})}})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := p.Outputs[0].Float64s(); !slices.Equal(got, []float64{2, 1, 0, -6}) {
		t.Errorf("%v", got)
	}
	p, err = model.Fold(onnx.FoldOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, s.Op+" "+s.Out[0].Names[0])
	}
	if want := []string{"LeakyRelu a/t", "Mul a", "Neg y"}; !slices.Equal(steps, want) {
		t.Errorf("%q, want %q", steps, want)
	}

	m.Functions[1].Nodes[0] = own(node("Twice", nil, "w", "v", "v")) // each calls the other
	if model, err = onnx.Parse(m.Bytes(), nil); err == nil {
		_, err = model.Fold(onnx.FoldOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "within each other") {
		t.Errorf("functions that call each other: %v", err)
	}
}
