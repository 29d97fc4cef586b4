package zoo

import (
	"slices"
	"strings"
	"testing"

	"cwox/weights"
)

func TestFileLabels(t *testing.T) {
	a := newArch("tiny", archs[0].Transform, newResNet("basic", []int{2}, 2, []int{1}), "fc")
	for _, c := range []struct {
		what     string
		classes  int
		labels   []string
		metadata string
		want     []string
	}{
		{"labels of the file", 3, []string{"ant", "bee", "cat"}, "x\ny\nz", []string{"ant", "bee", "cat"}},
		{"metadata", 3, nil, "x\ny\nz", []string{"x", "y", "z"}},
		{"another number", 3, []string{"ant", "bee"}, "x\ny\nz", nil},
		{"a remark", 1000, nil, "1000, in the usual order", Labels(1000)},
		{"none", 3, nil, "", nil},
		{"none of a thousand", 1000, nil, "", Labels(1000)},
		{"other labels of a thousand", 1000, make([]string, 999), "", nil},
	} {
		var metadata map[string]string
		if c.metadata != "" {
			metadata = map[string]string{"classes": c.metadata}
		}
		f := formula(t, a, 3).file(t, nil, metadata)
		*f.About() = weights.About{Labels: c.labels}
		if got := FileLabels(f, c.classes); !slices.Equal(got, c.want) {
			t.Errorf("%s: %s, want %s", c.what, strings.Join(got, ","), strings.Join(c.want, ","))
		}
	}
}
