package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"cwox/internal/elementary"
)

// The operators that take several elements together.

func sumOf(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum
}

func meanOf(x []float64) float64 { return sumOf(x) / float64(len(x)) }

func maxOf(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	return top
}

func minOf(x []float64) float64 {
	low := math.Inf(1)
	for _, v := range x {
		low = min(low, v)
	}
	return low
}

func prodOf(x []float64) float64 {
	p := 1.0
	for _, v := range x {
		p *= v
	}
	return p
}

func squaresOf(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v * v)
	}
	return sum
}

func absOf(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += math.Abs(v)
	}
	return sum
}

// Reduced are the axes that a reduction takes together, and whether they stay as axes of length 1.
func (s *Step) Reduced(rank int) (which []int, keep bool, err error) {
	list, err := s.IntsOr("axes", 1)
	if err != nil {
		return nil, false, err
	}
	keep = s.Int("keepdims", 1) != 0
	if len(list) == 0 {
		if s.Int("noop_with_empty_axes", 0) != 0 {
			return nil, keep, nil
		}
		for d := range rank {
			which = append(which, d)
		}
		return which, keep, nil
	}
	which, err = axes(list, rank)
	return which, keep, err
}

// rows visits the elements of a value along some axes together, for each place of the others in
// row-major order.
func rows(x []float64, shape, which []int, visit func(row []float64)) {
	own := strides(shape)
	var outer, inner, outerStep, innerStep []int
	for d, n := range shape {
		if slices.Contains(which, d) {
			inner, innerStep = append(inner, n), append(innerStep, own[d])
		} else {
			outer, outerStep = append(outer, n), append(outerStep, own[d])
		}
	}
	for _, row := range rowsOf(x, outer, outerStep, inner, innerStep) {
		visit(row)
	}
}

func rowsOf(x []float64, outer, outerStep, inner, innerStep []int) [][]float64 {
	all := walk(x, append(slices.Clone(outer), inner...), append(slices.Clone(outerStep), innerStep...), 0)
	n, each := 1, 1
	for _, d := range outer {
		n *= d
	}
	for _, d := range inner {
		each *= d
	}
	out := make([][]float64, n)
	for i := range out {
		out[i] = all[i*each:][:each]
	}
	return out
}

// reduction is an operator that makes one number of many.
func reduction(of func([]float64) float64) eval {
	return one(func(s *Step) (*Value, error) {
		if err := s.operands(1); err != nil {
			return nil, err
		}
		x := s.In[0]
		which, keep, err := s.Reduced(len(x.Shape))
		if err != nil {
			return nil, err
		}
		shape := []int{}
		for d, n := range x.Shape {
			switch {
			case !slices.Contains(which, d):
				shape = append(shape, n)
			case keep:
				shape = append(shape, 1)
			}
		}
		out, fill, err := s.result(x.Type, shape)
		if !fill || err != nil {
			return out, err
		}
		if err := s.room(x.Len()); err != nil {
			return nil, err
		}
		var y []float64
		rows(x.doubles(), x.Shape, which, func(row []float64) { y = append(y, of(row)) })
		out.setDoubles(y)
		return out, nil
	})
}

func argument(better func(a, b float64) bool) eval {
	return one(func(s *Step) (*Value, error) {
		if err := s.operands(1); err != nil {
			return nil, err
		}
		x := s.In[0]
		d, err := axis(s.Int("axis", 0), len(x.Shape))
		if err != nil {
			return nil, err
		}
		shape := slices.Clone(x.Shape)
		shape[d] = 1
		if s.Int("keepdims", 1) == 0 {
			shape = slices.Delete(shape, d, d+1)
		}
		last := s.Int("select_last_index", 0) != 0
		out, fill, err := s.result(Int64, shape)
		if !fill || err != nil {
			return out, err
		}
		if err := s.room(x.Len()); err != nil {
			return nil, err
		}
		out.isKnown = true
		rows(x.doubles(), x.Shape, []int{d}, func(row []float64) {
			at := 0
			for i, v := range row {
				if better(v, row[at]) || last && v == row[at] {
					at = i
				}
			}
			out.i64 = append(out.i64, int64(at))
		})
		return out, nil
	})
}

// SoftmaxAxes are the axes that a Softmax or LogSoftmax normalises together: before opset 13
// all from its axis on.
func (s *Step) SoftmaxAxes(rank int) ([]int, error) {
	otherwise := int64(-1)
	if s.Opset < 13 {
		otherwise = 1
	}
	d, err := axis(s.Int("axis", otherwise), rank)
	if err != nil {
		return nil, err
	}
	which := []int{d}
	for s.Opset < 13 && d+1 < rank {
		d++
		which = append(which, d)
	}
	return which, nil
}

