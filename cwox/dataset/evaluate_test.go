package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/hlta"
	"cwox/nn"
	"cwox/nn/vision"
)

// pattern is an explainer of images of 8x8: its maps follow from image, classes and stage. The map of
// class 7 alone is blank.
type pattern struct {
	name      string
	frequency float64
}

func (p *pattern) Name() string             { return p.name }
func (p *pattern) Settings() map[string]any { return map[string]any{"frequency": p.frequency} }
func (p *pattern) Keep() []string           { return nil }

func (p *pattern) Explain(ctx context.Context, in *saliency.Input, reqs []saliency.Request) ([]saliency.Result, error) {
	var out []saliency.Result
	for _, req := range reqs {
		var r saliency.Result
		for _, t := range req.Targets {
			m := saliency.Map{Height: 8, Width: 8, Data: make([]float32, 64)}
			for _, c := range t.Classes {
				for i := range m.Data {
					m.Data[i] += in.X[i] * float32(math.Sin(p.frequency*float64((c+1)*(i+1)+int(req.Stage))))
				}
			}
			if slices.Equal(t.Classes, []int{7}) {
				clear(m.Data)
			}
			r.Maps = append(r.Maps, m)
		}
		out = append(out, r)
	}
	return out, ctx.Err()
}

// mod5 is a label tree of 20 classes: level 1 has {0 5 10 15}, {1 6 11 16}, and so on. The
// small network's top classes are 2, 7 and 18.
func mod5(t *testing.T) *hlta.Tree {
	t.Helper()
	var groups []string
	for g := range 5 {
		var words []string
		for c := range 4 {
			words = append(words, fmt.Sprintf("c%03d-x 0.01", 5*c+g))
		}
		groups = append(groups, fmt.Sprintf(`{"id":"Z1%d","text":%q,"data":{"name":"Z1%d","level":1,"percentage":0.1},"children":[]}`, g, strings.Join(words, " "), g))
	}
	tree, err := hlta.ParseTree("mod5", []byte(`[{"id":"Z20","text":"","data":{"name":"Z20","level":2,"percentage":0.5},"children":[`+strings.Join(groups, ",")+`]}]`))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func evaluateOptions(t *testing.T) EvaluateOptions {
	return EvaluateOptions{
		Explainers:   []saliency.Explainer{&pattern{"gradcam", 0.7}, &pattern{"rise", 1.3}},
		Explain:      cwox.Options{Tree: mod5(t)},
		Faithfulness: faithfulness.Options{Definition: faithfulness.Reference, Step: 2, AUCSteps: 8},
	}
}

func mustEvaluate(t *testing.T, images []string, dir string, o EvaluateOptions) *Evaluation {
	t.Helper()
	e, err := Evaluate(t.Context(), small(), images, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// files are all files of a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(text)
	}
	return out
}

func sameFiles(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s: other bytes", what, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}

func readRows(t *testing.T, dir string) (rows []EvaluationRow, lines []EvaluatedImage) {
	t.Helper()
	each := func(name string, add func(line []byte) error) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if err := add([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	each(ResultsFile, func(line []byte) error {
		rows = append(rows, EvaluationRow{})
		return json.Unmarshal(line, &rows[len(rows)-1])
	})
	each(ImagesFile, func(line []byte) error {
		lines = append(lines, EvaluatedImage{})
		return json.Unmarshal(line, &lines[len(lines)-1])
	})
	return rows, lines
}

// TestEvaluate compares every row with the map scored on its own, and the tables with the
// rows, by both definitions.
func TestEvaluate(t *testing.T) {
	_, images := smallImages(t, 60)
	for _, o := range []EvaluateOptions{
		evaluateOptions(t),
		{Explainers: evaluateOptions(t).Explainers, Explain: cwox.Options{Variant: cwox.Reference}, // all classes in one cluster
			Methods: []cwox.Method{cwox.CWOX2s, cwox.SWOX}, Faithfulness: faithfulness.Options{AUCSteps: -1}},
	} {
		dir := t.TempDir()
		e := mustEvaluate(t, images, dir, o)
		rows, lines := readRows(t, dir)
		if len(o.Methods) == 0 {
			o.Methods = cwox.Methods()
		}
		checkRows(t, rows, o)
		checkImages(t, images, lines, rows, e)
		checkTables(t, rows, e, o)
	}
}

// checkRows scores every map of every image again, one by one, with a whole curve.
func checkRows(t *testing.T, rows []EvaluationRow, o EvaluateOptions) {
	t.Helper()
	c := small()
	session, err := c.Net.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	p := cwox.New(c)
	defer p.Close()
	want := map[string]faithfulness.Result{}
	key := func(r *EvaluationRow, m cwox.Method) string { return fmt.Sprint(r.Image, r.Explainer, r.Class, m) }
	for i := range rows {
		r := &rows[i]
		if _, done := want[key(r, r.Method)]; done {
			continue
		}
		pic, err := vision.DecodeFile(r.Image, vision.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range o.Explainers {
			if x.Name() != r.Explainer {
				continue
			}
			explain := o.Explain
			explain.Explainer = x
			all, err := p.ExplainAll(t.Context(), pic, explain, o.Methods)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				for _, class := range e.Classes {
					foil := slices.DeleteFunc(slices.Clone(e.Clusters[class.Cluster].Classes), func(c int) bool { return c == class.Class })
					if len(foil) == 0 {
						continue
					}
					rs, err := faithfulness.Score(t.Context(), faithfulness.Network(c.Net, session), c.Transform.Tensor(pic),
						[]faithfulness.Query{{Heatmap: faithfulness.FromMap(class.Map), Pos: []int{class.Class}, Neg: foil}}, o.Faithfulness)
					if err != nil {
						t.Fatal(err)
					}
					row := EvaluationRow{Image: r.Image, Explainer: r.Explainer, Class: class.Class}
					want[key(&row, e.Method)] = rs[0]
				}
			}
		}
	}
	if len(want) != len(rows) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
	f, err := o.Faithfulness.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[faithfulness.Status]int{}
	for i := range rows {
		r := &rows[i]
		w := want[key(r, r.Method)]
		statuses[r.Status]++
		common, cauc := math.MaxInt, math.NaN()
		for _, m := range o.Methods {
			other := want[key(r, m)]
			n := other.NDelta
			if other.Status != faithfulness.OK {
				n = 0
			}
			common = min(common, n)
		}
		if common > 0 {
			cauc = w.Contrast.CAUC(f.Definition, common, f.Step)
		}
		if r.Status != w.Status || r.NDelta != w.NDelta || r.Common != common || !same(r.CAUC, cauc) || !same(r.CDROP, w.CDROP) ||
			!same(r.DeletionAUC, w.DeletionAUC) || !same(r.InsertionAUC, w.InsertionAUC) {
			t.Fatalf("row %d: %+v, want %+v over %d pixels, CAUC %g", i, r, w, common, cauc)
		}
		if n := len(r.Curve.Pixels); n > 0 && math.Abs(r.Curve.Pos[n-1]-w.Contrast.Pos[len(w.Contrast.Pos)-1]) > 1e-6 {
			t.Fatalf("row %d: the curve ends at %g, want %g", i, r.Curve.Pos[n-1], w.Contrast.Pos[len(w.Contrast.Pos)-1])
		}
	}
	if statuses[faithfulness.OK] == 0 || statuses[faithfulness.Blank] == 0 {
		t.Errorf("statuses %v: the test wants some of each", statuses)
	}
}

func same(a report.Real, b float64) bool {
	return float64(a) == b || math.IsNaN(float64(a)) && math.IsNaN(b)
}

// checkImages wants every image to have its lines, and the counts to be those of the lines.
func checkImages(t *testing.T, images []string, lines []EvaluatedImage, rows []EvaluationRow, e *Evaluation) {
	t.Helper()
	seen := map[string]int{}
	var n ImageCounts
	count := 0
	for _, l := range lines {
		seen[l.Image]++
		count += l.Rows
		switch {
		case l.Error != "":
			n.Failed++
			if n.Failed == 1 {
				n.FirstError = l.Error
			}
		case l.Skipped == SkippedSingleClass:
			n.SingleClass++
		case l.Skipped == SkippedNoCluster:
			n.NoCluster++
		case l.Explainer == "gradcam":
			n.Evaluated++
		}
	}
	if count != len(rows) {
		t.Errorf("%d rows, the lines say %d", len(rows), count)
	}
	for _, image := range images {
		if seen[image] == 0 {
			t.Errorf("no line of %s", image)
		}
	}
	if e.Images["small"] != n || n.Failed == 0 || n.SingleClass == 0 || (n.NoCluster == 0) != (e.Settings.Variant == cwox.Reference) || n.Evaluated < 5 {
		t.Errorf("%+v, want %+v, some of each that there can be", e.Images["small"], n)
	}
}

// checkTables computes the means from the rows.
func checkTables(t *testing.T, rows []EvaluationRow, e *Evaluation, o EvaluateOptions) {
	t.Helper()
	if len(e.Columns) != 2 || len(e.Explainers) != 1 {
		t.Fatalf("%d columns, %d comparisons of explainers", len(e.Columns), len(e.Explainers))
	}
	for _, c := range e.Columns {
		for m, scores := range c.Methods {
			var cauc, cdrop, shared, n float64
			pairs, all := 0, 0
			for _, r := range rows {
				if r.Explainer != c.Explainer || r.Method != scores.Method {
					continue
				}
				all++
				if r.Common > 0 {
					pairs++
					cauc += float64(r.CAUC)
					cdrop += float64(r.CDROP)
					shared += dropOver(r, e.Settings.Models[c.Model].Pixels, o.Faithfulness)
					n += float64(r.NDelta)
				}
			}
			if c.Pairs != all || c.Compared != pairs || pairs == all {
				t.Errorf("%s: %d pairs, %d compared, want %d and less, %d", c.Explainer, c.Pairs, c.Compared, all, pairs)
			}
			for _, v := range []struct {
				got  Mean
				want float64
			}{{scores.CAUC, cauc}, {scores.CDROP, cdrop}, {scores.CDROPCommon, shared}, {scores.NDelta, n}} {
				want := v.want / float64(pairs)
				if got := float64(v.got.Mean); math.Abs(got-want) > 1e-12*math.Abs(want) || !(v.got.Low < v.got.Mean && v.got.Mean < v.got.High) {
					t.Errorf("%s, %s: %+v, want %g", c.Explainer, scores.Method, v.got, want)
				}
			}
			if scores.Method != o.Methods[m] {
				t.Errorf("method %d is %s", m, scores.Method)
			}
		}
		checkRanks(t, rows, c)
		if n := len(o.Methods); len(c.Differences) != n*(n-1)/2 {
			t.Errorf("%d differences", len(c.Differences))
		}
		for _, d := range c.Differences {
			if d.CAUC.Better+d.CAUC.Worse+d.CAUC.Same != c.Compared || d.CDROP.Better+d.CDROP.Worse+d.CDROP.Same != c.Compared {
				t.Errorf("%+v of %d pairs", d, c.Compared)
			}
			a := c.Methods[slices.Index(o.Methods, d.Method)].CAUC.Mean - c.Methods[slices.Index(o.Methods, d.Than)].CAUC.Mean
			if !(math.Abs(float64(a-d.CAUC.Mean.Mean)) <= 1e-12) {
				t.Errorf("%s - %s: %g, of the means %g", d.Method, d.Than, float64(d.CAUC.Mean.Mean), float64(a))
			}
		}
	}
	// Table 3, from the rows' curves.
	var cauc [2]float64
	pairs := 0
	for i := range rows {
		a := &rows[i]
		if a.Explainer != "gradcam" || a.Method != cwox.CWOX2s || a.Status != faithfulness.OK {
			continue
		}
		for k := range rows {
			b := &rows[k]
			if b.Explainer == "rise" && b.Method == a.Method && b.Image == a.Image && b.Class == a.Class && b.Status == faithfulness.OK {
				pairs++
				for x, r := range []*EvaluationRow{a, b} {
					curve, err := r.curve(64)
					if err != nil {
						t.Fatal(err)
					}
					cauc[x] += curve.CAUC(e.Settings.Definition, min(a.NDelta, b.NDelta), e.Settings.Step)
				}
			}
		}
	}
	x := e.Explainers[0]
	if x.Pairs != pairs || x.Method != cwox.CWOX2s || len(x.Explainer) != 2 {
		t.Fatalf("Table 3: %d pairs, want %d", x.Pairs, pairs)
	}
	for i, s := range x.Explainer {
		if want := cauc[i] / float64(pairs); !(math.Abs(float64(s.CAUC.Mean)-want) <= 1e-9) {
			t.Errorf("Table 3, %s: CAUC %g, want %g", s.Explainer, float64(s.CAUC.Mean), want)
		}
	}
}

// TestEvaluateSameBytes wants the same files for any order of the images and any batch.
func TestEvaluateSameBytes(t *testing.T) {
	_, images := smallImages(t, 40)
	o := evaluateOptions(t)
	dir := t.TempDir()
	mustEvaluate(t, images, dir, o)
	want := files(t, dir)
	if len(want) != 8 {
		t.Errorf("%d files", len(want))
	}
	shuffled := append(slices.Clone(images), images[3])
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	o.Faithfulness.Batch, o.Explain.Threads = 3, 2
	other := t.TempDir()
	mustEvaluate(t, shuffled, other, o)
	sameFiles(t, "shuffled", files(t, other), want)

	// Piece by piece: an explainer, some images, in the end all.
	pieces := t.TempDir()
	some := o
	some.Explainers = o.Explainers[1:]
	mustEvaluate(t, images[15:30], pieces, some)
	mustEvaluate(t, images[:20], pieces, o)
	mustEvaluate(t, images, pieces, o)
	sameFiles(t, "in pieces", files(t, pieces), want)
	mustEvaluate(t, images, pieces, o)
	sameFiles(t, "again", files(t, pieces), want)
}

// TestEvaluateResume goes on from every state that a kill can leave: rows are written first,
// then the line of their image, and either may be cut anywhere.
func TestEvaluateResume(t *testing.T) {
	_, images := smallImages(t, 25)
	o := evaluateOptions(t)
	dir := t.TempDir()
	mustEvaluate(t, images, dir, o)
	want := files(t, dir)
	results, lines := want[ResultsFile], want[ImagesFile]
	r := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		// Whole lines of images, and the rows that they count.
		cut := r.IntN(len(lines) + 1)
		whole := lines[:strings.LastIndexByte(lines[:cut], '\n')+1]
		rows := 0
		for line := range strings.Lines(whole) {
			var l EvaluatedImage
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			rows += l.Rows
		}
		committed := 0
		for range rows {
			committed += strings.IndexByte(results[committed:], '\n') + 1
		}
		// After them, as far as it came, the next one.
		more := min(len(results), committed+r.IntN(4000))
		state := map[string]string{settingsFile: want[settingsFile], ImagesFile: lines[:cut], ResultsFile: results[:more]}
		again := t.TempDir()
		for name, text := range state {
			if err := os.WriteFile(filepath.Join(again, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		mustEvaluate(t, images, again, o)
		sameFiles(t, fmt.Sprintf("%d and %d bytes", cut, more), files(t, again), want)
	}
}

// TestEvaluateInterrupted ends a run in the middle; the next one comes to the same bytes.
func TestEvaluateInterrupted(t *testing.T) {
	_, images := smallImages(t, 25)
	o := evaluateOptions(t)
	whole := t.TempDir()
	mustEvaluate(t, images, whole, o)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupted := o
	interrupted.Progress = func(phase string, done, total int) {
		if done > total {
			t.Errorf("%s: %d of %d", phase, done, total)
		}
		if phase == PhaseEvaluate && done > total/2 {
			cancel()
		}
	}
	if _, err := Evaluate(ctx, small(), images, dir, interrupted); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	rows, _ := readRows(t, dir)
	if _, err := os.Stat(filepath.Join(dir, SummaryFile)); err == nil || len(rows) == 0 {
		t.Errorf("%d rows, and a summary: %v", len(rows), err == nil)
	}
	mustEvaluate(t, images, dir, o)
	sameFiles(t, "resumed", files(t, dir), files(t, whole))
}

// TestEvaluateMaxImages counts images that qualify.
func TestEvaluateMaxImages(t *testing.T) {
	_, images := smallImages(t, 40)
	o := evaluateOptions(t)
	o.MaxImages = 3
	dir := t.TempDir()
	for range 2 {
		if e := mustEvaluate(t, images, dir, o); e.Images["small"].Evaluated != 3 || e.Columns[0].Images != 3 {
			t.Fatalf("%+v", e.Images)
		}
	}
	o.MaxImages = 5
	if e := mustEvaluate(t, images, dir, o); e.Images["small"].Evaluated != 5 {
		t.Errorf("%+v", e.Images)
	}
}

// TestEvaluateRetries tries an image again that could not be read before.
func TestEvaluateRetries(t *testing.T) {
	_, images := smallImages(t, 20)
	o := evaluateOptions(t)
	dir := t.TempDir()
	if e := mustEvaluate(t, images, dir, o); !strings.Contains(e.Images["small"].FirstError, "0005.png") {
		t.Errorf("%+v", e.Images)
	}
	good, err := os.ReadFile(images[6])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(images[5], good, 0o644); err != nil {
		t.Fatal(err)
	}
	mustEvaluate(t, images, dir, o)
	fresh := t.TempDir()
	mustEvaluate(t, images, fresh, o)
	sameFiles(t, "repaired", files(t, dir), files(t, fresh))

	// A further explainer finds that the image is another one than before.
	rows, _ := readRows(t, dir)
	first, last := rows[0].Image, rows[len(rows)-1].Image
	text, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first, text, 0o644); err != nil {
		t.Fatal(err)
	}
	o.Explainers = append(o.Explainers, &pattern{"lime", 2})
	_, err = Evaluate(t.Context(), small(), []string{first}, dir, o)
	if err == nil || !strings.Contains(err.Error(), "have changed since, 1 of 1: "+first+": ") {
		t.Errorf("a changed image: %v", err)
	}
}

// TestEvaluateRefuses names what is not as before, and what is damaged.
func TestEvaluateRefuses(t *testing.T) {
	_, images := smallImages(t, 20)
	whole := t.TempDir()
	mustEvaluate(t, images, whole, evaluateOptions(t))
	want := files(t, whole)
	edit := func(name string, change func(lines []string) []string) func(dir string) error {
		return func(dir string) error {
			lines := strings.SplitAfter(want[name], "\n")
			return os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(change(lines), "")), 0o644)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(o *EvaluateOptions)
		damage func(dir string) error
		says   string
	}{
		{"definition", func(o *EvaluateOptions) { o.Faithfulness.Definition = faithfulness.Paper }, nil, `definition was "reference" and is "paper" now`},
		{"step", func(o *EvaluateOptions) { o.Faithfulness.Step = 3 }, nil, "step was 2 and is 3 now"},
		{"seed", func(o *EvaluateOptions) { o.Explain.Seed = 5 }, nil, "seed was 0 and is 5 now"},
		{"methods", func(o *EvaluateOptions) { o.Methods = []cwox.Method{cwox.SWOX} }, nil, `methods was ["swox","cwox1sa","cwox1sb","cwox2s"] and is ["swox"] now`},
		{"explainer", func(o *EvaluateOptions) { o.Explainers[1] = &pattern{"rise", 2} }, nil, "explainers.small/rise.frequency was 1.3 and is 2 now"},
		{"tree", func(o *EvaluateOptions) { o.Explain.Tree = nil }, nil, "models.small.tree_sha256 was"},
		{"clusters", func(o *EvaluateOptions) { o.Explain.Clusters = [][]int{{1, 2}} }, nil, "each image's own"},
		{"method", func(o *EvaluateOptions) { o.Methods = []cwox.Method{"mine"} }, nil, `unknown method "mine"`},
		{"method", func(o *EvaluateOptions) { o.Methods = []cwox.Method{"swox", "swox"} }, nil, "swox is given twice"},
		{"explainer", func(o *EvaluateOptions) { o.Explainers[1] = o.Explainers[0] }, nil, "gradcam is given twice"},
		{"images", func(o *EvaluateOptions) { o.MaxImages = -1 }, nil, "at most -1 images"},
		{"delta", func(o *EvaluateOptions) { o.Faithfulness.Delta = 2 }, nil, "delta 2"},
		{"no settings", nil, func(dir string) error { return os.Remove(filepath.Join(dir, settingsFile)) }, "settings.json: missing"},
		{"broken settings", nil, edit(settingsFile, func(l []string) []string { return l[:2] }), "settings.json: unexpected EOF"},
		{"lost row", nil, edit(ResultsFile, func(l []string) []string { return slices.Delete(l, 1, 2) }), "of images.jsonl has"},
		{"row twice", nil, edit(ResultsFile, func(l []string) []string { return slices.Insert(l, 1, l[0]) }), "of images.jsonl has"},
		{"line twice", nil, edit(ImagesFile, func(l []string) []string {
			i := slices.IndexFunc(l, func(s string) bool { return strings.Contains(s, `"rows"`) })
			return slices.Insert(l, i, l[i])
		}), "gradcam again, as in line"},
		{"lost lines", nil, func(dir string) error { return os.Remove(filepath.Join(dir, ImagesFile)) }, "which images.jsonl lacks"},
		{"zeros", nil, edit(ResultsFile, func(l []string) []string { l[2] = strings.Repeat("\x00", 99) + l[2]; return l }), "results.jsonl: line 3: invalid character '\\x00'"},
		{"other file", nil, edit(ImagesFile, func(l []string) []string {
			i := slices.IndexFunc(l, func(s string) bool { return strings.Contains(s, `"rise"`) })
			l[i] = strings.Replace(l[i], `"sha256":"`, `"sha256":"0`, 1)
			return l
		}), "in an earlier line"},
		{"foreign row", nil, edit(ResultsFile, func(l []string) []string {
			return slices.Insert(l, 1, strings.Replace(l[0], `"model":"small"`, `"model":"large"`, 1))
		}), "line 3: a row of "},
		{"no JSON", nil, edit(ImagesFile, func(l []string) []string { l[1] = "?\n"; return l }), "images.jsonl: line 2: invalid character"},
		{"broken curve", nil, edit(ResultsFile, func(l []string) []string {
			for i := range l {
				l[i] = strings.Replace(l[i], `"pixels":[0,`, `"pixels":[`, 1)
			}
			return l
		}), "is broken"},
		{"rows in disorder", nil, edit(ResultsFile, func(l []string) []string { l[0], l[1] = l[1], l[0]; return l }), "out of order"},
	} {
		dir := t.TempDir()
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		o := evaluateOptions(t)
		if tt.change != nil {
			tt.change(&o)
		} else if err := tt.damage(dir); err != nil {
			t.Fatal(err)
		}
		_, err := Evaluate(t.Context(), small(), images, dir, o)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.says)
		}
		if tt.damage != nil {
			o.Restart = true
			mustEvaluate(t, images, dir, o)
			sameFiles(t, tt.name+", restarted", files(t, dir), want)
		}
	}
}

// TestEvaluateNothing says why there are no tables.
func TestEvaluateNothing(t *testing.T) {
	_, images := smallImages(t, 20)
	_, err := Evaluate(t.Context(), small(), images[5:6], t.TempDir(), evaluateOptions(t))
	if err == nil || !strings.Contains(err.Error(), "1 failed") || !strings.Contains(err.Error(), "0005.png") {
		t.Error(err)
	}
}

// TestEvaluateTwoWriters notices another program at work on the folder.
func TestEvaluateTwoWriters(t *testing.T) {
	_, images := smallImages(t, 20)
	o := evaluateOptions(t)
	dir := t.TempDir()
	other := false
	o.Progress = func(phase string, done, total int) {
		if phase == PhaseEvaluate && !other {
			other = true
			f, err := os.OpenFile(filepath.Join(dir, ResultsFile), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = f.WriteString("{}\n")
			f.Close()
		}
	}
	if _, err := Evaluate(t.Context(), small(), images, dir, o); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
}

// checkRanks computes the mean CDROP of each rank from the rows.
func checkRanks(t *testing.T, rows []EvaluationRow, c EvaluationColumn) {
	t.Helper()
	if len(c.Ranks) != 2 || c.Ranks[0].Pairs == 0 || c.Ranks[1].Pairs == 0 || c.Ranks[0].Pairs+c.Ranks[1].Pairs != c.Compared {
		t.Fatalf("%+v, want two ranks with %d pairs together", c.Ranks, c.Compared)
	}
	prob := map[string]float64{}
	for _, r := range rows {
		prob[fmt.Sprint(r.Image, r.Class)] = r.Probability
	}
	for k, rank := range []string{RankFirst, RankOthers} {
		for m, scores := range c.Ranks[k].Methods {
			sum, n := 0.0, 0
			for _, r := range rows {
				first := !slices.ContainsFunc(r.Foil, func(class int) bool { return prob[fmt.Sprint(r.Image, class)] > r.Probability })
				if r.Explainer == c.Explainer && r.Method == scores.Method && r.Common > 0 && first == (rank == RankFirst) {
					sum += float64(r.CDROP)
					n++
				}
			}
			if got := float64(scores.CDROP.Mean); c.Ranks[k].Rank != rank || c.Ranks[k].Pairs != n || scores.Method != c.Methods[m].Method || math.Abs(got-sum/float64(n)) > 1e-12 {
				t.Errorf("%s, %s: %d pairs, CDROP %g; want %d, %g", rank, scores.Method, c.Ranks[k].Pairs, got, n, sum/float64(n))
			}
		}
	}
}

// dropOver is CDROP over the pixels that all methods share: as the paper's Eq. 5 has it, or
// the reference's, that ends with a mean of three multiples of the step.
func dropOver(r EvaluationRow, size int, o faithfulness.Options) float64 {
	score := func(pixels int) float64 {
		i := slices.Index(r.Curve.Pixels, pixels)
		return r.Curve.Pos[i] * (1 - r.Curve.Neg[i])
	}
	end := 0.0
	if o.Definition == faithfulness.Reference {
		last := (r.Common - 1) / o.Step
		from := last
		if last >= 2 {
			from = last - 2
		}
		for k := from; k <= last; k++ {
			end += score(k*o.Step) / float64(last-from+1)
		}
	} else {
		end = score(r.Common)
	}
	tau := 0.05 * float64(size)
	return (score(0) - end) / math.Log2(1+math.Max(float64(r.Common), tau)/tau)
}

// TestEvaluatePage looks at what people read.
func TestEvaluatePage(t *testing.T) {
	_, images := smallImages(t, 30)
	o := evaluateOptions(t)
	dir := t.TempDir()
	e := mustEvaluate(t, images, dir, o)
	all := files(t, dir)
	for name, says := range map[string][]string{
		TablesFile: {"Table 1. CAUC", "Table 2. CDROP", "CDROP over as many pixels", "Table 3. CWOX-2s", "CWOX-2s - SWOX", "rank in its cluster", "Deletion AUC", "small, Grad-CAM",
			fmt.Sprintf("small: %d images evaluated", e.Images["small"].Evaluated), "blank"},
		TablesMarkdown:  {"smaller is better: mean [95 % interval], the best in bold", "| small, Grad-CAM |", "]** |", "|---|"},
		TablesCSV:       {"kind,model,explainer", "method,small,gradcam,cwox2s,,cauc,", "difference,small,rise,cwox2s,swox,cdrop,", "cwox2s,swox,cdrop_common,", "first,small,gradcam,cwox2s,,cauc,", "explainer,small,rise,cwox2s,,n_delta,"},
		report.PageFile: {"CWOX-2s has the", "Mean contrastive score curves", "A typical pair, small, RISE", "Distributions", "Content-Security-Policy"},
	} {
		for _, s := range says {
			if !strings.Contains(all[name], s) {
				t.Errorf("%s: %q is not in it", name, s)
			}
		}
		if strings.Contains(all[name], "NaN") {
			t.Errorf("%s: NaN in it", name)
		}
	}
	var read Evaluation
	if err := json.Unmarshal([]byte(all[SummaryFile]), &read); err != nil || len(read.Columns) != 2 {
		t.Errorf("%s: %v", SummaryFile, err)
	}
	one := o
	one.Methods = []cwox.Method{cwox.SWOX}
	if err := mustEvaluate(t, images, t.TempDir(), one).WriteText(io.Discard); err != nil {
		t.Error(err)
	}
}

// TestBootstrap compares with what is known of means: the interval of n independent values is
// 1.96 standard deviations over the root of n, that of m images of k equal values each, over
// the root of m. 2,000 samples and the sample's own deviation leave some per cent.
func TestBootstrap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const n = 400
	var single, grouped []string
	a, b := make([]float64, n), make([]float64, n)
	for i := range n {
		single = append(single, fmt.Sprint(i))
		grouped = append(grouped, fmt.Sprint(i/4))
		a[i] = 3 + r.NormFloat64()
		b[i] = a[i]
		if i%4 > 0 {
			b[i] = b[i-1]
		}
	}
	width := func(m Mean) float64 { return float64(m.High-m.Low) / (2 * 1.96) }
	deviation := func(v []float64) float64 {
		mean, sum := average(v), 0.0
		for _, x := range v {
			sum += (x - mean) * (x - mean)
		}
		return math.Sqrt(sum / float64(len(v)))
	}
	for _, tt := range []struct {
		images []string
		values []float64
		n      float64
	}{{single, a, n}, {grouped, b, n / 4}} {
		m := newBootstrap(tt.images, [][]float64{tt.values}, 9).mean(0)
		want := deviation(tt.values) / math.Sqrt(tt.n)
		if got := width(m); math.Abs(got/want-1) > 0.06 || float64(m.Mean) != average(tt.values) {
			t.Errorf("%g images: standard error %g, want %g; mean %g", tt.n, got, want, float64(m.Mean))
		}
	}
	// A constant difference has no width, however wide its terms are.
	c := make([]float64, n)
	for i := range c {
		c[i] = a[i] - 0.25
	}
	boot := newBootstrap(single, [][]float64{a, c, a}, 9)
	d := boot.difference(0, 1, -1)
	if width(d.Mean) > 1e-12 || math.Abs(float64(d.Mean.Mean)-0.25) > 1e-12 || d.Worse != n || d.Better != 0 {
		t.Errorf("%+v", d)
	}
	if d := boot.difference(0, 2, 1); d.Same != n {
		t.Errorf("%+v", d)
	}
	if d := boot.difference(0, 1, 1); d.Better != n {
		t.Errorf("%+v", d)
	}
	if m := newBootstrap(nil, [][]float64{nil}, 1).mean(0); !math.IsNaN(float64(m.Mean)) {
		t.Errorf("no values: %+v", m)
	}
}

// TestDraw: every image as often as the others, within 5 standard deviations.
func TestDraw(t *testing.T) {
	const n, draws = 7, 70000
	var count [n]int
	for i := range draws {
		count[draw(3, i/100, i%100, n)]++
	}
	for k, c := range count {
		if !(math.Abs(float64(c)-draws/n) <= 5*math.Sqrt(draws/n)) {
			t.Errorf("%d was drawn %d times of %d", k, c, draws)
		}
	}
	if draw(3, 1, 2, 1000) == draw(4, 1, 2, 1000) || draw(3, 1, 2, 1000) == draw(3, 2, 1, 1000) {
		t.Error("seed or position do not matter")
	}
}

// TestPublished spot-checks the paper's tables.
func TestPublished(t *testing.T) {
	for _, tt := range []struct {
		metric, model, explainer string
		method                   cwox.Method
		want                     float64
	}{
		{"cauc", "resnet50", "gradcam", cwox.CWOX2s, 5.78e-3},
		{"cauc", "googlenet-caffe", "rise", cwox.SWOX, 3.36e-3},
		{"cdrop", "googlenet", "rise", cwox.CWOX1sB, 6.32e-2},
		{"explainers n_delta", "resnet50", "mwp", cwox.CWOX2s, 4194},
	} {
		if got := inPaper(tt.metric, tt.model, tt.explainer, tt.method); got == nil || *got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if inPaper("cauc", "resnet18", "gradcam", cwox.CWOX2s) != nil || inPaper("cauc", "resnet50", "mwp", cwox.CWOX2s) != nil {
		t.Error("values that the paper does not have")
	}
	for metric, n := range map[string]int{"cauc": 16, "cdrop": 16, "explainers n_delta": 8, "explainers cauc": 8, "explainers cdrop": 8} {
		if len(published[metric]) != n {
			t.Errorf("%s: %d values, want %d", metric, len(published[metric]), n)
		}
	}
}
