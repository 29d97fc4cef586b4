package zoo

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"cwox/weights"
)

// fileOf makes a weight file with an architecture's tensors, a byte an element, all zero;
// change may alter the header.
func fileOf(t *testing.T, a *Arch, classes int, change func(map[string]any)) *weights.File {
	t.Helper()
	header := map[string]any{}
	at := 0
	b := a.builder(classes, func(name string, shape []int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		header[name] = map[string]any{"dtype": "U8", "shape": shape, "data_offsets": []int{at, at + n}}
		at += n
		return make([]float32, n), nil
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	if change != nil {
		change(header)
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	data = append(data, text...)
	f, err := weights.Parse(a.Name+".safetensors", append(data, make([]byte, at)...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFits(t *testing.T) {
	for _, name := range []string{"resnet18", "resnet34", "googlenet", "googlenet-caffe", Demo} {
		a, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		f := fileOf(t, a, 7, nil)
		for _, other := range archs {
			if err := other.Fits(f); (err == nil) != (other == a) {
				t.Errorf("%s in a file of %s: %v", other.Name, name, err)
			}
		}
	}
	a, _ := Lookup("resnet18")
	for want, change := range map[string]func(map[string]any){
		`"layer1.0.bn1.bias": missing, want shape [64]`: func(h map[string]any) {
			h["layer1.0.bn1.bia"] = h["layer1.0.bn1.bias"]
			delete(h, "layer1.0.bn1.bias")
		},
		`"conv1.weight": shape [64 147], want [64 3 7 7]`: func(h map[string]any) {
			h["conv1.weight"].(map[string]any)["shape"] = []int{64, 147}
		},
		`"more": shape [0]: not a tensor of resnet18`: func(h map[string]any) {
			h["more"] = map[string]any{"dtype": "U8", "shape": []int{0}, "data_offsets": []int{0, 0}}
		},
		`"fc.weight": shape [7 2 256], want [classes inputs]`: func(h map[string]any) {
			h["fc.weight"].(map[string]any)["shape"] = []int{7, 2, 256}
		},
	} {
		err := a.Fits(fileOf(t, a, 7, change))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want ...%s...", err, want)
		}
	}
}
