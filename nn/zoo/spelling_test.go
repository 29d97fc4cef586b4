package zoo

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// small are networks of a few channels, of the forms that differ in names.
func small() map[string]*Arch {
	grey := newResNet("basic", []int{3}, 3, []int{1, 1})
	grey.stem[0].in = 1
	cifar := newResNet("basic", []int{4}, 4, []int{2, 1, 1})
	cifar.stem[0].kernel = 3
	cifar.choose(false, 1)
	averaged := newResNet("bottleneck", []int{2, 3, 4}, 2, []int{1, 2})
	for c := range averaged.convs() {
		c.averaged = strings.Contains(c.name, "downsample") && c.stride == 2
	}
	grouped := newResNet("bottleneck", []int{4}, 4, []int{1, 1})
	for c := range grouped.convs() {
		if strings.HasSuffix(c.name, ".conv2") {
			c.groups = 2
		}
	}
	out := map[string]*Arch{}
	for name, r := range map[string]*resnet{
		"basic": newResNet("basic", []int{4}, 4, []int{1, 2}), "bottleneck": newResNet("bottleneck", []int{4}, 2, []int{2, 1}),
		"one stage": newResNet("basic", []int{4}, 4, []int{1}), "grey": grey, "cifar": cifar, "averaged": averaged, "grouped": grouped,
	} {
		out[name] = newArch(name, vision.Transform{Width: 64, Height: 64}, r, "fc")
	}
	return out
}

// picture is an input by a formula.
func picture(s nn.Shape) []float32 {
	x := make([]float32, s.Size())
	for i := range x {
		x[i] = float32(splitmix64(uint64(i))>>40)*0x1p-22 - 2
	}
	return x
}

// logits runs a network built from parameters.
func (p *parameters) logits(t *testing.T, a *Arch, classes int) []float32 {
	t.Helper()
	m, err := a.Build(classes, func(name string, _ []int) []float32 { return p.value[name] }, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return forward(t, m)
}

// forward runs a network on the picture.
func forward(t *testing.T, m *nn.Model) []float32 {
	t.Helper()
	s, err := m.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return slices.Clone(s.Forward(picture(m.Input())))
}

// replace is a renaming by regular expressions, in turn.
func replace(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			name = regexp.MustCompile(pairs[i]).ReplaceAllString(name, pairs[i+1])
		}
		return name
	}
}

// renumber adds to a number of a name.
func renumber(name, pattern, format string, step, offset int) string {
	return regexp.MustCompile(pattern).ReplaceAllStringFunc(name, func(s string) string {
		var n int
		fmt.Sscan(regexp.MustCompile(`\d+`).FindString(s), &n)
		return fmt.Sprintf(format, step*n+offset)
	})
}

func huggingFace(name string) string {
	name = replace(`^conv1\.`, "embedder.embedder.convolution.", `^bn1\.`, "embedder.embedder.normalization.")(name)
	if strings.HasPrefix(name, "layer") {
		name = renumber(name, `^layer\d+\.`, "encoder.stages.%d.layers.", 1, -1)
		name = renumber(name, `\.conv\d+\.`, ".layer.%d.convolution.", 1, -1)
		name = renumber(name, `\.bn\d+\.`, ".layer.%d.normalization.", 1, -1)
	}
	name = replace(`downsample\.0`, "shortcut.convolution", `downsample\.1`, "shortcut.normalization")(name)
	if strings.HasPrefix(name, "fc.") {
		return replace(`^fc\.`, "classifier.1.")(name)
	}
	return "resnet." + name
}

func sequential(trunk, head string, first int) func(string) string {
	return func(name string) string {
		if strings.HasPrefix(name, "fc.") {
			return replace(`^fc\.`, head)(name)
		}
		name = replace(`^conv1\.`, "0.", `^bn1\.`, "1.")(name)
		return trunk + renumber(name, `^layer\d+\.`, "%d.", 1, first-1)
	}
}

func residualFunction(name string) string {
	name = replace(`^conv1\.`, "conv1.0.", `^bn1\.`, "conv1.1.", `downsample`, "shortcut")(name)
	if strings.HasPrefix(name, "layer") {
		name = renumber(name, `\.conv\d+\.`, ".residual_function.%d.", 3, -3)
		name = renumber(name, `\.bn\d+\.`, ".residual_function.%d.", 3, -2)
		name = renumber(name, `^layer\d+\.`, "conv%d_x.", 1, 1)
	}
	return name
}