func softmax(log bool) eval {
	return one(func(s *Step) (*Value, error) {
		if err := s.operands(1); err != nil {
			return nil, err
		}
		x := s.In[0]
		which, err := s.SoftmaxAxes(len(x.Shape))
		if err != nil {
			return nil, err
		}
		return s.along(x, which, func(row []float64) {
			top := maxOf(row)
			sum := 0.0
			for _, v := range row {
				sum += elementary.Exp(v - top)
			}
			for i, v := range row {
				if row[i] = v - top - elementary.Log(sum); !log {
					row[i] = elementary.Exp(row[i])
				}
			}
		})
	})
}

// along changes the rows along some axes, each as a whole.
func (s *Step) along(x *Value, which []int, change func(row []float64)) (*Value, error) {
	out, fill, err := s.result(x.Type, x.Shape)
	if !fill || err != nil {
		return out, err
	}
	if err := s.room(2 * x.Len()); err != nil {
		return nil, err
	}
	index := make([]float64, x.Len())
	for i := range index {
		index[i] = float64(i)
	}
	var places [][]float64
	rows(index, x.Shape, which, func(row []float64) { places = append(places, row) })
	y := make([]float64, x.Len())
	i := 0
	rows(x.doubles(), x.Shape, which, func(row []float64) {
		change(row)
		for j, v := range row {
			y[int(places[i][j])] = v
		}
		i++
	})
	out.setDoubles(y)
	return out, nil
}

func lpNorm(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	d, err := axis(s.Int("axis", -1), len(s.In[0].Shape))
	if err != nil {
		return nil, err
	}
	p := s.Int("p", 2)
	return s.along(s.In[0], []int{d}, func(row []float64) {
		n := absOf(row)
		if p == 2 {
			n = math.Sqrt(squaresOf(row))
		}
		for i := range row {
			row[i] /= n
		}
	})
}

// standardise makes a row (x-mean)/sqrt(variance+epsilon).
func standardise(row []float64, epsilon float64) (mean, scale float64) {
	m := meanOf(row)
	v := 0.0
	for _, x := range row {
		v += float64((x - m) * (x - m))
	}
	scale = 1 / math.Sqrt(v/float64(len(row))+epsilon)
	for i, x := range row {
		row[i] = (x - m) * scale
	}
	return m, scale
}

// scaled is x*scale + shift, broadcast; either may be nil.
func (s *Step) scaled(x, scale, shift *Value) (*Value, error) {
	var err error
	if scale != nil {
		x, err = s.apply(multiplication, x, scale)
	}
	if shift != nil && err == nil {
		x, err = s.apply(addition, x, shift)
	}
	return x, err
}

// perChannel gives a list of one axis the place of the channels in a shape.
func perChannel(v *Value, rank int) *Value {
	shape := slices.Clone(v.Shape)
	for len(shape) < rank-1 {
		shape = append(shape, 1)
	}
	return v.reshaped(shape)
}

// channelLists checks operands that have an element for each channel.
func (s *Step) channelLists(from, to, channels int) error {
	for i := from; i < to; i++ {
		if v := s.Operand(i); v == nil || v.Len() != channels || len(v.Shape) != 1 {
			return fmt.Errorf("operand %d: want a list of %d numbers, one for each channel", i, channels)
		}
	}
	return nil
}

// Epsilon is that of a normalisation.
func (s *Step) Epsilon() float64 { return s.Float("epsilon", float64(float32(1e-5))) }

func batchNorm(s *Step) ([]*Value, error) {
	if err := s.operands(5); err != nil {
		return nil, err
	}
	x := s.In[0]
	if s.Int("training_mode", 0) != 0 {
		return s.batchStatistics()
	}
	if len(x.Shape) < 2 || s.Int("spatial", 1) == 0 {
		return nil, fmt.Errorf("batch normalisation of shape %v, spatial=%d", x.Shape, s.Int("spatial", 1))
	}
	if err := s.channelLists(1, 5, x.Shape[1]); err != nil {
		return nil, err
	}
	out, fill, err := s.result(x.Type, x.Shape)
	if !fill || err != nil {
		return []*Value{out}, err
	}
	var p [4][]float64
	for i := range p {
		p[i] = s.In[i+1].doubles()
	}
	images, channels, inner := blocksOf(x.Shape, 1)
	in, y := x.doubles(), make([]float64, x.Len())
	for n := range images {
		for c := range channels {
			scale := p[0][c] / math.Sqrt(p[3][c]+s.Epsilon())
			for i := range inner {
				at := (n*channels+c)*inner + i
				y[at] = float64((in[at]-p[2][c])*scale) + p[1][c]
			}
		}
	}
	out.setDoubles(y)
	return []*Value{out}, nil
}

