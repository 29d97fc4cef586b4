package zoo

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
)

// features are the last map's largest value and mean by channel, and the map.
type features struct{ max, mean, flat []float64 }

// trunkFeatures runs a network and pools its last map in plain Go.
func trunkFeatures(t *testing.T, a *Arch, p *parameters) features {
	t.Helper()
	m, err := a.Build(5, func(name string, _ []int) []float32 { return p.value[name] }, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(nn.SessionOptions{Keep: []string{a.ClusterLayer}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Forward(picture(m.Input()))
	act, shape, err := s.Activation(0, a.ClusterLayer)
	if err != nil {
		t.Fatal(err)
	}
	var f features
	area := shape.H * shape.W
	for c := range shape.C {
		sum, most := 0.0, 0.0
		for _, v := range act[c*area:][:area] {
			sum += float64(v)
			most = max(most, float64(v))
			f.flat = append(f.flat, float64(v))
		}
		f.mean, f.max = append(f.mean, sum/float64(area)), append(f.max, most)
	}
	return f
}

// The layers of PyTorch in plain Go, on the parameters of a file.

func (p *parameters) linear(name string, x []float64) []float64 {
	w, bias := p.value[name+".weight"], p.value[name+".bias"]
	out := make([]float64, len(w)/len(x))
	for o := range out {
		for i, v := range x {
			out[o] += float64(w[o*len(x)+i]) * v
		}
		if bias != nil {
			out[o] += float64(bias[o])
		}
	}
	return out
}

func (p *parameters) batchNorm(name string, x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = (v - float64(p.value[name+".running_mean"][i])) / math.Sqrt(float64(p.value[name+".running_var"][i])+1e-5)
		if g := p.value[name+".weight"]; g != nil {
			out[i] = out[i]*float64(g[i]) + float64(p.value[name+".bias"][i])
		}
	}
	return out
}

func relu(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = max(v, 0)
	}
	return out
}

// more adds a parameter by the formula.
func (p *parameters) more(name string, shape ...int) {
	p.add(name, shape, formulaParam("")(name, shape))
}

func (p *parameters) moreNorm(name string, n int) {
	for _, suffix := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		p.more(name+suffix, n)
	}
}

