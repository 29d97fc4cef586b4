package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/testdata"
	"cwox/nn/vision"
)

// TestGolden writes the reports of the images whose final maps PyTorch computed.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		key, file string
		variant   cwox.Variant
		overlays  int
		says      []string // in the page
	}{
		{"cello_guitar.jpg@top5", "cello_guitar.jpg", cwox.Paper, 8, []string{
			"Most likely cello or violin (89.7\u00a0%); otherwise acoustic guitar or electric guitar (6.8\u00a0%); stage (0.7\u00a0%).",
			"What speaks for cello and against violin: strongest at the lower right",
			"What speaks for stage and against cello, violin, acoustic guitar or electric guitar: ",
		}},
		{"desktop1.JPEG", "desktop1.JPEG", cwox.Reference, 6, []string{
			"Undecided between four answers: desktop computer (31.0\u00a0%); computer keyboard or mouse (20.3\u00a0%);",
			"The reference variant makes no map of desktop computer by itself.",
		}},
	} {
		e := golden(t, c.key, c.file, c.variant)
		dir := t.TempDir()
		if err := Write(dir, e); err != nil {
			t.Fatal(err)
		}
		stored := tensors(t, filepath.Join(dir, MapsFile))
		for _, m := range mapsOf(e, "") {
			if got := stored[m.name]; len(got) != 1 || !reflect.DeepEqual(got[0], m.m) {
				t.Errorf("%s: tensor %s is not the map", c.file, m.name)
			}
			delete(stored, m.name)
		}
		if len(stored) > 0 {
			t.Errorf("%s: more tensors: %v", c.file, slices.Collect(maps.Keys(stored)))
		}
		pngs, _ := filepath.Glob(filepath.Join(dir, "c*-*.png"))
		if len(pngs) != c.overlays {
			t.Errorf("%s: overlays %v, want %d", c.file, pngs, c.overlays)
		}
		page, err := os.ReadFile(filepath.Join(dir, PageFile))
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 1_500_000 {
			t.Errorf("%s: page of %d bytes, want at most 1.5 MB", c.file, len(page))
		}
		for _, s := range c.says {
			if !bytes.Contains(page, []byte(s)) {
				t.Errorf("%s: the page does not say %q", c.file, s)
			}
		}
		checkPage(t, page)
	}
}

