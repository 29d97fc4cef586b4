package faithfulness

import (
	"cmp"
	"math"
	"slices"

	"cwox/cwox/saliency"
)

// Heatmap is a saliency map of the size of the network's input, row-major.
type Heatmap struct {
	Height, Width int
	Data          []float64 // [Height][Width]
}

// FromMap converts an explainer's map.
func FromMap(m saliency.Map) Heatmap {
	h := Heatmap{m.Height, m.Width, make([]float64, len(m.Data))}
	for i, v := range m.Data {
		h.Data[i] = float64(v)
	}
	return h
}

// Status says whether a heatmap can be scored.
type Status string

// The statuses. Only OK stands for metrics that compare with others.
const (
	OK        Status = "ok"
	Blank     Status = "blank"          // no positive value: nothing is salient
	Flat      Status = "flat"           // the same positive value everywhere: no order
	NotFinite Status = "not-finite"     // NaN or an infinity in it
	TooFew    Status = "too-few-pixels" // Reference: no more salient pixels than one step
)

// judge is n_delta and the status.
func (h Heatmap) judge(o *Options) (int, Status) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range h.Data {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, NotFinite
		}
		low, high = min(low, v), max(high, v)
	}
	if o.Definition == Reference {
		h = h.normalised()
	}
	n := h.salient(o.Definition, o.Delta)
	switch {
	case !(high > 0):
		return n, Blank
	case low == high:
		return n, Flat
	case o.Definition == Reference && n <= o.Step:
		return n, TooFew
	}
	return n, OK
}

// normalised is what the authors' code does to a heatmap first: clip at 0, divide by the
// maximum. A map without positive values becomes 0.
func (h Heatmap) normalised() Heatmap {
	top := 0.0
	for _, v := range h.Data {
		top = max(top, v)
	}
	out := Heatmap{h.Height, h.Width, make([]float64, len(h.Data))}
	for i, v := range h.Data {
		if v > 0 {
			out.Data[i] = v / top
		}
	}
	return out
}

// salient is n_delta of a finite heatmap. Paper: values of at least delta times the
// maximum, 0 where that is not positive (section 5.1). Reference, of a normalised map:
// values above min + delta (max-min).
func (h Heatmap) salient(d Definition, delta float64) int {
	low, high := slices.Min(h.Data), slices.Max(h.Data)
	n := 0
	if d == Reference {
		threshold := low + float64(delta*(high-low))
		for _, v := range h.Data {
			if v > threshold {
				n++
			}
		}
		return n
	}
	if high <= 0 {
		return 0
	}
	for _, v := range h.Data {
		if v >= delta*high {
			n++
		}
	}
	return n
}

// Order lists the pixels by descending value, ties by ascending index.
func (h Heatmap) Order() []int32 {
	order := make([]int32, len(h.Data))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch va, vb := h.Data[a], h.Data[b]; {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return cmp.Compare(a, b)
	})
	return order
}
