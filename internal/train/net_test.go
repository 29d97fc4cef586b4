package train

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"cwox/asm"
)

// toy draws pictures of one of four classes: a red, green, blue or grey square on noise.
func toy(i uint64, size int) ([]uint8, []float32) {
	pix := make([]uint8, 3*size*size)
	h := hash(i)
	for j := range pix {
		h = h*6364136223846793005 + 1442695040888963407
		pix[j] = uint8(h>>57) + 40
	}
	class := int(hash(i+1<<40) % 4)
	x0, y0 := int(h>>40)%(size/2), int(h>>50)%(size/2)
	for y := y0; y < y0+size/2; y++ {
		for x := x0; x < x0+size/2; x++ {
			for ch := range 3 {
				if ch == class || class == 3 {
					pix[3*(y*size+x)+ch] += 80
				}
			}
		}
	}
	target := make([]float32, 4)
	target[class] = 0.75
	target[(class+1)%4] = 0.25
	return pix, target
}

func kernels(t testing.TB) *asm.Kernels {
	k, _, err := asm.Select()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestGradient compares the gradient of the whole network with central differences
// along random directions, one kind of parameter at a time.
func TestGradient(t *testing.T) {
	net := NewNet(Shape{Classes: 4, Blocks: [4]int{1, 2, 1, 1}}, 1)
	// Away from the initial values, where many gradients are special, and with almost
	// every ReLU far from its kink, wide open in most channels and shut in the others.
	for i, u := range net.units {
		for c := range u.norm.gamma {
			u.norm.gamma[c] = 0.75 + 0.5*float32(hash(uint64(i*1000+c))>>40)/(1<<24)
			u.norm.beta[c] = 2.5 + float32(hash(uint64(i*1000+c+500))>>40)/(1<<24)
			if c%4 == 1 {
				u.norm.beta[c] -= 6
			}
		}
	}
	ws := net.newWorkspace(kernels(t), 4, 48)
	ws.draw(toy, 0)
	g := net.newGradient()
	loss := func() float64 {
		for i := range len(net.units) + 1 {
			net.convAt(i).transpose()
		}
		g.reset()
		ws.forward(g, false)
		d := ws.take(ws.logits.c, 1, 1, 0)
		ws.loss(g, d, 1)
		ws.put(d)
		return g.loss
	}
	loss()
	g.reset()
	ws.backward(g, 1)

	type group struct {
		name    string
		w, grad []float32
	}
	groups := []group{{"fc.weight", net.fc.weight, g.fc.weight}, {"fc.bias", net.fc.bias, g.fc.bias}}
	for i, u := range net.units {
		groups = append(groups, group{u.convName, u.conv.weight, g.conv[i].weight},
			group{u.normName + ".gamma", u.norm.gamma, g.norm[i].gamma}, group{u.normName + ".beta", u.norm.beta, g.norm[i].beta})
	}
	saved := make([][]float32, len(groups))
	for i, p := range groups {
		saved[i] = append([]float32(nil), p.grad...)
	}
	for i, p := range groups {
		// Along the gradient itself, where the difference is largest against the
		// rounding of the loss. Padding has no gradient.
		norm := 0.0
		for _, v := range saved[i] {
			norm += float64(v) * float64(v)
		}
		norm = math.Sqrt(norm)
		if norm == 0 {
			t.Errorf("%s: no gradient", p.name)
			continue
		}
		was := append([]float32(nil), p.w...)
		at := func(step float64) float64 {
			for j := range p.w {
				p.w[j] = was[j] + float32(step/norm*float64(saved[i][j]))
			}
			return loss()
		}
		// The loss is piecewise smooth (ReLU, max-pool): a step that changes it by
		// about 0.01 each way, where rounding changes it by 1e-5.
		step := min(0.01/norm, 0.02)
		got := (at(step) - at(-step)) / (2 * step)
		copy(p.w, was)
		if !(math.Abs(got-norm) <= 0.01*norm+4e-3) {
			t.Errorf("%s: the loss changes by %g per unit, the gradient says %g", p.name, got, norm)
		}
	}
}

// TestNormBackward compares batch normalisation with its formula, and the gradient with
// central differences in float64.
func TestNormBackward(t *testing.T) {
	for _, k := range asm.Tiers() {
		for _, relu := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/relu=%v", k.Tier, relu), func(t *testing.T) { testNorm(t, k, relu) })
		}
	}
}

