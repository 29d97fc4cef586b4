package serve

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
)

// TestExplain: an uploaded picture is explained as the library explains it, its maps come with the
// answer, and the archive holds the report and the picture.
func TestExplain(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"image=C:\\photos\\..\\boat & <house>.png": string(scene()), "settings": `{"top":4}`})
	r := s.answered(id)
	c, _ := demoClassifier()
	e, err := cwox.New(c).Explain(context.Background(), drawnworld.New(893, drawnworld.Options{}).Picture(demo.PictureSize),
		cwox.Options{TopK: 4, Tree: s.cfg.Tree, Effects: true})
	if err != nil {
		t.Fatal(err)
	}
	e.Picture.SHA256, e.File = r.Image.SHA256, r.Image.File
	want, err := report.New(e)
	if err != nil {
		t.Fatal(err)
	}
	r.Report.Seconds, want.Seconds = nil, nil
	got, _ := json.Marshal(r.Report)
	if text, _ := json.Marshal(want); !bytes.Equal(got, text) {
		t.Errorf("the answer is\n%s\nwant\n%s", got, text)
	}
	if strings.ContainsAny(r.Image.File, `/\<>`) || !strings.HasSuffix(r.Image.File, ".png") {
		t.Errorf("the picture is called %q", r.Image.File)
	}
	if len(r.Maps) != len(e.Clusters)+len(e.Classes) {
		t.Errorf("%d maps, want %d", len(r.Maps), len(e.Clusters)+len(e.Classes))
	}
	for name, l := range r.Maps {
		m := mapOf(e, name)
		if m == nil || l.Max != slices.Max(m.Data) {
			t.Fatalf("map %s: maximum %g", name, l.Max)
		}
		img, err := png.Decode(bytes.NewReader(l.PNG))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, 100*m.Width + 100, len(m.Data) - 1} {
			grey, _, _, _ := img.At(at%m.Width, at/m.Width).RGBA()
			if d := float32(grey>>8)/255 - m.Data[at]/l.Max; d < -0.003 || d > 0.003 { // half a level
				t.Errorf("map %s: level %d at %d, value %g of %g", name, grey>>8, at, m.Data[at], l.Max)
			}
		}
	}
	var classes []int
	for _, x := range r.Top {
		classes = append(classes, x.Class)
	}
	if len(r.Levels) != s.cfg.Tree.Levels() {
		t.Errorf("%d levels, the tree has %d", len(r.Levels), s.cfg.Tree.Levels())
	}
	for i, level := range r.Levels {
		want, err := cwox.Clusters(c, classes, cwox.Options{Tree: s.cfg.Tree, Level: i + 1})
		if err != nil || !reflect.DeepEqual(level, want) {
			t.Errorf("level %d: %v, want %v", i+1, level, want)
		}
	}

	answer, text := s.send("GET", "/api/jobs/"+id+"/report.zip", "", nil)
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if d := answer.Header.Get("Content-Disposition"); d != `attachment; filename="report.zip"` {
		t.Errorf("the archive is an %s", d)
	}
	dir := strings.TrimSuffix(r.Image.File, ".png")
	files := map[string]*zip.File{}
	for _, f := range z.File {
		files[f.Name] = f
	}
	for _, name := range []string{r.Image.File, dir + "/report.json", dir + "/maps.safetensors", dir + "/index.html"} {
		if files[name] == nil {
			t.Errorf("the archive lacks %q", name)
		}
	}
	f, err := files[r.Image.File].Open()
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := io.ReadAll(f); !bytes.Equal(raw, scene()) {
		t.Error("the picture in the archive is not the one uploaded")
	}
}

