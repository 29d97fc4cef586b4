package train

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// TestExport writes a trained network, reads it back by torchvision's names into the
// inference engine, and compares the probabilities of the two.
func TestExport(t *testing.T) {
	const size, count = 40, 20
	net := NewNet(Shape{Classes: 4, Blocks: [4]int{1, 2, 1, 1}}, 9)
	if err := Run(context.Background(), net, Options{Draw: toy, Phases: []Phase{{size, 320}}}); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := weights.WriteSafetensors(&file, net.Tensors(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Parse("test", file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string, shape ...int) []float32 {
		t.Helper()
		x, ok := f.Tensor(name)
		if !ok || fmt.Sprint(x.Shape) != fmt.Sprint(shape) {
			t.Fatalf("%s: %v, want shape %v", name, x, shape)
		}
		data, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}

	g := nn.NewGraph(nn.Shape{C: 3, H: size, W: size})
	unit := func(conv, norm string, x *nn.Node, out, k, stride int) *nn.Node {
		in := x.Shape().C
		y := g.Conv(conv, x, nn.Conv{Weight: get(conv+".weight", out, in, k, k), Out: out, Window: nn.Square(k, stride, k/2)})
		return g.BatchNorm(norm, y, nn.BatchNorm{Gamma: get(norm+".weight", out), Beta: get(norm+".bias", out),
			Mean: get(norm+".running_mean", out), Var: get(norm+".running_var", out), Eps: 1e-5})
	}
	x := g.ReLU("relu", unit("conv1", "bn1", g.Input(), 16, 7, 2))
	x = g.MaxPool("maxpool", x, nn.Pool{Window: nn.Square(3, 2, 1)})
	for stage, blocks := range []int{1, 2, 1, 1} {
		for i := range blocks {
			name, width, stride := fmt.Sprintf("layer%d.%d.", stage+1, i), 16<<stage, 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			y := g.ReLU(name+"relu1", unit(name+"conv1", name+"bn1", x, width, 1, 1))
			y = g.ReLU(name+"relu2", unit(name+"conv2", name+"bn2", y, width, 3, stride))
			y = unit(name+"conv3", name+"bn3", y, 4*width, 1, 1)
			if i == 0 {
				x = unit(name+"downsample.0", name+"downsample.1", x, 4*width, 1, stride)
			}
			x = g.ReLU(name+"relu", g.Add(name+"sum", y, x))
		}
	}
	g.Linear("fc", g.MeanPool("avgpool", x), get("fc.weight", 4, 512), get("fc.bias", 4), 4)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	pre := vision.Paper
	pre.Width, pre.Height = size, size
	seen := 0
	err = net.Predict(context.Background(), kernels(t), toy, 1000, count, size, 0, func(i uint64, p []float64, target []float32) {
		pix, want := toy(i, size)
		logits := s.Forward(pre.Tensor(&vision.Picture{Width: size, Height: size, Pix: pix}))
		sum := 0.0
		for _, z := range logits {
			sum += math.Exp(float64(z))
		}
		for c, z := range logits {
			// The engine folds the normalisation into the weights: the order of
			// roundings differs, over some ten layers.
			if got := math.Exp(float64(z)) / sum; !(math.Abs(got-p[c]) <= 1e-4) {
				t.Errorf("picture %d, class %d: %g in the engine, %g in training", i, c, got, p[c])
			}
			if target[c] != want[c] {
				t.Errorf("picture %d: target %v, want %v", i, target, want)
			}
		}
		if i != uint64(1000+seen) {
			t.Errorf("picture %d came as number %d", i, seen)
		}
		seen++
	})
	if err != nil || seen != count {
		t.Errorf("%d pictures seen, want %d: %v", seen, count, err)
	}
}

// TestRows compares the assembly with the Go it stands for, and checks that it leaves
// the rows around alone.
func TestRows(t *testing.T) {
	if kernels(t).Tier == "ref" {
		t.Skip("no assembly here")
	}
	for _, rows := range []int{0, 1, 7} {
		var c [9][16]float32
		for i := range c {
			random(c[i][:], uint64(100*i))
		}
		// run calls a kernel on three slices of rows with a guard row on each side.
		run := func(k *rowKernels, call func(k *rowKernels, x, y, z *float32, v *[9][16]float32)) ([3][]float32, [9][16]float32) {
			v := c
			var x [3][]float32
			for i := range x {
				x[i] = make([]float32, (rows+2)*lanes)
				random(x[i], uint64(1000*i))
			}
			call(k, &x[0][lanes], &x[1][lanes], &x[2][lanes], &v)
			return x, v
		}
		for name, call := range map[string]func(k *rowKernels, x, y, z *float32, v *[9][16]float32){
			"sums":      func(k *rowKernels, x, y, z *float32, v *[9][16]float32) { k.sums(x, rows, &v[0], &v[1]) },
			"affine":    func(k *rowKernels, x, y, z *float32, v *[9][16]float32) { k.affine(x, z, rows, &v[0], &v[1], -0.1) },
			"affineAdd": func(k *rowKernels, x, y, z *float32, v *[9][16]float32) { k.affineAdd(x, y, z, rows, &v[0], &v[1], 0) },
			"gradSums": func(k *rowKernels, x, y, z *float32, v *[9][16]float32) {
				k.gradSums(x, y, rows, &v[0], &v[1], &v[2], &v[3])
			},
			"gradAffine": func(k *rowKernels, x, y, z *float32, v *[9][16]float32) {
				k.gradAffine(x, y, z, rows, &v[0], &v[1], &v[2], &v[3], &v[4])
			},
			"mask":    func(k *rowKernels, x, y, z *float32, v *[9][16]float32) { k.mask(x, y, rows) },
			"descend": func(k *rowKernels, x, y, z *float32, v *[9][16]float32) { k.descend(x, y, z, rows, 0.1, 0.9, 0.3) },
		} {
			got, gotV := run(&avx2Rows, call)
			want, wantV := run(&portableRows, call)
			for i := range got {
				for j := range got[i] {
					// Each result is at most a handful of rounded operations on
					// numbers below 2, or a sum of seven products.
					if !(math.Abs(float64(got[i][j]-want[i][j])) <= 16*0x1p-23) {
						t.Errorf("%s: %d rows: slice %d[%d] is %g, want %g", name, rows, i, j, got[i][j], want[i][j])
					}
				}
			}
			for i := range gotV {
				for j := range gotV[i] {
					if !(math.Abs(float64(gotV[i][j]-wantV[i][j])) <= 16*0x1p-23) {
						t.Errorf("%s: %d rows: vector %d[%d] is %g, want %g", name, rows, i, j, gotV[i][j], wantV[i][j])
					}
				}
			}
		}
	}
}
