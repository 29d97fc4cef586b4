package drawnworld

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWorld(t *testing.T) {
	cs, fs := Classes(), Families()
	if len(cs) < 24 || len(fs) < 8 {
		t.Fatalf("%d classes in %d families, want at least 24 in 8", len(cs), len(fs))
	}
	names := map[string]bool{}
	member := make([]int, len(cs))
	for i, c := range cs {
		if names[c.Name] || c.Name == "" || c.Part == "" {
			t.Errorf("class %d: name %q, part %q", i, c.Name, c.Part)
		}
		names[c.Name] = true
	}
	together := 0
	for i, f := range fs {
		if f.Together {
			together++
		}
		if len(f.Classes) < 2 || names[f.Name] {
			t.Errorf("family %q has %d members", f.Name, len(f.Classes))
		}
		for _, c := range f.Classes {
			member[c]++
			if cs[c].Family != i {
				t.Errorf("class %q: family %d, want %d", cs[c].Name, cs[c].Family, i)
			}
		}
	}
	for c, n := range member {
		if n != 1 {
			t.Errorf("class %q is in %d families", cs[c].Name, n)
		}
	}
	if together != 2 {
		t.Errorf("%d families drawn together, want 2", together)
	}
}

// TestBytes pins pictures to the byte: the embedded network was trained on them, and
// every machine must draw the same. Change the sums only together with the network.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		size, scenes int
		want         string
	}{
		{NetworkSize, 24, "3deb8e0bf5076bcf"},
		{112, 24, "bdaf988f23b8e594"},
		{600, 3, "271d52a79b0c34da"},
	} {
		h := sha256.New()
		for seed := range c.scenes {
			h.Write(New(uint64(seed), Options{}).Picture(c.size).Pix)
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)[:8]); got != c.want {
			t.Errorf("size %d: %s, want %s", c.size, got, c.want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	s := New(3, Options{})
	want := sha256.Sum256(s.Picture(96).Pix)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			New(uint64(i), Options{}).Picture(40 + 8*i)
			if sha256.Sum256(s.Picture(96).Pix) != want {
				t.Error("a picture differs between goroutines")
			}
		})
	}
	wg.Wait()
}

// TestSiblingsDifferInOnePart turns an object into each of its siblings: nothing may
// change but the places of the two parts and the shadows they cast, and those must.
func TestSiblingsDifferInOnePart(t *testing.T) {
	const size = 160
	for _, f := range Families() {
		if f.Together {
			continue
		}
		for seed := range uint64(2) {
			for _, a := range f.Classes {
				s := New(seed, Options{Classes: []int{a}, Clean: true})
				was := s.Picture(size).Pix
				for _, b := range f.Classes {
					n := s.WithClass(0, b)
					is := n.Picture(size).Pix
					// The shadow falls 0.09 units down and 0.054 to the right, softened by
					// 0.126 each way; the clay's shading reaches a few pixels further.
					ma, mb := n.PartMask(0, a, size), n.PartMask(0, b, size)
					near := make([]bool, size*size)
					reach := int(s.Objects[0].m.scale()*size*0.25) + 3
					up := int(s.Objects[0].m.scale()*size*0.1) + 3
					for i := range near {
						if ma[i]+mb[i] == 0 {
							continue
						}
						x, y := i%size, i/size
						for yy := max(0, y-up); yy <= min(size-1, y+reach); yy++ {
							for xx := max(0, x-reach); xx <= min(size-1, x+reach); xx++ {
								near[yy*size+xx] = true
							}
						}
					}
					inside, outside, most := 0, 0, 0
					for i := range size * size {
						d := 0
						for ch := range 3 {
							d = max(d, int(was[3*i+ch])-int(is[3*i+ch]), int(is[3*i+ch])-int(was[3*i+ch]))
						}
						most = max(most, d)
						switch {
						case d <= 1: // the rasteriser rounds, and carries the error along
						case near[i]:
							inside++
						default:
							outside++
						}
					}
					if outside > 0 {
						t.Errorf("seed %d: %s to %s: %d pixels changed away from the telling parts", seed, classes[a].Name, classes[b].Name, outside)
					}
					if changed := inside > 20 && most > 20; changed != (a != b) {
						t.Errorf("seed %d: %s to %s: %d pixels changed, by at most %d", seed, classes[a].Name, classes[b].Name, inside, most)
					}
				}
			}
		}
	}
}