// TestWaysIn: a picture can be a file, an example or that of a job; all are the same picture.
func TestWaysIn(t *testing.T) {
	s := start(t, nil)
	first := s.answered(s.question(map[string]string{"image=scene.png": string(scene())}))
	id := s.question(map[string]string{"example": "0", "settings": `{"method":"swox"}`})
	if again := s.answered(id); again.Image != first.Image || again.Method != "swox" {
		t.Errorf("an example: %+v by %s", again.Image, again.Method)
	}
	if string(s.answered(id).Settings) != `{"method":"swox"}` {
		t.Errorf("settings %s", s.answered(id).Settings)
	}
	other := [][]int{{first.Top[0].Class, first.Top[2].Class}, {first.Top[1].Class}}
	text, _ := json.Marshal(map[string]any{"clusters": other})
	moved := s.answered(s.question(map[string]string{"of": id, "settings": string(text)}))
	if moved.Image != first.Image || !reflect.DeepEqual(moved.Clusters[0].Classes, other[0]) {
		t.Errorf("other clusters: %+v", moved.Clusters)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if len(s.store.pictures) != 1 || len(s.store.jobs) != 3 {
		t.Errorf("%d pictures of %d jobs are kept, want 1 of 3", len(s.store.pictures), len(s.store.jobs))
	}
}

// TestMistakes: what a client does wrong is its error, and says what is wrong.
func TestMistakes(t *testing.T) {
	s := start(t, func(c *Config) { c.MaxUpload, c.Decode.MaxPixels = 1<<20, 300000 })
	id := s.question(map[string]string{"example": "0", "settings": `{"effects":false}`})
	s.answered(id)
	var wide bytes.Buffer
	if err := png.Encode(&wide, image.NewGray(image.Rect(0, 0, 3000, 3000))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		fields map[string]string
		status int
		want   string
	}{
		{"nothing", map[string]string{}, 400, "no picture"},
		{"no picture", map[string]string{"image=a.png": "not a picture"}, 422, "a.png"},
		{"empty", map[string]string{"image=a.png": ""}, 422, "empty"},
		{"too many bytes", map[string]string{"image=a.png": strings.Repeat("x", 1<<20+1)}, 413, "1048576 bytes"},
		{"far too many", map[string]string{"image=a.png": strings.Repeat("x", 3<<20)}, 413, "bytes"},
		{"too many pixels", map[string]string{"image=a.png": wide.String()}, 413, "the limit is 300000"},
		{"two pictures", map[string]string{"image=a.png": string(scene()), "example": "0"}, 400, "more than one picture"},
		{"unknown field", map[string]string{"path": "/etc/passwd"}, 400, `unknown field "path"`},
		{"unknown example", map[string]string{"example": "1"}, 404, "no example"},
		{"example with a path", map[string]string{"example": "../0"}, 404, "no example"},
		{"unknown job", map[string]string{"of": "AAAA"}, 404, "no such job"},
		{"settings that are no object", map[string]string{"example": "0", "settings": "[1]"}, 400, "settings"},
		{"null", map[string]string{"example": "0", "settings": "null"}, 400, "settings"},
		{"settings that are too much", map[string]string{"example": "0", "settings": `{"a":"` + strings.Repeat("x", maxSettingsBytes) + `"}`}, 413, "more than"},
		{"settings of too many values", map[string]string{"example": "0", "settings": `{"a":[` + strings.Repeat("1,", maxSettingsValues) + `1]}`}, 400, "values"},
		{"unknown setting", map[string]string{"example": "0", "settings": `{"weights":"/etc/passwd"}`}, 400, `unknown setting "weights"`},
		{"unknown method", map[string]string{"example": "0", "settings": `{"method":"magic"}`}, 400, "magic"},
		{"a setting of another kind", map[string]string{"example": "0", "settings": `{"top":"many"}`}, 400, "cannot unmarshal"},
	} {
		status, text := s.tryAsk(tt.fields)
		if status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %d %q, want %d and %q", tt.name, status, text, tt.status, tt.want)
		}
	}
	size := s.cfg.Classifier.Net.Input().H * s.cfg.Classifier.Net.Input().W
	for _, tt := range []struct {
		method, path, kind, body string
		status                   int
		want                     string
	}{
		{"POST", "/api/explain", "application/json", "{}", 400, "multipart"},
		{"GET", "/api/explain", "", "", 404, ""},
		{"GET", "/api/jobs/nobody", "", "", 404, "no such job"},
		{"GET", "/api/jobs/" + id + "/../../../etc/passwd", "", "", 404, ""},
		{"GET", "/api/jobs/" + id + "/probe", "", "", 404, ""},
		{"POST", "/api/jobs/" + id + "/probe", "", "short", 400, "a mask of 5 bytes"},
		{"POST", "/api/jobs/" + id + "/probe", "", strings.Repeat("x", size+1), 413, "more than"},
		{"POST", "/api/jobs/" + id + "/curve", "", `{"map":"class/9999"}`, 404, "no map"},
		{"POST", "/api/jobs/" + id + "/curve", "", `{"map":"cluster/0","points":1}`, 400, "1 points, want 2 to"},
		{"POST", "/api/jobs/" + id + "/curve", "", `{"map":"cluster/0","points":300000}`, 400, "points"},
		{"POST", "/api/jobs/" + id + "/curve", "", `{"map":` + strings.Repeat("[", 2000), 413, "more than"},
		{"GET", "/api/examples/7", "", "", 404, "no example"},
		{"GET", "/folder/", "", "", 404, ""},
		{"GET", "/debug/pprof/", "", "", 404, ""},
		{"GET", "/debug/vars", "", "", 404, ""},
		{"GET", "/app.go", "", "", 404, ""},
	} {
		answer, text := s.send(tt.method, tt.path, tt.kind, strings.NewReader(tt.body))
		if answer.StatusCode != tt.status || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s %s: %d %s, want %d and %q", tt.method, tt.path, answer.StatusCode, text, tt.status, tt.want)
		}
	}
}

