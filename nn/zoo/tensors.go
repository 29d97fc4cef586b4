package zoo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cwox/weights"
)

// tensors are the parameters of a file by name, with pruning, weight and spectral
// normalisation undone: "fc.weight_g" and "fc.weight_v" are one parameter, "fc.weight".
type tensors struct {
	file   *weights.File
	params map[string]*param
	order  []string // names of params, in file order
	sorted []string // the same, by name
}

// param is a parameter of a network: a tensor, or several that a fold makes one.
type param struct {
	shape []int
	parts []string // names of tensors of the file
	fold  *fold    // nil: the tensor as it is
}

// fold computes a parameter from the tensors that training stores in its place.
type fold struct {
	what   string
	into   string   // ".weight"
	parts  []string // suffixes in place of into
	shaped int      // the part whose shape the parameter has
	value  func(parts [][]float64, shapes [][]int) ([]float64, error)
}

// folds is all there are. The first whose parts are all there is taken.
var folds = []fold{
	{"weight norm", ".weight", []string{".weight_g", ".weight_v"}, 1, weightNorm},
	{"weight norm", ".weight", []string{".parametrizations.weight.original0", ".parametrizations.weight.original1"}, 1, weightNorm},
	{"pruned", ".weight", []string{".weight_orig", ".weight_mask"}, 0, masked},
	{"pruned", ".bias", []string{".bias_orig", ".bias_mask"}, 0, masked},
	{"spectral norm", ".weight", []string{".weight_orig", ".weight_u", ".weight_v"}, 0, spectralNorm},
	{"spectral norm", ".weight", []string{".parametrizations.weight.original", ".parametrizations.weight.0._u", ".parametrizations.weight.0._v"}, 0, spectralNorm},
}

// maxName bounds the names of parameters; a tensor with a longer one is nobody's.
const maxName = 256

// newTensors lists the parameters of a file.
func newTensors(f *weights.File) *tensors {
	t := &tensors{file: f, params: map[string]*param{}}
	names := f.Names()
	part := map[string]bool{} // names that a fold takes
	made := map[string]*param{}
	for _, name := range names {
		for i := range folds {
			fold := &folds[i]
			base, ok := strings.CutSuffix(name, fold.parts[0])
			if _, plain := f.Tensor(base + fold.into); !ok || plain || part[name] {
				continue
			}
			p := &param{fold: fold}
			for j, suffix := range fold.parts {
				x, ok := f.Tensor(base + suffix)
				if !ok || part[base+suffix] {
					p = nil
					break
				}
				p.parts = append(p.parts, base+suffix)
				if j == fold.shaped {
					p.shape = x.Shape
				}
			}
			if p != nil {
				made[p.parts[fold.shaped]] = p
				for _, n := range p.parts {
					part[n] = true
				}
			}
		}
	}
	for _, name := range names {
		p := made[name]
		switch {
		case len(name) > maxName:
			continue
		case p != nil:
			name = strings.TrimSuffix(name, p.fold.parts[p.fold.shaped]) + p.fold.into
		case part[name]:
			continue
		default:
			x, _ := f.Tensor(name)
			p = &param{shape: x.Shape, parts: []string{name}}
		}
		t.params[name] = p
		t.order = append(t.order, name)
	}
	t.sorted = slices.Sorted(slices.Values(t.order))
	return t
}

// below are the names that begin with a prefix.
func (t *tensors) below(prefix string) []string {
	from, _ := slices.BinarySearch(t.sorted, prefix)
	to := from
	for to < len(t.sorted) && strings.HasPrefix(t.sorted[to], prefix) {
		to++
	}
	return t.sorted[from:to]
}

// shape is that of a parameter, nil where there is none.
func (t *tensors) shape(name string) []int {
	if p := t.params[name]; p != nil {
		if p.shape == nil {
			return []int{} // a scalar
		}
		return p.shape
	}
	return nil
}

// floats says whether a parameter has the element type of one.
func (t *tensors) floats(name string) bool {
	for _, part := range t.params[name].parts {
		switch x, _ := t.file.Tensor(part); x.DType {
		case weights.I64, weights.I32, weights.I16, weights.I8, weights.U64, weights.U32, weights.U16, weights.U8, weights.Bool:
			return false
		}
	}
	return true
}

// load computes the parameter from the tensors of a file. A plain tensor of float32 is a view
// of the file.
func (p *param) load(f *weights.File) ([]float32, error) {
	var parts [][]float64
	var shapes [][]int
	for _, name := range p.parts {
		x, ok := f.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("%q: missing", name)
		}
		if p.fold == nil {
			if !equal(x.Shape, p.shape) {
				return nil, fmt.Errorf("%q: shape %v, want %v", name, x.Shape, p.shape)
			}
			return x.Float32()
		}
		v, err := x.Float64()
		if err != nil {
			return nil, err
		}
		parts, shapes = append(parts, v), append(shapes, x.Shape)
	}
	if !equal(shapes[p.fold.shaped], p.shape) {
		return nil, fmt.Errorf("%q: shape %v, want %v", p.parts[p.fold.shaped], shapes[p.fold.shaped], p.shape)
	}
	v, err := p.fold.value(parts, shapes)
	if err != nil {
		return nil, fmt.Errorf("%q: %s: %w", p.parts[0], p.fold.what, err)
	}
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(v[i])
	}
	return out, nil
}

// weightNorm is g v/|v|, the norm being over all dimensions but those that g has (Salimans
// and Kingma, 2016; torch.nn.utils.weight_norm): the first, or none.
func weightNorm(parts [][]float64, shapes [][]int) ([]float64, error) {
	g, v := parts[0], parts[1]
	rows := 1
	if len(g) != 1 {
		rows = shapes[1][0]
	}
	if len(g) != rows || len(v)%rows != 0 || rows > 1 && shapes[0][0] != rows {
		return nil, fmt.Errorf("g has shape %v, v %v: only a norm over rows can be undone", shapes[0], shapes[1])
	}
	out := make([]float64, len(v))
	n := len(v) / rows
	for r := range rows {
		sum := 0.0
		for _, x := range v[r*n:][:n] {
			sum += float64(x * x)
		}
		scale := g[r] / math.Sqrt(sum)
		for i, x := range v[r*n:][:n] {
			out[r*n+i] = scale * x
		}
	}
	return out, nil
}

// masked is the product with the mask (torch.nn.utils.prune).
func masked(parts [][]float64, shapes [][]int) ([]float64, error) {
	if !equal(shapes[0], shapes[1]) {
		return nil, fmt.Errorf("shape %v, and of the mask %v", shapes[0], shapes[1])
	}
	out := make([]float64, len(parts[0]))
	for i, x := range parts[0] {
		out[i] = x * parts[1][i]
	}
	return out, nil
}

// spectralNorm is w / (u' w v), w as a matrix of the first dimension by the others (Miyato et
// al., 2018; torch.nn.utils.spectral_norm in evaluation mode).
func spectralNorm(parts [][]float64, shapes [][]int) ([]float64, error) {
	w, u, v := parts[0], parts[1], parts[2]
	if len(u)*len(v) != len(w) || len(u) == 0 || shapes[0][0] != len(u) {
		return nil, fmt.Errorf("shapes %v, %v and %v: only a norm of rows can be undone", shapes[0], shapes[1], shapes[2])
	}
	sigma := 0.0
	for r, a := range u {
		for i, b := range v {
			sigma += float64(a * w[r*len(v)+i] * b)
		}
	}
	out := make([]float64, len(w))
	for i, x := range w {
		out[i] = x / sigma
	}
	return out, nil
}