func TestMasks(t *testing.T) {
	for seed := range uint64(60) {
		s := New(seed, Options{})
		for i, o := range s.Objects {
			body := s.BodyMask(i, 96)
			big := s.BodyMask(i, 192)
			var area, bigArea, left float64
			for j, v := range body {
				if v < 0 || v > 1 || v != v {
					t.Fatalf("seed %d: body %g", seed, v)
				}
				area += float64(v)
				if o.Box[2] > 0 && v > 0.99 && (float64(j%96)/96 < o.Box[0]-0.04 || float64(j%96)/96 > o.Box[2]+0.04) {
					left++
				}
			}
			for _, v := range big {
				bigArea += float64(v)
			}
			// Rasterising is exact to 8 bits; soft veils have radii in whole pixels.
			if !(math.Abs(bigArea/4-area) <= 4+0.05*area) {
				t.Errorf("seed %d: area %g at 96, %g at 192", seed, area, bigArea/4)
			}
			if left > 0 {
				t.Errorf("seed %d: %g pixels outside the box", seed, left)
			}
			// A part that is drawn lies on the silhouette.
			f := Families()[Classes()[o.Class].Family]
			drawn := s.PartMask(i, o.Class, 96)
			if !o.fig.parts[o.parts[0]].plain {
				for j, v := range drawn {
					if v > body[j]+0.01 {
						t.Fatalf("seed %d: %s: part %g where the body is %g", seed, classes[o.Class].Name, v, body[j])
					}
				}
			}
			if len(f.Classes) < 2 || o.Hidden < 0 || o.Hidden > 1 || o.Weight < 0 || o.Weight > 1 {
				t.Errorf("seed %d: %+v", seed, o)
			}
		}
	}
}

// TestVeilsHide checks that masks know what covers them, and that enough is hidden for
// a classifier to be honestly torn, but not most.
func TestVeilsHide(t *testing.T) {
	hidden, rivals, objects := 0, 0, 0
	for seed := range uint64(1500) {
		for _, o := range New(seed, Options{}).Objects {
			objects++
			if o.Hidden > 0.6 {
				hidden++
			}
			if o.Rival >= 0 {
				rivals++
			}
		}
		for _, o := range New(seed, Options{Clean: true, Classes: []int{int(seed) % len(classes)}}).Objects {
			if o.Hidden > 0.01 || o.Rival >= 0 {
				t.Fatalf("seed %d: a clean scene hides %g", seed, o.Hidden)
			}
		}
	}
	if h := float64(hidden) / float64(objects); h < 0.12 || h > 0.4 {
		t.Errorf("%.3f of the telling parts are hidden", h)
	}
	if r := float64(rivals) / float64(objects); r < 0.04 || r > 0.2 {
		t.Errorf("%.3f of the objects have a rival", r)
	}
}

func TestTarget(t *testing.T) {
	for seed := range uint64(300) {
		s := New(seed, Options{})
		target := s.Target()
		sum, want := 0.0, map[int]bool{}
		for _, o := range s.Objects {
			want[o.Class] = true
			if o.Rival >= 0 {
				want[o.Rival] = true
				if target[o.Rival] != target[o.Class] {
					t.Errorf("seed %d: rivals get %g and %g", seed, target[o.Class], target[o.Rival])
				}
			}
		}
		for c, p := range target {
			sum += float64(p)
			if p < 0 || (p > 0) != want[c] && want[c] == false {
				t.Errorf("seed %d: class %d has %g", seed, c, p)
			}
		}
		if !(math.Abs(sum-1) <= 1e-6) {
			t.Errorf("seed %d: target sums to %g", seed, sum)
		}
	}
}

