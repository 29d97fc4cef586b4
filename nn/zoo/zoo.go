package zoo

import (
	"fmt"
	"strings"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// Arch is an architecture and the facts that go with it.
type Arch struct {
	Name      string
	Transform vision.Transform

	// Default pivot layers of Grad-CAM for the two stages, and of MWP.
	ClusterLayer, ClassLayer       string
	MWPClusterLayer, MWPClassLayer string

	Facts Facts // of the file that Match saw

	head    string // name of the last linear layer's parameters, without ".weight"
	ignored []string
	build   func(b *builder)
}

var archs = []*Arch{
	resnet("resnet18", basic, 64, 2, 2, 2, 2),
	resnet("resnet34", basic, 64, 3, 4, 6, 3),
	resnet("resnet50", bottleneck, 64, 3, 4, 6, 3),
	resnet("resnet101", bottleneck, 64, 3, 4, 23, 3),
	resnet("resnet152", bottleneck, 64, 3, 8, 36, 3),
	googlenet(),
	googlenetCaffe(),
	demo(),
}

// Lookup finds an architecture by name.
func Lookup(name string) (*Arch, error) {
	for _, a := range archs {
		if a.Name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("zoo: unknown model %q (known: %s)", name, strings.Join(Names(), ", "))
}

// Names lists the architectures.
func Names() []string {
	var out []string
	for _, a := range archs {
		out = append(out, a.Name)
	}
	return out
}

// Load builds the network from a weight file, which must stay open as long as the model is
// used. A missing, extra or misshapen tensor is an error that names it.
func (a *Arch) Load(f *weights.File) (*nn.Model, error) {
	return a.LoadOptions(f, nn.CompileOptions{})
}

// LoadOptions is Load with options for the compiler.
func (a *Arch) LoadOptions(f *weights.File, o nn.CompileOptions) (*nn.Model, error) {
	classes, err := a.Classes(f)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	m, err := a.compile(classes, o, func(name string, shape []int) ([]float32, error) {
		used[name] = true
		t, err := a.tensor(f, name, shape)
		if err != nil {
			return nil, err
		}
		x, err := t.Float32()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		return x, nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.extra(f, used); err != nil {
		return nil, err
	}
	return m, nil
}

// Fits says, without reading the values, whether Load would find in a weight file all the
// tensors it wants and no others: nil, or what is missing, extra or misshapen.
func (a *Arch) Fits(f *weights.File) error {
	classes, err := a.Classes(f)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	var zeros []float32
	b := a.builder(classes, func(name string, shape []int) ([]float32, error) {
		used[name] = true
		t, err := a.tensor(f, name, shape)
		if err != nil {
			return nil, err
		}
		if t.Len() > len(zeros) {
			zeros = make([]float32, t.Len())
		}
		return zeros[:t.Len()], nil
	})
	if b.err != nil {
		return b.err
	}
	return a.extra(f, used)
}

// tensor finds a tensor of the wanted shape.
func (a *Arch) tensor(f *weights.File, name string, shape []int) (*weights.Tensor, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: %q: missing, want shape %v (is this a %s file?)", f.Name(), name, shape, a.Name)
	}
	if !equal(t.Shape, shape) {
		return nil, fmt.Errorf("%s: %q: shape %v, want %v", f.Name(), name, t.Shape, shape)
	}
	return t, nil
}

// extra is an error if the file has tensors that are not used.
func (a *Arch) extra(f *weights.File, used map[string]bool) error {
	for _, name := range f.Names() {
		if !used[name] && !a.ignores(name) {
			t, _ := f.Tensor(name)
			return fmt.Errorf("%s: %q: shape %v: not a tensor of %s", f.Name(), name, t.Shape, a.Name)
		}
	}
	return nil
}

// Classes reads the number of classes off a weight file.
func (a *Arch) Classes(f *weights.File) (int, error) {
	name := a.head + ".weight"
	t, ok := f.Tensor(name)
	if !ok {
		return 0, fmt.Errorf("%s: %q: missing (is this a %s file?)", f.Name(), name, a.Name)
	}
	if len(t.Shape) != 2 || t.Shape[0] < 1 || t.Shape[0] > maxClasses {
		return 0, fmt.Errorf("%s: %q: shape %v, want [classes inputs] with 1 to %d classes", f.Name(), name, t.Shape, maxClasses)
	}
	return t.Shape[0], nil
}

const maxClasses = 1 << 16

// Build makes the network from parameters given by a function: for benchmarks on random
// weights, and for tests.
func (a *Arch) Build(classes int, param func(name string, shape []int) []float32, o nn.CompileOptions) (*nn.Model, error) {
	return a.compile(classes, o, func(name string, shape []int) ([]float32, error) {
		return param(name, shape), nil
	})
}

func (a *Arch) compile(classes int, o nn.CompileOptions, param paramFunc) (*nn.Model, error) {
	b := a.builder(classes, param)
	if b.err != nil {
		return nil, b.err
	}
	return nn.Compile(b.Graph, o)
}

// builder describes the network.
func (a *Arch) builder(classes int, param paramFunc) *builder {
	b := &builder{
		Graph:   nn.NewGraph(nn.Shape{C: 3, H: a.Transform.Height, W: a.Transform.Width}),
		classes: classes,
		param:   param,
	}
	a.build(b)
	return b
}

func (a *Arch) ignores(name string) bool {
	if strings.HasSuffix(name, ".num_batches_tracked") {
		return true
	}
	for _, p := range a.ignored {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// paramFunc fetches a parameter of the given shape.
type paramFunc func(name string, shape []int) ([]float32, error)

// builder is a graph under construction with its source of parameters. After an error
// everything it makes is empty.
type builder struct {
	*nn.Graph
	classes int
	param   paramFunc
	err     error
}

func (b *builder) get(name string, shape ...int) []float32 {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if b.err == nil {
		x, err := b.param(name, shape)
		if err == nil && len(x) != n {
			err = fmt.Errorf("zoo: %q: %d elements, want %v", name, len(x), shape)
		}
		if err == nil {
			return x
		}
		b.err = err
	}
	return make([]float32, n)
}

// conv is a convolution without bias, parameter name.weight.
func (b *builder) conv(name string, x *nn.Node, out, k, stride, pad int) *nn.Node {
	w := b.get(name+".weight", out, x.Shape().C, k, k)
	return b.Conv(name, x, nn.Conv{Weight: w, Out: out, KH: k, KW: k, Stride: stride, Pad: pad})
}

// norm is a batch normalisation with torchvision's parameter names.
func (b *builder) norm(name string, x *nn.Node, eps float64) *nn.Node {
	c := x.Shape().C
	return b.BatchNorm(name, x, nn.BatchNorm{
		Gamma: b.get(name+".weight", c), Beta: b.get(name+".bias", c),
		Mean: b.get(name+".running_mean", c), Var: b.get(name+".running_var", c), Eps: eps,
	})
}

// head is the mean pooling and linear layer that end all networks here.
func (b *builder) head(pool, name string, x *nn.Node) {
	x = b.MeanPool(pool, x)
	c := x.Shape().C
	x = b.Linear(name, x, b.get(name+".weight", b.classes, c), b.get(name+".bias", b.classes), b.classes)
	b.Alias(x, "logits")
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
