package importer_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/importer"
	"cwox/weights"
)

// TestLight reads whole ImageNet networks of ONNX's own tests: graphs of opset 9, whose weights are
// constants made of a number.
func TestLight(t *testing.T) {
	dir := testdata.Path(t, "onnx", "backend", "light")
	for _, name := range []string{"bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512"} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && (name == "vgg19" || name == "bvlc_alexnet" || name == "zfnet512") {
				t.Skip("hundreds of megabytes")
			}
			f, err := weights.Open(filepath.Join(dir, "light_"+name, "model.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			network, err := importer.Import(f.Model(), importer.Options{Work: math.MaxInt / 16})
			if err != nil {
				t.Fatal(err)
			}
			m, err := nn.Compile(network.Graph, nn.CompileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			x := make([]float32, m.Input().Size())
			for i := range x {
				x[i] = float32(float64(i) / float64(len(x)))
			}
			s, err := m.NewSession(nn.SessionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			got := s.Forward(x)
			if network.Ending == "softmax" {
				got = softmax(got)
			}
			data, err := os.ReadFile(filepath.Join(dir, "light_"+name, "test_data_set_0", "output_0.pb"))
			if err != nil {
				t.Fatal(err)
			}
			want := data[len(data)-4*len(got):] // raw data is the last field of the file
			for i, g := range got {
				w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:]))
				if !(math.Abs(float64(g-w)) <= 1e-7+1e-3*math.Abs(float64(w))) {
					t.Fatalf("class %d: %g, want %g", i, g, w)
				}
			}
		})
	}
}

func softmax(x []float32) []float32 {
	out, sum := make([]float32, len(x)), 0.0
	for _, v := range x {
		sum += math.Exp(float64(v - x[0]))
	}
	for i, v := range x {
		out[i] = float32(math.Exp(float64(v-x[0])) / sum)
	}
	return out
}
