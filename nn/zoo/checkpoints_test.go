package zoo

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/weights"
)

// checkpoint is a case of data/checkpoints: a file as people have them, with PyTorch's logits.
type checkpoint struct {
	File, Kind, Name, What, Expect string
	Accept                         []string
	Must                           []string `json:"must_name"`
	Family                         string
	Facts                          map[string]any
	Input                          string
	Logits                         []float64
	LogitsFile                     string `json:"logits_file"`
	Tolerance                      float64
	GradCAM                        *struct {
		Class int
		Map   [][]float64
	}
	Alternatives []struct {
		Choose string
		Logits []float64
	}
	InputOfAlternatives string `json:"input_of_alternatives"`
	Labels              []string
	LogitsPlain         []float64 `json:"logits_plain"`
	Z                   *truth    `json:"bn_z"`
	LnVar               *truth    `json:"bn_lnvar"`
}

// truth is a figure under the true arithmetic and the plain one.
type truth struct{ True, Plain float64 }

func checkpoints(t *testing.T) []checkpoint {
	t.Helper()
	var all struct{ Cases []checkpoint }
	readJSON(t, &all, "checkpoints", "cases.json")
	if len(all.Cases) == 0 {
		t.Fatal("no cases")
	}
	return all.Cases
}

// TestCheckpoints loads the cases. Those whose container cannot be read, and those that are
// to be read with a picture of their own, are counted and named.
func TestCheckpoints(t *testing.T) {
	outcomes := map[string]int{}
	var unread []string
	for _, c := range checkpoints(t) {
		if c.Kind == "preprocessing" && c.Name != "" {
			continue // another input to a network that is a case already
		}
		t.Run(c.File, func(t *testing.T) {
			f, err := weights.Open(testdata.Path(t, "checkpoints", c.File))
			if err != nil {
				if len(c.Logits) > 0 && !slices.Contains(c.Accept, "error") {
					unread = append(unread, c.File)
				}
				t.Skip(err)
			}
			defer f.Close()
			outcome := c.check(t, f)
			outcomes[c.Kind+" "+outcome]++
		})
	}
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range outcomes {
			if !yield(k) {
				return
			}
		}
	}) {
		t.Logf("%s: %d", k, outcomes[k])
	}
	t.Logf("statistics of %d right networks: z up to %.3f, ln var up to %.3f", figures.cases, figures.z, figures.logVar)
	t.Logf("%d files with logits that weights cannot open: %s", len(unread), strings.Join(unread, " "))
}

// figures are the largest of the cases that are right.
var figures struct {
	z, logVar float64
	cases     int
}

