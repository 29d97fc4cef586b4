package report

import (
	"encoding/xml"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestChartsDegenerate: whatever the numbers and names, a chart is well-formed XML,
// holds only finite positions inside its own frame (a line's width aside), and no
// mark-up from a name.
func TestChartsDegenerate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	evil := `</svg><script>alert(1)</script>" onload="x`
	long := strings.Repeat("name ", 1000)
	for name, svg := range map[string]template.HTML{
		"no curves":       Chart{Title: evil, X: evil, Y: evil}.Curves(),
		"empty curve":     Chart{}.Curves(Curve{Name: evil}),
		"one point":       Chart{}.Curves(Curve{X: []float64{1}, Y: []float64{2}, Low: []float64{1}, High: []float64{3}}),
		"flat":            Chart{}.Curves(Curve{Name: long, X: []float64{0, 1, 2}, Y: []float64{7, 7, 7}}),
		"not finite":      Chart{}.Curves(Curve{X: []float64{0, nan, 2, inf}, Y: []float64{nan, 1, inf, 2}, Low: []float64{nan, nan, nan, nan}, High: []float64{inf, inf, inf, inf}}),
		"huge":            Chart{}.Curves(Curve{X: []float64{-1e308, 1e308}, Y: []float64{-1e308, 1e308}}, Curve{X: []float64{-1e299, 1e299}, Y: []float64{-1e299, 1e299}}),
		"tiny":            Chart{}.Curves(Curve{X: []float64{0, 5e-324}, Y: []float64{0, 5e-324}}),
		"close":           Chart{}.Curves(Curve{X: []float64{1e15, 1e15 + 1}, Y: []float64{1, 1 + 1e-15}}),
		"many":            Chart{}.Curves(make([]Curve, 40)...),
		"given range":     Chart{XRange: [2]float64{0, 1}, YRange: [2]float64{0, 0.5}}.Curves(Curve{X: []float64{-9, 9}, Y: []float64{-9, 9}}),
		"range nan":       Chart{XRange: [2]float64{nan, 1}, YRange: [2]float64{2, -2}}.Curves(Curve{X: []float64{0, 1}, Y: []float64{0, 1}}),
		"small":           Chart{Width: 1, Height: 1}.Curves(Curve{Name: "n", X: []float64{0, 1}, Y: []float64{0, 1}}),
		"no dots":         Chart{Title: evil}.Dots(),
		"dots":            Chart{MarkName: evil}.Dots(Estimate{Name: evil, Value: 1, Low: 0, High: 2, N: 5, Mark: ptr(1.5)}, Estimate{Name: long, Value: nan}),
		"dots not finite": Chart{}.Dots(Estimate{Value: inf, Low: nan, High: inf, Mark: &nan}, Estimate{Value: 3, Low: nan, High: inf, Mark: &inf}),
		"one dot":         Chart{}.Dots(Estimate{}),
		"no samples":      Chart{}.Distributions(),
		"empty sample":    Chart{}.Distributions(Sample{Name: evil}, Sample{Name: "x", Values: []float64{nan, inf}}),
		"one value":       Chart{}.Distributions(Sample{Values: []float64{-3}}),
		"many values":     Chart{}.Distributions(Sample{Name: long, Values: make([]float64, 100_000)}),
	} {
		if len(svg) > 60_000 {
			t.Errorf("%s: %d bytes", name, len(svg))
		}
		width, height := 0.0, 0.0
		dec := xml.NewDecoder(strings.NewReader(string(svg)))
		for {
			token, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, svg)
				break
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if !slices.Contains([]string{"svg", "text", "path", "circle", "rect"}, start.Name.Local) {
				t.Errorf("%s: an element <%s>", name, start.Name.Local)
			}
			for _, a := range start.Attr {
				switch v := a.Value; a.Name.Local {
				case "viewBox":
					f := strings.Fields(v)
					width, height = number64(t, f[2]), number64(t, f[3])
				case "x", "cx":
					if x := number64(t, v); x < 0 || x > width {
						t.Errorf("%s: %s at x %v of %v", name, start.Name.Local, x, width)
					}
				case "y", "cy":
					if y := number64(t, v); y < 0 || y > height {
						t.Errorf("%s: %s at y %v of %v", name, start.Name.Local, y, height)
					}
				case "width", "height", "r":
					number64(t, v)
				case "d":
					if strings.ContainsAny(v, "NI+e") {
						t.Errorf("%s: path %.80s", name, v)
					}
				case "onload":
					t.Errorf("%s: a handler", name)
				}
			}
		}
	}
}

func number64(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		t.Errorf("not a number: %q", s)
	}
	return v
}

// TestCurves follows known points to their places.
func TestCurves(t *testing.T) {
	svg := string(Chart{Title: "score", X: "removed", Y: "p", XRange: [2]float64{0, 1}, YRange: [2]float64{0, 1}}.Curves(
		Curve{Name: "cwox2s", X: []float64{0, 0.5, 1}, Y: []float64{1, math.NaN(), 0}},
		Curve{Name: "swox", X: []float64{0, 1}, Y: []float64{0.5, 0.5}, Low: []float64{0.4, 0.4}, High: []float64{0.6, 0.6}},
	))
	// The plot reaches from 58 to 640 - (24 + 6 characters of 7.44) and from 34 to 314.
	for _, want := range []string{
		`d="M58 34M571.4 314"`,                    // broken at the NaN
		`d="M58 174L571.4 174"`,                   // half way down
		`d="M58 146L571.4 146L571.4 202L58 202z"`, // its band
		`x="579.4" y="178" text-anchor="start"`,   // its name, at its end
		`>0.2</text>`, `>1.0</text>`, `>p</text>`, // ticks and titles
		`aria-label="score"`, `stroke-dasharray="`, // alternative text, not by colour alone
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("lacks %s:\n%s", want, svg)
		}
	}
}

