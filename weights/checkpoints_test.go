package weights

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// checkpointCase is what a line of checkpoints/cases.json says of a file, as far as it is
// decided here: nn/zoo holds the networks to their logits.
type checkpointCase struct {
	File, Kind, What string
	Also             []string
	Expect           string
	Accept           []string
	MustName         []string `json:"must_name"`
	Labels           []string
	LabelsOptional   []string `json:"labels_optional"`
	Marker           string
	Facts            struct {
		Key, Prefix string
		Classes     int
		Ignored     []string
		Attribute   string
	}
}

func readCheckpoints(t *testing.T) []checkpointCase {
	t.Helper()
	b, err := os.ReadFile(testdata.Path(t, "checkpoints", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []checkpointCase }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) < 185 {
		t.Fatalf("%d cases, want 185", len(all.Cases))
	}
	return all.Cases
}

// architectures are those that files name.
var architectures = map[string]string{
	"train_torchvision.pth": "resnet18", "train_timm.pth.tar": "resnet18", "train_imagenet_example.pth.tar": "resnet18",
	"train_lightning.ckpt": "resnet18", "train_hyperparameters.ckpt": "resnet18", "extra_class_to_idx.pth": "resnet18",
	"timm_resnet18": "resnet18", "timm_resnetblur50": "resnetblur50", "timm_resnet50d": "resnet50d",
}

// refusedHere are the cases whose refusal is not a matter of the network that is in the file.
var refusedHere = []string{
	"tar_legacy.pth", "dtype_qint8.pth", "lfs_pointer.safetensors", "torchscript_frozen.pt",
	"hostile_system.pth", "hostile_eval.pth", "hostile_in_state_dict.pth",
	"hostile_pid_short.pth", "hostile_pid_kind.pth", "hostile_pid_path.pth", "hostile_pid_huge.pth", "hostile_pid_nested.pth",
	"hostile_expand_huge.pth", "hostile_offset.pth",
}

