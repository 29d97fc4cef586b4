package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cwox/internal/testdata"
	"cwox/weights"
)

func TestWeightsUsage(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pth")
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"weights", 0, ""},
		{"weights fetch --help", 0, ""},
		{"weights inspct x", exitUsage, "did you mean inspect?"},
		{"weights list resnet50", exitUsage, "want no arguments"},
		{"weights fetch", exitUsage, "want names of models"},
		{"weights fetch resnet50 vgg13", exitUsage, `no official file is known for the model "vgg13" (known: resnet18,`},
		{"weights inspect", exitUsage, "want a weight file"},
		{"weights inspect " + missing, exitFailed, "missing.pth"},
		{"weights convert " + missing, exitUsage, "ends in .safetensors"},
		{"weights convert " + missing + " -o x.pth", exitUsage, `-o "x.pth"`},
		{"weights convert " + missing + " -o " + missing + ".safetensors", exitFailed, "missing.pth"},
	} {
		code, _, stderr := cli(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
}

// official is a stand-in for an official file of resnet18, and its content.
var official, officialContent = func() (weights.KnownFile, []byte) {
	content := bytes.Repeat([]byte("weights "), 40_000)
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	return weights.KnownFile{Model: "resnet18", Name: "resnet18-" + sum[:8] + ".pth", SHA256: sum}, content
}()

// serveOfficial starts a server with the stand-in, and makes it the one that is known.
func serveOfficial(t *testing.T, handler http.HandlerFunc) (cache string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	old := lookupKnown
	t.Cleanup(func() { lookupKnown = old })
	lookupKnown = func(string) (weights.KnownFile, error) { return official, nil }
	cache = t.TempDir()
	t.Setenv("CWOX_CACHE", cache)
	t.Setenv(mirrorEnv, server.URL+"/mirror")
	return cache
}

func TestWeightsFetch(t *testing.T) {
	var asked []string
	cache := serveOfficial(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(officialContent))
	})
	path := filepath.Join(cache, official.Name)
	if code, out, stderr := cli(t, "weights", "fetch", "resnet18"); code != 0 || out != path+"\n" || stderr != "" {
		t.Fatalf("exit code %d: %q %q, want %s", code, out, stderr, path)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, officialContent) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	// What is here is not fetched again.
	code, out, _ := cli(t, "weights", "fetch", "--json", "resnet18")
	var line fetchedLine
	if err := json.Unmarshal([]byte(out), &line); err != nil || code != 0 || line != (fetchedLine{"resnet18", path}) {
		t.Errorf("exit code %d: %s, %v", code, out, err)
	}
	if want := []string{"/mirror/" + official.Name}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

func TestWeightsFetchFails(t *testing.T) {
	for _, tc := range []struct {
		handler http.HandlerFunc
		says    string
	}{
		{http.NotFound, "the server answered 404 Not Found"},
		{func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("login page")) }, "wrong content: its SHA-256 is"},
	} {
		cache := serveOfficial(t, tc.handler)
		code, out, stderr := cli(t, "weights", "fetch", "resnet18")
		if code != exitFailed || out != "" || !strings.Contains(stderr, tc.says) || !strings.Contains(stderr, official.Name) {
			t.Errorf("exit code %d: %q %q, want ...%s...", code, out, stderr, tc.says)
		}
		if files, _ := os.ReadDir(cache); len(files) != 0 {
			t.Errorf("%s: left %v behind", tc.says, files)
		}
	}
}

// TestWeightsFetchInterrupted presses Ctrl-C in the middle of a download and starts it again.
func TestWeightsFetchInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot interrupt itself here")
	}
	const half = 100_000
	var ranges []string
	cache := serveOfficial(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) > 1 {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(officialContent))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(officialContent)))
		w.Write(officialContent[:half])
		w.(http.Flusher).Flush()
		// Interrupt once the first half has been written down.
		part := filepath.Join(os.Getenv("CWOX_CACHE"), official.Name+".part")
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if info, err := os.Stat(part); err == nil && info.Size() == half {
				break
			}
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(os.Interrupt)
		}
		if err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	})
	code, out, stderr := cli(t, "weights", "fetch", "resnet18")
	if code != exitInterrupted || out != "" || !strings.Contains(stderr, "interrupted; the same command goes on after the 0.1 MB in "+official.Name+".part") {
		t.Fatalf("exit code %d: %q %q", code, out, stderr)
	}
	if code, _, stderr := cli(t, "weights", "fetch", "resnet18"); code != 0 {
		t.Fatalf("the second time: exit code %d: %s", code, stderr)
	}
	if want := []string{"", fmt.Sprintf("bytes=%d-", half)}; !slices.Equal(ranges, want) {
		t.Errorf("asked for the ranges %q, want %q", ranges, want)
	}
	if _, err := os.Stat(filepath.Join(cache, official.Name)); err != nil {
		t.Error(err)
	}
}

