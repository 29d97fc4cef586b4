package demo_test

import (
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/hlta"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
	"cwox/nn"
)

func TestWeights(t *testing.T) {
	f := demo.Weights()
	var names []string
	for _, c := range drawnworld.Classes() {
		names = append(names, c.Name)
	}
	if got := f.Metadata()["classes"]; got != strings.Join(names, "\n") {
		t.Errorf("the weights are for the classes %q, the drawn world has %q", got, names)
	}
	if len(names) != demo.Classes {
		t.Errorf("%d classes, the constant says %d", len(names), demo.Classes)
	}
	bytes := 0
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		bytes += x.Len() * x.DType.Size()
	}
	if bytes > 4<<20 {
		t.Errorf("%d bytes of weights, want at most 4 MiB", bytes)
	}
}

// TestTree wants the families back as clusters, those that are drawn together among them.
func TestTree(t *testing.T) {
	groups, err := demo.Tree().Partition(1)
	if err != nil {
		t.Fatal(err)
	}
	classes := drawnworld.Classes()
	found, families := make([]int, len(classes)), make([]int, len(classes))
	for i, c := range classes {
		found[i], families[i] = -1, c.Family
	}
	for i, g := range groups {
		for _, w := range g.Words {
			class, ok := hlta.ParseClassWord(w)
			if !ok || class >= len(classes) {
				t.Fatalf("the tree has a word %q", w)
			}
			found[class] = i
		}
	}
	if missing := slices.Index(found, -1); missing >= 0 {
		t.Errorf("%s is not in the tree", classes[missing].Name)
	}
	if ari := hlta.ARI(found, families); ari < 0.9 {
		t.Errorf("adjusted Rand index of clusters and families %.3f, want at least 0.9", ari)
	}
	for _, f := range drawnworld.Families() {
		if !f.Together {
			continue
		}
		home := found[f.Classes[0]]
		for _, c := range f.Classes {
			if found[c] != home || len(groups[home].Words) != len(f.Classes) {
				t.Errorf("%s: drawn together, but the cluster of %s is %v", f.Name, classes[c].Name, groups[found[c]].Words)
			}
		}
	}
}

// TestAccuracy shows the network scenes that it was not trained on, as pictures of any size.
func TestAccuracy(t *testing.T) {
	c, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := cwox.New(c)
	defer p.Close()
	const scenes = 120
	for _, size := range []int{drawnworld.NetworkSize, demo.PictureSize} {
		right, family := 0, 0
		for seed := range uint64(scenes) {
			s := drawnworld.New(seed, drawnworld.Options{})
			top, err := p.Classify(s.Picture(size), 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := s.ObjectOf(top[0].Class); ok {
				right++
			}
			if slices.ContainsFunc(s.Objects, func(o drawnworld.Object) bool {
				return drawnworld.Classes()[o.Class].Family == drawnworld.Classes()[top[0].Class].Family
			}) {
				family++
			}
		}
		// Far below what the network reaches (.github/demo.md), far above guessing.
		if right < scenes*6/10 || family < scenes*9/10 {
			t.Errorf("pictures of %d pixels: the top class is in the scene in %d of %d, its family in %d", size, right, scenes, family)
		}
	}
}
