package report

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
	"cwox/weights"
)

// alone is synthetic explained by SWOX.
func alone(counts ...int) *cwox.Explanation {
	e := synthetic(counts...)
	e.Method = cwox.SWOX
	for i := range e.Clusters {
		e.Clusters[i] = cwox.Cluster{Classes: e.Clusters[i].Classes, Probability: e.Clusters[i].Probability}
	}
	for i := range e.Classes {
		e.Classes[i].Foil = nil
	}
	return e
}

// Several explanations of one answer are one report: the first as if it were the only one, the
// others beside it.
func TestSeveral(t *testing.T) {
	one, dir := t.TempDir(), t.TempDir()
	if err := Write(one, synthetic(2, 1)); err != nil {
		t.Fatal(err)
	}
	other := alone(2, 1)
	other.Warnings = []cwox.Warning{{Code: "blank-map", Message: "The map is blank."}}
	if err := Write(dir, synthetic(2, 1), other); err != nil {
		t.Fatal(err)
	}
	r, err := ReadJSON(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	all := r.Each()
	if len(r.Also) != 1 || len(all) != 2 || all[1].Method != "swox" || all[1].Image != r.Image || len(all[1].Top) != 3 || all[0].Also != nil {
		t.Fatalf("%d also, %d in all", len(r.Also), len(all))
	}
	if m := r.Also[0].Classes[1]; m.Map != "swox-gradcam/class/1" || m.Overlay != "swox-gradcam-class-1.png" {
		t.Errorf("map %q, overlay %q", m.Map, m.Overlay)
	}
	// The first one's part is what it is alone, to the byte.
	was, _ := os.ReadFile(filepath.Join(one, JSONFile))
	is, _ := os.ReadFile(filepath.Join(dir, JSONFile))
	if head := was[:len(was)-3]; !bytes.HasPrefix(is, head) {
		t.Error("report.json of several does not begin as that of one")
	}
	f, err := weights.Open(filepath.Join(dir, MapsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"class/1", "swox-gradcam/class/1", "swox-gradcam/base/class/2"} {
		if _, ok := f.Tensor(name); !ok {
			t.Errorf("no tensor %q in %v", name, f.Names())
		}
	}
	if m := metadata(t, filepath.Join(dir, MapsFile)); !strings.Contains(m["swox-gradcam"], `"gradcam"`) {
		t.Errorf("metadata %v", m)
	}
	page, _ := os.ReadFile(filepath.Join(dir, PageFile))
	checkPage(t, page)
	for text, n := range map[string]int{
		`<p class="run">CWOX-2s, Grad-CAM</p>`: 2 + 3 + 2, // groups, classes, a pair of groups and one of classes
		`<p class="run">SWOX, Grad-CAM</p>`:    2 + 3,
		"This method makes no map of a group.": 2,
		"SWOX, Grad-CAM: The map is blank.":    1,
		`style="grid-column:1"`:                2,
	} {
		if got := strings.Count(string(page), text); got != n {
			t.Errorf("%d times %q in the page, want %d", got, text, n)
		}
	}

	// A report of one takes the place of one of several, whose overlays go.
	if err := Write(dir, synthetic(2, 1)); err != nil {
		t.Fatal(err)
	}
	list, _ := os.ReadDir(dir)
	if len(list) != 3+5 {
		t.Errorf("%d files are left: %v", len(list), list)
	}
}

func TestSeveralRefused(t *testing.T) {
	for name, change := range map[string]func(*cwox.Explanation){
		"by the same":     func(e *cwox.Explanation) { e.Method = cwox.CWOX2s },
		"another answer":  func(e *cwox.Explanation) { e.Top[0].Probability /= 2 },
		"another cluster": func(e *cwox.Explanation) { slices.Reverse(e.Clusters[0].Classes) },
		"another picture": func(e *cwox.Explanation) { p := *e.Picture; p.SHA256 = "11"; e.Picture = &p },
		"not whole":       func(e *cwox.Explanation) { e.Classes[0].Map.Width = 3 },
	} {
		e := alone(2, 1)
		change(e)
		if _, err := New(synthetic(2, 1), e); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	r, err := New(synthetic(2, 1), alone(2, 1))
	if err != nil {
		t.Fatal(err)
	}
	r.Also[0].Classes[0].Cluster = 1
	if _, err := decode([]byte(mustJSON(t, r))); err == nil {
		t.Error("a class that is not in its cluster, in the second explanation: no error")
	}
}

// A pair is one picture: orange for the first, blue for the second, as opaque as they are strong.
func TestPair(t *testing.T) {
	x := saliency.Map{Height: 1, Width: 4, Data: []float32{4, 1, 0, 0}}
	y := saliency.Map{Height: 1, Width: 4, Data: []float32{0, 0, 0, 2}}
	img := decodePNG(t, string(pairURL(x, y, 4, 4)))
	pix := img.(*image.NRGBA).Pix
	for i, want := range [][4]uint8{{0xe0, 0x6c, 0, 255}, {0xe0, 0x6c, 0, 64}, {0, 0, 0, 0}, {0x2b, 0x6f, 0xe0, 128}} {
		if got := [4]uint8(pix[4*i:]); got[3] != want[3] || want[3] > 0 && got != want {
			t.Errorf("pixel %d: %v, want %v", i, got, want)
		}
	}

	e := synthetic(2, 1)
	b := newBuilder(e, mustNew(t, e), frame{})
	for _, c := range []struct {
		x, y []float32
		want string
	}{
		{[]float32{3, 0}, []float32{0, 1}, "On one scale: the strongest evidence for a is 3 times that for b"},
		{[]float32{1, 0}, []float32{0, 3}, "On one scale: the strongest evidence for b is 3 times that for a"},
		{[]float32{1, 0}, []float32{0, 1}, "On one scale: the strongest evidence for the one is as strong as that for the other"},
		{[]float32{0, 0}, []float32{0, 1}, "Only b has evidence against the other"},
		{[]float32{0, 0}, []float32{0, 0}, "Nothing to compare"},
	} {
		got := b.pair("", [2]string{"a", "b"}, saliency.Map{Height: 1, Width: 2, Data: c.x}, saliency.Map{Height: 1, Width: 2, Data: c.y})
		if got.Where != c.want {
			t.Errorf("%v and %v: %q, want %q", c.x, c.y, got.Where, c.want)
		}
	}
	if n := len(b.clusterPair()) + len(b.classPair(0)); n != 2 {
		t.Errorf("%d pairs of two clusters, the first of two classes, want 2", n)
	}
	if n := len(b.classPair(1)); n != 0 {
		t.Errorf("%d pairs in a cluster of one class", n)
	}
	e.Method = cwox.CWOX1sB // both maps of a product may mark a pixel
	if b = newBuilder(e, mustNew(t, e), frame{}); len(b.classPair(0)) != 0 {
		t.Error("a pair of products")
	}
}

func mustNew(t *testing.T, e *cwox.Explanation) *Report {
	t.Helper()
	r, err := New(e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInputShown(t *testing.T) {
	for _, c := range []struct {
		seen   vision.Region
		unseen float64
		want   string
	}{
		{vision.Region{Width: 120, Height: 90}, 0, "What the network gets: 32 \u00d7 32 pixels, squeezed to 75.0\u00a0% of its width."},
		{vision.Region{Width: 90, Height: 120}, 0, "What the network gets: 32 \u00d7 32 pixels, squeezed to 75.0\u00a0% of its height."},
		{vision.Region{X: 15, Width: 90, Height: 90}, 0.25, "What the network gets: 32 \u00d7 32 pixels, without the darkened 25.0\u00a0% of the picture."},
	} {
		e := synthetic(1)
		e.Input = cwox.Input{Transform: &vision.Transform{}, Seen: c.seen, Unseen: c.unseen}
		if got := newInputShown(e, shareSeen(e), 120, 90); got == nil || got.Say != c.want {
			t.Errorf("%v: %+v, want %q", c.seen, got, c.want)
		}
	}
	if got := newInputShown(synthetic(1), whole, 120, 90); got != nil {
		t.Errorf("nothing is known: %+v", got)
	}
}
