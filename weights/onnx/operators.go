package onnx

import (
	"fmt"
	"math"

	"cwox/internal/elementary"
	"cwox/weights/half"
)

// eval is what an operator makes of its operands: the type and shape of its results, and their
// elements where those of all operands are known.
type eval func(s *Step) ([]*Value, error)

// one is an operator of one result.
func one(f func(s *Step) (*Value, error)) eval {
	return func(s *Step) ([]*Value, error) {
		v, err := f(s)
		if err != nil {
			return nil, err
		}
		return []*Value{v}, nil
	}
}

// operators are ONNX's own that classifiers are made of, one a row. They are evaluated as
// https://onnx.ai/onnx/operators defines them, in float64, each result rounded to its type.
var operators map[string]eval

func init() { // some run others
	operators = map[string]eval{
		"Abs": plain(math.Abs), "Ceil": plain(math.Ceil), "Cos": plain(elementary.Cos), "Erf": plain(elementary.Erf), "Exp": plain(elementary.Exp),
		"Floor": plain(math.Floor), "Log": plain(elementary.Log), "Neg": plain(func(x float64) float64 { return -x }),
		"Reciprocal": plain(func(x float64) float64 { return 1 / x }), "Round": plain(math.RoundToEven), "Sign": plain(sign),
		"Sin": plain(elementary.Sin), "Sqrt": plain(math.Sqrt), "Tanh": plain(elementary.Tanh),
		"Relu": plain(func(x float64) float64 { return max(x, 0) }), "Sigmoid": plain(sigmoid), "Softplus": plain(softplus),
		"Softsign": plain(func(x float64) float64 { return x / (1 + math.Abs(x)) }), "HardSwish": plain(hardSwish),
		"Mish":      plain(func(x float64) float64 { return x * elementary.Tanh(softplus(x)) }),
		"Not":       plain(func(x float64) float64 { return truth(x == 0) }),
		"LeakyRelu": pointwise(leaky), "Elu": pointwise(elu), "Celu": pointwise(celu), "Selu": pointwise(selu), "Gelu": pointwise(gelu),
		"HardSigmoid": pointwise(hardSigmoid), "ThresholdedRelu": pointwise(thresholded), "Swish": pointwise(swish), "Shrink": pointwise(shrink),

		"Add": binaryOf(addition), "Sub": binaryOf(subtraction), "Mul": binaryOf(multiplication), "Div": binaryOf(division),
		"Pow": binaryOf(power), "Mod": mod, "PRelu": one(prelu),
		"Min": variadic(minimum), "Max": variadic(maximum), "Sum": variadic(addition), "Mean": one(mean),
		"Equal": binaryOf(comparison(false, true, false)), "Less": binaryOf(comparison(true, false, false)),
		"LessOrEqual": binaryOf(comparison(true, true, false)), "Greater": binaryOf(comparison(false, false, true)),
		"GreaterOrEqual": binaryOf(comparison(false, true, true)),
		"And":            binaryOf(logic(func(a, b bool) bool { return a && b })), "Or": binaryOf(logic(func(a, b bool) bool { return a || b })),
		"Xor":   binaryOf(logic(func(a, b bool) bool { return a != b })),
		"Where": one(where), "Clip": one(clipping), "Cast": one(castTo), "CastLike": one(castLike),

		"Constant": one(constant), "ConstantOfShape": one(constantOfShape), "Range": one(numberRange),
		"Shape": one(shapeOf), "Size": one(sizeOf), "Identity": one(same), "Dropout": dropout,
		"Reshape": one(reshape), "Flatten": one(flatten), "Squeeze": one(squeeze), "Unsqueeze": one(unsqueeze),
		"Transpose": one(transpose), "Slice": one(slice), "Gather": one(gather), "Concat": one(concat), "Split": split,
		"Expand": one(expand), "Tile": one(tile), "Pad": one(pad), "DepthToSpace": one(depthToSpace), "SpaceToDepth": one(spaceToDepth),
		"ScatterND": one(scatterND), "Trilu": one(triangular), "NonZero": one(nonZero), "CumSum": one(sumSoFar),
		"GatherND": one(gatherND), "GatherElements": one(gatherElements),
		"Resize": one(resize), "Upsample": one(resize),

		"ReduceSum": reduction(sumOf), "ReduceMean": reduction(meanOf), "ReduceMax": reduction(maxOf), "ReduceMin": reduction(minOf),
		"ReduceProd": reduction(prodOf), "ReduceSumSquare": reduction(squaresOf), "ReduceL1": reduction(absOf),
		"ReduceL2":     reduction(func(x []float64) float64 { return math.Sqrt(squaresOf(x)) }),
		"ReduceLogSum": reduction(func(x []float64) float64 { return elementary.Log(sumOf(x)) }),
		"ReduceLogSumExp": reduction(func(x []float64) float64 {
			top := maxOf(x)
			sum := 0.0
			for _, v := range x {
				sum += elementary.Exp(v - top)
			}
			return top + elementary.Log(sum)
		}),
		"ArgMax": argument(func(a, b float64) bool { return a > b }), "ArgMin": argument(func(a, b float64) bool { return a < b }),
		"Softmax": softmax(false), "LogSoftmax": softmax(true),

		"Conv": one(convolution), "MaxPool": one(maxPool), "AveragePool": one(averagePool),
		"GlobalMaxPool": globalPool(maxOf), "GlobalAveragePool": globalPool(meanOf),
		"Gemm": one(gemm), "MatMul": one(matMul), "Einsum": one(einsum),
		"BatchNormalization": batchNorm, "InstanceNormalization": one(instanceNorm), "GroupNormalization": one(groupNorm),
		"LayerNormalization": layerNorm, "LRN": one(localNorm), "LpNormalization": one(lpNorm),
		"QuantizeLinear": one(quantize), "DequantizeLinear": one(dequantize),
	}
}

// narrow rounds to the precision of a 16-bit type.
func narrow(v *Value) {
	switch v.Type {
	case Float16:
		for i, x := range v.f32 {
			v.f32[i] = half.Float32(half.FromFloat32(x))
		}
	case BFloat16:
		for i, x := range v.f32 {
			bits := math.Float32bits(x)
			if x == x {
				bits += 0x7fff + bits>>16&1
			}
			v.f32[i] = math.Float32frombits(bits &^ 0xffff)
		}
	}
}

// evaluate works out a step. Errors name the node.
func (s *Step) evaluate() ([]*Value, error) {
	f := operators[s.Op]
	if f == nil || s.Domain != "" && s.Domain != "ai.onnx" {
		return nil, s.Error("operator %s is not supported", clip(s.Op))
	}
	_, err := s.known()
	var out []*Value
	if err == nil {
		out, err = f(s)
	}
	if err != nil {
		return nil, s.Error("%w", err)
	}
	for i, v := range out {
		if v == nil {
			return nil, s.Error("result %d is not computed", i)
		}
	}
	return out, nil
}

// prelu is PRelu: before opset 7 a slope of one axis belongs to the channels.
func prelu(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	x, a := s.In[0], s.In[1]
	if s.Opset < 7 && len(a.Shape) == 1 && len(x.Shape) > 1 {
		shape := []int{a.Shape[0]}
		for range x.Shape[2:] {
			shape = append(shape, 1)
		}
		a = a.reshaped(shape)
	}
	out, err := s.apply(slope, x, a)
	if err == nil && len(out.Shape) != len(x.Shape) {
		err = fmt.Errorf("a slope of shape %v for %v", a.Shape, x.Shape)
	}
	return out, err
}
