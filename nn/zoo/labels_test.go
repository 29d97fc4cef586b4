package zoo

import (
	"slices"
	"testing"
)

func TestFileLabels(t *testing.T) {
	a, err := Lookup(Demo)
	if err != nil {
		t.Fatal(err)
	}
	named := func(classes int, names string) []string {
		return FileLabels(fileOf(t, a, classes, func(h map[string]any) {
			h["__metadata__"] = map[string]any{"classes": names}
		}), classes)
	}
	if got := named(2, "cup\nvan"); !slices.Equal(got, []string{"cup", "van"}) {
		t.Errorf("%q", got)
	}
	if got := named(3, "cup\nvan"); got != nil {
		t.Errorf("2 names for 3 classes: %q", got)
	}
	if got := FileLabels(fileOf(t, a, 1000, nil), 1000); len(got) != 1000 || got[889] != "violin" {
		t.Errorf("without names: %d of them", len(got))
	}
}
