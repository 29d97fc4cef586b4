package report

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
)

// checkPage holds what is true of every page: its tags are balanced, it names
// nothing outside itself, it has one script, every picture has a text, ids are
// unique and every reference to one leads somewhere.
func checkPage(t *testing.T, page []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(page))
	dec.Strict = false
	dec.AutoClose = xml.HTMLAutoClose
	dec.Entity = xml.HTMLEntity
	scripts, ids, refs := 0, map[string]bool{}, map[string]bool{}
	var open []string
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("page: %v", err)
			return
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			if token.Name.Local == "script" {
				scripts++
			}
			alt := false
			for _, a := range token.Attr {
				switch name := strings.ToLower(a.Name.Local); {
				case strings.HasPrefix(name, "on"):
					t.Errorf("<%s> has a handler %s", token.Name.Local, name)
				case name == "id":
					if ids[a.Value] {
						t.Errorf("id %s twice", a.Value)
					}
					ids[a.Value] = true
				case (name == "href" || name == "src") && strings.HasPrefix(a.Value, "#"):
					refs[a.Value[1:]] = true
				case name == "src", name == "href" && token.Name.Local != "a":
					if !strings.HasPrefix(a.Value, "data:image/") {
						t.Errorf("<%s> loads %.60s", token.Name.Local, a.Value)
					}
				case name == "alt":
					alt = true
				}
			}
			if token.Name.Local == "img" && !alt {
				t.Error("an <img> without alternative text")
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != token.Name.Local {
				t.Errorf("</%s> closes %v", token.Name.Local, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
	if scripts > 1 {
		t.Errorf("%d scripts, want at most 1", scripts)
	}
	for _, m := range regexp.MustCompile(`url\(#([^)]*)\)`).FindAllSubmatch(page, -1) {
		refs[string(m[1])] = true
	}
	for ref := range refs {
		if !ids[ref] {
			t.Errorf("nothing has the id %q", ref)
		}
	}
	if regexp.MustCompile(`url\([^#]|@import`).Match(page) {
		t.Error("the style sheet loads something")
	}
}

// TestHostile: names from outside are text, whatever they hold.
func TestHostile(t *testing.T) {
	for _, name := range []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`' onmouseover='alert(1)`,
		`</title></style></svg><script>alert(1)//`,
		`{{.JS}} ${alert(1)} javascript:alert(1)`,
		"line\nbreak\r\ttab\x00nul\x1b[31m",
		"right\u202eto\u2066left\u200bzero\ufeff",
		"bad \xff\xfe utf-8",
		"&lt;b&gt; &amp; &#x3c;",
		strings.Repeat("long ", 5000),
		"日本語 ñ Ω 🎻",
		"../../../etc/passwd",
		"",
	} {
		e := synthetic(2, 1)
		e.File, e.Explainer, e.Method = name, name, cwox.Method(name)
		e.Model = cwox.ModelInfo{Name: name, WeightsFile: name, WeightsSHA256: name, Precision: name, Kernel: name}
		for i := range e.Top {
			e.Top[i].Label = name
		}
		e.Settings = map[string]any{name: name, "x": map[string]any{name: []string{name}}}
		e.Warnings = slices.Repeat([]cwox.Warning{{Code: name, Message: name}}, 1+len(name)%7)
		dir := t.TempDir()
		if err := Write(dir, e); err != nil {
			t.Fatal(err)
		}
		if err := WriteIndex(dir, []IndexEntry{{Folder: name, File: name, Lead: name}, {File: name, Err: name + "!"}}); err != nil {
			t.Fatal(err)
		}
		index, err := os.ReadFile(filepath.Join(dir, PageFile))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(index, []byte("<script")); n != 1 {
			t.Errorf("%.40q: %d scripts in the index, want its own", name, n)
		}
		var buf bytes.Buffer
		if err := WritePage(&buf, e); err != nil {
			t.Fatal(err)
		}
		for _, page := range [][]byte{buf.Bytes(), index} {
			checkPage(t, page)
			for _, bad := range []string{"<script>alert", "<img src=x", "\x00", "\x1b", "\u202e", "\u200b", "\xff"} {
				if bytes.Contains(page, []byte(bad)) {
					t.Errorf("%.40q: the page holds %q", name, bad)
				}
			}
			if len(page) > 400_000 {
				t.Errorf("%.40q: page of %d bytes", name, len(page))
			}
		}
		if r, err := ReadJSON(filepath.Join(dir, JSONFile)); err != nil {
			t.Errorf("%.40q: %v", name, err)
		} else if want := strings.ToValidUTF8(name, "\ufffd"); r.Top[0].Label != strings.ReplaceAll(name, "\xff\xfe", "\ufffd\ufffd") && r.Top[0].Label != want {
			t.Errorf("label %.40q came back as %.40q", name, r.Top[0].Label)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{either(nil), ""},
		{either([]string{"a"}), "a"},
		{either([]string{"a", "b"}), "a or b"},
		{either([]string{"a", "b", "c"}), "a, b or c"},
		{either(strings.Split("abcdefghi", "")), "a, b, c, d, e or 4 more"},
		{percent(0.8787), "87.9\u00a0%"},
		{percent(0), "0.0\u00a0%"},
		{percent(0.0004), "< 0.1\u00a0%"},
		{percent(math.NaN()), "not a number"},
		{tag(0) + tag(25) + tag(26), "AZA27"},
		{where(measurement{max: 1, strong: 0.25, row: 0.1, col: 0.1}, "the picture"), "strongest at the upper left; at least half as strong on 25.0\u00a0% of the picture"},
		{where(measurement{max: 1, strong: 0.25, row: 0.5, col: 0.5}, "the picture"), "strongest in the centre; at least half as strong on 25.0\u00a0% of the picture"},
		{where(measurement{max: 1, strong: 0.25, row: 0.5, col: 1}, "the picture"), "strongest on the right; at least half as strong on 25.0\u00a0% of the picture"},
		{where(measurement{max: 1, strong: 0.25, row: 0.99, col: 0.5}, "the picture"), "strongest at the bottom; at least half as strong on 25.0\u00a0% of the picture"},
		{clip("violin", 4), "vio\u2026"},
		{clip("日本語", 3), "日本語"},
		{Plain(" a\tb\x07\u202ec "), "a bc"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestLead: what the page says first is no more certain than the model.
func TestLead(t *testing.T) {
	for _, c := range []struct {
		counts []int
		prob   []float64 // of the clusters
		output saliency.Output
		method cwox.Method
		want   string
	}{
		{[]int{1}, []float64{0.998}, saliency.Softmax, cwox.CWOX2s, "One answer: thing 0 (99.8\u00a0%)."},
		{[]int{2}, []float64{0.7}, saliency.Softmax, cwox.CWOX2s, "One answer with two names: thing 0 or thing 1 (70.0\u00a0%)."},
		{[]int{1, 1}, []float64{0.5, 0.4}, saliency.Softmax, cwox.CWOX2s, "Most likely thing 0 (50.0\u00a0%); otherwise thing 1 (40.0\u00a0%)."},
		{[]int{1, 2}, []float64{0.4, 0.45}, saliency.Softmax, cwox.CWOX2s, "Undecided between two answers: thing 0 (40.0\u00a0%); thing 1 or thing 2 (45.0\u00a0%)."},
		{[]int{1, 1, 1}, []float64{0.109, 0.1, 0.05}, saliency.Softmax, cwox.CWOX2s,
			"Three unrelated guesses, none of them likely: thing 0 (10.9\u00a0%); thing 1 (10.0\u00a0%); thing 2 (5.0\u00a0%)."},
		{[]int{1, 1}, []float64{0.9, 0.8}, saliency.Sigmoid, cwox.CWOX2s, "Two answers, each by itself: thing 0 (90.0\u00a0%); thing 1 (80.0\u00a0%)."},
		{[]int{1, 1}, []float64{0.9, 0.05}, saliency.Softmax, cwox.SWOX, "The first answer is thing 0 (45.0\u00a0%); two classes are explained."},
	} {
		e := synthetic(c.counts...)
		e.Method, e.Model.Output = c.method, c.output
		for i, p := range c.prob {
			e.Clusters[i].Probability = p
		}
		if len(e.Top) == 1 {
			e.Top[0].Probability = c.prob[0]
		}
		r, err := New(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := newBuilder(e, r, frame{}).lead(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestStrengthAndEffect: a contrast is set beside what it was taken from, and what erasing does
// is told for both sides.
func TestStrengthAndEffect(t *testing.T) {
	e := synthetic(2, 1)
	set := func(m *saliency.Map, top float32) { *m = bump(1, len(m.Data)/m.Width, top) }
	set(&e.Clusters[0].Map, 2)
	set(e.Clusters[0].Base, 5)
	set(&e.Classes[0].Map, 0.3)
	set(e.Classes[0].Base, 10)
	e.Clusters[0].Effect = &cwox.Effect{Erased: 0.17, Probabilities: []float64{0.1, 0.05, 0.6}}
	e.Classes[0].Effect = &cwox.Effect{Erased: 0.045, Probabilities: []float64{0.2, 0.35, 0.3}}
	var buf bytes.Buffer
	if err := WritePage(&buf, e); err != nil {
		t.Fatal(err)
	}
	checkPage(t, buf.Bytes())
	p := strings.ReplaceAll(buf.String(), "\u00a0", " ")
	for _, want := range []string{
		"the difference is at most 40.0 % of what speaks for thing 0 or thing 1 by itself",
		"the difference is at most 3.0 % of what speaks for thing 0 by itself",
		"Hardly any difference; if anything, strongest",
		`<span class="open">weak</span>`,
		"Without the strongest part (17.0 % of the input): thing 0 from 30.0 % to 10.0 %, thing 1 from 30.0 % to 5.0 %, thing 2 from 30.0 % to 60.0 %.",
		"Without the strongest part (4.5 % of the input): thing 0 from 30.0 % to 20.0 %, thing 1 from 30.0 % to 35.0 %.",
	} {
		if !strings.Contains(p, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := strings.Count(p, `>weak<`); n != 1 {
		t.Errorf("%d maps are called weak, want 1", n)
	}
	r, err := New(e)
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Classes[0].Effect; f == nil || f.Erased != 0.045 || len(f.Probabilities) != 3 || f.Probabilities[1] != 0.35 || r.Classes[1].Effect != nil {
		t.Errorf("report.json has effects %+v, %+v", r.Classes[0].Effect, r.Classes[1].Effect)
	}
}

// TestOutline: white just inside of what is covered, black just outside, nothing elsewhere.
func TestOutline(t *testing.T) {
	const want = `
..ooo.
.oxxxo
.ox.xo
.oxxxo
..ooo.`
	cover := make([]float32, 6*5)
	for y := 1; y < 4; y++ {
		for x := 2; x < 5; x++ {
			cover[y*6+x] = 0.5
		}
	}
	cover[0] = 0.49 // less than half
	img := decodePNG(t, string(outlineURL(cover, 6, 5)))
	got := ""
	for y := range 5 {
		got += "\n"
		for x := range 6 {
			switch r, _, _, a := img.At(x, y).RGBA(); {
			case a == 0:
				got += "."
			case r > 0:
				got += "x"
			default:
				got += "o"
			}
		}
	}
	if got != want {
		t.Errorf("%s\nwant%s", got, want)
	}
}

// TestRemarks: what is normal is no warning, on the page and in the index.
func TestRemarks(t *testing.T) {
	e := synthetic(1, 1)
	e.Warnings = []cwox.Warning{{Code: "all-singletons", Message: "Nothing to contrast."}, {Code: "blank-map", Message: "Blank."}}
	e.File, e.Model.WeightsFile = "/home/me/photos/a.jpg", "/home/me/models/w.pth"
	var buf bytes.Buffer
	if err := WritePage(&buf, e); err != nil {
		t.Fatal(err)
	}
	p := buf.String()
	if !strings.Contains(p, `<p class="note">Nothing to contrast.</p>`) || !strings.Contains(p, `<li data-code="blank-map">Blank.</li>`) {
		t.Error("a remark is no note, or a warning is none")
	}
	if strings.Contains(p, "/home/me") || !strings.Contains(p, "a.jpg") || !strings.Contains(p, "w.pth") {
		t.Error("the page tells folders, or no file's name")
	}
	if entry, err := NewIndexEntry("x", e); err != nil || entry.Warnings != 1 {
		t.Errorf("%d warnings in the index, %v", entry.Warnings, err)
	}
}

// TestAspect: no picture's tiles are taller or flatter than can be looked at.
func TestAspect(t *testing.T) {
	for _, c := range []struct {
		width, height int
		want          string
	}{{300, 200, "--ar:1.5000"}, {3, 2000, "--ar:0.1250"}, {2000, 3, "--ar:8.0000"}} {
		e := synthetic(1)
		e.Picture = gradient(c.width, c.height)
		var buf bytes.Buffer
		if err := WritePage(&buf, e); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(buf.String(), `<body style="`+c.want+`">`) {
			t.Errorf("%dx%d: no %s", c.width, c.height, c.want)
		}
	}
}

func TestFolded(t *testing.T) {
	w := []Warning{{Code: "b"}, {Code: "a"}, {Code: "b"}, {Code: "b"}}
	if got := folded(w); got != "" {
		t.Errorf("%d warnings: %q", len(w), got)
	}
	if got, want := folded(append(w, Warning{Code: "a"})), "5 warnings: b (3), a (2)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSameName: classes are told apart by their index where they share a name.
func TestSameName(t *testing.T) {
	e := &cwox.Explanation{Top: []cwox.TopClass{{Class: 134, Label: "crane"}, {Class: 517, Label: "crane"}, {Class: 9, Label: "ostrich"}, {Class: 7}}}
	got := labels(e)
	for class, want := range map[int]string{134: "crane (134)", 517: "crane (517)", 9: "ostrich", 7: "class 7"} {
		if got[class] != want {
			t.Errorf("class %d is %q, want %q", class, got[class], want)
		}
	}
}

// TestEmbeddedHeat decodes an embedded heatmap: its grey is the level of the map.
func TestEmbeddedHeat(t *testing.T) {
	m := bump(3, 32, 7)
	img := decodePNG(t, string(heatURL(m, 7, fullSide)))
	if img.Bounds() != image.Rect(0, 0, fullSide, fullSide) { // 32 is less than a quarter: enlarged
		t.Fatalf("bounds %v", img.Bounds())
	}
	m = bump(3, 224, 7)
	img = decodePNG(t, string(heatURL(m, 7, fullSide)))
	for i, v := range m.Data {
		want := level(v / 7)
		got := color.NRGBAModel.Convert(img.At(i%224, i/224)).(color.NRGBA)
		if alpha := uint8(math.Round(255 * min(1, float64(want)/255/fadeBelow))); got.A != alpha || alpha > 0 && got.R != want {
			t.Fatalf("pixel %d: grey %d alpha %d, want %d and %d", i, got.R, got.A, want, alpha)
		}
	}
	if got := decodePNG(t, string(heatURL(m, 7, 56))).Bounds(); got != image.Rect(0, 0, 56, 56) {
		t.Errorf("bounds %v, want 56 x 56", got)
	}
}

func decodePNG(t *testing.T, url string) image.Image {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestIndex(t *testing.T) {
	dir := t.TempDir()
	entry, err := NewIndexEntry("a b#?/cello", synthetic(2, 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(entry.Thumbnail) == 0 || entry.Lead != "Most likely thing 0 or thing 1 (60.0\u00a0%); otherwise thing 2 (30.0\u00a0%)." {
		t.Errorf("entry %d bytes, %q", len(entry.Thumbnail), entry.Lead)
	}
	if len(entry.Maps) != 2 || entry.Maps[0].Name != "thing 0 or thing 1" || entry.Sure != 0.3 {
		t.Errorf("entry %d maps, %g sure", len(entry.Maps), entry.Sure)
	}
	entry.Warnings = 2
	if err := WriteIndex(dir, []IndexEntry{entry, {File: "broken.jpg", Err: "not a picture"}, {Folder: "javascript:alert(1)", File: "x"}}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, PageFile))
	if err != nil {
		t.Fatal(err)
	}
	checkPage(t, page)
	for _, s := range []string{
		"2 images explained, 1 not", `href="./a%20b%23%3F/cello/index.html"`, "2 warnings",
		"Not explained: not a picture", `href="./javascript:alert%281%29/index.html"`, entry.Lead,
		`data-sure="0.3000" data-warnings="2"`, `alt="What speaks for thing 2"`, `id="find"`,
	} {
		if !strings.Contains(string(page), s) {
			t.Errorf("the page lacks %q", s)
		}
	}
	if _, err := NewIndexEntry("x", &cwox.Explanation{}); err == nil {
		t.Error("an explanation without a picture: no error")
	}
}
