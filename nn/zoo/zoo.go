package zoo

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// Arch is an architecture and the facts that go with it: one that Lookup knows by name, or
// the one that Match found in a file.
type Arch struct {
	// Name is a single word: the usual name where the network is exactly that, whatever its
	// head, else one that tells the measures: "resnet-basic-1-1-1-1-w2".
	Name string
	// Transform is the input where nothing else is known of it.
	Transform vision.Transform

	// Default pivot layers of Grad-CAM for the two stages, and of MWP.
	ClusterLayer, ClassLayer       string
	MWPClusterLayer, MWPClassLayer string

	Facts Facts // of the file that Match saw

	body     body
	head     head
	imported *imported         // of an ONNX file, which has neither
	names    map[string]*param // of the file, by the names that the body and head ask for; nil after Lookup
}

// body is a network up to its last map: a *resnet, a *googlenet, a *caffe or a *net.
type body interface {
	build(b *builder) *nn.Node
	// title is the usual name of a body of the family, or one that tells its measures.
	title(family string) string
	// layers are the default pivot layers, as in Arch.
	layers() [4]string
	// channels are those of the input and of the last map.
	channels() (in, out int)
}

// archs are the networks that have a name.
var archs = known()

// known lists them.
func known() []*Arch {
	var out []*Arch
	for _, k := range knownResNets {
		out = append(out, newArch(k.name, vision.Paper, k.form(), "fc"))
	}
	out = append(out,
		newArch("googlenet", vision.Paper, newGoogLeNet(), "fc"),
		newArch("googlenet-caffe", vision.BVLC, newCaffe(), caffeHead),
		newArch(Demo, vision.Paper, demo(), "fc"))
	return append(out, knownNets()...)
}