func TestWeightsList(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("CWOX_CACHE", cache)
	k, err := weights.LookupKnown("resnet34")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cache, k.Name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, _ := cli(t, "weights", "list", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != len(weights.Known()) {
		t.Fatalf("exit code %d, %d lines, want %d", code, len(lines), len(weights.Known()))
	}
	for i, known := range weights.Known() {
		want := knownLine{Model: known.Model, Name: known.Name, MiB: known.MiB, SHA256: known.SHA256, URL: known.URL()}
		if known == k {
			want.File = filepath.Join(cache, k.Name)
		}
		var got knownLine
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil || got != want {
			t.Errorf("%s: %v, want %+v", lines[i], err, want)
		}
	}
	if _, out, _ := cli(t, "weights", "list"); strings.Count(out, "here\n") != 1 || strings.Count(out, "not fetched\n") != len(lines)-1 {
		t.Errorf("%s", out)
	}
}

// TestWeightsWithoutHome: what needs no cache directory asks for none.
func TestWeightsWithoutHome(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the user's folder has other names")
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "CWOX_CACHE"} {
		t.Setenv(name, "")
	}
	code, out, _ := cli(t, "weights", "list")
	if code != 0 || !strings.Contains(out, "set CWOX_CACHE to a folder") || strings.Count(out, "not fetched\n") != len(weights.Known()) {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code, _, err := cli(t, "weights", "fetch", "resnet18"); code != exitFailed || !strings.Contains(err, "set CWOX_CACHE to a folder") {
		t.Errorf("fetch: exit code %d: %s", code, err)
	}
}

func TestWeightsVerify(t *testing.T) {
	old := identify
	t.Cleanup(func() { identify = old })
	identify = func(path string) (weights.KnownFile, string, error) {
		k, sum, err := old(path)
		if sum == official.SHA256 {
			k = official
		}
		return k, sum, err
	}
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "carried.pth"), filepath.Join(dir, "resnet50-0676ba61.pth")
	for path, content := range map[string][]byte{right: officialContent, wrong: officialContent[1:]} {
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	code, out, _ := cli(t, "weights", "verify", right)
	if want := right + ": " + official.Name + ", the official weights of resnet18, byte for byte (sha256 " + official.SHA256 + ")\n"; code != 0 || out != want {
		t.Errorf("exit code %d: %s, want %s", code, out, want)
	}
	code, out, stderr := cli(t, "weights", "verify", wrong, right, filepath.Join(dir, "none"))
	if code != exitFailed || strings.Count(out, "\n") != 1 || !strings.Contains(stderr, "none: no such file") ||
		!strings.Contains(stderr, "none of the official files") || !strings.Contains(stderr, "that of this name has 0676ba61b6795bbe") {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	code, out, _ = cli(t, "weights", "verify", "--json", right)
	var got verifiedLine
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || got != (verifiedLine{right, official.SHA256, "resnet18", official.Name}) {
		t.Errorf("exit code %d: %s, %v", code, out, err)
	}
}

// checkpoint is a small .pth file of package weights' tests.
var checkpoint = filepath.Join("..", "..", "weights", "testdata", "checkpoint.zip.pth")

func TestWeightsInspect(t *testing.T) {
	code, out, stderr := cli(t, "weights", "inspect", "--json", checkpoint)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	// The form that other programs rely on, every field spelled out.
	var got struct {
		File, Format, SHA256, Why string
		Keys                      []struct {
			Key     string
			Tensors int
		}
		Globals []string
		Tensors []struct {
			Name, DType string
			Shape       []int
		}
	}
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	content, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if got.File != checkpoint || got.Format != "pth-zip" || got.SHA256 != fmt.Sprintf("%x", sha256.Sum256(content)) {
		t.Errorf("%s", out)
	}
	if !slices.Contains(got.Globals, "torch._utils._rebuild_tensor_v2") {
		t.Errorf("globals %q", got.Globals)
	}
	f, err := weights.Open(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(got.Tensors) != len(f.Names()) || len(got.Tensors) == 0 {
		t.Fatalf("%d tensors, want %d", len(got.Tensors), len(f.Names()))
	}
	for i, name := range f.Names() {
		x, _ := f.Tensor(name)
		if g := got.Tensors[i]; g.Name != name || g.DType != string(x.DType) || !slices.Equal(g.Shape, x.Shape) {
			t.Errorf("tensor %d: %+v, want %s %s %v", i, g, name, x.DType, x.Shape)
		}
	}
}

// TestWeightsInspectStrange wants lists, not null, where there is nothing, and nothing from
// the file to reach the terminal as it is.
func TestWeightsInspectStrange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "strange.safetensors")
	header, err := json.Marshal(map[string]any{
		"__metadata__":   map[string]string{"note": "one\x1b[2Jtwo\nthree"},
		"scalar\x1b[31m": map[string]any{"dtype": "U8", "shape": []int{}, "data_offsets": []int{0, 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	if err := os.WriteFile(path, append(data, 7), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := cli(t, "weights", "inspect", "--json", path)
	if code != 0 || !strings.Contains(out, `"globals":[]`) || !strings.Contains(out, `"shape":[]`) {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	code, out, stderr = cli(t, "weights", "inspect", path)
	if code != 0 || strings.ContainsRune(out, '\x1b') || !strings.Contains(out, `"scalar\x1b[31m"`) || !strings.Contains(out, `two\nthree`) {
		t.Errorf("exit code %d: %q%s", code, out, stderr)
	}
	if got, want := printable(strings.Repeat("x", 1000)), 203; len(got) != want {
		t.Errorf("%d characters of a name of 1000, want %d", len(got), want)
	}
}

func TestWeightsInspectModels(t *testing.T) {
	for file, want := range map[string]string{
		"resnet50_tf_v15.safetensors":      "resnet50",
		"googlenet_bvlc_caffe.safetensors": "googlenet-caffe",
	} {
		path := testdata.Path(t, "weights", file)
		var in inspection
		if _, out, stderr := cli(t, "weights", "inspect", "--json", path); json.Unmarshal([]byte(out), &in) != nil {
			t.Fatal(stderr)
		}
		if in.Model != want || in.Classes != 1000 {
			t.Errorf("%s: recognised as %q with %d classes, want %s with 1000", file, in.Model, in.Classes, want)
		}
		if _, out, _ := cli(t, "weights", "inspect", path); !strings.Contains(out, "model     "+want+" with 1000 classes") {
			t.Errorf("%s: %.300s", file, out)
		}
	}
}

func TestWeightsConvert(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.safetensors")
	code, stdout, stderr := cli(t, "weights", "convert", "--json", checkpoint, "-o", out)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var printed, want inspection
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil {
		t.Fatalf("%s: %v", stdout, err)
	}
	_, stdout, _ = cli(t, "weights", "inspect", "--json", out)
	if err := json.Unmarshal([]byte(stdout), &want); err != nil || !reflect.DeepEqual(printed, want) {
		t.Errorf("convert printed %+v, want %+v (%v)", printed, want, err)
	}
	sameTensors(t, checkpoint, out)
	// Again, from its own result and onto it: the same bytes.
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := cli(t, "weights", "convert", out, "-o", out); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	second, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("converting the result again changed it (%v)", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(out)); len(files) != 1 {
		t.Errorf("left %v behind", files)
	}
}

// TestWeightsConvertAll converts every kind of container there is.
func TestWeightsConvertAll(t *testing.T) {
	dir := testdata.Path(t, "golden", "containers")
	files, err := filepath.Glob(filepath.Join(dir, "*.pth"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		out := filepath.Join(t.TempDir(), "out.safetensors")
		if code, _, stderr := cli(t, "weights", "convert", file, "-o", out); code != 0 {
			t.Errorf("%s: exit code %d: %s", file, code, stderr)
			continue
		}
		sameTensors(t, file, out)
	}
}

// sameTensors wants the same names, types, shapes and bytes in two weight files.
func sameTensors(t *testing.T, a, b string) {
	t.Helper()
	fa, err := weights.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer fa.Close()
	fb, err := weights.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer fb.Close()
	if len(fa.Names()) != len(fb.Names()) {
		t.Errorf("%s has %d tensors, %s %d", a, len(fa.Names()), b, len(fb.Names()))
	}
	for _, name := range fa.Names() {
		x, _ := fa.Tensor(name)
		y, ok := fb.Tensor(name)
		if !ok || x.DType != y.DType || !slices.Equal(x.Shape, y.Shape) {
			t.Errorf("%s: %q: %v %v", b, name, y, ok)
			continue
		}
		p, err := x.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		q, err := y.Bytes()
		if err != nil || !bytes.Equal(p, q) {
			t.Errorf("%s: %q: other bytes (%v)", b, name, err)
		}
	}
}
