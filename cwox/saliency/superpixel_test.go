package saliency

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cwox/nn/vision"
	"cwox/weights"
)

func TestLabGolden(t *testing.T) {
	f := openTensors(t, "lime.safetensors")
	rgb, want := wide(t, f, "lab/rgb"), wide(t, f, "lab/lab")
	pic := vision.New(len(rgb)/3, 1)
	for i, v := range rgb {
		pic.Pix[i] = uint8(v)
	}
	m := newLabImage(pic)
	worst := 0.0
	for i := range m.l {
		for c, got := range []float64{m.l[i], m.a[i], m.b[i]} {
			worst = max(worst, math.Abs(got-want[3*i+c]))
		}
	}
	t.Logf("%d colours, largest difference %.2g", len(m.l), worst)
	if worst > 1e-9 { // golden/README.md section 9
		t.Errorf("off by %.3g, want at most 1e-9", worst)
	}
}

func TestExpMinus(t *testing.T) {
	worst := 0.0
	for q := 0.0; q < expReach; q += 0.00037 {
		worst = max(worst, math.Abs(expMinus(q)/math.Exp(-q)-1))
	}
	if worst > 3e-14 { // the first term left out: (1/64)^6/720 = 2e-14
		t.Errorf("off by %.3g of the value", worst)
	}
}

// TestQuickshiftGolden compares with scikit-image's labels under the same noise, and the
// agreement under other noise with theirs.
func TestQuickshiftGolden(t *testing.T) {
	var golden struct {
		Quickshift map[string]map[string]struct {
			Segments int
			Others   []float64 `json:"ari_to_other_seeds"`
		}
	}
	readJSON(t, "lime.json", &golden)
	f := openTensors(t, "lime.safetensors")
	noise := wide(t, f, "quickshift/noise")
	compared := 0
	for image, kernels := range golden.Quickshift {
		m := newLabImage(paperPicture(t, image))
		for name, g := range kernels {
			full := "quickshift/" + image + "/" + name
			if _, ok := f.Tensor(full); !ok {
				continue
			}
			var kernel float64
			if _, err := fmt.Sscanf(name, "kernel%g", &kernel); err != nil {
				t.Fatal(err)
			}
			want := wide(t, f, full)
			got := cutQuickshift(t, m, kernel, noise, 0)
			off := 0
			for i, l := range got.label {
				if float64(l) != want[i] {
					off++
				}
			}
			own := cutQuickshift(t, m, kernel, tieNoise(len(noise), 7), 1)
			ari := randIndex(own.label, got.label)
			t.Logf("%s: %d superpixels, %d other labels; own noise: %d superpixels, ARI %.4f", full, got.count, off, own.count, ari)
			// golden/README.md section 9.
			if got.count != g.Segments || off > len(want)/1000 {
				t.Errorf("%s: %d superpixels, %d other labels of %d; want %d and at most one in a thousand", full, got.count, off, len(want), g.Segments)
			}
			if least := slices.Min(g.Others) - 0.02; ari < least {
				t.Errorf("%s: own noise: ARI %.4f, want at least %.4f", full, ari, least)
			}
			compared++
		}
	}
	if compared != 5 {
		t.Errorf("%d segmentations compared, want 5", compared)
	}
}

// TestQuickshift compares with the definition, pixel by pixel.
func TestQuickshift(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := newLabImage(noisyPicture(rng, 17+int(seed)*3, 23))
		kernel := 1 + rng.Float64()*2
		noise := tieNoise(len(m.l), seed)
		got := cutQuickshift(t, m, kernel, noise, 3)
		want := defined(m, kernel, noise)
		if !slices.Equal(got.label, want) {
			t.Errorf("seed %d, kernel %.3g: %d superpixels, another labelling than the definition's", seed, kernel, got.count)
		}
		if one := cutQuickshift(t, m, kernel, noise, 1); !slices.Equal(one.label, got.label) {
			t.Errorf("seed %d: other labels on one thread", seed)
		}
	}
}

