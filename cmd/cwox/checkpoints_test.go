package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// caseFile is a case of the shared checkpoints: a file as people have it, and what PyTorch
// makes of it.
type caseFile struct {
	File    string   `json:"file"`
	Also    []string `json:"also"`
	Kind    string   `json:"kind"`
	Expect  string   `json:"expect"`
	Accept  []string `json:"accept"`
	Names   []string `json:"must_name"`
	Input   string   `json:"input"`
	Picture string   `json:"picture"`
	Logits  []float64
	Top5    []int     `json:"top5"`
	Labels  []string  `json:"labels"`
	Prob    *float64  `json:"probability"`
	Plain   []float64 `json:"logits_plain"`
	Name    string    `json:"name"` // of a preprocessing recipe
	Choices []struct {
		Choose string
		Logits []float64
	} `json:"alternatives"`
	ChoiceInput string `json:"input_of_alternatives"`
	Marker      string `json:"marker"`
	Recipe      *struct {
		Scale         string
		Channels      string
		Colour        string
		Resize        string
		Crop          any
		Interpolation string
		Mean, Std     []float64
	} `json:"preprocessing"`
	Pictures []struct {
		Picture string
		Logits  []float64
	}
}

func checkpoints(t *testing.T) (dir string, cases []caseFile) {
	t.Helper()
	dir = testdata.Path(t, "checkpoints")
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []caseFile }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return dir, file.Cases
}

// TestCheckpoints classifies the network's input of every case as a user would, by the file
// alone: right logits, a refusal that helps, or a warning; never silently wrong.
func TestCheckpoints(t *testing.T) {
	dir, cases := checkpoints(t)
	counts := map[string]int{}
	for _, c := range cases {
		if c.Kind == "preprocessing" && c.Recipe != nil {
			continue // TestRecipes
		}
		for _, file := range append([]string{c.File}, c.Also...) {
			t.Run(strings.ReplaceAll(file, "/", "_"), func(t *testing.T) {
				outcome := c.outcome(t, dir, filepath.Join(dir, file))
				counts[c.Kind+" "+outcome]++
				if accepted := append(slices.Clone(c.Accept), c.Expect); !slices.Contains(accepted, outcome) {
					t.Errorf("%s, want one of %v", outcome, accepted)
				}
			})
		}
	}
	for _, kind := range slices.Sorted(func(yield func(string) bool) {
		for k := range counts {
			if !yield(k) {
				return
			}
		}
	}) {
		t.Logf("%-24s %d", kind, counts[kind])
	}
}

// outcome is "ok", "warn" (the right words on standard error, whatever the logits), "error"
// (likewise), or what went wrong.
func (c *caseFile) outcome(t *testing.T, dir, file string) string {
	input := []string{"--tensor", filepath.Join(dir, cmp.Or(c.ChoiceInput, c.Input, "inputs/photo224.safetensors"))}
	if c.Picture != "" {
		input = []string{filepath.Join(dir, c.Picture)}
	}
	code, top, stderr := classifyAll(t, file, input...)
	said := strings.ReplaceAll(strings.ToLower(stderr), strings.ToLower(filepath.Base(file)), "")
	named := len(c.Names) > 0
	for _, name := range c.Names {
		named = named && slices.ContainsFunc(strings.Split(strings.ToLower(name), "|"), func(s string) bool { return strings.Contains(said, s) })
	}
	for _, choice := range c.Choices {
		how := []string{"--model", ":prefix=" + choice.Choose}
		if c.Kind == "training" {
			how = []string{"--key", choice.Choose}
		}
		code, top, stderr := classifyAll(t, file, append(how, input...)...)
		if err := agree(top, choice.Logits, c.tolerance()); code != 0 || err != nil {
			t.Errorf("prefix=%s: exit code %d, %v: %s", choice.Choose, code, err, stderr)
		}
	}
	if c.Marker != "" {
		if _, err := os.Stat(c.Marker); err == nil {
			t.Fatalf("%s was written: the file's code was run", c.Marker)
		}
	}
	if code != 0 {
		if len(c.Names) == 0 && (c.Expect != "ok" || slices.Contains(c.Accept, "error")) || named {
			return "error"
		}
		return fmt.Sprintf("refused, without naming %q: %s", c.Names, stderr)
	}
	wrong := agree(top, c.Logits, c.tolerance())
	if c.Top5 != nil {
		for i, class := range c.Top5 {
			if top[i].Class != class {
				wrong = fmt.Errorf("top classes %v, want %v", top, c.Top5)
			}
		}
	}
	for _, line := range top {
		if c.Labels != nil && line.Label != c.Labels[line.Class] {
			return fmt.Sprintf("class %d is called %q, want %q", line.Class, line.Label, c.Labels[line.Class])
		}
		if c.Prob != nil && line.Class == 1 && math.Abs(line.Probability-*c.Prob) > 1e-5 {
			return fmt.Sprintf("probability %g, want %g", line.Probability, *c.Prob)
		}
	}
	switch {
	case wrong == nil && (c.Expect == "ok" || slices.Contains(c.Accept, "ok")):
		return "ok"
	case named:
		return "warn"
	case wrong == nil:
		return "ok"
	case c.Plain != nil && slices.Contains(c.Accept, "ok") && agree(top, c.Plain, c.tolerance()) == nil:
		return "ok" // nothing in the file tells, and inspect says so: see TestUndecided
	}
	return wrong.Error()
}

// tolerance is that of f32 arithmetic, or of a picture that was decoded and resized.
func (c *caseFile) tolerance() float64 {
	if c.Picture != "" {
		return 1e-3
	}
	return 2e-5
}