func testNorm(t *testing.T, k *asm.Kernels, relu bool) {
	w := newWorker(k)
	const channels, n, h, wd = 32, 3, 4, 5
	nm := newNorm(channels, relu)
	random(nm.gamma, 1)
	random(nm.beta, 2)
	y := randomTensor(channels, n, h, wd, 0, 3)
	z := newTensor(channels, n, h, wd, 1)
	m := newMoments(channels)
	m.reset(w)
	for blk := range blocks(channels) {
		m.add(blk, y.pixels(blk))
	}
	nm.forward(w, y, nil, z, m)
	dz := randomTensor(channels, n, h, wd, 0, 4)
	dy := newTensor(channels, n, h, wd, 1)
	g := nm.newGrads()
	nm.backward(w, y, dz, dy, m, false, g)

	for c := range channels {
		var in, d []float64
		for image := range n {
			for p := range h * wd {
				in = append(in, y.value(c, image, p/wd, p%wd))
				d = append(d, dz.value(c, image, p/wd, p%wd))
			}
		}
		gamma, beta := float64(nm.gamma[c]), float64(nm.beta[c])
		out := func(in []float64, gamma, beta float64) []float64 {
			mean, vars := 0.0, 0.0
			for _, v := range in {
				mean += v / float64(len(in))
			}
			for _, v := range in {
				vars += (v - mean) * (v - mean) / float64(len(in))
			}
			z := make([]float64, len(in))
			for i, v := range in {
				z[i] = gamma*(v-mean)/math.Sqrt(vars+normEps) + beta
				if relu {
					z[i] = max(z[i], 0)
				}
			}
			return z
		}
		dot := func(z []float64) (s float64) {
			for i, v := range z {
				s += v * d[i]
			}
			return s
		}
		check := func(what string, got float32, want, tolerance float64) {
			t.Helper()
			if !(math.Abs(float64(got)-want) <= tolerance) {
				t.Errorf("channel %d: %s: %g, want %g", c, what, got, want)
			}
		}
		for i, want := range out(in, gamma, beta) {
			// float32 moments and one fused multiply-add.
			check("z", float32(z.value(c, i/(h*wd), i%(h*wd)/wd, i%wd)), want, 2e-6)
		}
		const e = 1e-6
		check("dgamma", g.gamma[c], (dot(out(in, gamma+e, beta))-dot(out(in, gamma-e, beta)))/(2*e), 2e-5)
		check("dbeta", g.beta[c], (dot(out(in, gamma, beta+e))-dot(out(in, gamma, beta-e)))/(2*e), 2e-5)
		for i := range in {
			was := in[i]
			in[i] = was + e
			up := dot(out(in, gamma, beta))
			in[i] = was - e
			down := dot(out(in, gamma, beta))
			in[i] = was
			check("dy", float32(dy.value(c, i/(h*wd), i%(h*wd)/wd, i%wd)), (up-down)/(2*e), 2e-5)
		}
	}
}

