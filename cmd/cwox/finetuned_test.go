package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/cwox/report"
	"cwox/internal/testdata"
	"cwox/weights"
)

// fineTuned writes the weights of a narrow ResNet as people leave them: names under a prefix, a
// head of their own, tensors of other things. The rows of its head come in pairs, so that
// classes 0 and 1, 2 and 3 and so on are alike. change may alter the tensors.
func fineTuned(t *testing.T, prefix, head string, classes int, metadata map[string]string, change func(map[string]*weights.Tensor)) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	all := map[string]*weights.Tensor{}
	put := func(name string, shape []int, value func() float64) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(value())
		}
		all[prefix+name] = weights.NewF32(prefix+name, shape, x)
	}
	conv := func(name string, out, in, k int) {
		scale := math.Sqrt(2 / float64(in*k*k))
		put(name+".weight", []int{out, in, k, k}, func() float64 { return scale * r.NormFloat64() })
	}
	norm := func(name string, c int) {
		put(name+".weight", []int{c}, func() float64 { return 0.5 + r.Float64() })
		put(name+".bias", []int{c}, func() float64 { return r.NormFloat64() / 4 })
		put(name+".running_mean", []int{c}, func() float64 { return r.NormFloat64() / 4 })
		put(name+".running_var", []int{c}, func() float64 { return 0.5 + r.Float64() })
	}
	const width = 8
	conv("conv1", width, 3, 7)
	norm("bn1", width)
	in := width
	for stage := range 4 {
		out := width << stage
		at := fmt.Sprintf("layer%d.0.", stage+1)
		conv(at+"conv1", out, in, 3)
		norm(at+"bn1", out)
		conv(at+"conv2", out, out, 3)
		norm(at+"bn2", out)
		if out != in {
			conv(at+"downsample.0", out, in, 1)
			norm(at+"downsample.1", out)
		}
		in = out
	}
	pair := make([]float64, in)
	i := 0
	put(head+".weight", []int{classes, in}, func() float64 {
		row, col := i/in, i%in
		if i++; row%2 == 0 {
			pair[col] = r.NormFloat64()
		}
		return pair[col] + 0.1*r.NormFloat64()
	})
	put(head+".bias", []int{classes}, func() float64 { return 0 })
	all["criterion.weight"] = weights.NewF32("criterion.weight", []int{classes}, make([]float32, classes))
	if change != nil {
		change(all)
	}
	var tensors []*weights.Tensor
	for _, x := range all {
		tensors = append(tensors, x)
	}
	path := filepath.Join(t.TempDir(), "finetuned.safetensors")
	if err := weights.WriteFile(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	return path
}

