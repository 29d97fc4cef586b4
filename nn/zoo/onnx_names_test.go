package zoo

import (
	"path/filepath"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/weights"
)

// TestNamesOfONNX builds networks from the weights of ONNX files whose names are those of the
// state dict: the builder is compared with what the exporting framework gave. Normalisations were
// folded into the convolutions, whose biases the exporter calls X.weight_bias.
func TestNamesOfONNX(t *testing.T) {
	for name, want := range map[string]string{
		"vgg": "vgg-w", "vgg_bn_pool": "no network that is known", "alexnet": "alexnet-w", "squeezenet1_1": "squeezenet-w64", "efficientnet_v2": "are not those of", // five stages
		"seresnet": "seresnet-bottleneck-1-1-1-1-w4", "densenet_multilabel": "densenet-w",
	} {
		dir := testdata.Path(t, filepath.Join("onnx", "nets", name))
		f, err := weights.Open(filepath.Join(dir, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var tensors []*weights.Tensor
		for _, n := range f.Names() {
			x, _ := f.Tensor(n)
			if v, err := x.Float32(); err == nil {
				tensors = append(tensors, weights.NewF32(strings.Replace(n, ".weight_bias", ".bias", 1), x.Shape, v))
			}
		}
		file := weights.Bare(name, tensors)
		a, err := Match(file, Spec{})
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !strings.HasPrefix(a.Name, want) {
			t.Errorf("%s: found %s", name, a.Describe())
		}
		expected := open(t, "onnx", "nets", name, "expected.safetensors")
		numbers := func(name string) ([]float64, []int) {
			x, ok := expected.Tensor(name)
			if !ok {
				return nil, nil
			}
			v, err := x.Float64()
			if err != nil {
				t.Fatal(err)
			}
			return v, x.Shape
		}
		u8, shape := numbers("input_u8")
		logits, _ := numbers("logits_f64")
		if logits == nil {
			logits, _ = numbers("output_f64")
		}
		var x []float32
		for _, v := range u8[:len(u8)/shape[0]] {
			x = append(x, float32(v-128)/64)
		}
		m, err := a.Load(file, LoadOptions{Height: shape[2], Width: shape[3]})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s, err := m.NewSession(nn.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if d := differ(s.Forward(x), logits[:m.Classes()]); !(d <= 3e-5) {
			t.Errorf("%s: logits differ by %.3g", name, d)
		}
		s.Close()
	}
}
