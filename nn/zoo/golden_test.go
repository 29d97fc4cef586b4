package zoo

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// realModels are the architectures with real weights, and the file that holds them.
var realModels = map[string]string{
	"resnet50":        "resnet50_tf_v15.safetensors",
	"googlenet-caffe": "googlenet_bvlc_caffe.safetensors",
}

func open(t *testing.T, elem ...string) *weights.File {
	t.Helper()
	f, err := weights.Open(testdata.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func readJSON(t *testing.T, v any, elem ...string) {
	t.Helper()
	text, err := os.ReadFile(testdata.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// resized is a picture of images/paper as Pillow decodes and resizes it.
func resized(t *testing.T, f *weights.File, name string) *vision.Picture {
	t.Helper()
	x, ok := f.Tensor("paper/" + name)
	if !ok {
		t.Fatalf("no picture %s", name)
	}
	pix, err := x.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return &vision.Picture{Width: 224, Height: 224, Pix: pix}
}

func loadReal(t *testing.T, arch string) (*Arch, *nn.Model) {
	t.Helper()
	a, err := Lookup(arch)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Load(open(t, "weights", realModels[arch]), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return a, m
}

// goldenTop5 is the part of logits.json that names a set's pictures and their top classes.
type goldenTop5 map[string]map[string]json.RawMessage

type goldenSet struct {
	Names []string
	Top5  [][][2]float64 // class, probability
}

func (g goldenTop5) set(t *testing.T, arch, name string) goldenSet {
	t.Helper()
	var s goldenSet
	if err := json.Unmarshal(g[arch][name], &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGoldenLogits compares both real networks with PyTorch's logits from the same pixels.
func TestGoldenLogits(t *testing.T) {
	pictures := open(t, "golden", "preprocess.safetensors")
	want := open(t, "golden", "logits.safetensors")
	var index goldenTop5
	readJSON(t, &index, "golden", "logits.json")
	for arch := range realModels {
		t.Run(arch, func(t *testing.T) {
			a, m := loadReal(t, arch)
			s, err := m.NewSession(nn.SessionOptions{Batch: len(pictures.Names())})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			set := index.set(t, arch, "paper")
			tensor, _ := want.Tensor(arch + "/paper")
			all, err := tensor.Float32()
			if err != nil {
				t.Fatal(err)
			}
			var x, ref []float32
			for i, name := range set.Names {
				if slices.Contains(pictures.Names(), "paper/"+name) {
					x = append(x, a.Transform.Tensor(resized(t, pictures, name))...)
					ref = append(ref, all[i*1000:][:1000]...)
				}
			}
			got := s.Forward(x)
			if len(got) != len(ref) || len(got) == 0 {
				t.Fatalf("%d logits, want %d", len(got), len(ref))
			}
			d := 0.0
			for i, v := range got {
				d = max(d, math.Abs(float64(v)-float64(ref[i])))
			}
			t.Logf("%d pictures (%s): largest difference %.2g, allowed 1e-4", len(got)/1000, tier(), d)
			if !(d <= 1e-4) {
				t.Errorf("logits differ by %.3g, allowed 1e-4", d)
			}
		})
	}
}

// TestFromFiles classifies the photographs from their files, through our own decoder: the same
// top class as PyTorch's, and its probability within 0.01.
func TestFromFiles(t *testing.T) {
	var index goldenTop5
	readJSON(t, &index, "golden", "logits.json")
	for arch := range realModels {
		t.Run(arch, func(t *testing.T) {
			a, m := loadReal(t, arch)
			s, err := m.NewSession(nn.SessionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			worst, where, n := 0.0, "", 0
			for _, folder := range []string{"paper", "full"} {
				set := index.set(t, arch, folder)
				for i, name := range set.Names {
					pic, err := vision.DecodeFile(testdata.Path(t, "images", folder, name), vision.Options{IgnoreOrientation: true})
					if err != nil {
						t.Error(err)
						continue
					}
					logits := s.Forward(a.Transform.Tensor(pic))
					class := 0
					sum := 0.0
					for c, z := range logits {
						if z > logits[class] {
							class = c
						}
					}
					for _, z := range logits {
						sum += math.Exp(float64(z) - float64(logits[class]))
					}
					want := set.Top5[i][0]
					d := math.Abs(1/sum - want[1])
					if d > worst {
						worst, where = d, name
					}
					if class != int(want[0]) || d > 0.01 {
						t.Errorf("%s: class %d with probability %.4f, want %d with %.4f", name, class, 1/sum, int(want[0]), want[1])
					}
					n++
				}
			}
			t.Logf("%d photographs: largest difference of the top probability %.2g (%s), allowed 0.01", n, worst, where)
		})
	}
}

// TestGoldenStages compares activations inside both networks, with nothing fused.
func TestGoldenStages(t *testing.T) {
	pictures := open(t, "golden", "preprocess.safetensors")
	want := open(t, "golden", "stages.safetensors")
	var stages map[string]json.RawMessage
	readJSON(t, &stages, "golden", "stages.json")
	for arch := range realModels {
		t.Run(arch, func(t *testing.T) {
			a, m := loadReal(t, arch)
			var list map[string]struct {
				Shape     []int
				Mean, Std float64
			}
			if err := json.Unmarshal(stages[arch], &list); err != nil {
				t.Fatal(err)
			}
			s, err := m.NewSession(nn.SessionOptions{Keep: []string{m.Layers()[1]}, Whole: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.Forward(a.Transform.Tensor(resized(t, pictures, "cello_guitar.jpg")))
			worst, where := 0.0, ""
			for name, stage := range list {
				if name == "input" {
					continue
				}
				act, shape, err := s.Activation(0, name)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				tensor, _ := want.Tensor(arch + "/" + name)
				ref, err := tensor.Float32()
				if err != nil {
					t.Fatal(err)
				}
				got := act
				if shape.H > 1 {
					got = nil
					for c := range 4 {
						for y := 0; y < shape.H; y += 7 {
							for x := 0; x < shape.W; x += 7 {
								got = append(got, act[(c*shape.H+y)*shape.W+x])
							}
						}
					}
				}
				if len(got) != len(ref) {
					t.Errorf("%s: %d elements, want %d", name, len(got), len(ref))
					continue
				}
				d := 0.0
				for i, v := range got {
					d = max(d, math.Abs(float64(v)-float64(ref[i])))
				}
				sum := 0.0
				for _, v := range act {
					sum += float64(v)
				}
				d = max(d, math.Abs(sum/float64(len(act))-stage.Mean))
				if d /= stage.Std; d > worst {
					worst, where = d, name
				}
				if d > 5e-4 {
					t.Errorf("%s: differs by %.2g standard deviations", name, d)
				}
			}
			t.Logf("%d stages, largest difference %.2g standard deviations (%s), allowed 5e-4", len(list)-1, worst, where)
		})
	}
}