// TestCheckpoints opens every file that people have: the state dict that is meant, all its
// tensors with numbers that can be weights, the labels; and refusals that say why.
func TestCheckpoints(t *testing.T) {
	dir := filepath.Dir(testdata.Path(t, "checkpoints", "cases.json"))
	t.Chdir(t.TempDir()) // where a marker would be written
	seen := map[string]bool{}
	opened, refused := 0, 0
	for _, c := range readCheckpoints(t) {
		if seen[c.File] {
			continue
		}
		seen[c.File] = true
		for _, name := range append([]string{c.File}, c.Also...) {
			var f *File
			alloc := testdata.Allocated(func() {
				var err error
				f, err = Open(filepath.Join(dir, filepath.FromSlash(name)))
				if slices.Contains(refusedHere, c.File) {
					checkRefusal(t, c, err)
				} else if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			if most := int64(256 << 20); alloc > most {
				t.Errorf("%s: took %d bytes, want at most %d", name, alloc, most)
			}
			if f == nil {
				refused++
				continue
			}
			opened++
			checkCase(t, c, f)
			f.Close()
		}
	}
	t.Logf("%d opened, %d refused", opened, refused)
	if entries, err := os.ReadDir("."); err != nil || len(entries) > 0 {
		t.Errorf("something was written: %v, %v", entries, err)
	}
}

func checkRefusal(t *testing.T, c checkpointCase, err error) {
	t.Helper()
	if c.Expect != "error" && !slices.Contains(c.Accept, "error") {
		t.Errorf("%s: is to be read", c.File)
	}
	if err == nil {
		t.Errorf("%s was read: %s", c.File, c.What)
		return
	}
	message := strings.ToLower(strings.ReplaceAll(err.Error(), c.File, ""))
	for _, must := range c.MustName {
		if !slices.ContainsFunc(strings.Split(must, "|"), func(s string) bool { return strings.Contains(message, strings.ToLower(s)) }) {
			t.Errorf("%s: %q is not in the error %v", c.File, must, err)
		}
	}
	if c.Kind == "hostile" && c.Marker != "" && !strings.Contains(message, "posix.system") && !strings.Contains(message, "builtins.eval") {
		t.Errorf("%s: the error does not name what it would have called: %v", c.File, err)
	}
}

func checkCase(t *testing.T, c checkpointCase, f *File) {
	t.Helper()
	if d := f.Dicts(); len(d) == 0 || d[0].Key != c.Facts.Key || d[0].Tensors != len(f.Names()) {
		t.Errorf("%s: state dicts %v of %d tensors, want %q first", c.File, d, len(f.Names()), c.Facts.Key)
	}
	named := func(name string) bool { _, ok := f.Tensor(name); return ok }
	for _, name := range c.Facts.Ignored {
		if !named(name) {
			t.Errorf("%s: %q is missing", c.File, name)
		}
	}
	prefixed, ofClasses := 0, false
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		if strings.HasPrefix(name, c.Facts.Prefix) {
			prefixed++
		}
		ofClasses = ofClasses || len(x.Shape) > 0 && x.Shape[0] == c.Facts.Classes
		values := must(x.Float64())
		if len(values) != x.Len() || x.Len() == 0 {
			t.Errorf("%s: %q: %d values, shape %v", c.File, name, len(values), x.Shape)
		}
		for _, v := range values {
			// Weights and statistics of small networks; a counter is at most some thousands.
			if math.IsNaN(v) || math.Abs(v) > 1e5 || strings.HasSuffix(name, "running_var") && v <= 0 {
				t.Errorf("%s: %q holds %g", c.File, name, v)
				break
			}
		}
	}
	if prefixed < 20 || c.Facts.Classes > 0 && !ofClasses {
		t.Errorf("%s: %d tensors begin with %q; of %d classes: %t", c.File, prefixed, c.Facts.Prefix, c.Facts.Classes, ofClasses)
	}
	labels := c.Labels
	if labels == nil {
		labels = c.LabelsOptional
	}
	about := f.About()
	if labels != nil && (!slices.Equal(about.Labels, labels) || about.LabelsFrom == "") {
		t.Errorf("%s: labels %v from %q, want %v", c.File, about.Labels, about.LabelsFrom, labels)
	}
	if want := architectures[c.File]; about.Architecture != want {
		t.Errorf("%s: architecture %q, want %q", c.File, about.Architecture, want)
	}
	if c.Kind == "folder" && len(about.Config) == 0 {
		t.Errorf("%s: config.json was not read", c.File)
	}
	if strings.HasPrefix(c.File, "whole_") || strings.HasPrefix(c.File, "torchscript_") {
		checkModules(t, c, f)
	}
}

// checkModules holds a whole module to what its attributes are known to say.
func checkModules(t *testing.T, c checkpointCase, f *File) {
	t.Helper()
	modules := f.About().Modules
	for _, name := range f.Names() {
		dot := strings.LastIndexByte(name, '.')
		if _, ok := modules[name[:max(dot, 0)]]; !ok {
			t.Errorf("%s: no module for %q", c.File, name)
		}
	}
	attribute := func(path, name string) any { return modules[c.Facts.Prefix+path].Attributes[name] }
	pair := func(n int64) []any { return []any{n, n} }
	type want struct {
		path, name string
		value      any
	}
	wants := []want{{"conv1", "stride", pair(2)}, {"bn1", "eps", 1e-5}}
	switch c.Facts.Attribute {
	case "v1":
		wants = append(wants, want{"layer2.0.conv1", "stride", pair(2)}, want{"layer2.0.conv2", "stride", pair(1)})
	case "dilated":
		wants = append(wants, want{"layer4.0.conv2", "stride", pair(1)}, want{"layer4.0.conv2", "dilation", pair(2)})
	case "eps":
		wants = []want{{"bn1", "eps", 1e-3}, {"layer1.0.bn2", "eps", 1e-3}}
	case "BlurPool2d":
		found := false
		for _, m := range modules {
			found = found || strings.HasSuffix(m.Class, ".BlurPool2d")
		}
		if !found {
			t.Errorf("%s: no BlurPool2d", c.File)
		}
	case "silu":
		found := false
		for _, m := range modules {
			found = found || m.Class == "torch.nn.modules.activation.SiLU"
		}
		if !found {
			t.Errorf("%s: no SiLU", c.File)
		}
	}
	if c.File == "whole_googlenet_ti_off.pth" {
		wants = []want{{"", "transform_input", false}, {"conv1.bn", "eps", 1e-3}}
	}
	for _, w := range wants {
		if got := attribute(w.path, w.name); !reflect.DeepEqual(got, w.value) {
			t.Errorf("%s: %s of %q is %v, want %v", c.File, w.name, w.path, got, w.value)
		}
	}
	if strings.HasPrefix(c.File, "torchscript_") {
		class := modules["layer1.0"].Class
		if class != "torchvision.models.resnet.BasicBlock" {
			t.Errorf("%s: class %q", c.File, class)
		}
	}
}