// TestPool checks both pools by the adjoint identity <P x, y> = <x, P' y> (the max-pool
// is linear around x), and the max-pool by its definition.
func TestPool(t *testing.T) {
	x := randomTensor(16, 2, 9, 12, 0, 1)
	for i, v := range x.data {
		x.data[i] = max(v, 0)
	}
	y, dy := newTensor(16, 2, 5, 6, 0), randomTensor(16, 2, 5, 6, 0, 2)
	from := make([]uint8, len(y.pixels(0)))
	maxPool(x, y, from)
	for c := range 16 {
		for image := range 2 {
			for p := range 30 {
				want := 0.0
				for j := range 9 {
					want = max(want, x.value(c, image, p/6*2+j/3-1, p%6*2+j%3-1))
				}
				if got := y.value(c, image, p/6, p%6); got != want {
					t.Fatalf("max-pool: %g, want %g", got, want)
				}
			}
		}
	}
	dx := randomTensor(16, 2, 9, 12, 0, 3)
	maxPoolGrad(dy, dx, from)
	same(t, "max-pool", y.pixels(0), dy.pixels(0), x.pixels(0), dx.pixels(0))

	one, done := newTensor(16, 2, 1, 1, 0), randomTensor(16, 2, 1, 1, 0, 4)
	meanPool(x, one)
	meanPoolGrad(done, dx)
	same(t, "mean pool", one.pixels(0), done.pixels(0), x.pixels(0), dx.pixels(0))
}

func same(t *testing.T, what string, a, b, c, d []float32) {
	t.Helper()
	ab, cd := 0.0, 0.0
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
	}
	for i := range c {
		cd += float64(c[i]) * float64(d[i])
	}
	if math.Abs(ab-cd) > 1e-5*(1+math.Abs(ab)) || ab == 0 {
		t.Errorf("%s: %g and %g", what, ab, cd)
	}
}

// TestLearns: a small network must learn an easy task, and know it from the running
// averages as well.
func TestLearns(t *testing.T) {
	net := NewNet(Shape{Classes: 4, Blocks: [4]int{1, 1, 1, 1}}, 3)
	var log bytes.Buffer
	err := Run(context.Background(), net, Options{Draw: toy, Phases: []Phase{{48, 512}, {64, 512}}, Batch: 32, Group: 16, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	ws := net.newWorkspace(kernels(t), 32, 64)
	ws.draw(toy, 1<<20)
	g := net.newGradient()
	ws.forward(g, true)
	d := ws.take(ws.logits.c, 1, 1, 0)
	ws.loss(g, d, 1)
	// The entropy of the targets is 0.562.
	if loss := g.loss / 32; g.correct < 31 || loss > 0.7 {
		t.Errorf("%d of 32 right, loss %.3f\n%s", g.correct, loss, log.String())
	}
	if !strings.Contains(log.String(), "step 32 of 32") {
		t.Errorf("log: %s", log.String())
	}
}

// TestDeterministic: the same bits for any number of goroutines, and on every tier with
// the same arithmetic.
func TestDeterministic(t *testing.T) {
	train := func(k *asm.Kernels, threads int) string {
		net := NewNet(Shape{Classes: 4, Blocks: [4]int{1, 1, 1, 1}}, 3)
		err := Run(context.Background(), net, Options{Draw: toy, Phases: []Phase{{32, 96}}, Batch: 24, Group: 8, Calibrate: 4, Kernels: k, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		var bits strings.Builder
		for _, x := range net.Tensors() {
			data, err := x.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&bits, "%s %x\n", x.Name, data)
		}
		return bits.String()
	}
	want := ""
	for _, k := range asm.Tiers() {
		if k.Tier == "ref" && k != kernels(t) {
			continue
		}
		for threads := 1; threads <= 3; threads++ {
			got := train(k, threads)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s with %d threads: other weights", k.Tier, threads)
			}
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	net := NewNet(Shape{Classes: 4}, 0)
	if err := Run(ctx, net, Options{Draw: toy, Phases: []Phase{{32, 3200}}}); err != context.Canceled {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, size := range []int{112, 224} {
		for _, tier := range asm.Tiers()[1:] {
			b.Run(fmt.Sprintf("%d/%s", size, tier.Tier), func(b *testing.B) {
				net := NewNet(Shape{Classes: 36}, 1)
				ws := net.newWorkspace(tier, 16, size)
				random(ws.pictures.data, 5)
				for i := range ws.n {
					ws.targets[i*36+i] = 1
				}
				g := net.newGradient()
				for i := range len(net.units) + 1 {
					net.convAt(i).transpose()
				}
				for b.Loop() {
					g.reset()
					ws.forward(g, false)
					ws.backward(g, 1.0/16)
				}
				b.ReportMetric(float64(16*b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