// newArch puts a network together, its head a single linear layer: the last of those named.
func newArch(name string, t vision.Transform, b body, last ...string) *Arch {
	layers := b.layers()
	return &Arch{
		Name: name, Transform: t, body: b, head: head{last: last[len(last)-1]},
		ClusterLayer: layers[0], ClassLayer: layers[1], MWPClusterLayer: layers[2], MWPClassLayer: layers[3],
	}
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

// LoadOptions steer Load. The zero value is the good default.
type LoadOptions struct {
	nn.CompileOptions
	// Width and Height are those of the network's input; 0 means Transform's.
	Width, Height int
}

// Bounds on the network's input.
const (
	maxSide   = 4096
	maxPixels = 1 << 22
)

// Load builds the network from a weight file. The model keeps the file's memory as long as it
// needs it, also when the file is closed. An architecture from Lookup is first found in the file, as Match does; of one from
// Match the file must have the tensors that Match saw.
func (a *Arch) Load(f *weights.File, o LoadOptions) (*nn.Model, error) {
	if a.imported != nil {
		m, err := a.imported.load(a, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		keep(m, f)
		return m, nil
	}
	if a.names == nil {
		m, err := Match(f, Spec{Name: a.Name})
		if err != nil {
			return nil, err
		}
		a = m
	}
	m, err := a.compile(a.Facts.Classes, o, func(name string, shape []int) ([]float32, error) {
		p := a.names[name]
		if p == nil {
			return nil, fmt.Errorf("%q: missing, want shape %v", name, shape)
		}
		return p.load(f)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	keep(m, f)
	return m, nil
}

// keep holds the file's memory as long as the model lives.
func keep(m *nn.Model, f *weights.File) {
	runtime.AddCleanup(m, func(release func()) { release() }, f.Hold())
}

// Build makes the network from parameters given by a function, which is asked by torchvision's
// (or Caffe's) names: for benchmarks on random weights, and for tests.
func (a *Arch) Build(classes int, param func(name string, shape []int) []float32, o nn.CompileOptions) (*nn.Model, error) {
	return a.compile(classes, LoadOptions{CompileOptions: o}, func(name string, shape []int) ([]float32, error) {
		return param(name, shape), nil
	})
}

// checkSize bounds the input.
func checkSize(width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || width*height > maxPixels {
		return fmt.Errorf("zoo: an input of %dx%d pixels: want sides of 1 to %d, at most %d in all", width, height, maxSide, maxPixels)
	}
	return nil
}

// compile builds the network.
func (a *Arch) compile(classes int, o LoadOptions, param paramFunc) (*nn.Model, error) {
	g, err := a.graph(classes, o, param)
	if err != nil {
		return nil, err
	}
	return nn.Compile(g, o.CompileOptions)
}

// graph describes the network.
func (a *Arch) graph(classes int, o LoadOptions, param paramFunc) (*nn.Graph, error) {
	if o.Width == 0 && o.Height == 0 {
		o.Width, o.Height = a.Transform.Width, a.Transform.Height
	}
	if err := checkSize(o.Width, o.Height); err != nil {
		return nil, err
	}
	in, _ := a.body.channels()
	b := &builder{Graph: nn.NewGraph(nn.Shape{C: in, H: o.Height, W: o.Width}), param: param}
	x := a.body.build(b)
	a.head.build(b, x, classes)
	return b.Graph, b.err
}

// paramFunc fetches a parameter of the given shape.
type paramFunc func(name string, shape []int) ([]float32, error)

// builder is a graph under construction with its source of parameters. After an error
// everything it makes is empty.
type builder struct {
	*nn.Graph
	param paramFunc
	err   error
}

// get fetches a parameter.
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
	return nil
}

// fail keeps the first error.
func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// conv is a convolution with all that follows from names, shapes and choices. Its parameters
// are name.weight, [out][in/groups][kernel][kernel], and name.bias.
type conv struct {
	name            string
	in, out, kernel int
	groups          int
	stride, pad     int
	same            bool // padding as TensorFlow's "SAME" has it, in place of pad
	bias            bool
	norm            string // name of the batch normalisation that follows; "" for none
	plain           bool   // the normalisation has no weight and bias
	eps             float64
	averaged        bool // an average pooling 2x2/2 comes before it, which has the stride
}

// window is the convolution's on a map: half the padding that "SAME" needs comes before it, and
// the odd one after it.
func (c *conv) window(s nn.Shape) nn.Window {
	w := nn.Square(c.kernel, c.stride, c.pad)
	if c.same {
		need := func(n int) int { return max((n-1)/c.stride*c.stride+c.kernel-n, 0) }
		w.Top, w.Left = need(s.H)/2, need(s.W)/2
		w.Bottom, w.Right = need(s.H)-w.Top, need(s.W)-w.Left
	}
	return w
}

// conv appends a convolution and its normalisation.
func (b *builder) conv(c *conv, x *nn.Node) *nn.Node {
	if b.err != nil {
		return x
	}
	n := nn.Conv{Weight: b.get(c.name+".weight", c.out, c.in/c.groups, c.kernel, c.kernel), Out: c.out, Groups: c.groups, Window: c.window(x.Shape())}
	if c.bias {
		n.Bias = b.get(c.name+".bias", c.out)
	}
	if b.err != nil {
		return x
	}
	if c.averaged { // the last pixels of an odd map are averaged by themselves (timm)
		x = b.AvgPool(c.name+".avgpool", x, nn.Pool{Window: nn.Square(2, c.stride, 0), Ceil: true})
		n.Window = nn.Square(c.kernel, 1, c.pad)
	}
	x = b.Conv(c.name, x, n)
	if c.norm != "" {
		x = b.norm(c.norm, x, c.eps, c.plain)
	}
	return x
}

// norm appends a batch normalisation with torchvision's parameter names.
func (b *builder) norm(name string, x *nn.Node, eps float64, plain bool) *nn.Node {
	if b.err != nil {
		return x
	}
	c := x.Shape().C
	n := nn.BatchNorm{Mean: b.get(name+".running_mean", c), Var: b.get(name+".running_var", c), Eps: eps}
	if plain {
		n.Gamma, n.Beta = slices.Repeat([]float32{1}, c), make([]float32, c)
	} else {
		n.Gamma, n.Beta = b.get(name+".weight", c), b.get(name+".bias", c)
	}
	if b.err != nil {
		return x
	}
	return b.BatchNorm(name, x, n)
}

// equal compares shapes.
func equal(a, b []int) bool { return slices.Equal(a, b) }
