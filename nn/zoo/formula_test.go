package zoo

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"cwox/asm"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// The numbers in testdata/formula_images.* were computed by PyTorch from weights and
// pictures that are formulas, so that a clone without any data can check whole networks.

type formulaGolden struct {
	PixelSums [][3]int `json:"pixel_sums"`
	Models    map[string]struct {
		Top5        [][]int `json:"top5"`
		CheckValues map[string]struct {
			First []string `json:"first3_float32_hex"`
			Last  string   `json:"last_float32_hex"`
		} `json:"check_values"`
		Stages map[string][]struct{ Mean, Std float64 } `json:"stages"`
	} `json:"models"`
}

// formulaParam is the value of a parameter: a hash of its name and index, scaled by its kind.
func formulaParam(arch string) func(name string, shape []int) []float32 {
	return func(name string, shape []int) []float32 {
		h := uint64(0xcbf29ce484222325)
		for _, c := range []byte("cwox/" + name) {
			h = (h ^ uint64(c)) * 0x100000001b3
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		fan := n / shape[0]
		scale := float32(math.Sqrt(24 / float64(fan)))
		lastNorm := strings.HasSuffix(name, ".bn3.weight") ||
			(arch == "resnet18" || arch == "resnet34") && strings.HasPrefix(name, "layer") && strings.HasSuffix(name, ".bn2.weight")
		out := make([]float32, n)
		for i := range out {
			u := float32(splitmix64(h+uint64(i))>>40) * 0x1p-24
			switch {
			case len(shape) >= 2:
				out[i] = (u - 0.5) * scale
			case strings.HasSuffix(name, ".running_var"):
				out[i] = 0.5 + u
			case strings.HasSuffix(name, ".running_mean"), strings.HasSuffix(name, ".bias"):
				out[i] = (u - 0.5) * 0.25
			default:
				out[i] = 0.5 + u
				if lastNorm {
					out[i] *= 0.25
				}
			}
		}
		return out
	}
}

func splitmix64(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// formulaPictures are the two pictures: tiles and rings.
func formulaPictures() []*vision.Picture {
	var out []*vision.Picture
	for i := range 2 {
		p := &vision.Picture{Width: 224, Height: 224, Pix: make([]uint8, 224*224*3)}
		for r := range 224 {
			for c := range 224 {
				for k := range 3 {
					v := 64*((r/32+c/32+k)%3) + (r*(k+1)+c*(3-k))%64 + int(uint32(uint64((r*224+c)*3+k)*2654435761)>>26)
					if i == 1 {
						v = ((r-112)*(r-112) + (c-112)*(c-112)) / (40 + 20*k) % 256
					}
					p.Pix[(r*224+c)*3+k] = uint8(v)
				}
			}
		}
		out = append(out, p)
	}
	return out
}

func TestFormula(t *testing.T) {
	var golden formulaGolden
	text, err := os.ReadFile("testdata/formula_images.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	file, err := weights.Open("testdata/formula_images.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	pictures := formulaPictures()
	for i, p := range pictures {
		var sums [3]int
		for j, v := range p.Pix {
			sums[j%3] += int(v)
		}
		if sums != golden.PixelSums[i] {
			t.Fatalf("picture %d: channel sums %v, want %v", i, sums, golden.PixelSums[i])
		}
	}
	for _, arch := range []string{"googlenet", "resnet18", "resnet34", "resnet50"} {
		t.Run(arch, func(t *testing.T) {
			a, err := Lookup(arch)
			if err != nil {
				t.Fatal(err)
			}
			want := golden.Models[arch]
			checked := 0
			param := formulaParam(arch)
			m, err := a.Build(1000, func(name string, shape []int) []float32 {
				x := param(name, shape)
				if c, ok := want.CheckValues[name]; ok {
					checked++
					for i, hex := range append(c.First, c.Last) {
						v := x[len(x)-1]
						if i < len(c.First) {
							v = x[i]
						}
						if got := fmt.Sprintf("%08x", math.Float32bits(v)); got != hex {
							t.Errorf("%s: value %d is %s, want %s", name, i, got, hex)
						}
					}
				}
				return x
			}, nn.CompileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if checked != len(want.CheckValues) {
				t.Errorf("%d parameters checked, want %d", checked, len(want.CheckValues))
			}
			s, err := m.NewSession(nn.SessionOptions{Batch: 2, Keep: []string{a.ClassLayer}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var x []float32
			for _, p := range pictures {
				x = append(x, a.Transform.Tensor(p)...)
			}
			logits := s.Forward(x)
			compare(t, file, arch+"/logits", logits, 2e-4, 0)
			for image := range 2 {
				for _, layer := range []string{a.ClusterLayer, a.ClassLayer} {
					maps := gradcam(t, s, m, layer, image, want.Top5[image])
					compare(t, file, fmt.Sprintf("%s/gradcam/%s/%d", arch, layer, image), maps, 0, 1e-4)
				}
			}
		})
	}
}

// gradcam computes the un-rectified map of each class: sum over channels of the mean
// gradient times the activation.
func gradcam(t *testing.T, s *nn.Session, m *nn.Model, layer string, image int, classes []int) []float32 {
	t.Helper()
	act, shape, err := s.Activation(image, layer)
	if err != nil {
		t.Fatal(err)
	}
	seeds := make([]float32, len(classes)*m.Classes())
	for i, c := range classes {
		seeds[i*m.Classes()+c] = 1
	}
	grads, err := s.Backward(nn.Gradient, image, seeds, layer)
	if err != nil {
		t.Fatal(err)
	}
	area := shape.H * shape.W
	out := make([]float32, len(classes)*area)
	for i := range classes {
		sum := make([]float64, area)
		for k := range shape.C {
			w := 0.0
			for _, g := range grads[0][(i*shape.C+k)*area:][:area] {
				w += float64(g) / float64(area)
			}
			for j, v := range act[k*area:][:area] {
				sum[j] += w * float64(v)
			}
		}
		for j, v := range sum {
			out[i*area+j] = float32(v)
		}
	}
	return out
}

// compare checks got against a stored tensor: the largest difference must be within abs plus
// rel times the tensor's largest absolute value.
func compare(t *testing.T, file *weights.File, name string, got []float32, abs, rel float64) {
	t.Helper()
	tensor, ok := file.Tensor(name)
	if !ok {
		t.Fatalf("%s: no such tensor", name)
	}
	want, err := tensor.Float32()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", name, len(got), len(want))
	}
	var d, scale float64
	for i, w := range want {
		scale = max(scale, math.Abs(float64(w)))
		d = max(d, math.Abs(float64(got[i])-float64(w)))
		if math.IsNaN(float64(got[i])) {
			t.Fatalf("%s: NaN at %d", name, i)
		}
	}
	t.Logf("%s (%s): largest difference %.2g of %.2g, allowed %.2g", name, tier(), d, scale, abs+rel*scale)
	if d > abs+rel*scale {
		t.Errorf("%s: differs by %.3g, allowed %.3g", name, d, abs+rel*scale)
	}
}

func tier() string {
	k, _, err := asm.Select()
	if err != nil {
		return err.Error()
	}
	return k.Tier
}