func TestJSON(t *testing.T) {
	e := synthetic(2, 1)
	e.Warnings = []cwox.Warning{{Code: "blank-map", Message: "class 1 is blank"}}
	e.Picture.Notes = []vision.Note{{Code: "alpha-dropped", Message: "drawn on white"}}
	e.Classes[1].Map.Data = make([]float32, 32*32)
	e.Classes[2].Map = saliency.Map{}
	e.Clusters[1].Noise = &saliency.Noise{Masks: 500, Fidelity: 0.9, FidelityLow: math.NaN(), StdErr: 0.5, Tail: 0.25, Resolved: true}
	dir := t.TempDir()
	if err := Write(dir, e); err != nil {
		t.Fatal(err)
	}
	r, err := ReadJSON(filepath.Join(dir, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	want, err := New(e)
	if err != nil {
		t.Fatal(err)
	}
	// What comes back is what went in, through JSON's types.
	if a, b := mustJSON(t, r), mustJSON(t, want); a != b {
		t.Errorf("read back\n%s\nwant\n%s", a, b)
	}
	for _, s := range []string{
		`"image":{"file":"scene.png","sha256":"00ff","width":120,"height":90}`,
		`"top":[{"class":0,"label":"thing 0","probability":0.3,"logit":3},`,
		`"clusters":[{"classes":[0,1],"probability":0.6,"logit":0,"map":"cluster/0","overlay":"cluster-0.png",`,
		`{"class":1,"cluster":0,"foil":[0],"map":"class/1","overlay":"class-1.png","heatmap":{"max":0,"positive":0,"strong":0}}`,
		`{"class":2,"cluster":1}],`,
		`"noise":{"masks":500,"fidelity":0.9,"fidelity_low":null,"standard_error":0.5,"tail":0.25,"resolved":true}`,
		`"method":"cwox2s","variant":"paper","explainer":{"class":{"layer":"early"},"cluster":{"layer":"late"},"name":"gradcam"},"seed":0`,
		`"warnings":[{"code":"blank-map","message":"class 1 is blank"},{"code":"alpha-dropped","message":"drawn on white"}],"seconds":{"maps":0.5}`,
	} {
		if !strings.Contains(mustJSON(t, r), s) {
			t.Errorf("report.json lacks %s:\n%s", s, mustJSON(t, r))
		}
	}
}

func TestFoil(t *testing.T) {
	for _, c := range []struct {
		method cwox.Method
		want   [][]int
	}{
		{cwox.CWOX2s, [][]int{{1}, {0}, nil}},
		{cwox.CWOX1sA, [][]int{{1, 2}, {0, 2}, {0, 1}}},
		{cwox.CWOX1sB, [][]int{{1, 2}, {0, 2}, {0, 1}}},
		{cwox.SWOX, [][]int{nil, nil, nil}},
	} {
		e := synthetic(2, 1)
		e.Method = c.method
		r, err := New(e)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range r.Classes {
			if !slices.Equal(k.Foil, c.want[i]) {
				t.Errorf("%s: foil of class %d is %v, want %v", c.method, k.Class, k.Foil, c.want[i])
			}
		}
	}
}

// TestSameBytes: thread count, folder and wall times change nothing but "seconds".
func TestSameBytes(t *testing.T) {
	files := func(procs int, seconds float64) map[string]string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		e := synthetic(3, 2, 1)
		e.Seconds["maps"] = seconds
		dir := t.TempDir()
		if err := Write(dir, e); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all[f.Name()] = string(b)
		}
		return all
	}
	a, b := files(1, 0.5), files(4, 0.75)
	if len(a) != 12 || len(b) != 12 { // 3 + 6 overlays, page, maps, json
		t.Fatalf("%d and %d files, want 12", len(a), len(b))
	}
	if a[JSONFile] == b[JSONFile] || strings.Replace(b[JSONFile], "0.75", "0.5", 1) != a[JSONFile] {
		t.Errorf("%s differs in more than its seconds", JSONFile)
	}
	delete(a, JSONFile)
	for name := range a {
		if a[name] != b[name] {
			t.Errorf("%s differs", name)
		}
	}
}

// TestOldOverlays: a report takes the place of another whole, and leaves other files alone.
func TestOldOverlays(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"class-99.png", "mine.png"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (out []string) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if strings.HasSuffix(f.Name(), ".png") {
				out = append(out, f.Name())
			}
		}
		return out
	}
	for _, tc := range []struct {
		clusters []int
		overlays int
	}{{[]int{3, 2, 1}, 9}, {[]int{2}, 3}, {[]int{2, 1}, 5}} {
		if err := Write(dir, synthetic(tc.clusters...)); err != nil {
			t.Fatal(err)
		}
		got := names()
		if len(got) != tc.overlays+2 || !slices.Contains(got, "class-99.png") || !slices.Contains(got, "mine.png") {
			t.Errorf("clusters of %v: %v, want %d overlays and the two other files", tc.clusters, got, tc.overlays)
		}
	}
}

