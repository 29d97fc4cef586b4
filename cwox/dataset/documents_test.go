package dataset

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cwox/cwox"
	"cwox/hlta"
	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// killedRun makes the test binary a program that writes documents slowly: its value is the
// folder of images and the output.
const killedRun = "CWOX_TEST_DOCUMENTS"

func TestMain(m *testing.M) {
	if job := os.Getenv(killedRun); job != "" {
		folder, out, _ := strings.Cut(job, "\n")
		images, _, err := List(folder)
		if err == nil {
			_, err = WriteDocuments(context.Background(), small(), images, out, DocumentsOptions{Batch: 3, Threads: 2,
				Progress: func(string, int, int) { time.Sleep(3 * time.Millisecond) }})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// small is a network of 20 classes for images of 8x8: it takes microseconds.
func small() *cwox.Classifier {
	return smallOf(vision.Transform{Name: "small", Width: 8, Height: 8, Scale: 255, Mean: []float32{0, 0, 0}, Std: []float32{1, 1, 1}})
}

// smallOf is such a network for the inputs that a transform makes.
func smallOf(pre vision.Transform) *cwox.Classifier {
	const classes = 20
	c := len(pre.Mean)
	weight := make([]float32, classes*c*pre.Height*pre.Width)
	for i := range weight {
		weight[i] = 2 * float32(math.Sin(float64(i*i%1009)))
	}
	g := nn.NewGraph(nn.Shape{C: c, H: pre.Height, W: pre.Width})
	y := g.Conv("conv", g.Input(), nn.Conv{Weight: weight, Out: classes, Window: nn.Window{KH: pre.Height, KW: pre.Width}})
	identity := make([]float32, classes*classes)
	for i := range classes {
		identity[i*classes+i] = 1
	}
	g.Linear("fc", y, identity, nil, classes)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		panic(err)
	}
	return &cwox.Classifier{Net: m, Arch: &zoo.Arch{Name: "small", Transform: pre}, Transform: pre, WeightsSHA256: "w"}
}

// smallImages writes images of 11x9; every seventh is broken.
func smallImages(t *testing.T, n int) (folder string, images []string) {
	t.Helper()
	folder = t.TempDir()
	for i := range n {
		path := filepath.Join(folder, fmt.Sprintf("%04d.png", i))
		images = append(images, path)
		var b bytes.Buffer
		if i%7 == 5 {
			b.WriteString("broken")
		} else {
			m := image.NewRGBA(image.Rect(0, 0, 11, 9))
			for p := range 99 {
				v := math.Sin(float64(p*(i+3))) * float64(i%5) / 4
				m.Set(p%11, p/11, color.RGBA{uint8(127 + 120*v), uint8(i * p), uint8(255 - i), 255})
			}
			if err := png.Encode(&b, m); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder, images
}

// results are the files of a run.
func results(t *testing.T, out string) (all []string) {
	t.Helper()
	for _, name := range []string{out, out + ".jsonl", out + ".settings.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

func write(t *testing.T, images []string, out string, o DocumentsOptions) *DocumentsResult {
	t.Helper()
	r, err := WriteDocuments(t.Context(), small(), images, out, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDoubtful leaves damaged pictures and endless lists out of the documents, and says how many.
func TestDoubtful(t *testing.T) {
	top := func(n int) []Label {
		out := make([]Label, n)
		for i := range out {
			out[i].Class = i
		}
		return out
	}
	cut := []Warning{{vision.NoteTruncated, "the picture's data end after 6 %"}}
	turned := []Warning{{vision.NoteOrientationApplied, "turned"}}
	lines := []ImageLabels{
		{ID: 0, Top: top(2)}, {ID: 1, Top: top(3), Warnings: cut}, {ID: 2, Top: top(Undecided + 1)},
		{ID: 3, Top: top(Undecided)}, {ID: 4, Top: top(1), Warnings: cut}, {ID: 5, Top: top(2), Warnings: turned},
	}
	j, err := openDocuments(filepath.Join(t.TempDir(), "docs"), new(documentsSettings), make([]string, len(lines)), Shard{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if err := j.append(lines); err != nil {
		t.Fatal(err)
	}
	for keep, want := range map[bool]DocumentsResult{
		false: {Documents: 3, Labels: 2 + Undecided + 2, Certain: 1, Damaged: 1, Undecided: 1},
		true:  {Documents: 5, Labels: 2 + 3 + Undecided + 1 + Undecided + 2, Certain: 1},
	} {
		var docs bytes.Buffer
		var got DocumentsResult
		if err := got.writeLines(&docs, j.files[0], keep); err != nil || got != want {
			t.Errorf("keep %t: %+v, %v; want %+v", keep, got, err, want)
		}
		if n := bytes.Count(docs.Bytes(), []byte("\n")); n != want.Labels || bytes.Contains(docs.Bytes(), []byte("1, c000")) != keep {
			t.Errorf("keep %t: %d lines", keep, n)
		}
	}
}

// Every line and every document against the definition, computed here from logits.
func TestDocuments(t *testing.T) {
	_, images := smallImages(t, 40)
	c := small()
	s, err := c.Net.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, most := range []int{0, 3} {
		out := filepath.Join(t.TempDir(), "docs.txt")
		r := write(t, images, out, DocumentsOptions{MaxLabels: most})
		files := results(t, out)
		lines := strings.Split(strings.TrimSuffix(files[1], "\n"), "\n")
		if len(lines) != len(images) {
			t.Fatalf("%d lines, want %d", len(lines), len(images))
		}
		var want strings.Builder
		count := DocumentsResult{Images: 40}
		for i, text := range lines {
			var line ImageLabels
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			pic, err := vision.DecodeFile(images[i], vision.Options{})
			if err != nil {
				if count.Unreadable++; count.FirstError == "" {
					count.FirstError = err.Error()
				}
				if line.ID != i || line.Image != images[i] || line.Error != err.Error() || line.Top != nil || len(line.SHA256) != 64 {
					t.Errorf("line %d: %s", i, text)
				}
				continue
			}
			prob := cwox.Softmax(s.Forward(c.Transform.Tensor(pic)))
			ranked := cwox.Rank(prob)
			var top []Label
			sum := 0.0
			cum := 0
			for k := 0; sum <= 0.95; k++ {
				sum += prob[ranked[k]]
				if cum++; most == 0 || k < most {
					top = append(top, Label{ranked[k], prob[ranked[k]]})
				}
			}
			if line.ID != i || line.Image != images[i] || line.SHA256 != pic.SHA256 || line.Cum != cum || !slices.Equal(line.Top, top) {
				t.Errorf("line %d: %s, want %d %v", i, text, cum, top)
			}
			if len(top) == 1 {
				count.Certain++
				continue
			}
			count.Documents++
			count.Labels += len(top)
			for _, l := range top {
				fmt.Fprintf(&want, "%d, c%03d\n", i, l.Class)
			}
		}
		if files[0] != want.String() {
			t.Errorf("documents: %q, want %q", files[0], want.String())
		}
		if *r != count {
			t.Errorf("result %+v, want %+v", *r, count)
		}
		if count.Certain == 0 || count.Documents == 0 || count.Unreadable == 0 {
			t.Errorf("%+v: the images do not show every case", count)
		}
		if docs, err := hlta.ReadDocuments(out); err != nil || docs.N != count.Documents {
			t.Errorf("hlta reads %+v, %v", docs, err)
		}
	}
}

func TestDocumentsCompressed(t *testing.T) {
	_, images := smallImages(t, 20)
	out := filepath.Join(t.TempDir(), "docs.txt")
	write(t, images, out, DocumentsOptions{})
	write(t, images, out+".gz", DocumentsOptions{})
	f, err := os.Open(out + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if plain := results(t, out); err != nil || string(text) != plain[0] {
		t.Errorf("%q, %v; want %q", text, err, plain[0])
	}
}

func TestDocumentsDoNotDependOnThreads(t *testing.T) {
	_, images := smallImages(t, 30)
	var want []string
	for _, o := range []DocumentsOptions{{}, {Threads: 1}, {Threads: 4, Batch: 1}, {Threads: 2, Batch: 7}, {Batch: 64}} {
		out := filepath.Join(t.TempDir(), "docs.txt")
		write(t, images, out, o)
		got := results(t, out)
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: other bytes", o)
		}
	}
}

// A journal that ends anywhere is continued to the same bytes.
func TestDocumentsResume(t *testing.T) {
	_, images := smallImages(t, 9)
	out := filepath.Join(t.TempDir(), "docs.txt")
	write(t, images, out, DocumentsOptions{})
	want := results(t, out)
	for n := range len(want[1]) + 1 {
		// At most bytes inside a line all is the same: every 41st of them will do.
		if inside := n > 0 && n < len(want[1]) && !strings.Contains(want[1][n-1:n+1], "\n"); inside && n%41 != 0 {
			continue
		}
		if err := os.WriteFile(out+".jsonl", []byte(want[1][:n]), 0o644); err != nil {
			t.Fatal(err)
		}
		os.Remove(out)
		first := -1
		r := write(t, images, out, DocumentsOptions{Progress: func(phase string, done, total int) {
			if phase == PhaseCheck {
				return
			}
			if first < 0 {
				first = done
			}
			if total != len(images) {
				t.Errorf("progress of %d", total)
			}
		}})
		if whole := strings.Count(want[1][:n], "\n"); r.Resumed != whole || first != whole {
			t.Errorf("%d bytes: went on after %d images, said %d; want %d", n, r.Resumed, first, whole)
		}
		if !slices.Equal(results(t, out), want) {
			t.Fatalf("%d bytes: other results", n)
		}
	}
}

// A run that is killed again and again ends with the bytes of one that is not.
func TestDocumentsKilled(t *testing.T) {
	folder, images := smallImages(t, 120)
	whole := filepath.Join(t.TempDir(), "docs.txt.gz")
	write(t, images, whole, DocumentsOptions{})
	out := filepath.Join(t.TempDir(), "docs.txt.gz")
	killed := 0
	for run := 0; ; run++ {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), killedRun+"="+folder+"\n"+out)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if run == 12 { // let it come to its end
			if err := c.Wait(); err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			break
		}
		time.Sleep(time.Duration(15+5*run) * time.Millisecond)
		_ = c.Process.Kill()
		if c.Wait() == nil {
			break
		}
		if stderr.Len() > 0 {
			t.Fatal(stderr.String())
		}
		if text, err := os.ReadFile(out + ".jsonl"); err == nil && len(text) > 0 {
			killed++
		}
	}
	if killed == 0 {
		t.Error("no run was killed at work")
	}
	if !slices.Equal(results(t, out), results(t, whole)) {
		t.Error("other results than without a kill")
	}
}

func TestDocumentsInterrupted(t *testing.T) {
	_, images := smallImages(t, 30)
	out := filepath.Join(t.TempDir(), "docs.txt")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := WriteDocuments(ctx, small(), images, out, DocumentsOptions{Batch: 4, Progress: func(_ string, done, _ int) {
		if done >= 12 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the documents of an interrupted run are there")
	}
	text, err := os.ReadFile(out + ".jsonl")
	if n := bytes.Count(text, []byte("\n")); err != nil || n != 12 {
		t.Errorf("%d lines, want 12; %v", n, err)
	}
}

// Going on with anything else than before is refused; a restart is not.
func TestDocumentsRefuse(t *testing.T) {
	_, images := smallImages(t, 12)
	other := small()
	other.WeightsSHA256 = "v"
	for _, tc := range []struct {
		name   string
		change func(c **cwox.Classifier, images *[]string, o *DocumentsOptions, journal, settings string) error
		want   string
	}{
		{"weights", func(c **cwox.Classifier, _ *[]string, _ *DocumentsOptions, _, _ string) error {
			*c = other
			return nil
		}, "weights_sha256 was \"w\" and is \"v\" now"},
		{"labels", func(_ **cwox.Classifier, _ *[]string, o *DocumentsOptions, _, _ string) error {
			o.MaxLabels = 5
			return nil
		}, "max_labels was 0 and is 5 now"},
		{"threshold", func(_ **cwox.Classifier, _ *[]string, o *DocumentsOptions, _, _ string) error {
			o.Cumulative = 0.9
			return nil
		}, "cumulative was 0.95 and is 0.9 now"},
		{"fewer images", func(_ **cwox.Classifier, images *[]string, _ *DocumentsOptions, _, _ string) error {
			*images = (*images)[1:]
			return nil
		}, "images was 12 and is 11 now"},
		{"other order", func(_ **cwox.Classifier, images *[]string, _ *DocumentsOptions, _, _ string) error {
			*images = slices.Clone(*images)
			slices.Reverse(*images)
			return nil
		}, "images_sha256 was "},
		{"no settings", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, _, settings string) error {
			return os.Remove(settings)
		}, "docs.txt.settings.json"},
		{"bad settings", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, _, settings string) error {
			return os.WriteFile(settings, []byte("{"), 0o644)
		}, "docs.txt.settings.json"},
		{"bad line", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string { lines[3] = "x\n"; return lines })
		}, "line 4: invalid"},
		{"foreign line", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string {
				lines[3] = strings.Replace(lines[3], `"id":3`, `"id":2`, 1)
				return lines
			})
		}, "line 4: image 2 is "},
		{"line twice", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string { return append(lines, lines[0]) })
		}, "line 13: image 0 again"},
		{"line too many", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string {
				return append(lines, strings.Replace(lines[0], `"id":0`, `"id":12`, 1))
			})
		}, "line 13: image 12, of 12"},
		{"zeros", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string {
				lines[5] = strings.Repeat("\x00", len(lines[5])) + lines[5]
				return lines
			})
		}, "line 6: invalid character '\\x00'"},
		{"endless line", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string { lines[1] = strings.Repeat("x", maxLineBytes+1); return lines })
		}, "line 2: "},
		{"negative class", func(_ **cwox.Classifier, _ *[]string, _ *DocumentsOptions, journal, _ string) error {
			return edit(journal, func(lines []string) []string {
				lines[0] = strings.Replace(lines[0], `"class":`, `"class":-`, 1)
				return lines
			})
		}, "line 1: class -"},
	} {
		out := filepath.Join(t.TempDir(), "docs.txt")
		write(t, images, out, DocumentsOptions{})
		c, list, o := small(), images, DocumentsOptions{}
		if err := tc.change(&c, &list, &o, out+".jsonl", out+".settings.json"); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(out + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := WriteDocuments(t.Context(), c, list, out, o); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "--restart") {
			t.Errorf("%s: %v, want ...%s... and what to do", tc.name, err, tc.want)
		}
		if after, err := os.ReadFile(out + ".jsonl"); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s: the journal was changed", tc.name)
		}
		o.Restart = true
		if r, err := WriteDocuments(t.Context(), c, list, out, o); err != nil || r.Resumed != 0 || r.Images != len(list) {
			t.Errorf("%s: restart: %+v, %v", tc.name, r, err)
		}
	}
}

