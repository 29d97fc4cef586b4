package zoo

import (
	"os"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/vision"
)

// TestStatisticsOfPhotographs checks ResNet-50 with real weights on real photographs: no
// warning on the right input, one on pixels that were not scaled, and the stride that the
// weights were trained with is the nearer one.
func TestStatisticsOfPhotographs(t *testing.T) {
	a, m := loadReal(t, "resnet50")
	folder := testdata.Path(t, "images", "full")
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, "weights", realModels["resnet50"])
	early, err := Match(f, Spec{Settings: map[string]string{"stride": "conv1"}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := early.Load(f, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var z, logVar float64
	n, nearer := 0, 0
	for i, file := range files {
		if i%5 != 0 || !strings.HasSuffix(file.Name(), ".JPEG") && !strings.HasSuffix(file.Name(), ".jpg") {
			continue
		}
		pic, err := vision.DecodeFile(testdata.Path(t, "images", "full", file.Name()), vision.Options{})
		if err != nil {
			t.Fatal(err)
		}
		x := a.Transform.Tensor(pic)
		right := check(t, m, x)
		if w := right.Warning(); w != "" {
			t.Errorf("%s: z %.3f, ln var %.3f: %s", file.Name(), right.Z, right.LogVar, w)
		}
		z, logVar = max(z, right.Z), max(logVar, right.LogVar)
		n++
		if check(t, other, x).Distance() > right.Distance() {
			nearer++
		}
		raw := a.Transform
		raw.Scale, raw.Mean, raw.Std = 1, []float32{0, 0, 0}, []float32{1, 1, 1}
		if s := check(t, m, raw.Tensor(pic)); s.Warning() == "" {
			t.Errorf("%s from 0 to 255: z %.3f, ln var %.3f: no warning", file.Name(), s.Z, s.LogVar)
		}
	}
	t.Logf("%d photographs: z up to %.3f, ln var up to %.3f; the right stride is nearer on %d", n, z, logVar, nearer)
	if n == 0 || nearer < n*9/10 {
		t.Errorf("the right stride is nearer on %d of %d", nearer, n)
	}
}

func check(t *testing.T, m *nn.Model, x []float32) Statistics {
	t.Helper()
	s, err := CheckStatistics(m, x)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