// TestNamesApart: curves that end together are named one below the other.
func TestNamesApart(t *testing.T) {
	var curves []Curve
	for range 6 {
		curves = append(curves, Curve{Name: "same", X: []float64{0, 1}, Y: []float64{0, 0}})
	}
	svg := string(Chart{}.Curves(append(curves, Curve{X: []float64{0}, Y: []float64{1}})...))
	var ys []float64
	for _, part := range strings.Split(svg, "<text ")[1:] {
		if strings.Contains(part, ">same<") {
			_, after, _ := strings.Cut(part, ` y="`)
			y, _, _ := strings.Cut(after, `"`)
			ys = append(ys, number64(t, y))
		}
	}
	slices.Sort(ys)
	if len(ys) != 6 {
		t.Fatalf("%d names, want 6", len(ys))
	}
	for i := 1; i < len(ys); i++ {
		if ys[i]-ys[i-1] < 13.9 {
			t.Errorf("names at %v overlap", ys)
		}
	}
}

func TestThin(t *testing.T) {
	n := 50_177
	c := Curve{Name: "c", X: make([]float64, n), Y: make([]float64, n)}
	for i := range n {
		c.X[i], c.Y[i] = float64(i), -float64(i)
	}
	got := thin(c)
	if len(got.X) != maxCurvePoints || got.X[0] != 0 || got.X[maxCurvePoints-1] != float64(n-1) || got.Y[maxCurvePoints-1] != -float64(n-1) || got.Low != nil {
		t.Errorf("%d points, from %v to %v", len(got.X), got.X[0], got.X[len(got.X)-1])
	}
	defer func() {
		if recover() == nil {
			t.Error("slices of unequal length: no panic")
		}
	}()
	thin(Curve{X: []float64{1, 2}, Y: []float64{1}})
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		values    []float64
		low, high float64
		ticks     string
	}{
		{[]float64{0, 1}, 0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{[]float64{0.013, 0.047}, 0.01, 0.05, "0.01 0.02 0.03 0.04 0.05"},
		{[]float64{-3, 12}, -5, 15, "-5 0 5 10 15"},
		{[]float64{5}, 4.4, 5.6, "4.4 4.6 4.8 5.0 5.2 5.4 5.6"},
		{nil, 0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{[]float64{0, 50176}, 0, 60000, "0 10000 20000 30000 40000 50000 60000"},
	} {
		a := newAxis([2]float64{}, c.values, 0, 100)
		var ticks []string
		for _, v := range a.ticks() {
			ticks = append(ticks, tickText(v, a.step))
		}
		if math.Abs(a.low-c.low) > 1e-9 || math.Abs(a.high-c.high) > 1e-9 || strings.Join(ticks, " ") != c.ticks {
			t.Errorf("%v: from %v to %v, %v; want %v, %v, %s", c.values, a.low, a.high, ticks, c.low, c.high, c.ticks)
		}
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 4, 8}
	for _, c := range [][2]float64{{0, 1}, {0.5, 3}, {1, 8}, {0.25, 1.75}} {
		if got := quantile(v, c[0]); !(math.Abs(got-c[1]) <= 1e-12) {
			t.Errorf("quantile %v = %v, want %v", c[0], got, c[1])
		}
	}
}

func TestEstimateString(t *testing.T) {
	for _, c := range []struct {
		e    Estimate
		want string
	}{
		{Estimate{Value: 0.01234, Low: 0.011, High: 0.0135, N: 160}, "0.0123 [0.011, 0.0135], n 160"},
		{Estimate{Value: 2, Low: math.NaN(), High: 3}, "2"},
		{Estimate{Value: math.NaN(), N: 3}, "no value"},
	} {
		if got := c.e.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestArticle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "index.html")
	a := Article{Title: "Faithfulness <of> four", Lead: "It wins.", Parts: []Part{
		{Heading: "Table 1", Text: []string{"Smaller & better."},
			Table:  &Table{Caption: "CAUC", Head: []string{"Method", "CAUC"}, Rows: [][]string{{"<b>cwox2s</b>", "0.01"}, {}}},
			Charts: []template.HTML{Chart{Title: "a < b"}.Dots(Estimate{Name: "x", Value: 1, Low: 1, High: 1})}},
		{},
	}}
	if err := WriteArticle(path, a); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	checkPage(t, page)
	for _, s := range []string{"Faithfulness &lt;of&gt; four", "Smaller &amp; better.", `<th scope="row">&lt;b&gt;cwox2s`, `aria-label="a &lt; b"`, "<caption>CAUC"} {
		if !strings.Contains(string(page), s) {
			t.Errorf("the page lacks %q", s)
		}
	}
}