// TestDegenerate: every odd explanation gives readable files and an honest page.
func TestDegenerate(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		e      *cwox.Explanation
		change func(e *cwox.Explanation)
		says   string
	}{
		{"one class", synthetic(1), nil, "One answer: thing 0 (90.0\u00a0%)."},
		{"one cluster", synthetic(3), nil, "One answer with three names: thing 0, thing 1 or thing 2 (90.0\u00a0%)."},
		{"all singletons", synthetic(1, 1), nil, "Undecided between two answers:"},
		{"many clusters", synthetic(9, 1, 1, 1, 1, 1, 1, 12), nil, "Undecided between eight answers:"},
		{"more than the letters", synthetic(make27()...), nil, ">A27<"},
		{"blank", synthetic(2, 1), func(e *cwox.Explanation) { clear(e.Classes[0].Map.Data) },
			"What speaks for thing 0 and against thing 1: blank, no pixel speaks for it."},
		{"nan", synthetic(2, 1), func(e *cwox.Explanation) { e.Clusters[0].Map.Data[77] = nan },
			"the map holds values that are not numbers, nothing can be concluded."},
		{"all nan", synthetic(2, 1), func(e *cwox.Explanation) { fill(e.Classes[0].Map.Data, nan) }, "values that are not numbers"},
		{"infinite", synthetic(2, 1), func(e *cwox.Explanation) { e.Classes[0].Map.Data[5] = float32(math.Inf(1)) }, "values that are not numbers"},
		{"negative base", synthetic(2, 1), func(e *cwox.Explanation) { fill(e.Classes[0].Base.Data, -1) }, "How it came about"},
		{"no base maps", synthetic(2, 1), func(e *cwox.Explanation) { e.Classes[0].Base, e.Clusters[0].Rest = nil, nil }, "Inside the group"},
		{"probability nan", synthetic(2, 1), func(e *cwox.Explanation) { e.Top[0].Probability = math.NaN() }, "not a number"},
		{"nothing", &cwox.Explanation{Picture: gradient(3, 3), Method: cwox.CWOX2s}, nil, "There is nothing to explain."},
		{"no cluster maps", synthetic(2, 1), func(e *cwox.Explanation) {
			e.Method = cwox.SWOX
			for i := range e.Clusters {
				e.Clusters[i].Map, e.Clusters[i].Base, e.Clusters[i].Rest = saliency.Map{}, nil, nil
			}
		}, "The class by itself"},
		{"one pixel", synthetic(1), func(e *cwox.Explanation) { e.Picture = gradient(1, 1) }, "One answer"},
		{"long picture", synthetic(1), func(e *cwox.Explanation) { e.Picture = gradient(5000, 1) }, "One answer"},
		{"not resolved", synthetic(2, 1), func(e *cwox.Explanation) {
			e.Classes[0].Noise = &saliency.Noise{Masks: 800, Fidelity: 0.71, FidelityLow: 0.6, StdErr: 0.0123, Tail: math.NaN()}
		}, "800 samples; standard error 0.012; expected correlation with the settled map 0.71."},
		{"settings", synthetic(1), func(e *cwox.Explanation) {
			e.Settings = map[string]any{"rise_masks": []int{5000, 3000}, "keep": 0.3, "quality": "<fast>"}
		}, "Rise masks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				c.change(c.e)
			}
			dir := t.TempDir()
			if err := Write(dir, c.e); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(dir, JSONFile))
			if err != nil || !json.Valid(text) {
				t.Errorf("report.json is not valid: %v", err)
			}
			page, err := os.ReadFile(filepath.Join(dir, PageFile))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(page), c.says) {
				t.Errorf("the page does not say %q", c.says)
			}
			if len(page) > 1_500_000 {
				t.Errorf("page of %d bytes", len(page))
			}
			checkPage(t, page)
			pngs, _ := filepath.Glob(filepath.Join(dir, "*.png"))
			for _, p := range pngs {
				if img := readPNG(t, p); img.Bounds() != photograph(c.e.Picture, photoSide).Bounds() {
					t.Errorf("%s: bounds %v", p, img.Bounds())
				}
			}
		})
	}
}

