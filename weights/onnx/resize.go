package onnx

import (
	"errors"
	"fmt"
	"math"
)

// Resampling is how a Resize makes an axis: each place of the result is a sum of taps.
type Resampling [][]Tap

// Tap is an element of the operand and what it is multiplied by.
type Tap struct {
	At     int
	Weight float64
}

// Resizing is what a Resize or Upsample is asked for, in ONNX's words.
type Resizing struct {
	Mode                 string // "nearest", "linear", "cubic"
	Coordinates, Nearest string
	Antialias            bool
}

// Resizing is the step's.
func (s *Step) Resizing() Resizing {
	r := Resizing{
		Mode: s.Text("mode", "nearest"), Antialias: s.Int("antialias", 0) != 0,
		Coordinates: s.Text("coordinate_transformation_mode", "half_pixel"), Nearest: s.Text("nearest_mode", "round_prefer_floor"),
	}
	if r.Mode == "bilinear" {
		r.Mode = "linear"
	}
	if s.Op == "Upsample" || s.Opset < 11 {
		r.Coordinates, r.Nearest = "asymmetric", "floor"
	}
	return r
}

// Scales are the lengths of a Resize's result, an axis each, and what an axis is scaled by.
func (s *Step) Scales(shape []int) (sizes []int, scales []float64, err error) {
	scales, sizes, err = s.scalesAndSizes(len(shape))
	if err != nil {
		return nil, nil, err
	}
	given := sizes != nil
	if !given {
		sizes = make([]int, len(shape))
	} else {
		scales = make([]float64, len(shape))
	}
	for d, n := range shape {
		if n == 0 {
			return nil, nil, fmt.Errorf("an axis of 0")
		}
		if given {
			scales[d] = float64(sizes[d]) / float64(n)
		} else if scale := scales[d]; scale > 0 && scale*float64(n) <= mostWindow {
			sizes[d] = int(math.Floor(scale * float64(n)))
		}
		if sizes[d] < 1 || sizes[d] > mostWindow {
			return nil, nil, fmt.Errorf("an axis of %d to %d, scale %g", n, sizes[d], scales[d])
		}
	}
	return sizes, scales, nil
}

// Resamplings are those of a Resize or Upsample, an axis each.
func (s *Step) Resamplings(shape []int) ([]Resampling, error) {
	sizes, scales, err := s.Scales(shape)
	if err != nil {
		return nil, err
	}
	how := s.Resizing()
	if how.Mode != "nearest" && how.Mode != "linear" && (how.Mode != "cubic" || how.Antialias) || s.Int("exclude_outside", 0) != 0 {
		return nil, fmt.Errorf("resizing by mode %s, antialias %v, exclude_outside %d", clip(how.Mode), how.Antialias, s.Int("exclude_outside", 0))
	}
	out := make([]Resampling, len(shape))
	for d, n := range shape {
		scale, size := scales[d], sizes[d]
		for i := range size {
			x, err := placeOf(how.Coordinates, float64(i), float64(n), float64(size), scale)
			if err != nil {
				return nil, err
			}
			at := int(math.Floor(x))
			var taps []Tap
			switch {
			case size == n && scale == 1:
				taps = []Tap{{i, 1}}
			case how.Mode == "nearest":
				if at, err = roundBy(how.Nearest, x); err != nil {
					return nil, err
				}
				taps = []Tap{{at, 1}}
			case how.Antialias && scale < 1:
				if err := s.effort(int64(2/scale) + 2); err != nil {
					return nil, err
				}
				taps = triangle(x, scale)
			case how.Mode == "cubic":
				taps = cubic(x, s.Float("cubic_coeff_a", -0.75))
			default:
				taps = []Tap{{at, 1 - (x - math.Floor(x))}, {at + 1, x - math.Floor(x)}}
			}
			for k := range taps {
				taps[k].At = min(max(taps[k].At, 0), n-1)
			}
			out[d] = append(out[d], taps)
		}
	}
	return out, nil
}

// cubic are the taps of Keys's cubic convolution (1981) with parameter a.
func cubic(x, a float64) []Tap {
	at, t := int(math.Floor(x)), x-math.Floor(x)
	near := func(t float64) float64 { return float64((float64((a+2)*t)-(a+3))*t*t) + 1 } // up to 1 away
	far := func(t float64) float64 { return a * (float64((float64((t-5)*t)+8)*t) - 4) }  // up to 2 away
	return []Tap{{at - 1, far(t + 1)}, {at, near(t)}, {at + 1, near(1 - t)}, {at + 2, far(2 - t)}}
}

// triangle are the taps of a linear filter as wide as a step of the result.
func triangle(x, scale float64) []Tap {
	var taps []Tap
	sum := 0.0
	for at := int(math.Ceil(x - 1/scale)); at <= int(math.Floor(x+1/scale)); at++ {
		w := max(0, 1-float64(math.Abs(float64(at)-x)*scale))
		taps = append(taps, Tap{at, w})
		sum += w
	}
	for i := range taps {
		taps[i].Weight /= sum
	}
	return taps
}