// batchStatistics is a batch normalisation by the operand's own statistics. Of images it is a
// mistake; of constants it is weight standardisation.
func (s *Step) batchStatistics() ([]*Value, error) {
	x := s.In[0]
	if !x.isKnown {
		return nil, errors.New("batch normalisation in training mode: export the model after model.eval()")
	}
	if len(x.Shape) < 2 {
		return nil, fmt.Errorf("batch normalisation of shape %v", x.Shape)
	}
	if err := s.channelLists(1, 5, x.Shape[1]); err != nil {
		return nil, err
	}
	which := []int{0}
	for d := 2; d < len(x.Shape); d++ {
		which = append(which, d)
	}
	var means, variances []float64
	old, keep := [2][]float64{}, s.Float("momentum", float64(float32(0.9)))
	for i := range old {
		v, err := s.In[3+i].Float64s()
		if err != nil {
			return nil, err
		}
		old[i] = v
	}
	y, err := s.along(x, which, func(row []float64) {
		c := len(means)
		mean, scale := standardise(row, s.Epsilon())
		means = append(means, float64(old[0][c]*keep)+float64(mean*(1-keep)))
		variances = append(variances, float64(old[1][c]*keep)+float64((1/(scale*scale)-s.Epsilon())*(1-keep)))
	})
	if err != nil {
		return nil, err
	}
	if y, err = s.scaled(y, perChannel(s.In[1], len(x.Shape)), perChannel(s.In[2], len(x.Shape))); err != nil {
		return nil, err
	}
	out := []*Value{y, blank(s.In[3].Type, s.In[3].Shape), blank(s.In[4].Type, s.In[4].Shape)}
	out[1].setDoubles(means)
	out[2].setDoubles(variances)
	return out, nil
}

func instanceNorm(s *Step) (*Value, error) {
	if err := s.operands(3); err != nil {
		return nil, err
	}
	x := s.In[0]
	if len(x.Shape) < 3 {
		return nil, fmt.Errorf("instance normalisation of shape %v", x.Shape)
	}
	if err := s.channelLists(1, 3, x.Shape[1]); err != nil {
		return nil, err
	}
	var which []int
	for d := 2; d < len(x.Shape); d++ {
		which = append(which, d)
	}
	y, err := s.along(x, which, func(row []float64) { standardise(row, s.Epsilon()) })
	if err != nil {
		return nil, err
	}
	return s.scaled(y, perChannel(s.In[1], len(x.Shape)), perChannel(s.In[2], len(x.Shape)))
}

func groupNorm(s *Step) (*Value, error) {
	if err := s.operands(3); err != nil {
		return nil, err
	}
	x := s.In[0]
	groups := s.Int("num_groups", 0)
	if len(x.Shape) < 2 || groups < 1 || int64(x.Shape[1])%groups != 0 {
		return nil, fmt.Errorf("group normalisation of shape %v in %d groups", x.Shape, groups)
	}
	g, channels := int(groups), x.Shape[1]
	scale, shift := s.In[1], s.In[2]
	lists := channels
	if s.Opset < 21 { // one number for each group
		lists = g
	}
	if err := s.channelLists(1, 3, lists); err != nil {
		return nil, err
	}
	if lists != channels {
		each := func(v *Value) *Value {
			return v.strided([]int{g, channels / g}, []int{1, 0}, 0).reshaped([]int{channels})
		}
		if err := errors.Join(scale.read(), shift.read()); err != nil {
			return nil, err
		}
		scale, shift = each(scale), each(shift)
	}
	grouped := slices.Concat([]int{x.Shape[0], g, channels / g}, x.Shape[2:])
	var which []int
	for d := 2; d < len(grouped); d++ {
		which = append(which, d)
	}
	y, err := s.along(x.reshaped(grouped), which, func(row []float64) { standardise(row, s.Epsilon()) })
	if err != nil {
		return nil, err
	}
	return s.scaled(y.reshaped(x.Shape), perChannel(scale, len(x.Shape)), perChannel(shift, len(x.Shape)))
}