// TestHeads runs every form of head and compares with its layers in plain Go.
func TestHeads(t *testing.T) {
	const c, classes = 8, 5
	a := newArch("small", vision.Transform{Width: 64, Height: 64}, newResNet("basic", []int{4}, 4, []int{1, 1}), "fc")
	type file = *parameters
	heads := []struct {
		name    string
		make    func(p file)
		rename  func(string) string
		spec    string
		value   func(p file, f features) []float64
		head    string
		assumed string // among what was assumed
		warn    bool
	}{
		{"bare", func(p file) { p.more("fc.weight", classes, c); p.more("fc.bias", classes) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc", f.mean) }, "fc: Linear", "pool", false},
		{"max", func(p file) { p.more("fc.weight", classes, c); p.more("fc.bias", classes) }, nil, ":pool=max",
			func(p file, f features) []float64 { return p.linear("fc", f.max) }, "max pool, fc: Linear", "", false},
		{"no bias", func(p file) { p.more("last_linear.weight", classes, c) }, nil, "",
			func(p file, f features) []float64 { return p.linear("last_linear", f.mean) }, "last_linear: Linear without bias", "", false},
		{"dropout", func(p file) { p.more("classifier.2.weight", classes, c); p.more("classifier.2.bias", classes) }, nil, "",
			func(p file, f features) []float64 { return p.linear("classifier.2", f.mean) }, "classifier.2: Linear", "", false},
		{"mlp", func(p file) {
			p.more("fc.0.weight", 6, c)
			p.more("fc.0.bias", 6)
			p.more("fc.3.weight", 7, 6)
			p.more("fc.3.bias", 7)
			p.more("fc.10.weight", classes, 7)
			p.more("fc.10.bias", classes)
		}, nil, "", func(p file, f features) []float64 {
			return p.linear("fc.10", relu(p.linear("fc.3", relu(p.linear("fc.0", f.mean)))))
		}, "fc.0: Linear, ReLU, fc.3: Linear, ReLU, fc.10: Linear", "activation of the head", false},
		{"mlp without activation", func(p file) { p.more("fc.0.weight", 6, c); p.more("fc.3.weight", classes, 6) }, nil, ":head_act=none",
			func(p file, f features) []float64 { return p.linear("fc.3", p.linear("fc.0", f.mean)) },
			"fc.0: Linear without bias, fc.3: Linear without bias", "", false},
		{"no room for an activation", func(p file) { p.more("fc.0.weight", 6, c); p.more("fc.1.weight", classes, 6) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc.1", p.linear("fc.0", f.mean)) },
			"fc.0: Linear without bias, fc.1: Linear without bias", "", false},
		{"named, out of order", func(p file) { p.more("fc.out.weight", classes, 6); p.more("fc.hidden.weight", 6, c) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc.out", relu(p.linear("fc.hidden", f.mean))) },
			"fc.hidden: Linear without bias, ReLU, fc.out: Linear without bias", "activation of the head", false},
		{"two modules", func(p file) {
			p.more("fc1.weight", 6, c)
			p.more("fc1.bias", 6)
			p.moreNorm("bn_fc", 6)
			p.more("fc2.weight", classes, 6)
			p.more("fc2.bias", classes)
		}, nil, "", func(p file, f features) []float64 {
			return p.linear("fc2", relu(p.batchNorm("bn_fc", p.linear("fc1", f.mean))))
		}, "fc1: Linear, bn_fc: BatchNorm1d, ReLU, fc2: Linear", "activation of the head", true},
		{"own fc, then another", func(p file) { p.more("fc.weight", 12, c); p.more("head.weight", classes, 12) },
			replace(`^([^h])`, "backbone.$1"), "", func(p file, f features) []float64 { return p.linear("head", relu(p.linear("fc", f.mean))) },
			"fc: Linear without bias, ReLU, head: Linear without bias", "activation of the head", true},
		{"in a Sequential with its own fc", func(p file) { p.more("fc.weight", 12, c); p.more("1.weight", classes, 12) },
			func(n string) string { return replace(`^([a-z])`, "0.$1")(n) }, "", func(p file, f features) []float64 { return p.linear("1", p.linear("fc", f.mean)) },
			"fc: Linear without bias, 1: Linear without bias", "", false},
		{"called like something else", func(p file) { p.more("predictor.weight", classes, c) }, nil, ":head=predictor",
			func(p file, f features) []float64 { return p.linear("predictor", f.mean) }, "predictor: Linear without bias", "", false},
		{"in a module called so", func(p file) { p.more("head.weight", classes, c) }, replace(`^([^h])`, "generator.net.$1", `^head`, "generator.head"), "",
			func(p file, f features) []float64 { return p.linear("head", f.mean) }, "generator.head: Linear without bias", "", false},
		{"both pools, linear first", func(p file) { p.more("fc.weight", classes, 2*c) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc", append(slices.Clone(f.max), f.mean...)) }, "concat(max pool, average pool), fc: Linear without bias", "pool", true},
		{"both pools, as told", func(p file) { p.more("fc.weight", classes, 2*c) }, nil, ":pool=avg+max",
			func(p file, f features) []float64 { return p.linear("fc", append(slices.Clone(f.mean), f.max...)) }, "concat(average pool, max pool), fc: Linear without bias", "", false},
		{"batch norm first", func(p file) { p.moreNorm("fc.0", c); p.more("fc.2.weight", classes, c); p.more("fc.2.bias", classes) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc.2", p.batchNorm("fc.0", f.mean)) }, "fc.0: BatchNorm1d, fc.2: Linear", "", false},
		{"batch norm beside", func(p file) { p.moreNorm("neck", c); p.more("fc.weight", classes, c) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc", p.batchNorm("neck", f.mean)) }, "neck: BatchNorm1d, fc: Linear without bias", "", false},
		{"batch norm between", func(p file) {
			p.more("fc.0.weight", 6, c)
			p.moreNorm("fc.1", 6)
			p.more("fc.4.weight", classes, 6)
		}, nil, "", func(p file, f features) []float64 {
			return p.linear("fc.4", relu(p.batchNorm("fc.1", p.linear("fc.0", f.mean))))
		}, "fc.0: Linear without bias, fc.1: BatchNorm1d, ReLU, fc.4: Linear without bias", "activation of the head", false},
		{"batch norm last", func(p file) {
			p.more("fc.0.weight", classes, c)
			p.more("fc.0.bias", classes)
			p.moreNorm("fc.1", classes)
		}, nil, "", func(p file, f features) []float64 { return p.batchNorm("fc.1", p.linear("fc.0", f.mean)) },
			"fc.0: Linear, fc.1: BatchNorm1d", "", false},
		{"batch norm without weight", func(p file) {
			p.more("fc.0.running_mean", c)
			p.more("fc.0.running_var", c)
			p.more("fc.1.weight", classes, c)
		}, nil, "", func(p file, f features) []float64 { return p.linear("fc.1", p.batchNorm("fc.0", f.mean)) },
			"fc.0: BatchNorm1d, fc.1: Linear without bias", "", false},
		{"fastai", func(p file) {
			p.moreNorm("1.2", 2*c)
			p.more("1.4.weight", 6, 2*c)
			p.moreNorm("1.6", 6)
			p.more("1.8.weight", classes, 6)
		}, func(n string) string {
			if strings.HasPrefix(n, "1.") {
				return n
			}
			return sequential("0.", "", 4)(n)
		}, "", func(p file, f features) []float64 {
			x := p.batchNorm("1.2", append(slices.Clone(f.max), f.mean...))
			return p.linear("1.8", p.batchNorm("1.6", relu(p.linear("1.4", x))))
		}, "concat(max pool, average pool), 1.2: BatchNorm1d, 1.4: Linear without bias, ReLU, 1.6: BatchNorm1d, 1.8: Linear without bias", "pool", false},
		{"flat", func(p file) { p.more("fc.weight", classes, c*64); p.more("fc.bias", classes) }, nil, "",
			func(p file, f features) []float64 { return p.linear("fc", f.flat) }, "the 8x8 map, fc: Linear", "", false},
		{"one of two", func(p file) { p.more("head_a.weight", 3, c); p.more("head_b.weight", classes, c) }, nil, ":head=head_b",
			func(p file, f features) []float64 { return p.linear("head_b", f.mean) }, "head_b: Linear without bias", "", false},
		{"a shared layer, then two", func(p file) {
			p.more("neck.weight", 6, c)
			p.more("head_a.weight", 3, 6)
			p.more("head_b.weight", classes, 6)
		}, nil, ":head=head_b", func(p file, f features) []float64 { return p.linear("head_b", relu(p.linear("neck", f.mean))) },
			"neck: Linear without bias, ReLU, head_b: Linear without bias", "", true},
		{"one of a ModuleDict", func(p file) {
			p.more("heads.a.weight", 3, c)
			p.more("heads.b.0.weight", 6, c)
			p.more("heads.b.2.weight", classes, 6)
		}, nil, ":head=heads.b", func(p file, f features) []float64 { return p.linear("heads.b.2", relu(p.linear("heads.b.0", f.mean))) },
			"heads.b.0: Linear without bias, ReLU, heads.b.2: Linear without bias", "activation of the head", false},
		{"one of a module with a shared layer", func(p file) {
			p.more("net.shared.weight", 6, c)
			p.more("net.a.weight", 3, 6)
			p.more("net.b.weight", classes, 6)
		}, nil, ":head=net.b", func(p file, f features) []float64 { return p.linear("net.b", relu(p.linear("net.shared", f.mean))) },
			"net.shared: Linear without bias, ReLU, net.b: Linear without bias", "activation of the head", false},
		{"aside", func(p file) {
			p.more("fc.weight", classes, c)
			p.more("projector.0.weight", 4, c)
			p.more("aux_head.weight", classes, c)
			p.more("criterion.proxies.weight", classes, c)
			p.more("decoder.0.weight", 3, c, 3, 3)
		}, nil, "", func(p file, f features) []float64 { return p.linear("fc", f.mean) }, "fc: Linear without bias", "", false},
	}
	base := formula(t, a, classes)
	f := trunkFeatures(t, a, base)
	for _, h := range heads {
		p := &parameters{shape: map[string][]int{}, value: map[string][]float32{}}
		for _, name := range base.names {
			if !strings.HasPrefix(name, "fc.") {
				p.add(name, base.shape[name], base.value[name])
			}
		}
		h.make(p)
		spec, err := ParseSpec(h.spec)
		if err != nil {
			t.Fatal(err)
		}
		file := p.file(t, h.rename, nil)
		got, err := Match(file, spec)
		if err != nil {
			t.Errorf("%s: %v", h.name, err)
			continue
		}
		if got.Facts.Head != h.head {
			t.Errorf("%s: head %q, want %q", h.name, got.Facts.Head, h.head)
		}
		if text := fmt.Sprint(got.Facts.Assumed); !strings.Contains(text, h.assumed+" is not") && h.assumed != "" {
			t.Errorf("%s: assumed %s, want %s among it", h.name, text, h.assumed)
		}
		// An activation that nobody sees is always said.
		said := h.warn || strings.Contains(h.head, "ReLU") && !strings.Contains(h.spec, "head_act")
		if w := got.Facts.Warnings(); len(w) > 0 != said {
			t.Errorf("%s: warnings %v", h.name, w)
		}
		m, err := got.Load(file, LoadOptions{Width: 64, Height: 64})
		if err != nil {
			t.Errorf("%s: %v", h.name, err)
			continue
		}
		if d := differ(forward(t, m), h.value(p, f)); !(d <= 2e-6) {
			t.Errorf("%s: logits differ by %.3g of the largest", h.name, d)
		}
	}
}

// TestFolds stores a layer as training with pruning, weight norm and spectral norm does; the
// weights to come out are arithmetic.
func TestFolds(t *testing.T) {
	// Rows (3, 4) and (0, 2) of norms 5 and 2.
	v := []float32{3, 4, 0, 2}
	for _, c := range []struct {
		name   string
		parts  map[string][]float32
		shapes map[string][]int
		want   []float32
	}{
		{"weight norm", map[string][]float32{"fc.weight_g": {10, 3}, "fc.weight_v": v}, map[string][]int{"fc.weight_g": {2, 1}, "fc.weight_v": {2, 2}}, []float32{6, 8, 0, 3}},
		{"weight norm, parametrization", map[string][]float32{"fc.parametrizations.weight.original0": {10, 3}, "fc.parametrizations.weight.original1": v},
			map[string][]int{"fc.parametrizations.weight.original0": {2, 1}, "fc.parametrizations.weight.original1": {2, 2}}, []float32{6, 8, 0, 3}},
		{"weight norm of all", map[string][]float32{"fc.weight_g": {6}, "fc.weight_v": {1, 2, 2, 4}}, map[string][]int{"fc.weight_g": {}, "fc.weight_v": {2, 2}}, []float32{1.2, 2.4, 2.4, 4.8}},
		{"pruning", map[string][]float32{"fc.weight_orig": v, "fc.weight_mask": {1, 0, 1, 1}}, map[string][]int{"fc.weight_orig": {2, 2}, "fc.weight_mask": {2, 2}}, []float32{3, 0, 0, 2}},
		// u'Wv = (.6 .8) (3 4; 0 2) (0 1)' = .6*4 + .8*2 = 4.
		{"spectral norm", map[string][]float32{"fc.weight_orig": v, "fc.weight_u": {.6, .8}, "fc.weight_v": {0, 1}},
			map[string][]int{"fc.weight_orig": {2, 2}, "fc.weight_u": {2}, "fc.weight_v": {2}}, []float32{.75, 1, 0, .5}},
		{"spectral norm, parametrization", map[string][]float32{"fc.parametrizations.weight.original": v, "fc.parametrizations.weight.0._u": {.6, .8}, "fc.parametrizations.weight.0._v": {0, 1}},
			map[string][]int{"fc.parametrizations.weight.original": {2, 2}, "fc.parametrizations.weight.0._u": {2}, "fc.parametrizations.weight.0._v": {2}}, []float32{.75, 1, 0, .5}},
		{"plain", map[string][]float32{"fc.weight": v}, map[string][]int{"fc.weight": {2, 2}}, v},
	} {
		p := &parameters{shape: c.shapes, value: c.parts}
		for name := range c.parts {
			p.names = append(p.names, name)
		}
		f := p.file(t, nil, nil)
		all := newTensors(f)
		w := all.params["fc.weight"]
		if w == nil || len(all.order) != 1 || !equal(w.shape, []int{2, 2}) {
			t.Errorf("%s: parameters %v", c.name, all.order)
			continue
		}
		got, err := w.load(f)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i := range got {
			if !(math.Abs(float64(got[i]-c.want[i])) <= 1e-6) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
	// A norm over columns is not one over rows.
	p := &parameters{shape: map[string][]int{"fc.weight_g": {1, 2}, "fc.weight_v": {3, 2}}, value: map[string][]float32{"fc.weight_g": {1, 1}, "fc.weight_v": make([]float32, 6)}, names: []string{"fc.weight_g", "fc.weight_v"}}
	f := p.file(t, nil, nil)
	if _, err := newTensors(f).params["fc.weight"].load(f); err == nil || !strings.Contains(err.Error(), "weight norm") {
		t.Errorf("a norm over columns: %v", err)
	}
}

// TestConvolutions compares convolutions with loops over their definitions: groups, TensorFlow's
// "SAME" padding, and an average pooling before, whose windows end with the map.
func TestConvolutions(t *testing.T) {
	for _, c := range []struct {
		conv
		h, w int
	}{
		{conv{in: 8, out: 12, kernel: 3, groups: 4, stride: 1, pad: 1}, 6, 8},
		{conv{in: 6, out: 6, kernel: 3, groups: 6, stride: 2, pad: 1, bias: true}, 6, 8},
		{conv{in: 8, out: 5, kernel: 1, groups: 1, stride: 2, averaged: true}, 6, 8},
		{conv{in: 8, out: 6, kernel: 1, groups: 2, stride: 2, averaged: true, bias: true}, 7, 9},
		{conv{in: 6, out: 6, kernel: 5, groups: 6, stride: 2, pad: 2, same: true}, 8, 8},
		{conv{in: 3, out: 4, kernel: 3, groups: 1, stride: 2, pad: 1, same: true}, 8, 7},
		{conv{in: 3, out: 4, kernel: 3, groups: 1, stride: 1, pad: 1, same: true}, 5, 6},
		{conv{in: 3, out: 4, kernel: 1, groups: 1, stride: 2, same: true}, 5, 6},
	} {
		c.name = "conv"
		b := &builder{Graph: nn.NewGraph(nn.Shape{C: c.in, H: c.h, W: c.w})}
		values := map[string][]float32{}
		b.param = func(name string, shape []int) ([]float32, error) {
			values[name] = formulaParam("")(name, shape)
			return values[name], nil
		}
		y := b.conv(&c.conv, b.Input())
		shape := y.Shape()
		b.Linear("fc", b.MeanPool("pool", y), make([]float32, shape.C), nil, 1)
		if b.err != nil {
			t.Fatal(b.err)
		}
		m, err := nn.Compile(b.Graph, nn.CompileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.NewSession(nn.SessionOptions{Keep: []string{"conv"}})
		if err != nil {
			t.Fatal(err)
		}
		x := picture(m.Input())
		s.Forward(x)
		got, _, err := s.Activation(0, "conv")
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		ih, iw, stride := c.h, c.w, c.stride
		at := func(ch, y, x0 int) float64 { return float64(x[(ch*c.h+y)*c.w+x0]) }
		if c.averaged {
			ih, iw, stride = (c.h+1)/2, (c.w+1)/2, 1
			whole := at
			at = func(ch, y, x0 int) float64 {
				sum, n := 0.0, 0.0
				for d := range 4 {
					if y, x0 := 2*y+d/2, 2*x0+d%2; y < c.h && x0 < c.w {
						sum += whole(ch, y, x0)
						n++
					}
				}
				return sum / n
			}
		}
		// The size of the output and the padding before it, along an axis.
		along := func(n int) (out, before int) {
			if c.same {
				out = (n + stride - 1) / stride
				return out, max((out-1)*stride+c.kernel-n, 0) / 2
			}
			return (n+2*c.pad-c.kernel)/stride + 1, c.pad
		}
		oh, top := along(ih)
		ow, left := along(iw)
		per, each := c.in/c.groups, c.out/c.groups
		var want []float64
		for o := range c.out {
			for i := range oh * ow {
				sum := 0.0
				if c.bias {
					sum = float64(values["conv.bias"][o])
				}
				for k := range per * c.kernel * c.kernel {
					ch, ky, kx := k/(c.kernel*c.kernel), k/c.kernel%c.kernel, k%c.kernel
					y, x0 := i/ow*stride+ky-top, i%ow*stride+kx-left
					if y >= 0 && y < ih && x0 >= 0 && x0 < iw {
						sum += float64(values["conv.weight"][o*per*c.kernel*c.kernel+k]) * at(o/each*per+ch, y, x0)
					}
				}
				want = append(want, sum)
			}
		}
		if d := differ(got, want); !(d <= 2e-6) {
			t.Errorf("%+v: differs by %.3g (%d values, want %d)", c, d, len(got), len(want))
		}
	}
}

// TestGlobalMax pools maps of all shapes.
func TestGlobalMax(t *testing.T) {
	for _, s := range []nn.Shape{{C: 3, H: 7, W: 7}, {C: 3, H: 1, W: 1}, {C: 3, H: 7, W: 9}, {C: 3, H: 1, W: 5}, {C: 3, H: 2, W: 3}, {C: 3, H: 12, W: 4}, {C: 3, H: 3, W: 8}} {
		b := &builder{Graph: nn.NewGraph(s)}
		eye := make([]float32, 9)
		eye[0], eye[4], eye[8] = 1, 1, 1
		x := b.Conv("conv", b.Input(), nn.Conv{Weight: eye, Out: 3, Window: nn.Square(1, 1, 0)})
		x = b.GlobalMaxPool("max", b.ReLU("relu", x))
		b.Linear("fc", x, eye, nil, 3)
		m, err := nn.Compile(b.Graph, nn.CompileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		in := picture(s)
		var want []float64
		for c := range 3 {
			want = append(want, float64(max(slices.Max(in[c*s.H*s.W:][:s.H*s.W]), 0)))
		}
		if d := differ(forward(t, m), want); d != 0 {
			t.Errorf("%v: differs by %g", s, d)
		}
	}
}