func readReport(t *testing.T, dir string) *report.Report {
	t.Helper()
	r, err := report.ReadJSON(filepath.Join(dir, report.JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// explained explains, wants success, and verifies what came out.
func explained(t *testing.T, args ...string) (r *report.Report, stdout, stderr string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	code, stdout, stderr := cli(t, append([]string{"explain", "-o", dir}, args...)...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	if code, out, stderr := cli(t, "verify", dir); code != 0 || !strings.Contains(out, "agree to the byte") {
		t.Errorf("%v: verify: exit code %d: %s%s", args, code, out, stderr)
	}
	return readReport(t, dir), stdout, stderr
}

// TestFineTuned explains a fine-tuned network without a word about it.
func TestFineTuned(t *testing.T) {
	image := filepath.Join(smallImages(t, 3), "00.png")
	file := fineTuned(t, "model.", "fc.1", 10, map[string]string{"classes": "ant\nbee\ncat\ndog\nelk\nfox\ngnu\nhen\nibis\njay"}, nil)
	r, out, said := explained(t, "--weights", file, image)
	for _, want := range []string{`weights: resnet-basic-1-1-1-1-w8 (10 classes), keys "model.*" (`, "head fc.1; criterion.weight ignored",
		"input: shorter side to 256, middle 224x224 as torchvision does; --preprocess paper"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said: %s", want, said)
		}
	}
	if r.Tree.Source != "weights" || r.Tree.Level != 1 || len(r.Tree.SHA256) != 64 {
		t.Errorf("tree %+v", r.Tree)
	}
	if r.Input.Transform.Name != "torchvision" || r.Input.From != "as torchvision does" {
		t.Errorf("input %+v", r.Input)
	}
	if !strings.Contains(out, r.Top[0].Label) || r.Top[0].Label == "" {
		t.Errorf("%s: no labels", out)
	}

	// All ten: the classes come together in the pairs that their rows are made in.
	r, _, _ = explained(t, "--weights", file, "--top", "10", image)
	for _, c := range r.Clusters {
		if len(c.Classes) != 2 || c.Classes[0]/2 != c.Classes[1]/2 {
			t.Errorf("cluster %v, want pairs", c.Classes)
		}
	}

	// Methods without clusters, classes by name, clusters by name.
	for _, args := range [][]string{
		{"--method", "swox"}, {"--method", "cwox1sa"}, {"--method", "cwox1sb"},
		{"--classes", "JAY,2"}, {"--clusters", `[["ant","bee"],["elk",5]]`}, {"--variant", "reference", "--top", "3"},
		{"--size", "64", "--top", "3"},
		{"--size", "96", "--crop", "none", "--mean", "0.5", "--std", "0.5", "--top", "3"},
	} {
		r, _, said := explained(t, append(args, "--weights", file, image)...)
		switch args[1] {
		case "JAY,2":
			if len(r.Top) != 2 || r.Top[0].Class+r.Top[1].Class != 11 {
				t.Errorf("%v: classes %v", args, r.Top)
			}
		case `[["ant","bee"],["elk",5]]`:
			if r.Tree.Source != "given" || len(r.Clusters) != 2 {
				t.Errorf("%v: %+v, %v", args, r.Tree, r.Clusters)
			}
		case "reference":
			if r.Input.Transform.Name != "paper" || !strings.Contains(said, "stretched to 224x224 as the authors do") {
				t.Errorf("%v: %+v: %s", args, r.Input, said)
			}
		case "64":
			if x := r.Input.Transform; x.Resize.Short != 73 || !strings.Contains(said, "input: shorter side to 73, middle 64x64 as torchvision does, changed by flags; --preprocess paper") {
				t.Errorf("%v: %+v: %s", args, r.Input, said)
			}
		case "96":
			if x := r.Input.Transform; x.Width != 96 || x.Name != "torchvision, changed" || r.Input.Unseen != 0 {
				t.Errorf("%v: %+v", args, r.Input)
			}
		}
	}
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"--classes cow", exitUsage, `--classes cow: no class is called "cow"`},
		{"--classes 10", exitUsage, "--classes 10: "},
		{"--clusters []", exitUsage, "--clusters []: "},
		{"--model resnet18", exitFailed, "resnet18"},
		{"--model :stride=conv1", exitFailed, "stride"},
		{"--model :colour=red", exitUsage, "colour"},
		{"--key nothing", exitFailed, "nothing"},
		{"--preprocess cafe", exitUsage, "--preprocess cafe: neither a file nor one of"},
		{"--crop middle", exitUsage, "--crop middle: want center, none"},
		{"--mean 1,2", exitUsage, "--mean 1,2: 2 values for 3 channels"},
		{"--channels grey", exitFailed, "3 channels"},
		{"--size 0", exitUsage, "--size 0: want N or HxW"},
		{"--learn-tree x --clusters [[1]]", exitUsage, "--learn-tree and --clusters"},
		{"--tensor x.safetensors", exitUsage, "no images with --tensor"},
		{"--top 0", exitUsage, "--top 0: want at least 1"},
		{"--level 0", exitUsage, "--level 0: want at least 1"},
		{"--threads 0", exitUsage, "--threads 0: want 1 to 1024"},
		{"--cumulative 1", exitUsage, "--cumulative 1: want more than 0 and less than 1"},
		{"--cumulative NaN", exitUsage, "--cumulative NaN: want more than 0 and less than 1"},
		{"--relu maybe", exitUsage, "--relu maybe: want on or off"},
		{"--explainer rise --rise-masks 0", exitUsage, "--rise-masks 0: want a number, or two separated by a comma"},
		{"--explainer rise --rise-keep NaN", exitUsage, "--rise-keep NaN: want a number, or two separated by a comma"},
		{"--explainer lime --lime-kernel 4,0", exitUsage, "--lime-kernel 4,0: want a number, or two separated by a comma"},
		{"--rise-masks 10", exitUsage, "--rise-masks: a setting of rise, and the explainer is gradcam"},
		{"--explainer rise --class-layer layer4", exitUsage, "--class-layer: a setting of gradcam and mwp, and the explainer is rise"},
		{"--delta 60", exitUsage, "--delta: a threshold of cwox2s alone, in the variant reference"},
		{"--variant reference --epsilon 1", exitUsage, "--epsilon: a threshold of cwox2s alone, in the variant paper"},
		{"--method swox --epsilon 1", exitUsage, "--epsilon: a threshold"},
	} {
		args := append([]string{"explain", "--weights", file, "-o", filepath.Join(t.TempDir(), "out")}, strings.Fields(tc.args)...)
		if code, _, stderr := cli(t, append(args, image)...); code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("%s: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
}

// TestKeyIsRecorded wants the network that --key chose verified, also of a file whose networks
// are told apart by their names alone.
func TestKeyIsRecorded(t *testing.T) {
	image := filepath.Join(smallImages(t, 3), "00.png")
	file := fineTuned(t, "student.", "fc", 4, nil, func(all map[string]*weights.Tensor) {
		for name, x := range all {
			if rest, ok := strings.CutPrefix(name, "student."); ok {
				v, err := x.Float32()
				if err != nil {
					t.Fatal(err)
				}
				half := make([]float32, len(v))
				for i := range v {
					half[i] = v[i] / 2
				}
				all["teacher."+rest] = weights.NewF32("teacher."+rest, x.Shape, half)
			}
		}
	})
	if code, _, stderr := cli(t, "classify", "--weights", file, image); code != exitFailed || !strings.Contains(stderr, "student") || !strings.Contains(stderr, "teacher") {
		t.Errorf("without a choice: exit code %d: %s", code, stderr)
	}
	for _, args := range [][]string{{"--key", "teacher"}, {"--model", ":prefix=teacher"}} {
		r, _, _ := explained(t, append(args, "--weights", file, "--top", "2", image)...)
		if r.Model.Key+r.Model.Settings == "" {
			t.Errorf("%v: %+v", args, r.Model)
		}
	}
}

// TestFewClasses wants everything to work with one logit, two and three classes.
func TestFewClasses(t *testing.T) {
	image := filepath.Join(smallImages(t, 3), "00.png")
	for classes := 1; classes <= 3; classes++ {
		file := fineTuned(t, "", "fc", classes, nil, nil)
		n := max(classes, 2)
		code, out, stderr := cli(t, "classify", "--json", "--weights", file, image)
		var line classifyLine
		if err := json.Unmarshal([]byte(out), &line); code != 0 || err != nil || len(line.Top) != n {
			t.Errorf("%d classes: exit code %d: %s%s", classes, code, out, stderr)
		}
		sum := 0.0
		for _, c := range line.Top {
			sum += c.Probability
		}
		if !(math.Abs(sum-1) <= 1e-6) {
			t.Errorf("%d classes: probabilities sum to %g", classes, sum)
		}
		r, _, _ := explained(t, "--weights", file, "--top", fmt.Sprint(n), image)
		if len(r.Top) != n || len(r.Clusters) < 2 {
			t.Errorf("%d classes: %v in %d clusters", classes, r.Top, len(r.Clusters))
		}
		if code, _, stderr := cli(t, "classify", "--top", "5", "--weights", file, image); code != exitUsage || !strings.Contains(stderr, fmt.Sprintf("--top 5: want 1 to %d", n)) {
			t.Errorf("%d classes, --top 5: exit code %d: %s", classes, code, stderr)
		}
		if classes > 1 {
			continue
		}
		// The logit is that of the positive class, and its probability the sigmoid.
		for _, c := range line.Top {
			if z := c.Logit; c.Class == 1 && (math.Abs(c.Probability-1/(1+math.Exp(-z))) > 1e-6 || c.Label != "positive") || c.Class == 0 && (z != 0 || c.Label != "negative") {
				t.Errorf("one logit: %+v", c)
			}
		}
		labels := filepath.Join(t.TempDir(), "labels.txt")
		if err := os.WriteFile(labels, []byte("crack, fissure\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, out, stderr := cli(t, "classify", "--weights", file, "--labels", labels, image); code != 0 || !strings.Contains(out, "not crack") {
			t.Errorf("one logit with a name: exit code %d: %s%s", code, out, stderr)
		}
		_, _, _ = explained(t, "--weights", file, "--explainer", "rise", "--rise-masks", "40", image)
		// It is multi-label already.
		if _, again, _ := cli(t, "classify", "--json", "--multilabel", "--weights", file, image); again != out {
			t.Errorf("one logit with --multilabel: %s, want %s", again, out)
		}
	}
}

// TestMultiLabel wants every class to have the sigmoid of its logit.
func TestMultiLabel(t *testing.T) {
	image := filepath.Join(smallImages(t, 3), "00.png")
	file := fineTuned(t, "", "fc", 6, nil, nil)
	code, out, stderr := cli(t, "classify", "--json", "--multilabel", "--top", "6", "--weights", file, image)
	var line classifyLine
	if err := json.Unmarshal([]byte(out), &line); code != 0 || err != nil {
		t.Fatalf("exit code %d: %s%s", code, out, stderr)
	}
	for _, c := range line.Top {
		if !(math.Abs(c.Probability-1/(1+math.Exp(-c.Logit))) <= 1e-6) {
			t.Errorf("%+v", c)
		}
	}
	r, _, _ := explained(t, "--multilabel", "--weights", file, "--top", "4", image)
	if r.Model.Output != "sigmoid" {
		t.Errorf("output %q", r.Model.Output)
	}
}

// TestTensor gives a network its input as it is, and wants the same logits as from the picture
// that the input is of.
func TestTensor(t *testing.T) {
	file := fineTuned(t, "", "fc", 6, nil, nil)
	image := filepath.Join(smallImages(t, 3), "00.png") // 40 x 40, no resize at that size
	x := make([]float32, 2*3*40*40)
	for p := range 1600 {
		u, v := p%40, p/40
		for c, value := range []int{u, 2 * v, 3 * (u * v)} {
			x[c*1600+p] = float32(uint8(value)) / 255
			x[4800+c*1600+p] = 0.5
		}
	}
	write := func(name string, tensors ...*weights.Tensor) string {
		path := filepath.Join(t.TempDir(), name)
		if err := weights.WriteFile(path, tensors, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inputs := write("inputs.safetensors", weights.NewF32("input", []int{2, 3, 40, 40}, x), weights.NewF32("other", []int{3, 32, 32}, x[:3072]))
	code, out, stderr := cli(t, "classify", "--json", "--top", "6", "--weights", file, "--tensor", inputs)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 2 {
		t.Fatalf("exit code %d: %s%s", code, out, stderr)
	}
	_, want, _ := cli(t, "classify", "--json", "--top", "6", "--weights", file, "--size", "40", "--resize", "stretch", "--mean", "0", "--std", "1", image)
	if got := strings.Replace(lines[0], inputs+"[0]", image, 1); got != strings.TrimSpace(want) {
		t.Errorf("%s\nfrom the picture %s", got, want)
	}
	r, _, _ := explained(t, "--weights", file, "--tensor", inputs, "--top", "3")
	if r.Input.Transform != nil || r.Image.File != inputs+"[0]" || r.Image.Width != 40 {
		t.Errorf("%+v, %+v", r.Input, r.Image)
	}
	for _, tc := range []struct{ args, says string }{
		{"--tensor-name other --tensor " + inputs, ""},
		{"--tensor-name none --tensor " + inputs, `no tensor "none": choose one with --tensor-name: input, other`},
		{"--tensor " + write("four.safetensors", weights.NewF32("x", []int{4, 20, 20}, x[:1600])), "inputs of 4 channels, "},
		{"--tensor " + write("flat.safetensors", weights.NewF32("x", []int{3, 20}, x[:60])), "shape [3 20], want [images channels height width]"},
		{"--tensor " + write("half.safetensors", weights.NewF16("x", []int{3, 20, 20}, x[:1200])), "F16, want F32 or U8"},
	} {
		code, _, stderr := cli(t, append([]string{"classify", "--weights", file}, strings.Fields(tc.args)...)...)
		if (code == 0) != (tc.says == "") || !strings.Contains(stderr, tc.says) {
			t.Errorf("%s: exit code %d: %s", tc.args, code, stderr)
		}
	}
}

// TestLearnTree labels a folder, learns a tree of the lists and explains by it, in one go.
func TestLearnTree(t *testing.T) {
	file := fineTuned(t, "", "fc", 12, map[string]string{"classes": "ant\nbee\ncat\ndog\nelk\nfox\ngnu\nhen\nibis\njay\nkite\nlynx"}, func(all map[string]*weights.Tensor) {
		w, err := all["fc.weight"].Float32()
		if err != nil {
			t.Fatal(err)
		}
		for i := range w { // undecided, so that there are lists
			w[i] /= 20
		}
	})
	photos := smallImages(t, 30)
	dir := filepath.Join(t.TempDir(), "out")
	args := []string{"explain", "-o", dir, "--weights", file, "--size", "64", "--learn-tree", photos, filepath.Join(photos, "03.png")}
	code, _, stderr := cli(t, args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	tree := filepath.Join(dir+"-tree", "tree.json")
	if r := readReport(t, dir); r.Tree.Source != "file" || r.Tree.File != tree {
		t.Errorf("%+v", r.Tree)
	}
	if code, out, stderr := cli(t, "verify", dir); code != 0 {
		t.Errorf("verify: exit code %d: %s%s", code, out, stderr)
	}
	if text, err := os.ReadFile(tree); err != nil || !strings.Contains(string(text), `"names"`) {
		t.Errorf("the tree does not name its words: %v", err)
	}
	// Again: what was labelled is not labelled again.
	if code, _, stderr := cli(t, args...); code != 0 || !strings.Contains(stderr, "going on after 30 of 30 images") {
		t.Errorf("again: exit code %d: %s", code, stderr)
	}
}

// TestProvenance refuses the tree of another model.
func TestProvenance(t *testing.T) {
	file := fineTuned(t, "", "fc", 10, nil, nil)
	image := filepath.Join(smallImages(t, 3), "00.png")
	nodes := testdata.Path(t, "trees", "published-resnet50.json")
	code, _, stderr := cli(t, "explain", "-o", filepath.Join(t.TempDir(), "out"), "--weights", file, "--tree", nodes, image)
	if code != exitFailed || !strings.Contains(stderr, "1000 words") || !strings.Contains(stderr, "10 classes") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestInspectNetwork wants all that is known of a file.
func TestInspectNetwork(t *testing.T) {
	file := fineTuned(t, "backbone.", "fc.1", 10, nil, nil)
	code, out, stderr := cli(t, "weights", "inspect", "--json", file)
	var in inspection
	if err := json.Unmarshal([]byte(out), &in); code != 0 || err != nil {
		t.Fatalf("exit code %d: %s%s", code, out, stderr)
	}
	if in.Model != "resnet-basic-1-1-1-1-w8" || in.Classes != 10 || in.Prefix != "backbone." || in.Head != "fc.1: Linear" ||
		!slices.Equal(in.Ignored, []string{"criterion.weight"}) || in.Input.Name != "torchvision" {
		t.Errorf("%s", out)
	}
	if !slices.ContainsFunc(in.Undecided, func(u undecided) bool { return u.Other == "--model :maxpool=off" }) {
		t.Errorf("undecided %v", in.Undecided)
	}
	_, out, _ = cli(t, "weights", "inspect", "--size", "96", "--preprocess", "paper", file)
	if !strings.Contains(out, "stretched to 96x96") || !strings.Contains(out, "--model :maxpool=off chooses otherwise") {
		t.Errorf("%s", out)
	}
}

// TestWeightsCheck wants the right scale of the input found by the statistics: those of one
// pass over the picture are written into the weights.
func TestWeightsCheck(t *testing.T) {
	file := testdata.Path(t, "checkpoints", "stem_3x3.pth")
	photo := testdata.Path(t, "checkpoints", "inputs", "photo64.png")
	code, out, stderr := cli(t, "weights", "check", "--json", "--weights", file, "--size", "64", "--resize", "stretch", photo)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	best, distance, trials := "", math.Inf(1), 0
	for line := range strings.Lines(out) {
		var l checkedLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if trials++; l.Error == "" && l.Z+l.LogVar < distance {
			best, distance = l.Input, l.Z+l.LogVar
		}
	}
	if trials < 4 || !strings.Contains(best, "mean 0.485 0.456 0.406") {
		t.Errorf("%d trials, the best is %s: %s", trials, best, out)
	}
	if code, out, _ := cli(t, "weights", "check", "--weights", file, "--size", "64", photo); code != 0 || !strings.Contains(out, "<- none fits clearly better") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