func layerNorm(s *Step) ([]*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	x := s.In[0]
	d, err := axis(s.Int("axis", -1), len(x.Shape))
	if err != nil {
		return nil, err
	}
	var which []int
	moments := slices.Clone(x.Shape)
	for ; d < len(x.Shape); d++ {
		which, moments[d] = append(which, d), 1
	}
	mean, fill, err := s.result(Float, moments)
	if err != nil {
		return nil, err
	}
	deviation := blank(Float, moments) // its reciprocal
	var means, scales []float64
	y, err := s.along(x, which, func(row []float64) {
		m, scale := standardise(row, s.Epsilon())
		means, scales = append(means, m), append(scales, scale)
	})
	if err != nil {
		return nil, err
	}
	if fill {
		mean.setDoubles(means)
		deviation.setDoubles(scales)
	}
	y, err = s.scaled(y, s.In[1], s.Operand(2))
	if err == nil && !slices.Equal(y.Shape, x.Shape) {
		err = fmt.Errorf("a scale of shape %v for %v", s.In[1].Shape, x.Shape)
	}
	return []*Value{y, mean, deviation}, err
}

func localNorm(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	size := s.Int("size", 0)
	if len(x.Shape) < 2 || size < 1 || size > mostWindow {
		return nil, fmt.Errorf("local response normalisation of size %d on %v", size, x.Shape)
	}
	out, fill, err := s.result(x.Type, x.Shape)
	if !fill || err != nil {
		return out, err
	}
	if err := s.effort(int64(x.Len()) * min(size, int64(x.Shape[1]))); err != nil {
		return nil, err
	}
	alpha, beta, bias := s.Float("alpha", 1e-4), s.Float("beta", 0.75), s.Float("bias", 1)
	images, channels, inner := blocksOf(x.Shape, 1)
	in, y := x.doubles(), make([]float64, x.Len())
	before := (int(size) - 1) / 2
	for n := range images {
		for c := range channels {
			for i := range inner {
				sum := 0.0
				for k := max(0, c-before); k <= min(channels-1, c-before+int(size)-1); k++ {
					v := in[(n*channels+k)*inner+i]
					sum += float64(v * v)
				}
				at := (n*channels+c)*inner + i
				y[at] = in[at] / elementary.Pow(bias+float64(alpha/float64(size)*sum), beta)
			}
		}
	}
	out.setDoubles(y)
	return out, nil
}

func matMul(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	return s.product(s.In[0], s.In[1])
}

