package figure

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/saliency"
	"cwox/hlta"
	"cwox/nn/vision"
)

// explanation has clusters of the given numbers of classes; by a method without maps of clusters
// it has none.
func explanation(m cwox.Method, counts ...int) *cwox.Explanation {
	e := &cwox.Explanation{File: "dir/photo.jpg", Method: m, Variant: cwox.Paper, Explainer: "gradcam", Settings: map[string]any{},
		Picture: &vision.Picture{Width: 60, Height: 40, Pix: bytes.Repeat([]byte{200, 100, 50}, 60*40)}}
	one := func(at int) saliency.Map {
		d := make([]float32, 16)
		d[at%16] = float32(at + 1)
		return saliency.Map{Height: 4, Width: 4, Data: d}
	}
	class := 0
	for i, n := range counts {
		k := cwox.Cluster{Probability: 0.25}
		if m == cwox.CWOX2s {
			k.Map = one(i)
		}
		for range n {
			e.Top = append(e.Top, cwox.TopClass{Class: class, Label: fmt.Sprintf("thing <%d>", class), Probability: 0.125})
			e.Classes = append(e.Classes, cwox.Class{Class: class, Cluster: i, Map: one(class)})
			k.Classes = append(k.Classes, class)
			class++
		}
		e.Clusters = append(e.Clusters, k)
	}
	return e
}

// texts are those of a drawing.
func texts(d *Drawing) (out []string) {
	for _, item := range d.Items {
		if t, ok := item.(Text); ok {
			out = append(out, t.S)
		}
	}
	return out
}

// inside checks that all of a drawing lies on its page, texts with their whole length.
func inside(t *testing.T, d *Drawing) {
	t.Helper()
	see := func(what string, x0, y0, x1, y1 float64) {
		if x0 < -0.01 || y0 < -0.01 || x1 > d.Width+0.01 || y1 > d.Height+0.01 {
			t.Errorf("%s: %.1f, %.1f to %.1f, %.1f on a page of %.1f x %.1f", what, x0, y0, x1, y1, d.Width, d.Height)
		}
	}
	for _, item := range d.Items {
		switch i := item.(type) {
		case Picture:
			see(i.Alt, i.X, i.Y, i.X+i.Width, i.Y+i.Height)
		case Rect:
			see("rectangle", i.X, i.Y, i.X+i.Width, i.Y+i.Height)
		case Line:
			for _, p := range i.Points {
				see("line", p[0], p[1], p[0], p[1])
			}
		case Text:
			w := textWidth(i.S, i.Size, i.Style)
			x := i.X - map[Anchor]float64{Start: 0, Middle: w / 2, End: w}[i.Anchor]
			see(i.S, x, i.Y-0.7*i.Size, x+w, i.Y)
		}
	}
}