// classifyAll classifies by a weight file, all its classes.
func classifyAll(t *testing.T, file string, flags ...string) (code int, top []classLine, stderr string) {
	t.Helper()
	args := append([]string{"classify", "--json", "--top", "40", "--weights", file}, flags...)
	code, out, stderr := cli(t, args...)
	if code == exitUsage && strings.Contains(stderr, "--top") {
		args[3] = strconv.Itoa(topOf(stderr))
		code, out, stderr = cli(t, args...)
	}
	var line classifyLine
	if code == 0 {
		if err := json.Unmarshal([]byte(out), &line); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	return code, line.Top, stderr
}

// topOf is the number of classes that the complaint about --top names.
func topOf(stderr string) int {
	var asked, most int
	_, rest, _ := strings.Cut(stderr, "--top")
	fmt.Sscanf(rest, " %d: want 1 to %d", &asked, &most)
	return most
}

// agree compares logits by class with the right ones; a single logit is that of class 1.
func agree(top []classLine, want []float64, tolerance float64) error {
	if want == nil {
		return nil
	}
	scale, worst := 0.0, 0.0
	for _, z := range want {
		scale = max(scale, math.Abs(z))
	}
	if len(want) == 1 && len(top) == 2 {
		z := map[int]float64{}
		for _, line := range top {
			z[line.Class] = line.Logit
		}
		top, want = []classLine{{Class: 0, Logit: z[1] - z[0]}}, want[:1]
	}
	if len(top) != min(len(want), 40) {
		return fmt.Errorf("%d classes, want %d", len(top), len(want))
	}
	for _, line := range top {
		if line.Class >= len(want) {
			return fmt.Errorf("class %d of %d", line.Class, len(want))
		}
		worst = max(worst, math.Abs(line.Logit-want[line.Class]))
	}
	if !(worst <= tolerance*scale) {
		return fmt.Errorf("logits differ by %.2g of the largest", worst/scale)
	}
	return nil
}

// TestRecipes classifies pictures by the flags that say what each recipe says.
func TestRecipes(t *testing.T) {
	dir, cases := checkpoints(t)
	seen := 0
	for _, c := range cases {
		if c.Recipe == nil || len(c.Pictures) == 0 {
			continue
		}
		for _, p := range c.Pictures {
			seen++
			args := append([]string{"classify", "--json", "--weights", filepath.Join(dir, c.File), "--top", strconv.Itoa(len(p.Logits))}, c.flags(t)...)
			code, out, stderr := cli(t, append(args, filepath.Join(dir, p.Picture))...)
			var line classifyLine
			if err := json.Unmarshal([]byte(out), &line); code != 0 || err != nil {
				t.Errorf("%v: exit code %d, %v: %s", args, code, err, stderr)
				continue
			}
			if err := agree(line.Top, p.Logits, 1e-3); err != nil {
				t.Errorf("%s: %s: %v (%v)", c.Name, p.Picture, err, c.flags(t))
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d pictures", seen)
	}
}

// flags are those that say what the recipe of a case does; none for a folder, whose files
// say it.
func (c *caseFile) flags(t *testing.T) []string {
	if c.Kind != "preprocessing" {
		return nil
	}
	r := c.Recipe
	join := func(v []float64) string {
		var out []string
		for _, x := range v {
			out = append(out, strconv.FormatFloat(x, 'g', -1, 64))
		}
		return strings.Join(out, ",")
	}
	args := []string{"--interpolation", r.Interpolation, "--mean", join(r.Mean), "--std", join(r.Std), "--channels", strings.ToLower(r.Channels)}
	if r.Colour != "" {
		args[len(args)-1] = "grey"
	}
	if r.Scale == "0..255" {
		args = append(args, "--range", "255")
	}
	if size, ok := strings.CutPrefix(r.Resize, "squash "); ok {
		return append(args, "--size", size, "--resize", "stretch", "--crop", "none")
	}
	// "shorter side 256, longer ...", "shorter side floor(224/.95)=235"
	short, _, _ := strings.Cut(strings.TrimPrefix(r.Resize, "shorter side "), ",")
	short = short[strings.LastIndexByte(short, '=')+1:]
	return append(args, "--size", fmt.Sprint(r.Crop), "--resize", short, "--crop", "center")
}

// TestConvertedCheckpoints converts every file that holds a network and wants the same logits
// of what comes out: what layers and configurations told is kept.
func TestConvertedCheckpoints(t *testing.T) {
	dir, cases := checkpoints(t)
	converted, refused := 0, 0
	for _, c := range cases {
		if c.Kind != "arithmetic" && c.Kind != "folder" && c.Kind != "family" || c.Recipe != nil && c.Picture == "" {
			continue
		}
		input := []string{"--tensor", filepath.Join(dir, cmp.Or(c.Input, "inputs/photo224.safetensors"))}
		if c.Picture != "" {
			input = []string{filepath.Join(dir, c.Picture)}
		}
		code, want, _ := classifyAll(t, filepath.Join(dir, c.File), input...)
		if code != 0 {
			continue
		}
		out := filepath.Join(t.TempDir(), "out.safetensors")
		if code, _, stderr := cli(t, "weights", "convert", filepath.Join(dir, c.File), "-o", out); code != 0 {
			t.Errorf("%s: exit code %d: %s", c.File, code, stderr)
			refused++
			continue
		}
		if code, got, stderr := classifyAll(t, out, input...); code != 0 || !slices.Equal(got, want) {
			t.Errorf("%s: exit code %d: %v, want %v: %s", c.File, code, got, want, stderr)
		}
		converted++
	}
	if converted < 15 {
		t.Errorf("%d files converted, %d refused", converted, refused)
	}
}
