package hlta

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// svgText draws a tree and checks that it is well-formed and draws all of it.
func svgText(tb testing.TB, t *Tree, o DrawOptions) string {
	tb.Helper()
	var b bytes.Buffer
	if err := t.WriteSVG(&b, o); err != nil {
		tb.Fatal(err)
	}
	x := t.indexed()
	words, latents, branches := 0, 0, 0
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			tb.Fatalf("%v in %s", err, b.String())
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				switch {
				case a.Name.Local == "data-word":
					words++
				case a.Name.Local == "data-latent":
					latents++
				case a.Name.Local == "data-branch":
					branches++
				case strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf"):
					tb.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
	if words != len(x.words) || latents != len(x.latents) || branches != len(x.latents)-len(t.Roots) {
		tb.Errorf("%d words, %d latents and %d branches drawn, the tree has %d, %d and %d",
			words, latents, branches, len(x.words), len(x.latents), len(x.latents)-len(t.Roots))
	}
	return b.String()
}

func TestDraw(t *testing.T) {
	hostile := func(word string) string { return `</title><script>alert("` + word + `")</script>&` }
	for seed := range uint64(30) {
		tree := randomTree(rand.New(rand.NewPCG(seed, 3)))
		for _, layout := range []Layout{Rows, Circle} {
			o := DrawOptions{Title: `<b>"&`, Label: hostile, Layout: layout, Level: int(seed) % 4}
			svg := svgText(t, tree, o)
			if strings.Contains(svg, "<script") || strings.Contains(svg, "<b>") {
				t.Fatal("a label got through as markup")
			}
			if !strings.Contains(svg, "&lt;b&gt;&#34;&amp;") {
				t.Error("the title is missing")
			}
			if svg != svgText(t, tree, o) {
				t.Error("not the same picture twice")
			}
			var page bytes.Buffer
			if err := tree.WriteHTML(&page, o); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(page.String(), "<script>alert") || strings.Contains(page.String(), "ZgotmplZ") {
				t.Fatal("a label got through as markup, or a value did not get through")
			}
		}
	}
}

// The pages need no network: no address in them but that of the SVG name space.
func TestPageIsSelfContained(t *testing.T) {
	var page bytes.Buffer
	if err := smallTree(t).WriteHTML(&page, DrawOptions{}); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(page.String(), "http://www.w3.org/2000/svg", "")
	if m := regexp.MustCompile(`https?:|src=|href=|@import|url\(`).FindAllString(text, -1); m != nil {
		t.Errorf("refers to other files: %q", m)
	}
	for _, want := range []string{"Latent tree", "6 words, 3/2 latents", `data-text="c006 c006"`, "P(word | latent on)", `data-level="1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestDrawPosterior(t *testing.T) {
	tree := smallTree(t)
	in, err := tree.NewInference()
	if err != nil {
		t.Fatal(err)
	}
	post, err := in.Posterior(Evidence{Present: []string{"c001"}})
	if err != nil {
		t.Fatal(err)
	}
	part, err := tree.Restrict([]string{"c001", "c003"}, true)
	if err != nil {
		t.Fatal(err)
	}
	svg := svgText(t, part, DrawOptions{Posterior: post})
	for _, want := range []string{"P(word | evidence)", "below Z12\nP(word | off) = 0.030\nP(word | on) = 0.400\nP(word | evidence) = " + decimals(post.Words["c003"]), `font-weight="700"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in %s", want, svg)
		}
	}
	if none := svgText(t, published(t, "published-resnet50.json"), DrawOptions{}); strings.Contains(none, "P(word | on)") {
		t.Error("a probability that is not known is shown")
	}
}

// Every group of the cut has one colour, whatever is below it.
func TestDrawColors(t *testing.T) {
	d := newDrawing(bigTree(90, 0.5), DrawOptions{Level: 2})
	groups := map[string]string{} // colour of each group's latent
	for _, w := range d.words {
		z := d.latents[w.home]
		for z.parent >= 0 && d.latents[z.parent].Level <= 2 {
			z = d.latents[z.parent]
		}
		if c, ok := groups[z.ID]; ok && c != w.color || z.color != w.color {
			t.Errorf("%s: %s, its group %s", w.Name, w.color, z.color)
		}
		groups[z.ID] = w.color
	}
	colors := map[string]bool{}
	for _, c := range groups {
		colors[c] = true
	}
	if len(groups) != 10 || len(colors) != 10 {
		t.Errorf("%d groups in %d colours, want 10 in 10", len(groups), len(colors))
	}
}

// Primary colours in OKLCH, from the definition of the space.
func TestOKLCH(t *testing.T) {
	for _, c := range []struct {
		l, c, h float64
		want    string
	}{
		{1, 0, 0, "#ffffff"},
		{0, 0, 0, "#000000"},
		{0.6279554, 0.2576833, 29.2338851, "#ff0000"},
		{0.8664396, 0.2948272, 142.4953389, "#00ff00"},
		{0.4520137, 0.3132143, 264.0520206, "#0000ff"},
	} {
		if got := oklch(c.l, c.c, c.h); got != c.want {
			t.Errorf("%v %v %v: %s, want %s", c.l, c.c, c.h, got, c.want)
		}
	}
	if got := oklch(0.6, 0.4, 100); len(got) != 7 { // outside sRGB: clipped
		t.Errorf("%s", got)
	}
}