// TestRefused: an explanation that is not whole is an error, and no report appears.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(e *cwox.Explanation)
		want   string
	}{
		{"no picture", func(e *cwox.Explanation) { e.Picture = nil }, "no picture"},
		{"short picture", func(e *cwox.Explanation) { e.Picture.Pix = e.Picture.Pix[1:] }, "no picture"},
		{"short map", func(e *cwox.Explanation) { e.Clusters[0].Map.Data = make([]float32, 5) }, "map cluster/0: 5 values, want 32 x 32"},
		{"map without size", func(e *cwox.Explanation) { e.Classes[0].Map = saliency.Map{Data: []float32{}} }, "map class/0: 0 values, want 0 x 0"},
		{"class twice", func(e *cwox.Explanation) { e.Classes[1].Class = 0 }, "map class/0 twice"},
		{"no such cluster", func(e *cwox.Explanation) { e.Classes[1].Cluster = 9 }, "class 1 is in cluster 9 of 2"},
		{"empty cluster", func(e *cwox.Explanation) { e.Clusters[1].Classes = nil }, "cluster 1 is empty"},
		{"settings", func(e *cwox.Explanation) { e.Settings["keep"] = math.NaN() }, "NaN"},
	} {
		e := synthetic(2, 1)
		c.change(e)
		dir := filepath.Join(t.TempDir(), "out")
		err := Write(dir, e)
		if err == nil || !strings.HasPrefix(err.Error(), "report: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(dir, JSONFile)); err == nil {
			t.Errorf("%s: a report was written", c.name)
		}
	}
}

func TestReadJSONRefuses(t *testing.T) {
	const rest = `"clusters":[{"classes":[1,2]},{"classes":[3]}],"classes":[{"class":1,"cluster":0}],"explainer":{"name":"rise"}}`
	const top = `{"top":[{"class":1},{"class":2},{"class":3}],`
	for _, c := range []struct{ name, text, want string }{
		{"good", top + rest, ""},
		{"empty", "", "unexpected end of JSON input"},
		{"not JSON", "hello", "invalid character"},
		{"a list", "[]", "cannot unmarshal array"},
		{"text behind", top + rest + "x", "after top-level value"},
		{"no classes", "{" + rest, `"top" is empty`},
		{"twice", strings.Replace(top, "3", "1", 1) + rest, "class 1 twice"},
		{"stranger", strings.Replace(top, "3", "4", 1) + rest, "class 3 is not among the top classes"},
		{"two homes", top + strings.Replace(rest, "[3]", "[2]", 1), "class 2 is in cluster 0 and in cluster 1"},
		{"wrong cluster", top + strings.Replace(rest, `"cluster":0`, `"cluster":1`, 1), "class 1 names cluster 1"},
		{"no cluster", top + strings.Replace(rest, `"cluster":0`, `"cluster":-7`, 1), "class 1 names cluster -7"},
		{"no explainer", top + strings.Replace(rest, "name", "nome", 1), `no "name"`},
		{"deep", strings.Repeat("[", 100_000), "exceeded max depth"},
	} {
		path := filepath.Join(t.TempDir(), JSONFile)
		if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := ReadJSON(path)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: error %v, want %q and the file's name", c.name, err, c.want)
		}
	}
	if _, err := ReadJSON(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	r, err := New(synthetic(2, 1))
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"top":[{"class":1,"probability":null}],"explainer":{"name":"x","deep":[[{}]]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r *Report
		var err error
		if n := testdata.Allocated(func() { r, err = decode(text) }); n > 1<<20+500*int64(len(text)) {
			t.Fatalf("%d bytes took %d bytes", len(text), n)
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		if _, err := decode(again); err != nil {
			t.Fatalf("accepted, but not its own copy: %v", err)
		}
	})
}

func TestReal(t *testing.T) {
	for _, v := range []float64{0, -1.5, 1e-300, math.Pi, math.NaN(), math.Inf(1), math.Inf(-1)} {
		b, err := json.Marshal(Real(v))
		if err != nil {
			t.Fatal(err)
		}
		var got Real
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if want := v; math.IsInf(v, 0) || math.IsNaN(v) {
			if string(b) != "null" || !math.IsNaN(float64(got)) {
				t.Errorf("%v: %s, read as %v", v, b, got)
			}
		} else if float64(got) != want {
			t.Errorf("%v: %s, read as %v", v, b, got)
		}
	}
}

func make27() []int {
	counts := make([]int, 27)
	fill(counts, 1)
	return counts
}

func fill[T any](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	return img
}