// TestPlantedCooccurrence: pairs come together four times of five, siblings never,
// strangers as chance has it.
func TestPlantedCooccurrence(t *testing.T) {
	n := len(classes)
	count, both := make([]int, n), make([]int, n*n)
	for seed := range uint64(6000) {
		var s Scene
		s.choose(newRNG(seed, 2), Options{})
		for _, a := range s.Objects {
			count[a.Class]++
			for _, b := range s.Objects {
				if a.Class != b.Class {
					both[a.Class*n+b.Class]++
				}
			}
		}
	}
	for a := range n {
		for b := range n {
			if a == b {
				continue
			}
			p := float64(both[a*n+b]) / float64(count[a])
			lo, hi := 0.0, 0.12 // strangers
			if fa, fb := classes[a].Family, classes[b].Family; fa == fb {
				lo, hi = 0, 0
				if families[fa].Together {
					// 0.8 of the draws give both, 0.2 one of the two.
					lo, hi = 0.84, 0.94
				}
			}
			if p < lo || p > hi {
				t.Errorf("P(%s | %s) = %.3f, want %g to %g", classes[b].Name, classes[a].Name, p, lo, hi)
			}
		}
	}
}

// TestSameSceneAtEverySize compares a picture with the box-filtered one of twice its
// side.
func TestSameSceneAtEverySize(t *testing.T) {
	const n = NetworkSize
	for seed := range uint64(12) {
		s := New(seed, Options{})
		small, large := s.Picture(n).Pix, s.Picture(2*n).Pix
		diff := 0.0
		for y := range n {
			for x := range n {
				for ch := range 3 {
					at := func(dx, dy int) int { return int(large[((2*y+dy)*2*n+2*x+dx)*3+ch]) }
					mean := float64(at(0, 0)+at(1, 0)+at(0, 1)+at(1, 1)) / 4
					diff += math.Abs(mean - float64(small[(y*n+x)*3+ch]))
				}
			}
		}
		// Interpolated noise is weaker than noise on its own grid; edges and
		// roundings of radii account for the rest.
		if diff /= n * n * 3; diff > 1.5+0.25*float64(s.noise) {
			t.Errorf("seed %d: the sizes differ by %.2f levels on average", seed, diff)
		}
	}
}

func TestWriteTruth(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	s := New(5, Options{Classes: []int{4, 0}})
	if err := s.WriteTruth(dir, 64); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got Truth
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Seed != 5 || got.Size != 64 || len(got.Objects) != 2 || got.Objects[0].Label != "cross van" || len(got.Objects[1].Places) != 4 {
		t.Errorf("truth: %+v", got)
	}
	files := []string{"scene.png"}
	for _, o := range got.Objects {
		files = append(files, o.Body)
		for _, p := range o.Places {
			files = append(files, p.Mask)
		}
	}
	for _, name := range files {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(f)
		f.Close()
		if err != nil || m.Bounds().Dx() != 64 || m.Bounds().Dy() != 64 {
			t.Errorf("%s: %v", name, err)
		}
	}
	all, _ := os.ReadDir(dir)
	if len(all) != len(files)+1 {
		t.Errorf("%d files in the folder, want %d", len(all), len(files)+1)
	}
	if err := s.WriteTruth(filepath.Join(dir, "scene.png"), 64); err == nil {
		t.Error("writing into a file gave no error")
	}
}

func TestBrokenContracts(t *testing.T) {
	s := New(1, Options{Classes: []int{0}})
	for name, f := range map[string]func(){
		"class too large":   func() { New(0, Options{Classes: []int{len(classes)}}) },
		"class negative":    func() { New(0, Options{Classes: []int{-1}}) },
		"too many objects":  func() { New(0, Options{Classes: make([]int, MaxObjects+1)}) },
		"picture too small": func() { s.Picture(7) },
		"picture too large": func() { s.Picture(MaxSize + 1) },
		"stranger's part":   func() { s.PartMask(0, 4, 32) },
		"stranger":          func() { s.WithClass(0, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkPicture(b *testing.B) {
	for _, size := range []int{112, NetworkSize, 448} {
		b.Run(map[int]string{112: "112", NetworkSize: "224", 448: "448"}[size], func(b *testing.B) {
			for seed := uint64(0); b.Loop(); seed++ {
				New(seed%256, Options{}).Picture(size)
			}
		})
	}
}