func TestDrawErrors(t *testing.T) {
	for name, write := range map[string]func() error{
		"svg":  func() error { return smallTree(t).WriteSVG(failing{}, DrawOptions{}) },
		"html": func() error { return smallTree(t).WriteHTML(failing{}, DrawOptions{}) },
	} {
		if err := write(); !errors.Is(err, errFull) {
			t.Errorf("%s: %v, want %v", name, err, errFull)
		}
	}
}

func TestShorten(t *testing.T) {
	if got := shorten("acoustic guitar", 26); got != "acoustic guitar" {
		t.Error(got)
	}
	if got := shorten("black-and-tan coonhound, dog", 25); got != "black-and-tan coonhound…" {
		t.Error(got)
	}
	if math.IsNaN(lookup(map[string]float64{"a": 0.5}, "a")) || !math.IsNaN(lookup(nil, "a")) {
		t.Error("lookup")
	}
}

// A large tree has no picture, and a list that a script builds from numbers.
func TestLargePage(t *testing.T) {
	tree := &Tree{}
	for i := range 5000 {
		z := &Node{ID: fmt.Sprint("Z1", i), Level: 1, Marginal: 0.5}
		for k := range 4 {
			z.Words = append(z.Words, Word{Name: fmt.Sprintf("</script>%d", 4*i+k), P: [2]float64{0, 0.25}})
		}
		tree.Roots = append(tree.Roots, z)
	}
	pictures := 0
	var page bytes.Buffer
	if err := tree.WriteHTML(&page, DrawOptions{Picture: func(string) string { pictures++; return "data:image/jpeg;base64,AA" }}); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	if pictures != mostPictures {
		t.Errorf("%d pictures, want %d", pictures, mostPictures)
	}
	if n := strings.Count(text, "</script>"); n != 1 {
		t.Errorf("%d ends of scripts", n)
	}
	if len(text) > 3<<20 || strings.Contains(text, "<svg") || strings.Contains(text, "<details") {
		t.Errorf("%d bytes, or parts of a small page", len(text))
	}
	begin := strings.Index(text, "const tree = ") + len("const tree = ")
	var data struct{ Latents, Words [][]any }
	if err := json.NewDecoder(strings.NewReader(text[begin:])).Decode(&data); err != nil {
		t.Fatal(err)
	}
	if len(data.Latents) != 5000 || len(data.Words) != 20000 {
		t.Fatalf("%d latents and %d words", len(data.Latents), len(data.Words))
	}
	if z := data.Latents[7]; z[0] != "Z17" || z[2] != -1.0 || z[3] != 28.0 || z[4] != 31.0 {
		t.Errorf("latent %v", z)
	}
	if w := data.Words[28]; w[1] != "</script>28" || w[2] != 25.0 || w[3] != "data:image/jpeg;base64,AA" {
		t.Errorf("word %v", w)
	}
	if data.Words[mostPictures][3] != "" {
		t.Error("a picture too many")
	}
}

func TestGroupName(t *testing.T) {
	word := func(label string, p float64) drawnWord {
		return drawnWord{label: label, Word: Word{P: [2]float64{0, p}}}
	}
	for _, c := range []struct {
		words []drawnWord
		want  string
	}{
		{[]drawnWord{word("cello", 0.4), word("violin", 0.6)}, "violin, cello"},
		{[]drawnWord{word("Norwich terrier", 0.2), word("Cairn terrier", 0.5), word("dingo", 0.9)}, "terrier: Cairn, Norwich \u2026"},
		{[]drawnWord{word("a terrier", 0.5), word("b terrier", 0.4), word("c terrier", 0.3), word("dingo", 0.9), word("d terrier", 0.2), word("e terrier", 0.1)}, "terrier: a, b, c, d \u2026"},
		{[]drawnWord{word("acoustic guitar", 0.5), word("banjo", 0.4), word("harp", 0.3)}, "acoustic guitar, banjo, harp"},
		{[]drawnWord{word("a", 0.1), word("b", 0.2), word("c", 0.3), word("d", 0.4), word("e", 0.5)}, "e, d, c, b \u2026"},
		{[]drawnWord{word("x", math.NaN()), word("y", 0.3)}, "x, y"},
		{[]drawnWord{word("", math.NaN())}, ""},
	} {
		if got := groupName(c.words); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A picture that no browser would show is refused; its text is not.
func TestDrawTooMuch(t *testing.T) {
	tree := &Tree{}
	for i := range maxDrawn / 2 {
		tree.Roots = append(tree.Roots, &Node{ID: fmt.Sprint("Z1", i), Level: 1, Words: []Word{{Name: fmt.Sprint("w", i)}}})
	}
	if err := tree.drawable(); err != nil {
		t.Error(err)
	}
	tree = &Tree{Roots: append(tree.Roots, &Node{ID: "Z", Level: 1, Words: []Word{{Name: "w"}}})}
	const want = "hlta: a picture of 100002 latents and words, at most 100000"
	for what, err := range map[string]error{"SVG": tree.WriteSVG(io.Discard, DrawOptions{}), "HTML": tree.WriteHTML(io.Discard, DrawOptions{})} {
		if !strings.HasPrefix(errText(err), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	if err := tree.Text(io.Discard, ShowOptions{}); err != nil {
		t.Error(err)
	}
}