// check matches, loads and runs a case, and names the outcome.
func (c *checkpoint) check(t *testing.T, f *weights.File) string {
	accept := append(slices.Clone(c.Accept), c.Expect)
	if len(c.Accept) > 0 {
		accept = c.Accept
	}
	a, err := Match(f, Spec{})
	if err != nil {
		c.named(t, err.Error(), accept)
		c.alternatives(t, f)
		return "error"
	}
	c.facts(t, a, f)
	outcome := "ok"
	if w := a.Facts.Warnings(); len(w) > 0 {
		outcome = "warn"
		for _, want := range c.Must {
			if !strings.Contains(fmt.Sprint(w), want) {
				t.Errorf("%v does not name %q", w, want)
			}
		}
	}
	t.Log(a.Describe(), " ", a.Facts.Head)
	if c.Input == "" && c.LogitsFile == "" {
		return outcome + " (no input)"
	}
	input := open(t, "checkpoints", orInput(c.Input))
	x, ok := input.Tensor("input")
	if !ok {
		t.Fatal("no input")
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Load(f, LoadOptions{Height: x.Shape[2], Width: x.Shape[3]})
	if err != nil {
		t.Fatal(err)
	}
	want := c.Logits
	if c.LogitsFile != "" {
		lf := open(t, "checkpoints", c.LogitsFile)
		l, _ := lf.Tensor("logits")
		if want, err = l.Float64(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := m.NewSession(nn.SessionOptions{Keep: []string{a.ClusterLayer}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := slices.Clone(s.Forward(v))
	if a.OneLogit() { // -z/2 and z/2
		got = []float32{got[1] - got[0]}
	}
	tolerance := max(2e-5, c.Tolerance)
	// What a state dict does not tell is right or wrong by luck: the plain network is loaded.
	d := differ(got, want)
	if !(d <= tolerance) && len(c.LogitsPlain) > 0 && slices.Contains(c.Accept, "warn") && !strings.HasPrefix(c.File, "whole_") {
		if d = differ(got, c.LogitsPlain); d <= tolerance {
			return c.statistics(t, a, m, v, outcome)
		}
	}
	if !(d <= tolerance) {
		t.Errorf("logits %v, want %v: differ by %.3g of the largest, allowed %.3g", got[:min(len(got), 5)], want[:min(len(want), 5)], d, tolerance)
		return "wrong"
	}
	if c.GradCAM != nil {
		class, scale := c.GradCAM.Class, float32(1)
		if a.OneLogit() {
			class, scale = 1, 2
		}
		maps := gradcam(t, s, m, a.ClusterLayer, 0, []int{class})
		var flat []float64
		for _, row := range c.GradCAM.Map {
			flat = append(flat, row...)
		}
		for i, v := range maps {
			maps[i] = max(scale*v, 0)
		}
		if d := differ(maps, flat); !(d <= max(1e-4, c.Tolerance)) {
			t.Errorf("Grad-CAM differs by %.3g of the maximum", d)
		}
	}
	if outcome == "ok" && !slices.Contains(accept, "ok") {
		return c.statistics(t, a, m, v, outcome)
	}
	// The network is right, so its statistics are.
	st, err := CheckStatistics(m, v)
	if err != nil {
		t.Fatal(err)
	}
	if w := st.Warning(); w != "" {
		t.Errorf("z %.3f, ln var %.3f: a false warning", st.Z, st.LogVar)
	}
	if st.Layers >= 3*st.Small {
		figures.z, figures.logVar = max(figures.z, st.Z), max(figures.logVar, st.LogVar)
		figures.cases++
	}
	return outcome
}

// orInput is the photograph that every case has which names no input.
func orInput(input string) string {
	if input == "" {
		return filepath.Join("inputs", "photo224.safetensors")
	}
	return input
}

// statistics checks a case that runs as the plain network, or with a warning to come: the
// figures are the study's, and there is a warning where the case asks for one.
func (c *checkpoint) statistics(t *testing.T, a *Arch, m *nn.Model, x []float32, outcome string) string {
	st, err := CheckStatistics(m, x)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("z %.3f, ln var %.3f", st.Z, st.LogVar)
	warning := st.Warning()
	if c.Z != nil && outcome == "ok" {
		// Theirs are means over all channels of ratios without the 1e-5, and sample variances.
		if math.Abs(st.Z-c.Z.Plain) > 0.02*c.Z.Plain+1e-3 || math.Abs(st.LogVar-c.LnVar.Plain) > 0.1*c.LnVar.Plain+0.01 {
			t.Errorf("z %.4f, ln var %.4f; want %.4f, %.4f", st.Z, st.LogVar, c.Z.Plain, c.LnVar.Plain)
		}
	}
	switch {
	case warning != "":
		for _, want := range c.Must {
			if !slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.Contains(strings.ToLower(warning), w) }) && outcome == "ok" {
				t.Errorf("%s: does not name %q", warning, want)
			}
		}
		return "plain, statistics warn"
	case outcome == "warn":
		return "plain, warned"
	case len(c.Alternatives) > 0:
		return "ok, the container must warn"
	case len(c.Accept) > 0 && !slices.Contains(c.Accept, "ok"):
		t.Errorf("no warning")
	}
	return "plain, nothing to be seen"
}

// named checks a refusal.
func (c *checkpoint) named(t *testing.T, message string, accept []string) {
	if !slices.Contains(accept, "error") {
		t.Errorf("refused: %s", message)
		return
	}
	t.Log(message)
	text := strings.ToLower(strings.ReplaceAll(message, filepath.Base(c.File), ""))
	for _, want := range c.Must {
		if !slices.ContainsFunc(strings.Split(want, "|"), func(w string) bool { return strings.Contains(text, strings.ToLower(w)) }) {
			t.Errorf("%s: does not name %q", message, want)
		}
	}
}

// alternatives loads each of the networks of a file that holds several.
func (c *checkpoint) alternatives(t *testing.T, f *weights.File) {
	for _, alt := range c.Alternatives {
		a, err := Match(f, Spec{Settings: map[string]string{"prefix": alt.Choose}})
		if err != nil {
			t.Error(err)
			continue
		}
		m, err := a.Load(f, LoadOptions{})
		if err != nil {
			t.Error(err)
			continue
		}
		x, _ := open(t, "checkpoints", c.InputOfAlternatives).Tensor("input")
		v, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.NewSession(nn.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if d := differ(s.Forward(v), alt.Logits); !(d <= 2e-5) {
			t.Errorf("%s: logits differ by %.3g", alt.Choose, d)
		}
		s.Close()
	}
}

// facts compares what names and shapes decide.
func (c *checkpoint) facts(t *testing.T, a *Arch, file *weights.File) {
	f := &a.Facts
	got := map[string]any{
		"family": f.Family, "block": f.Block, "width": f.Width, "classes": f.Classes, "in_channels": f.Channels,
		"stem": f.Stem, "stem_channels": f.StemChannels, "groups": f.Groups, "inner_factor": f.InnerFactor, "depth": f.Depth, "head": f.Head, "ignored": f.Ignored,
		"prefix": f.Prefix,
	}
	if f.Spelling == "Sequential" { // there the prefix is told as a part of the spelling
		got["prefix"] = ""
	}
	for key, want := range c.Facts {
		v, ok := got[key]
		if !ok {
			continue
		}
		if key == "ignored" {
			sorted := slices.Clone(f.Ignored)
			slices.Sort(sorted)
			v = sorted
		}
		if key == "head" && strings.HasPrefix(f.Head, "concat") { // told there without the biases
			v = strings.ReplaceAll(f.Head, " without bias", "")
		}
		if key == "prefix" && !slices.ContainsFunc(file.Names(), func(n string) bool { return strings.HasPrefix(n, want.(string)) }) {
			continue // the names that weights gives are without it
		}
		g, _ := json.Marshal(v)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("%s: %s, want %s", key, g, w)
		}
	}
}

// differ is the largest difference by the largest wanted value.
func differ(got []float32, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	d, scale := 0.0, 0.0
	for i, w := range want {
		scale = max(scale, math.Abs(w))
		d = max(d, math.Abs(float64(got[i])-w))
		if math.IsNaN(float64(got[i])) {
			return math.Inf(1)
		}
	}
	return d / scale
}

// TestCompare asks which of two candidates fits the picture of a case better.
func TestCompare(t *testing.T) {
	for _, c := range []struct{ file, right, wrong string }{
		{"arith_nomaxpool.pth", ":maxpool=off", ""},
		{"arith_v1.pth", ":stride=conv1", ""},
		{"arith_eps.pth", ":eps=1e-3", ""},
		{"googlenet_ti_on.safetensors", "", ":transform_input=off"},
		{"googlenet_ti_off.safetensors", ":transform_input=off", ""},
	} {
		f := open(t, "checkpoints", c.file)
		x, _ := open(t, "checkpoints", orInput("")).Tensor("input")
		v, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		a, err := Match(f, Spec{})
		if err != nil {
			t.Fatal(err)
		}
		var pair []Spec
		for _, s := range a.Alternatives(Spec{}) {
			if text := s.String(); text == c.right || text == c.wrong {
				pair = append(pair, s)
			}
		}
		candidates, best := Compare(f, v, LoadOptions{}, pair)
		for _, k := range candidates {
			if k.Err != nil {
				t.Errorf("%s %s: %v", c.file, k.Spec, k.Err)
			}
			t.Logf("%s %q: z %.3f, ln var %.3f", c.file, k.Spec, k.Statistics.Z, k.Statistics.LogVar)
		}
		if len(pair) != 2 || candidates[best].Spec.String() != c.right {
			t.Errorf("%s: of %v number %d fits best, want %q", c.file, pair, best, c.right)
		}
	}
}

// TestSettings runs the cases whose arithmetic a user tells.
func TestSettings(t *testing.T) {
	settings := map[string]string{
		"arith_v1.pth": ":stride=conv1", "arith_eps.pth": ":eps=1e-3", "arith_nomaxpool.pth": ":maxpool=off", "arith_globalmax.pth": ":pool=max",
		"googlenet_ti_on.safetensors": "googlenet:transform_input=on", "googlenet_ti_off.safetensors": "googlenet:transform_input=off",
	}
	for _, c := range checkpoints(t) {
		text, ok := settings[c.File]
		if !ok {
			continue
		}
		delete(settings, c.File)
		spec, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, "checkpoints", c.File)
		a, err := Match(f, spec)
		if err != nil {
			t.Errorf("%s: %v", c.File, err)
			continue
		}
		if w := a.Facts.Warnings(); len(w) > 0 {
			t.Errorf("%s: %v, though it was said", c.File, w)
		}
		got := run(t, a, f, c.Input)
		if d := differ(got, c.Logits); !(d <= 2e-5) {
			t.Errorf("%s %s: logits differ by %.3g", c.File, text, d)
		}
	}
	if len(settings) > 0 {
		t.Errorf("no case %v", settings)
	}
}

// TestOneLogit gives the case with one output two classes: the softmax is the sigmoid that the
// case names.
func TestOneLogit(t *testing.T) {
	f := open(t, "checkpoints", "head_sigmoid1.pth")
	a, err := Match(f, Spec{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Load(f, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, _ := open(t, "checkpoints", orInput("")).Tensor("input")
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	logits := s.Forward(v)
	const want = 0.3227863609023829
	if p := 1 / (1 + math.Exp(float64(logits[0])-float64(logits[1]))); m.Classes() != 2 || math.Abs(p-want) > 1e-5 {
		t.Errorf("%d classes, logits %v, probability %g, want %g", m.Classes(), logits, p, want)
	}
}

// run is the network's logits on an input of the cases.
func run(t *testing.T, a *Arch, f *weights.File, input string) []float32 {
	t.Helper()
	x, ok := open(t, "checkpoints", orInput(input)).Tensor("input")
	if !ok {
		t.Fatal("no input")
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Load(f, LoadOptions{Height: x.Shape[2], Width: x.Shape[3]})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return slices.Clone(s.Forward(v))
}