// TestProbe: an unchanged picture has the probabilities that were explained, one without a part of it
// those of the library, and in the middle of slow work, too.
func TestProbe(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"example": "0"})
	r := s.answered(id)
	shape := s.cfg.Classifier.Net.Input()
	mask := bytes.Repeat([]byte{255}, shape.H*shape.W)
	type probed struct{ Classes, Top []probability }
	probe := func() (v probed) {
		t.Helper()
		answer, text := s.send("POST", "/api/jobs/"+id+"/probe", "application/octet-stream", bytes.NewReader(mask))
		if err := json.Unmarshal(text, &v); err != nil || answer.StatusCode != 200 {
			t.Fatalf("%d %s", answer.StatusCode, text)
		}
		return v
	}
	for i, c := range probe().Classes {
		if c.Class != r.Top[i].Class || c.Probability != float64(r.Top[i].Probability) || c.Label == "" {
			t.Errorf("nothing erased: %+v, want %+v", c, r.Top[i])
		}
	}
	clear(mask[:len(mask)/2])
	values := make([]float32, len(mask))
	for i, v := range mask {
		values[i] = float32(v) / 255
	}
	want, err := cwox.New(s.cfg.Classifier).Masked(cwox.Hold(drawnworld.New(893, drawnworld.Options{}).Picture(demo.PictureSize)), values, 0)
	if err != nil {
		t.Fatal(err)
	}
	half := probe()
	for _, c := range append(half.Classes, half.Top...) {
		if c.Probability != want[c.Class] {
			t.Errorf("half erased: %+v, want %g", c, want[c.Class])
		}
	}
	if top := cwox.Rank(want)[0]; half.Top[0].Class != top {
		t.Errorf("the first is %d, want %d", half.Top[0].Class, top)
	}

	long := s.question(map[string]string{"example": "0", "settings": `{"masks":100000}`})
	seen := false
	s.follow(long, func(e event) {
		if e.name != "partial" || seen {
			return
		}
		seen = true
		if again := probe(); !reflect.DeepEqual(again, half) { // it would wait for the end
			t.Error("a probe during slow work gives something else")
		}
		s.send("DELETE", "/api/jobs/"+long, "", nil)
	})
	if !seen {
		t.Error("slow work has shown nothing on the way")
	}
}