// defined is quickshift by its definition.
func defined(m *labImage, kernel float64, noise []float64) []int32 {
	reach := int(math.Ceil(3 * kernel))
	n := len(m.l)
	window := func(i int, f func(j int, s float64)) {
		for r := max(0, i/m.width-reach); r <= min(m.height-1, i/m.width+reach); r++ {
			for c := max(0, i%m.width-reach); c <= min(m.width-1, i%m.width+reach); c++ {
				dr, dc := float64(r-i/m.width), float64(c-i%m.width)
				f(r*m.width+c, m.distance(r*m.width+c, i)+dr*dr+dc*dc)
			}
		}
	}
	dense := make([]float64, n)
	for i := range dense {
		dense[i] = noise[i]
		window(i, func(_ int, s float64) { dense[i] += math.Exp(-s / (2 * kernel * kernel)) })
	}
	parent := make([]int, n)
	for i := range parent {
		best := math.Inf(1)
		parent[i] = i
		window(i, func(j int, s float64) {
			if dense[j] > dense[i] && s < best {
				best, parent[i] = s, j
			}
		})
		if math.Sqrt(best) > 10 {
			parent[i] = i
		}
	}
	number := map[int]int32{}
	for i, p := range parent {
		if p == i {
			number[i] = int32(len(number))
		}
	}
	label := make([]int32, n)
	for i := range label {
		root := i
		for parent[root] != root {
			root = parent[root]
		}
		label[i] = number[root]
	}
	return label
}

func TestTieNoise(t *testing.T) {
	x := tieNoise(40001, 3)
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
		square += v * v / float64(len(x))
	}
	// Standard errors: 1e-5/sqrt(40001) = 5e-8 of the mean, 0.7 % of the variance.
	if math.Abs(mean) > 2e-7 || math.Abs(square/1e-10-1) > 0.03 {
		t.Errorf("mean %.3g, variance %.3g; want 0 and 1e-10", mean, square)
	}
	if slices.Equal(x, tieNoise(40001, 4)) {
		t.Error("the seed does not change the noise")
	}
}

func TestSLIC(t *testing.T) {
	// Four flat quarters: no superpixel may cross the border between two.
	pic := vision.New(60, 60)
	for i := range 3600 {
		copy(pic.Pix[3*i:], [][]uint8{{200, 30, 30}, {30, 200, 30}, {30, 30, 200}, {220, 220, 40}}[i/60/30*2+i%60/30])
	}
	for _, n := range []int{1, 4, 36, 100} {
		s, err := slic(context.Background(), newLabImage(pic), n)
		if err != nil {
			t.Fatal(err)
		}
		checkSegmentation(t, s)
		quarter := map[int32]int{}
		for i, l := range s.label {
			q := i/60/30*2 + i%60/30
			if was, ok := quarter[l]; ok && was != q && n > 1 {
				t.Fatalf("%d segments: superpixel %d lies in two flat quarters", n, l)
			}
			quarter[l] = q
		}
		if s.count < n*6/10 || s.count > n*14/10 {
			t.Errorf("%d segments: %d superpixels", n, s.count)
		}
	}
	// Whatever the picture and its shape, superpixels are connected and none is tiny.
	for _, size := range [][2]int{{1, 1}, {1, 50}, {50, 1}, {37, 61}} {
		for _, n := range []int{1, 7, 200} {
			m := newLabImage(noisyPicture(rand.New(rand.NewPCG(1, 2)), size[0], size[1]))
			s, err := slic(context.Background(), m, n)
			if err != nil {
				t.Fatal(err)
			}
			checkSegmentation(t, s)
			if pieces := connected(s.label, s.height, s.width, 1); pieces.count != s.count {
				t.Errorf("%v, %d segments: %d superpixels in %d pieces", size, n, s.count, pieces.count)
			}
			least := max(1, size[0]*size[1]/n/4)
			for l, area := range s.areas() {
				if l > 0 && int(area) < least {
					t.Errorf("%v, %d segments: superpixel %d has %g pixels, want at least %d", size, n, l, area, least)
				}
			}
		}
	}
}

func TestSLICOnPhotograph(t *testing.T) {
	m := newLabImage(paperPicture(t, "cello_guitar.jpg"))
	s, err := slic(context.Background(), m, 200)
	if err != nil {
		t.Fatal(err)
	}
	checkSegmentation(t, s)
	// Within a superpixel colours vary less than within a square of the same size.
	grid := make([]int32, len(s.label))
	for i := range grid {
		grid[i] = int32(i/m.width*14/m.height*14 + i%m.width*14/m.width)
	}
	own, squares := scatter(m, s.label), scatter(m, grid)
	t.Logf("%d superpixels, colour variance %.1f, of 14x14 squares %.1f", s.count, own, squares)
	if s.count < 120 || s.count > 260 || own > 0.7*squares {
		t.Errorf("%d superpixels of colour variance %.1f; squares have %.1f", s.count, own, squares)
	}
}