func edit(path string, change func(lines []string) []string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := change(slices.Collect(strings.Lines(string(text))))
	return os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644)
}

func TestDocumentsOptions(t *testing.T) {
	out := filepath.Join(t.TempDir(), "docs.txt")
	for _, tc := range []struct {
		o    DocumentsOptions
		want string
	}{
		{DocumentsOptions{Cumulative: 1}, "cumulative probability 1"},
		{DocumentsOptions{Cumulative: math.NaN()}, "cumulative probability NaN"},
		{DocumentsOptions{MaxLabels: 1}, "at most 1 labels"},
		{DocumentsOptions{Batch: -1}, "batch -1"},
		{DocumentsOptions{Threads: -1}, "threads -1"},
	} {
		if _, err := WriteDocuments(t.Context(), small(), []string{"a"}, out, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want ...%s...", tc.o, err, tc.want)
		}
	}
	if _, err := WriteDocuments(t.Context(), small(), nil, out, DocumentsOptions{}); err == nil {
		t.Error("no images: no error")
	}
	if _, err := WriteDocuments(t.Context(), small(), []string{"a"}, filepath.Join(out, "x", "y"), DocumentsOptions{}); err == nil {
		t.Error("a folder that is not there: no error")
	}
}

// A second program on the same file is noticed before it does harm.
func TestDocumentsTwoWriters(t *testing.T) {
	_, images := smallImages(t, 12)
	out := filepath.Join(t.TempDir(), "docs.txt")
	_, err := WriteDocuments(t.Context(), small(), images, out, DocumentsOptions{Batch: 4, Progress: func(_ string, done, _ int) {
		if done == 4 {
			f, err := os.OpenFile(out+".jsonl", os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("{}\n")
				f.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
}

// Documents of both real networks for every 40th image of golden/documents.json; where K or
// the order hangs on float32 rounding (its lists ambiguous and near_ties), nothing is compared.
func TestDocumentsGolden(t *testing.T) {
	text, err := os.ReadFile(testdata.Path(t, "golden", "documents.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]json.RawMessage
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	all, _, err := List(testdata.Path(t, "images", "val227"))
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for i := 0; i < len(all); i += 40 {
		images = append(images, all[i])
	}
	for model, file := range map[string]string{"resnet50": "resnet50_tf_v15.safetensors", "googlenet-caffe": "googlenet_bvlc_caffe.safetensors"} {
		var want struct {
			Uncapped, Capped5 map[string][]int
			Ambiguous         []string
			NearTies          []string `json:"near_ties"`
		}
		if err := json.Unmarshal(golden[model], &want); err != nil {
			t.Fatal(err)
		}
		c := load(t, model, testdata.Path(t, "weights", file))
		out := filepath.Join(t.TempDir(), "docs.txt")
		r, err := WriteDocuments(t.Context(), c, images, out, DocumentsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var lines []ImageLabels
		for line := range strings.Lines(results(t, out)[1]) {
			var l ImageLabels
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, l)
		}
		compared := 0
		for i, l := range lines {
			name := filepath.Base(images[i])
			if slices.Contains(want.Ambiguous, name) || slices.Contains(want.NearTies, name) {
				continue
			}
			compared++
			var got []int
			for _, top := range l.Top {
				got = append(got, top.Class)
			}
			if !slices.Equal(got, want.Uncapped[name]) || !slices.Equal(got[:min(5, len(got))], want.Capped5[name]) {
				t.Errorf("%s, %s: %v, want %v", model, name, got, want.Uncapped[name])
			}
		}
		t.Logf("%s: %d of %d images compared: %+v", model, compared, len(images), *r)
		if compared < len(images)/2 {
			t.Errorf("%s: only %d of %d images can be compared", model, compared, len(images))
		}
	}
}

func load(t *testing.T, model, path string) *cwox.Classifier {
	t.Helper()
	arch, err := zoo.Lookup(model)
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	net, err := arch.Load(f, zoo.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &cwox.Classifier{Net: net, Arch: arch, Transform: arch.Transform}
}