// TestCurve: the points of a deletion curve are those of masks that erase the strongest pixels.
func TestCurve(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"example": "0"})
	r := s.answered(id)
	name := r.Classes[0].Map
	answer, text := s.send("POST", "/api/jobs/"+id+"/curve", "", strings.NewReader(`{"map":"`+name+`","points":5}`))
	if kind := answer.Header.Get("Content-Type"); kind != "application/x-ndjson" {
		t.Errorf("a curve is %s", kind)
	}
	c, h := s.cfg.Classifier, cwox.Hold(drawnworld.New(893, drawnworld.Options{}).Picture(demo.PictureSize))
	p := cwox.New(c)
	defer p.Close()
	e := s.store.get(id).answer()
	data := mapOf(e, name).Data
	order := make([]int, len(data))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case data[a] > data[b]:
			return -1
		case data[a] < data[b]:
			return 1
		}
		return 0
	})
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d points, want 5: %s", len(lines), text)
	}
	for i, line := range lines {
		var point struct {
			Erased        float64
			Probabilities []float64
		}
		if err := json.Unmarshal([]byte(line), &point); err != nil {
			t.Fatal(err)
		}
		mask := slices.Repeat([]float32{1}, len(data))
		n := i * len(data) / 4
		for _, at := range order[:n] {
			mask[at] = 0
		}
		want, err := p.Masked(h, mask, 0)
		if err != nil {
			t.Fatal(err)
		}
		if point.Erased != float64(i)/4 || len(point.Probabilities) != len(r.Top) {
			t.Errorf("point %d: %+v", i, point)
		}
		for k, top := range r.Top {
			if point.Probabilities[k] != want[top.Class] {
				t.Errorf("point %d: %s has %g, want %g", i, top.Label, point.Probabilities[k], want[top.Class])
			}
		}
	}
}

// TestCancel: slow work shows what it has, stops when it is told to, and leaves the engine free; one
// that nobody watches any more stops, too.
func TestCancel(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"example": "0", "settings": `{"masks":300000}`})
	waits := s.question(map[string]string{"example": "0", "settings": `{"masks":300000}`})
	var names []string
	all := s.follow(id, func(e event) {
		if e.name == "partial" && !slices.Contains(names, "partial") {
			s.send("DELETE", "/api/jobs/"+waits, "", nil) // before it has begun
			s.send("DELETE", "/api/jobs/"+id, "", nil)
		}
		names = append(names, e.name)
	})
	if names[len(names)-1] != cancelled || !slices.Contains(names, "progress") {
		t.Errorf("events %q", names)
	}
	for _, e := range all {
		if e.name == "partial" {
			var r result
			if err := json.Unmarshal(e.data, &r); err != nil || len(r.Maps) == 0 {
				t.Errorf("partial maps: %v, %.200s", err, e.data)
			}
		}
	}
	if last := s.follow(waits, nil); last[len(last)-1].name != cancelled {
		t.Errorf("work that waited ended with %s", last[len(last)-1].name)
	}
	answer, text := s.send("GET", "/api/jobs/"+id+"/report.zip", "", nil)
	if answer.StatusCode != http.StatusConflict {
		t.Errorf("the report of a cancelled job: %d %.100s", answer.StatusCode, text)
	}
	s.answered(s.question(map[string]string{"example": "0"}))
	s.send("DELETE", "/api/jobs/"+id, "", nil)
	if answer, _ := s.send("GET", "/api/jobs/"+id, "", nil); answer.StatusCode != http.StatusNotFound {
		t.Errorf("a job that was deleted after its end: %d", answer.StatusCode)
	}
}

// TestStop: with the server's end all who wait are told so, and nothing goes on.
func TestStop(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"example": "0", "settings": `{"masks":300000}`})
	all := s.follow(id, func(e event) {
		if e.name == "progress" {
			s.end()
		}
	})
	if len(all) == 0 || all[len(all)-1].name != cancelled {
		t.Errorf("ended with %.200s", all)
	}
	<-s.ended
	if status, text := s.tryAsk(map[string]string{"example": "0"}); status != http.StatusServiceUnavailable {
		t.Errorf("a question after the end: %d %s", status, text)
	}
}