// captions are the texts that begin with a letter in brackets.
func captions(d *Drawing) (out []string) {
	for _, s := range texts(d) {
		if strings.HasPrefix(s, "(") {
			out = append(out, s)
		}
	}
	return out
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		runs []*cwox.Explanation
		want []string // the photograph comes last
	}{
		{[]*cwox.Explanation{explanation(cwox.SWOX, 2, 1), explanation(cwox.CWOX2s, 2, 1)},
			[]string{"(b.1) thing <0>", "(b.2) thing <1>", "(b.3) thing <2>", "(c1) {thing", "(c1.1) thing", "(c1.2) thing", "(c2) thing <2>", "(a) photo"}},
		{[]*cwox.Explanation{explanation(cwox.SWOX, 2), explanation(cwox.CWOX2s, 2)},
			[]string{"(b.1) thing <0>", "(b.2) thing <1>", "(c) {thing <0>, thing", "(c.1) thing <0>", "(c.2) thing <1>", "(a) photo"}},
		{[]*cwox.Explanation{explanation(cwox.SWOX, 1, 1), explanation(cwox.CWOX1sA, 1, 1)},
			[]string{"(b.1) thing <0>", "(b.2) thing <1>", "(c.1) thing <0>", "(c.2) thing <1>", "(a) photo"}},
	} {
		d, err := Compare([]Subject{{Name: "photo.jpg", Runs: c.runs}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		inside(t, d)
		got := captions(d)
		ok := len(got) == len(c.want)
		for i := range c.want {
			ok = ok && strings.HasPrefix(c.want[i], strings.TrimRight(got[i], "\u2026")) || ok && strings.HasPrefix(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("captions %q, want %q", got, c.want)
		}
	}
	// Two subjects stand below each other.
	one, err := Compare([]Subject{{"a", []*cwox.Explanation{explanation(cwox.SWOX, 2)}}}, Options{Width: OneColumn})
	if err != nil {
		t.Fatal(err)
	}
	two, err := Compare([]Subject{{"a", []*cwox.Explanation{explanation(cwox.SWOX, 2)}}, {"b", []*cwox.Explanation{explanation(cwox.SWOX, 2)}}}, Options{Width: OneColumn})
	if err != nil || math.Abs(two.Height-2*one.Height-gap) > 1e-9 || len(two.Items) != 2*len(one.Items) {
		t.Errorf("two subjects are %.1f high, one is %.1f, error %v", two.Height, one.Height, err)
	}
	inside(t, two)
}

func TestStages(t *testing.T) {
	d, err := Stages(Subject{"photo.jpg", []*cwox.Explanation{explanation(cwox.CWOX2s, 2, 3)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inside(t, d)
	want := []string{"(a) input", "(b) {thing <0>, thing <1>}", "(b.1) thing <0>", "(b.2) thing <1>", "(c) {thing <2>, thing <3>, thing <4>}",
		"(c.1) thing <2>", "(c.2) thing <3>", "(c.3) thing <4>"}
	if got := captions(d); !slices.Equal(got, want) {
		t.Errorf("captions %q, want %q", got, want)
	}
	// A cluster stands over the middle of its classes, the branches meet both.
	var pictures []Picture
	lines := map[[2]float64]bool{}
	for _, item := range d.Items {
		switch i := item.(type) {
		case Picture:
			pictures = append(pictures, i)
		case Line:
			lines[[2]float64{i.Points[0][0], i.Points[len(i.Points)-1][0]}] = true
		}
	}
	middle := func(i int) float64 { return pictures[i].X + pictures[i].Width/2 }
	if math.Abs(middle(1)-(middle(2)+middle(3))/2) > 1e-9 || math.Abs(middle(4)-middle(6)) > 1e-9 || math.Abs(middle(0)-d.Width/2) > 1e-9 {
		t.Errorf("pictures stand at %v", pictures)
	}
	if !lines[[2]float64{middle(0), middle(1)}] || !lines[[2]float64{middle(4), middle(7)}] || len(lines) != 7 {
		t.Errorf("branches %v", lines)
	}
	if _, err := Stages(Subject{"x", []*cwox.Explanation{explanation(cwox.SWOX, 2)}}, Options{}); err == nil {
		t.Error("a method without stages: no error")
	}
}

// Maps of a stage share a scale of colours unless they are to have their own.
func TestScale(t *testing.T) {
	e := explanation(cwox.CWOX2s, 2, 1)
	p := newPainter(Subject{"x", []*cwox.Explanation{e}}, Options{})
	if g, c := p.scale(e, true), p.scale(e, false); g != 2 || c != 2 { // of classes the third has no rival
		t.Errorf("scales %g and %g, want 2 and 2", g, c)
	}
	p.o.OwnScale = true
	if g := p.scale(e, true); g != 0 {
		t.Errorf("own scale: %g", g)
	}
	e.Clusters[0].Map.Data[0] = float32(math.NaN())
	e.Clusters[0].Map.Data[1] = float32(math.Inf(1))
	p.o.OwnScale = false
	if g := p.scale(e, true); g != 2 {
		t.Errorf("scale with NaN and infinity: %g, want 2", g)
	}
}

func TestRefused(t *testing.T) {
	many := make([]int, 30)
	for i := range many {
		many[i] = 1
	}
	broken := explanation(cwox.SWOX, 2)
	broken.Picture = nil
	for name, s := range map[string][]Subject{
		"nothing":        nil,
		"no explanation": {{Name: "x"}},
		"too many maps":  {{"x", []*cwox.Explanation{explanation(cwox.SWOX, many...)}}},
		"no picture":     {{"x", []*cwox.Explanation{broken}}},
		"twice the same": {{"x", []*cwox.Explanation{explanation(cwox.SWOX, 2), explanation(cwox.SWOX, 2)}}},
	} {
		if _, err := Compare(s, Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, d := range []Drawing{{}, {Width: 10, Height: math.NaN()}, {Width: 1e6, Height: 1}} {
		if err := d.Write(io.Discard, SVG); err == nil {
			t.Errorf("%g x %g: no error", d.Width, d.Height)
		}
	}
	if err := (&Drawing{Width: 1, Height: 1}).Write(io.Discard, "gif"); err == nil {
		t.Error("format gif: no error")
	}
}

func TestGrid(t *testing.T) {
	d, err := Grid([]Subject{{"one.png", []*cwox.Explanation{explanation(cwox.CWOX2s, 2)}}, {"two.png", []*cwox.Explanation{explanation(cwox.CWOX2s, 1, 1)}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inside(t, d)
	want := []string{"(a) one", "(a.1) {thing <0>, thing <1>}", "(a.2) thing <0>", "(a.3) thing <1>", "(b) two", "(b.1) thing <0>", "(b.2) thing <1>"}
	if got := captions(d); !slices.Equal(got, want) {
		t.Errorf("captions %q, want %q", got, want)
	}
}

func TestCurves(t *testing.T) {
	curve := faithfulness.Curve{Size: 100, Pixels: []int{0, 10, 20, 30}, Pos: []float64{0.8, 0.4, 0.2, 0.1}, Neg: []float64{0.1, 0.5, 0.6, 0.7}}
	list := []Deletion{{"CWOX-2s, RISE", curve, 20, 0.01, 0.5}, {"SWOX, RISE", curve, 10, 0.02, 0.25}}
	d, err := Curves("cello", "violin", list, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inside(t, d)
	all := strings.Join(texts(d), "|")
	for _, s := range []string{"P(cello)", "P(violin)", "P(cello) \u00d7 (1 \u2212 P(violin))", "(i) CWOX-2s, RISE", "(ii) SWOX, RISE", "CDROP 0.500, CAUC 0.0100", "CDROP 0.250, CAUC 0.0200"} {
		if !strings.Contains(all, s) {
			t.Errorf("the texts lack %q: %s", s, all)
		}
	}
	// As far as each map's salient pixels go: 3 points of the first, 2 of the second, and in the
	// first the score falls from 0.72 to 0.08 of the height of the plot.
	var drawn []Line
	for _, item := range d.Items {
		if l, ok := item.(Line); ok && l.Width == 1.1 {
			drawn = append(drawn, l)
		}
	}
	if len(drawn) != 3+6 {
		t.Fatalf("%d curves with those of the legend, want 9", len(drawn))
	}
	p, score := drawn[3].Points, drawn[5].Points
	if len(p) != 3 || len(drawn[6].Points) != 2 || p[2][0]-p[0][0] < 1.99*(drawn[6].Points[1][0]-drawn[6].Points[0][0]) {
		t.Errorf("%d and %d points", len(p), len(drawn[6].Points))
	}
	height := (p[2][1] - p[0][1]) / 0.6
	if got := (score[2][1] - score[0][1]) / height; !(math.Abs(got-0.64) <= 1e-9) {
		t.Errorf("the score falls by %g of the plot, want 0.64", got)
	}
	if _, err := Curves("a", "b", []Deletion{{Name: "blank"}}, Options{}); err == nil {
		t.Error("nothing to erase: no error")
	}
}

func TestTree(t *testing.T) {
	tree := &hlta.Tree{Roots: []*hlta.Node{{ID: "Z21", Level: 2, Children: []*hlta.Node{
		{ID: "Z11", Level: 1, Words: []hlta.Word{{Name: "c1"}, {Name: "c2"}}},
		{ID: "Z12", Level: 1, Words: []hlta.Word{{Name: "c3"}}},
	}}}}
	o := TreeOptions{Label: func(w string) string { return map[string]string{"c1": "hare"}[w] },
		Example: func(w string) *image.RGBA {
			if w != "c2" {
				return nil
			}
			return image.NewRGBA(image.Rect(0, 0, 8, 8))
		}}
	for _, width := range []float64{OneColumn, 40} { // words side by side, and below each other
		o.Width = width
		d, err := Tree(tree, o)
		if err != nil {
			t.Fatal(err)
		}
		if width == OneColumn {
			inside(t, d)
			if got, want := texts(d), []string{"hare", "c2", "c3", "Z11", "Z12", "Z21"}; !slices.Equal(got, want) {
				t.Errorf("texts %q, want %q", got, want)
			}
		}
		lines, pictures := 0, 0
		for _, item := range d.Items {
			switch i := item.(type) {
			case Line:
				lines++
			case Picture:
				if pictures++; i.Alt != "An image of c2" {
					t.Errorf("picture of %q", i.Alt)
				}
			}
		}
		if lines != 5 || pictures != 1 {
			t.Errorf("%d branches and %d pictures, want 5 and 1", lines, pictures)
		}
	}
	if _, err := Tree(&hlta.Tree{}, o); err == nil {
		t.Error("a tree without words: no error")
	}
}

// One page of everything, hostile text among it, in the three formats.
func TestFormats(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 2, 2))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	copy(img.Pix, []uint8{255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255})
	red := color.RGBA{255, 0, 0, 255}
	hostile := `</text><script>alert("1")</script> & 日本 🎻`
	d := &Drawing{Title: hostile, Width: 72, Height: 36, Items: []Item{
		Rect{0, 0, 36, 36, red},
		Line{Points: [][2]float64{{36, 18}, {72, 18}}, Width: 6, Color: color.RGBA{0, 0, 255, 255}},
		Line{Points: [][2]float64{{40, 30}, {70, 30}}, Width: 2, Dash: []float64{10, 10}},
		Picture{60, 2, 10, 10, img, hostile},
		Text{X: 40, Y: 12, Size: 8, Anchor: Middle, Style: Bold, S: hostile},
	}}
	file := map[Format][]byte{}
	for _, f := range Formats() {
		var a, b bytes.Buffer
		if err := d.Write(&a, f); err != nil {
			t.Fatal(f, err)
		}
		if err := d.Write(&b, f); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: other bytes the second time, error %v", f, err)
		}
		file[f] = a.Bytes()
	}

	x := xml.NewDecoder(bytes.NewReader(file[SVG]))
	var shown []string
	for {
		token, err := x.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "script" {
				t.Error("a script in the SVG")
			}
		case xml.CharData:
			shown = append(shown, string(token))
		}
	}
	if n := strings.Count(strings.Join(shown, "|"), hostile); n != 2 { // the title, the text
		t.Errorf("%d times the text in the SVG, want 2", n)
	}

	pic, err := png.Decode(bytes.NewReader(file[PNG]))
	if err != nil || pic.Bounds() != image.Rect(0, 0, 300, 150) {
		t.Fatalf("PNG %v, error %v", pic.Bounds(), err)
	}
	for _, c := range []struct {
		x, y int
		want color.RGBA
	}{{10, 140, red}, {200, 75, color.RGBA{0, 0, 255, 255}}, {200, 100, color.RGBA{255, 255, 255, 255}}, {255, 25, red}, {180, 125, color.RGBA{0, 0, 0, 255}}, {230, 125, color.RGBA{255, 255, 255, 255}}} {
		if got := color.RGBAModel.Convert(pic.At(c.x, c.y)); got != c.want {
			t.Errorf("pixel %d, %d: %v, want %v", c.x, c.y, got, c.want)
		}
	}
	if at := bytes.Index(file[PNG], []byte("pHYs")); at != 37 || binary.BigEndian.Uint32(file[PNG][at+4:]) != 11811 { // 300 an inch
		t.Errorf("pHYs at %d", at)
	}

	for _, want := range []string{`/MediaBox \[0 0 72\.00 36\.00\]`, `/FontFile2`, `/Identity-H`, `/DCTDecode`, `/Count 1\b`} {
		if !regexp.MustCompile(want).Match(file[PDF]) {
			t.Errorf("the PDF lacks %s", want)
		}
	}
}

// The pieces of a dashed line add up to half of it, here around a corner.
func TestDashed(t *testing.T) {
	pieces := dashed([][2]float64{{0, 0}, {10, 0}, {10, 10}}, []float64{3, 3})
	want := [][][2]float64{{{0, 0}, {3, 0}}, {{6, 0}, {9, 0}}, {{10, 2}, {10, 5}}, {{10, 8}, {10, 10}}}
	if len(pieces) != len(want) {
		t.Fatalf("%v", pieces)
	}
	for i := range want {
		if !slices.Equal(pieces[i], want[i]) {
			t.Errorf("piece %d: %v, want %v", i, pieces[i], want[i])
		}
	}
	if got := dashed([][2]float64{{0, 0}, {9, 0}}, []float64{0, 0}); len(got) != 1 {
		t.Errorf("dashes of no length: %v", got)
	}
}

func TestTextFits(t *testing.T) {
	if w := textWidth("mmmm", 10, Regular); math.Abs(w-4*textWidth("m", 10, Regular)) > 0.05 || w < 20 || w > 45 {
		t.Errorf("width %g", w)
	}
	for _, s := range []string{"", "a", "acoustic guitar", "日本 🎻", strings.Repeat("long ", 100)} {
		for _, width := range []float64{0, 5, 40, 200} {
			if got := fit(s, width, 7, Regular); textWidth(got, 7, Regular) > width && got != "" {
				t.Errorf("%q in %g: %q", s, width, got)
			}
			lines := wrap(s, 2, width, 7, Regular)
			for _, l := range lines {
				if textWidth(l, 7, Regular) > width {
					t.Errorf("%q in %g: line %q", s, width, l)
				}
			}
			if len(lines) > 2 {
				t.Errorf("%q in %g: %d lines", s, width, len(lines))
			}
		}
	}
	if got := wrap("acoustic guitar", 3, 40, 7, Regular); !slices.Equal(got, []string{"acoustic", "guitar"}) {
		t.Errorf("%q", got)
	}
	if got := letter(0) + letter(25) + letter(26) + letter(27); got != "azaaab" {
		t.Errorf("letters %s", got)
	}
	if got := roman(1) + roman(4) + roman(9) + roman(14); got != "iivixxiv" {
		t.Errorf("numbers %s", got)
	}
}
