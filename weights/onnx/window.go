package onnx

import (
	"errors"
	"fmt"
	"math"
)

// Window is how a convolution or pooling looks at the spatial axes, an element each.
type Window struct {
	Kernel, Stride, Dilation []int
	Before, After            []int // padding
	Out                      []int // length of the result
	Ceil                     bool  // rounds the length up
}

// mostWindow bounds kernels, strides, dilations and paddings.
const mostWindow = 1 << 20

// Window is the step's, on a map of the given spatial shape. kernel is that of the weights, nil
// where the attribute says it.
func (s *Step) Window(spatial, kernel []int) (*Window, error) {
	n := len(spatial)
	if n < 1 || n > 3 {
		return nil, fmt.Errorf("%d spatial axes", n)
	}
	ints := func(name string, otherwise, least int64, count int) ([]int, error) {
		out := make([]int, count)
		a := s.Attribute(name)
		if a != nil && len(a.Ints) != count {
			return nil, fmt.Errorf("%s %v, want %d numbers", name, a.Ints, count)
		}
		for i := range out {
			v := otherwise
			if a != nil {
				v = a.Ints[i]
			}
			if v < least || v > mostWindow {
				return nil, fmt.Errorf("%s of %d, want %d to %d", name, v, least, mostWindow)
			}
			out[i] = int(v)
		}
		return out, nil
	}
	w := &Window{Kernel: kernel, Ceil: s.Int("ceil_mode", 0) != 0}
	own, err := ints("kernel_shape", -1, 1, n)
	if s.Attribute("kernel_shape") == nil && kernel != nil {
		own, err = kernel, nil
	}
	if err != nil {
		return nil, err
	}
	if kernel != nil && fmt.Sprint(own) != fmt.Sprint(kernel) {
		return nil, fmt.Errorf("kernel_shape %v, the weights have %v", own, kernel)
	}
	w.Kernel = own
	pads := make([]int, 2*n)
	var err1, err2, err3 error
	w.Stride, err1 = ints("strides", 1, 1, n)
	w.Dilation, err2 = ints("dilations", 1, 1, n)
	mode := s.Text("auto_pad", "NOTSET")
	if mode == "NOTSET" || mode == "" {
		pads, err3 = ints("pads", 0, 0, 2*n)
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	w.Before, w.After, w.Out = pads[:n], pads[n:], make([]int, n)
	for d, size := range spatial {
		reach := (w.Kernel[d]-1)*w.Dilation[d] + 1
		switch mode {
		case "SAME_UPPER", "SAME_LOWER":
			out := (size + w.Stride[d] - 1) / w.Stride[d]
			total := max(0, (out-1)*w.Stride[d]+reach-size)
			w.Before[d], w.After[d] = total/2, total-total/2
			if mode == "SAME_LOWER" {
				w.Before[d], w.After[d] = w.After[d], w.Before[d]
			}
		case "NOTSET", "", "VALID":
		default:
			return nil, fmt.Errorf("auto_pad %s", clip(mode))
		}
		span := w.Before[d] + size + w.After[d] - reach
		if span < 0 || size == 0 {
			return nil, fmt.Errorf("a window of %v, dilated by %v, on a map of %v with pads %v and %v", w.Kernel, w.Dilation, spatial, w.Before, w.After)
		}
		w.Out[d] = span/w.Stride[d] + 1
		if w.Ceil && span%w.Stride[d] != 0 && w.Out[d]*w.Stride[d] < size+w.Before[d] {
			w.Out[d]++ // a last window that begins before the padding at the end
		}
	}
	return w, nil
}

// inThree gives all of a window three axes.
func (w *Window) inThree() {
	for len(w.Kernel) < 3 {
		for _, p := range []struct {
			list  *[]int
			value int
		}{{&w.Kernel, 1}, {&w.Stride, 1}, {&w.Dilation, 1}, {&w.Before, 0}, {&w.After, 0}, {&w.Out, 1}} {
			*p.list = append([]int{p.value}, *p.list...)
		}
	}
}

// places is the size of the kernel, of three axes.
func (w *Window) places() int64 {
	return int64(w.Kernel[0]) * int64(w.Kernel[1]) * int64(w.Kernel[2])
}

// taps calls f for each element of the window at an output's place: its places in the kernel and
// in the map, which has three axes; inside says whether the map has it, padded whether the map
// with its padding has it.
func (w *Window) taps(spatial, out [3]int, f func(kernel, at int, inside, padded bool)) {
	k := 0
	for a := range w.Kernel[0] {
		z := out[0]*w.Stride[0] - w.Before[0] + a*w.Dilation[0]
		for b := range w.Kernel[1] {
			y := out[1]*w.Stride[1] - w.Before[1] + b*w.Dilation[1]
			for c := range w.Kernel[2] {
				x := out[2]*w.Stride[2] - w.Before[2] + c*w.Dilation[2]
				inside := z >= 0 && z < spatial[0] && y >= 0 && y < spatial[1] && x >= 0 && x < spatial[2]
				padded := z < spatial[0]+w.After[0] && y < spatial[1]+w.After[1] && x < spatial[2]+w.After[2]
				f(k, (z*spatial[1]+y)*spatial[2]+x, inside, padded)
				k++
			}
		}
	}
}

// three gives spatial axes a third.
func three(spatial []int) (out [3]int) {
	for i := range out {
		out[i] = 1
	}
	copy(out[3-len(spatial):], spatial)
	return out
}

// spatialOperand is the operand as [images][channels] and what follows.
func (s *Step) spatialOperand() (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	if n := len(s.In[0].Shape); n < 3 || n > 5 {
		return nil, fmt.Errorf("an operand of shape %v, want [images][channels] and one to three axes", s.In[0].Shape)
	}
	return s.In[0], nil
}

// Groups are those of a convolution of weights of the given shape on so many channels.
func (s *Step) Groups(channels int, weights []int) (int, error) {
	groups := s.Int("group", 1)
	if groups < 1 || groups > int64(channels) || channels%int(groups) != 0 || weights[0]%int(groups) != 0 || weights[1]*int(groups) != channels {
		return 0, fmt.Errorf("weights of shape %v in %d groups on %d channels", weights, groups, channels)
	}
	return int(groups), nil
}

func convolution(s *Step) (*Value, error) {
	x, err := s.spatialOperand()
	if err != nil {
		return nil, err
	}
	if err := s.operands(2); err != nil {
		return nil, err
	}
	weight, bias := s.In[1], s.Operand(2)
	if len(weight.Shape) != len(x.Shape) || !weight.Type.IsFloat() {
		return nil, fmt.Errorf("weights of %v %v on %v", weight.Type, weight.Shape, x.Shape)
	}
	spatial := x.Shape[2:]
	w, err := s.Window(spatial, weight.Shape[2:])
	if err != nil {
		return nil, err
	}
	images, channels, outs := x.Shape[0], x.Shape[1], weight.Shape[0]
	groups, err := s.Groups(channels, weight.Shape)
	if err != nil {
		return nil, err
	}
	if bias != nil && (len(bias.Shape) != 1 || bias.Shape[0] != outs) {
		return nil, fmt.Errorf("a bias of shape %v for %d channels", bias.Shape, outs)
	}
	out, fill, err := s.result(x.Type, append([]int{images, outs}, w.Out...))
	if !fill || err != nil {
		return out, err
	}
	w.inThree()
	ins, taps := channels/groups, w.places()
	if err := s.effort(int64(out.Len()) * min(int64(ins)*taps, 1<<31)); err != nil {
		return nil, err
	}
	in, wt := x.doubles(), weight.doubles()
	b := make([]float64, outs)
	if bias != nil {
		b = bias.doubles()
	}
	size, room := three(spatial), three(w.Out)
	plane := size[0] * size[1] * size[2]
	y := make([]float64, 0, out.Len())
	for n := range images {
		for o := range outs {
			base := (n*channels + o/(outs/groups)*ins) * plane
			each3(room, func(at [3]int) {
				sum := b[o]
				w.taps(size, at, func(k, i int, inside, _ bool) {
					if inside {
						for c := range ins {
							sum += float64(wt[(o*ins+c)*int(taps)+k] * in[base+c*plane+i])
						}
					}
				})
				y = append(y, sum)
			})
		}
	}
	out.setDoubles(y)
	return out, nil
}

func pooling(s *Step, of func(w *Window, size, at [3]int, plane []float64) float64) (*Value, error) {
	x, err := s.spatialOperand()
	if err != nil {
		return nil, err
	}
	spatial := x.Shape[2:]
	w, err := s.Window(spatial, nil)
	if err != nil {
		return nil, err
	}
	out, fill, err := s.result(x.Type, append([]int{x.Shape[0], x.Shape[1]}, w.Out...))
	if !fill || err != nil {
		return out, err
	}
	w.inThree()
	if err := s.effort(int64(out.Len()) * min(w.places(), 1<<31)); err != nil {
		return nil, err
	}
	size, room, in := three(spatial), three(w.Out), x.doubles()
	plane := size[0] * size[1] * size[2]
	y := make([]float64, 0, out.Len())
	for i := range x.Shape[0] * x.Shape[1] {
		each3(room, func(at [3]int) { y = append(y, of(w, size, at, in[i*plane:][:plane])) })
	}
	out.setDoubles(y)
	return out, nil
}

func maxPool(s *Step) (*Value, error) {
	if len(s.Outputs) > 1 && s.Outputs[1] != "" {
		return nil, errors.New("the places of maxima, which are not computed")
	}
	return pooling(s, func(w *Window, size, at [3]int, plane []float64) float64 {
		top := math.Inf(-1)
		w.taps(size, at, func(_, i int, inside, _ bool) {
			if inside {
				top = max(top, plane[i])
			}
		})
		return top
	})
}

func averagePool(s *Step) (*Value, error) {
	include := s.Int("count_include_pad", 0) != 0
	return pooling(s, func(w *Window, size, at [3]int, plane []float64) float64 {
		sum, n := 0.0, 0
		w.taps(size, at, func(_, i int, inside, padded bool) {
			if inside {
				sum += plane[i]
			}
			if inside || include && padded {
				n++
			}
		})
		return sum / float64(n)
	})
}

func globalPool(of func([]float64) float64) eval {
	return one(func(s *Step) (*Value, error) {
		x, err := s.spatialOperand()
		if err != nil {
			return nil, err
		}
		shape := []int{x.Shape[0], x.Shape[1]}
		plane := 1
		for _, n := range x.Shape[2:] {
			shape, plane = append(shape, 1), plane*n
		}
		out, fill, err := s.result(x.Type, shape)
		if !fill || err != nil {
			return out, err
		}
		in, y := x.doubles(), make([]float64, out.Len())
		for i := range y {
			y[i] = of(in[i*plane:][:plane])
		}
		out.setDoubles(y)
		return out, nil
	})
}

// each3 visits all places of a map.
func each3(room [3]int, f func(at [3]int)) {
	for z := range room[0] {
		for y := range room[1] {
			for x := range room[2] {
				f([3]int{z, y, x})
			}
		}
	}
}