// product is the matrix product of the last two axes, the others broadcast (numpy.matmul).
func (s *Step) product(a, b *Value) (*Value, error) {
	x, y := a.Shape, b.Shape
	if len(x) == 0 || len(y) == 0 {
		return nil, fmt.Errorf("a matrix product of shapes %v and %v", x, y)
	}
	dropRow, dropColumn := len(x) == 1, len(y) == 1
	if dropRow {
		x = []int{1, x[0]}
	}
	if dropColumn {
		y = []int{y[0], 1}
	}
	n, m := len(x), len(y)
	rowsA, inner, columns := x[n-2], x[n-1], y[m-1]
	outer, err := broadcast(x[:n-2], y[:m-2])
	if err != nil || y[m-2] != inner {
		return nil, fmt.Errorf("a matrix product of shapes %v and %v", a.Shape, b.Shape)
	}
	shape := slices.Clone(outer)
	if !dropRow {
		shape = append(shape, rowsA)
	}
	if !dropColumn {
		shape = append(shape, columns)
	}
	out, fill, err := s.result(a.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	if err := s.effort(int64(out.Len()) * int64(inner)); err != nil {
		return nil, err
	}
	fullA, fullB := append(slices.Clone(outer), rowsA, inner), append(slices.Clone(outer), inner, columns)
	sizeA, err := elements(fullA)
	sizeB, err2 := elements(fullB)
	if err := errors.Join(err, err2, s.room(sizeA+sizeB)); err != nil {
		return nil, err
	}
	p, q := a.reshaped(x).expanded(fullA).doubles(), b.reshaped(y).expanded(fullB).doubles()
	z := make([]float64, out.Len())
	for o := range len(z) / max(1, rowsA*columns) {
		for i := range rowsA {
			for k := range inner {
				v := p[(o*rowsA+i)*inner+k]
				for j := range columns {
					z[(o*rowsA+i)*columns+j] += float64(v * q[(o*inner+k)*columns+j])
				}
			}
		}
	}
	out.setDoubles(z)
	return out, nil
}

func gemm(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	a, b := s.In[0], s.In[1]
	if len(a.Shape) != 2 || len(b.Shape) != 2 {
		return nil, fmt.Errorf("a matrix product of shapes %v and %v", a.Shape, b.Shape)
	}
	turn := func(v *Value, name string) (*Value, error) {
		if s.Int(name, 0) == 0 {
			return v, nil
		}
		shape := []int{v.Shape[1], v.Shape[0]}
		return s.moved(v, shape, []int{1, v.Shape[1]}, 0)
	}
	a, err := turn(a, "transA")
	b, err2 := turn(b, "transB")
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	y, err := s.product(a, b)
	if err != nil {
		return nil, err
	}
	if y, err = s.times(y, s.Float("alpha", 1)); err != nil {
		return nil, err
	}
	c := s.Operand(2)
	if c == nil {
		return y, nil
	}
	if c, err = s.times(c, s.Float("beta", 1)); err != nil {
		return nil, err
	}
	sum, err := s.apply(addition, y, c)
	if err == nil && !slices.Equal(sum.Shape, y.Shape) {
		err = fmt.Errorf("a bias of shape %v for %v", c.Shape, y.Shape)
	}
	return sum, err
}

// times multiplies by a number.
func (s *Step) times(v *Value, by float64) (*Value, error) {
	if by == 1 || !v.isKnown {
		return v, nil
	}
	return s.apply(multiplication, v, NewFloats(nil, []float32{float32(by)}))
}

// Scales are what a (de)quantisation multiplies and shifts by: a number each, or one for each
// element of an axis.
func (s *Step) quantised() (x, scale, zero *Value, err error) {
	if err := s.operands(2); err != nil {
		return nil, nil, nil, err
	}
	x, scale, zero = s.In[0], s.In[1], s.Operand(2)
	if scale.Len() > 1 {
		if len(scale.Shape) != 1 || s.Int("block_size", 0) != 0 {
			return nil, nil, nil, fmt.Errorf("scales of shape %v, by blocks of %d", scale.Shape, s.Int("block_size", 0))
		}
		d, err := axis(s.Int("axis", 1), len(x.Shape))
		if err != nil {
			return nil, nil, nil, err
		}
		if scale.Len() != x.Shape[d] {
			return nil, nil, nil, fmt.Errorf("%d scales for an axis of %d", scale.Len(), x.Shape[d])
		}
		shape := []int{scale.Len()}
		for range x.Shape[d+1:] {
			shape = append(shape, 1)
		}
		scale = scale.reshaped(shape)
		if zero != nil {
			zero = zero.reshaped(shape)
		}
	} else {
		scale = scale.reshaped(nil)
		if zero != nil {
			zero = zero.reshaped(nil)
		}
	}
	return x, scale, zero, nil
}

func dequantize(s *Step) (*Value, error) {
	x, scale, zero, err := s.quantised()
	if err != nil {
		return nil, err
	}
	y := blank(scale.Type, x.Shape)
	if x.isKnown {
		if err := errors.Join(x.read(), s.made(2*x.Len())); err != nil {
			return nil, err
		}
		y.setDoubles(x.doubles())
	}
	if zero != nil {
		z := blank(scale.Type, zero.Shape)
		if err := zero.want(); err != nil {
			return nil, err
		}
		z.setDoubles(zero.doubles())
		if y, err = s.apply(subtraction, y, z); err != nil {
			return nil, err
		}
	}
	return s.apply(multiplication, y, scale)
}

// Range is the least and the largest integer of a type.
func (t Type) Range() (low, high float64) {
	switch t {
	case Uint8:
		return 0, 1<<8 - 1
	case Int8:
		return -1 << 7, 1<<7 - 1
	case Uint16:
		return 0, 1<<16 - 1
	case Int16:
		return -1 << 15, 1<<15 - 1
	}
	return math.Inf(-1), math.Inf(1)
}

func quantize(s *Step) (*Value, error) {
	x, scale, zero, err := s.quantised()
	if err != nil {
		return nil, err
	}
	t := Type(s.Int("output_dtype", int64(Uint8)))
	if zero != nil {
		t = zero.Type
	}
	low, high := t.Range()
	y, err := s.apply(division, x, scale)
	if err != nil || !y.isKnown {
		return blank(t, x.Shape), err
	}
	z := make([]float64, y.Len())
	if zero != nil {
		if err := zero.want(); err != nil {
			return nil, err
		}
		copy(z, zero.expanded(y.Shape).doubles())
	}
	for i, v := range y.doubles() {
		z[i] = min(max(math.RoundToEven(v)+z[i], low), high)
	}
	out := blank(t, x.Shape)
	out.setDoubles(z)
	return out, nil
}