// scatter is the mean squared distance of the pixels' colours to their superpixel's mean.
func scatter(m *labImage, label []int32) float64 {
	n := int(slices.Max(label)) + 1
	total := 0.0
	for _, v := range [][]float64{m.l, m.a, m.b} {
		sum, square, count := make([]float64, n), make([]float64, n), make([]float64, n)
		for i, l := range label {
			sum[l] += v[i]
			square[l] += v[i] * v[i]
			count[l]++
		}
		for l, c := range count {
			if c > 0 {
				total += square[l] - sum[l]*sum[l]/c
			}
		}
	}
	return total / float64(len(label))
}

// checkSegmentation wants the numbers 0 to count-1, all of them.
func checkSegmentation(t *testing.T, s *segmentation) {
	t.Helper()
	for l, area := range s.areas() {
		if area == 0 {
			t.Errorf("superpixel %d of %d is empty", l, s.count)
		}
	}
}

func TestSegmentingStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := newLabImage(vision.New(64, 64))
	if _, err := quickshift(ctx, m, 4, tieNoise(64*64, 0), 2); err != context.Canceled {
		t.Errorf("quickshift: %v", err)
	}
	if _, err := slic(ctx, m, 20); err != context.Canceled {
		t.Errorf("slic: %v", err)
	}
}

func BenchmarkQuickshift(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, kind := range []string{"flat", "noisy"} {
		pic := vision.New(224, 224)
		if kind == "noisy" {
			pic = noisyPicture(rng, 224, 224)
		}
		m := newLabImage(pic)
		for _, kernel := range []float64{4, 5} {
			for _, threads := range []int{1, 2} {
				b.Run(strings.Join([]string{kind, fmt.Sprintf("kernel%g", kernel), fmt.Sprintf("threads%d", threads)}, "/"), func(b *testing.B) {
					noise := tieNoise(len(m.l), 0)
					for b.Loop() {
						if _, err := quickshift(context.Background(), m, kernel, noise, threads); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func cutQuickshift(t *testing.T, m *labImage, kernel float64, noise []float64, threads int) *segmentation {
	t.Helper()
	s, err := quickshift(context.Background(), m, kernel, noise, threads)
	if err != nil {
		t.Fatal(err)
	}
	checkSegmentation(t, s)
	return s
}

// noisyPicture has patches of a few colours, with noise.
func noisyPicture(rng *rand.Rand, height, width int) *vision.Picture {
	p := vision.New(width, height)
	for y := range height {
		for x := range width {
			patch := y/7*5 + x/9*3
			for c := range 3 {
				p.Pix[3*(y*width+x)+c] = uint8(40*((patch+c)%5) + rng.IntN(40))
			}
		}
	}
	return p
}

// paperPicture is a picture of golden/preprocess.safetensors.
func paperPicture(t testing.TB, image string) *vision.Picture {
	t.Helper()
	x, ok := openTensors(t, "preprocess.safetensors").Tensor("paper/" + image)
	if !ok {
		t.Fatalf("no golden picture %q", image)
	}
	b, err := x.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return &vision.Picture{Width: x.Shape[1], Height: x.Shape[0], Pix: slices.Clone(b)}
}

// wide is a tensor as float64.
func wide(t testing.TB, f *weights.File, name string) []float64 {
	t.Helper()
	x, ok := f.Tensor(name)
	if !ok {
		t.Fatalf("%s has no tensor %q", f.Name(), name)
	}
	out, err := x.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// randIndex is the adjusted Rand index of two labellings (Hubert and Arabie, 1985).
func randIndex(a, b []int32) float64 {
	both, left, right := map[[2]int32]float64{}, map[int32]float64{}, map[int32]float64{}
	for i := range a {
		both[[2]int32{a[i], b[i]}]++
		left[a[i]]++
		right[b[i]]++
	}
	pairs := func(n float64) float64 { return n * (n - 1) / 2 }
	var in, inA, inB float64
	for _, n := range both {
		in += pairs(n)
	}
	for _, n := range left {
		inA += pairs(n)
	}
	for _, n := range right {
		inB += pairs(n)
	}
	chance := inA * inB / pairs(float64(len(a)))
	return (in - chance) / ((inA+inB)/2 - chance)
}