func (s *Step) scalesAndSizes(rank int) (scales []float64, sizes []int, err error) {
	at := 2
	if s.Opset < 11 {
		at = 1
	}
	if a := s.Attribute("scales"); a != nil { // Upsample 7
		for _, v := range a.Floats() {
			scales = append(scales, float64(v))
		}
	} else if v := s.Operand(at); v != nil && v.Len() > 0 {
		if scales, err = v.Float64s(); err != nil {
			return nil, nil, err
		}
	}
	if s.Operand(3) != nil {
		if sizes, err = s.dims(3); err != nil {
			return nil, nil, err
		}
	}
	if a := s.Attribute("axes"); a != nil {
		scales, sizes, err = s.onAxes(a.Ints, scales, sizes, rank)
	}
	if err == nil && sizes != nil {
		s.keepAspect(sizes)
	}
	if err != nil {
		return nil, nil, err
	}
	if scales == nil && sizes == nil || scales != nil && len(scales) != rank || sizes != nil && len(sizes) != rank {
		return nil, nil, fmt.Errorf("scales %v, sizes %v for %d axes", scales, sizes, rank)
	}
	return scales, sizes, nil
}

// onAxes spreads scales or sizes of some axes over all: the others stay.
func (s *Step) onAxes(list []int64, scales []float64, sizes []int, rank int) ([]float64, []int, error) {
	x := s.In[0]
	fullScales, fullSizes := make([]float64, rank), append([]int{}, x.Shape...)
	for d := range fullScales {
		fullScales[d] = 1
	}
	for i, a := range list {
		d, err := axis(a, rank)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case scales != nil && len(scales) == len(list):
			fullScales[d] = scales[i]
		case sizes != nil && len(sizes) == len(list):
			fullSizes[d] = sizes[i]
		default:
			return nil, nil, errors.New("as many axes as scales or sizes are wanted")
		}
	}
	if scales != nil {
		return fullScales, nil, nil
	}
	return nil, fullSizes, nil
}

// keepAspect changes sizes so that all axes that change do so by one scale.
func (s *Step) keepAspect(sizes []int) {
	policy := s.Text("keep_aspect_ratio_policy", "stretch")
	if policy != "not_larger" && policy != "not_smaller" {
		return
	}
	own := s.In[0].Shape
	scale := 0.0
	for d, n := range sizes {
		k := float64(n) / float64(own[d])
		if n != own[d] && (scale == 0 || (k < scale) == (policy == "not_larger")) {
			scale = k
		}
	}
	for d, n := range sizes {
		if n != own[d] {
			sizes[d] = int(math.Floor(float64(scale*float64(own[d])) + 0.5))
		}
	}
}

// placeOf is where place i of a result of size out lies in an operand of size in.
func placeOf(mode string, i, in, out, scale float64) (float64, error) {
	switch mode {
	case "half_pixel":
		return (i+0.5)/scale - 0.5, nil
	case "half_pixel_symmetric":
		adjust := out / (scale * in)
		return float64(in/2*(1-adjust)) + (i+0.5)/scale - 0.5, nil
	case "pytorch_half_pixel":
		if out > 1 {
			return (i+0.5)/scale - 0.5, nil
		}
		return 0, nil
	case "align_corners":
		if out > 1 {
			return i * (in - 1) / (out - 1), nil
		}
		return 0, nil
	case "asymmetric":
		return i / scale, nil
	case "tf_half_pixel_for_nn":
		return (i + 0.5) / scale, nil
	}
	return 0, fmt.Errorf("resizing by coordinates %s", clip(mode))
}

func roundBy(mode string, x float64) (int, error) {
	switch mode {
	case "round_prefer_floor":
		return int(math.Ceil(x - 0.5)), nil
	case "round_prefer_ceil":
		return int(math.Floor(x + 0.5)), nil
	case "floor":
		return int(math.Floor(x)), nil
	case "ceil":
		return int(math.Ceil(x)), nil
	}
	return 0, fmt.Errorf("resizing by nearest_mode %s", clip(mode))
}

func resize(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	maps, err := s.Resamplings(x.Shape)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(maps))
	for d := range maps {
		shape[d] = len(maps[d])
	}
	out, fill, err := s.result(x.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	// An axis after the other.
	y, now := x.doubles(), append([]int{}, x.Shape...)
	for d, r := range maps {
		outer, n, inner := blocksOf(now, d)
		if err := s.room(outer * len(r) * inner); err != nil {
			return nil, err
		}
		z := make([]float64, 0, outer*len(r)*inner)
		for o := range outer {
			for i := range len(r) {
				for j := range inner {
					v := 0.0
					for _, tap := range r[i] {
						v += float64(tap.Weight * y[(o*n+tap.At)*inner+j])
					}
					z = append(z, v)
				}
			}
		}
		y, now[d] = z, len(r)
	}
	out.setDoubles(y)
	return out, nil
}
