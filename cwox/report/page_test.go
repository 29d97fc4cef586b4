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
		if bytes.Contains(index, []byte("<script")) {
			t.Errorf("%.40q: a script in the index", name)
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
		{plain(" a\tb\x07\u202ec "), "a bc"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
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
	if len(entry.Thumbnail) == 0 || entry.Lead != "Two things, with three names: thing 0 or thing 1 (60.0\u00a0%); thing 2 (30.0\u00a0%)." {
		t.Errorf("entry %d bytes, %q", len(entry.Thumbnail), entry.Lead)
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
	} {
		if !strings.Contains(string(page), s) {
			t.Errorf("the page lacks %q", s)
		}
	}
	if _, err := NewIndexEntry("x", &cwox.Explanation{}); err == nil {
		t.Error("an explanation without a picture: no error")
	}
}