// TestSpellings gives networks of every form the names of every spelling: the logits are those
// of the canonical names, and the layers are called the same.
func TestSpellings(t *testing.T) {
	spellings := map[string]struct {
		rename func(string) string
		prefix string
	}{
		"torchvision":       {replace(), ""},
		"prefix":            {replace(`^`, "net.module.model._orig_mod."), "net.module.model._orig_mod."},
		"CIFAR":             {replace(`downsample`, "shortcut", `^fc`, "linear"), ""},
		"head beside":       {replace(`^fc`, "model.head", `^([^m])`, "model.backbone.$1"), "model.backbone."},
		"mmpretrain":        {replace(`^fc`, "head.fc", `^([^h])`, "backbone.$1"), "backbone."},
		"layer0":            {replace(`^conv1\.`, "layer0.0.", `^bn1\.`, "layer0.1."), ""},
		"Hugging Face":      {huggingFace, "resnet."},
		"children":          {sequential("features.", "classifier.", 4), "features."},
		"fastai":            {sequential("0.", "1.2.", 4), "0."},
		"one Sequential":    {sequential("", "9.", 4), ""},
		"without pooling":   {sequential("backbone.", "backbone_fc.", 2), "backbone."},
		"residual_function": {residualFunction, ""},
		"tutorial":          {replace(`downsample`, "identity_downsample", `^conv1\.`, "conv.", `^bn1\.`, "bn."), ""},
		"stages":            {func(n string) string { return renumber(n, `^layer\d+\.`, "stages.%d.", 1, -1) }, ""},
		"in sequence": {func(n string) string {
			return replace(`residual_function`, "left", `^conv(\d)_x`, "layer$1")(residualFunction(n))
		}, ""},
		"pairs":               {replace(`(layer.*)\.conv(\d)\.`, "$1.conv$2.conv.", `(layer.*)\.bn(\d)\.`, "$1.conv$2.bn.", `downsample\.0`, "proj.conv", `downsample\.1`, "proj.bn"), ""},
		"its own, nested":     {replace(`^`, "a.b-c.d3."), "a.b-c.d3."},
		"its own, of a layer": {replace(`^`, "layer1."), "layer1."},
	}
	for form, a := range small() {
		const classes = 5
		p := formula(t, a, classes)
		want := p.logits(t, a, classes)
		layers := func(m *nn.Model) string { return strings.Join(m.Layers(), " ") }
		for name, s := range spellings {
			deep := form == "averaged"
			if deep && slices.Contains([]string{"layer0", "Hugging Face", "children", "fastai", "one Sequential", "without pooling", "residual_function", "tutorial", "in sequence", "pairs"}, name) {
				continue // no such files
			}
			rename := s.rename
			if deep { // an average pooling stands at downsample.0
				rename = func(n string) string {
					if strings.HasPrefix(n, "layer2.") {
						n = replace(`downsample\.1`, "downsample.2", `downsample\.0`, "downsample.1")(n)
					}
					return s.rename(n)
				}
			}
			f := p.file(t, rename, nil)
			got, err := Match(f, Spec{})
			if err != nil {
				t.Errorf("%s, %s: %v", form, name, err)
				continue
			}
			if got.Facts.Prefix != s.prefix || got.Facts.Classes != classes || len(got.Facts.Ignored) > 0 || got.Facts.Taken != len(f.Names()) {
				t.Errorf("%s, %s: %+v", form, name, got.Facts)
			}
			m, err := got.Load(f, LoadOptions{Width: 64, Height: 64})
			if err != nil {
				t.Errorf("%s, %s: %v", form, name, err)
				continue
			}
			ref, err := a.Build(classes, func(name string, _ []int) []float32 { return p.value[name] }, nn.CompileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if l, w := layers(m), layers(ref); l != w {
				t.Errorf("%s, %s: layers %s, want %s", form, name, l, w)
			}
			if out := forward(t, m); !slices.Equal(out, want) {
				t.Errorf("%s, %s: logits %v, want %v", form, name, out, want)
			}
			for _, layer := range []string{got.ClusterLayer, got.ClassLayer, got.MWPClusterLayer, got.MWPClassLayer} {
				if _, err := m.LayerShape(layer); err != nil {
					t.Errorf("%s, %s: %v", form, name, err)
				}
			}
		}
	}
}

// TestNames matches the networks that have a name, by shapes alone.
func TestNames(t *testing.T) {
	zeros := make([]byte, 400<<20) // never touched
	for _, a := range archs {
		f := shapes(t, a, 7, zeros)
		got, err := Match(f, Spec{Name: a.Name})
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		if got.Name != a.Name || got.Facts.Classes != 7 || got.ClusterLayer != a.ClusterLayer || got.MWPClassLayer != a.MWPClassLayer || got.Transform.Name != a.Transform.Name {
			t.Errorf("%s: found %s, %+v", a.Name, got.Name, got.Facts)
		}
		other := "resnet18"
		if a.Name == other {
			other = "resnet50"
		}
		_, err = Match(f, Spec{Name: other})
		want := fmt.Sprintf("--model %s: the tensors are those of %s (7 classes)", other, a.Name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// untouched is memory that nobody writes, for the largest tensor of all.
var untouched = sync.OnceValue(func() []float32 { return make([]float32, 104<<20) })

// averages says that a parameter is of a shortcut with an average pooling.
func (a *Arch) averages(param string) bool {
	r, ok := a.body.(*resnet)
	if ok {
		for c := range r.convs() {
			if c.averaged && (strings.HasPrefix(param, c.name+".") || strings.HasPrefix(param, c.norm+".")) {
				return true
			}
		}
	}
	return false
}

// shapes is a file of a network's tensors, half floats, whose values are never read.
func shapes(t testing.TB, a *Arch, classes int, zeros []byte) *weights.File {
	t.Helper()
	header := map[string]any{}
	at := 0
	add := func(name string, shape ...int) {
		n := 2
		for _, d := range shape {
			n *= d
		}
		header[name] = map[string]any{"dtype": "F16", "shape": shape, "data_offsets": []int{at, at + n}}
		at += n
	}
	_, err := a.graph(classes, LoadOptions{}, func(name string, shape []int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		if a.averages(name) { // the pooling stands at downsample.0
			name = replace(`downsample\.1`, "downsample.2", `downsample\.0`, "downsample.1")(name)
		}
		add(name, shape...)
		return untouched()[:n], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parseHeader(t, a.Name+".safetensors", header, at, zeros)
}

// parseHeader is a file of so many bytes of data, which lie in zeros behind the header.
func parseHeader(t testing.TB, name string, header map[string]any, size int, zeros []byte) *weights.File {
	t.Helper()
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	if 8+len(text)+size > len(zeros) {
		t.Fatalf("%s: %d bytes", name, size)
	}
	binary.LittleEndian.PutUint64(zeros, uint64(len(text)))
	copy(zeros[8:], text)
	f, err := weights.Parse(name, zeros[:8+len(text)+size])
	if err != nil {
		t.Fatal(err)
	}
	return f
}
