package hlta

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestWriteNodes(t *testing.T) {
	var b bytes.Buffer
	names := map[string]string{"c001": "goldfish", "c002": "great white  shark", "c004": "  "}
	if err := smallTree(t).WriteNodes(&b, func(w string) string { return names[w] }); err != nil {
		t.Fatal(err)
	}
	// The order inside a text is by mutual information, worked out in another way
	// in TestDescribe; the numbers are P(w=1 | Z=0).
	const want = `[{
  "id": "Z21", "text": "c002-great_white_shark 0.08 c001-goldfish 0.06 c003 0.1 c004 0.09", "data": {"name":"Z21","level":2,"percentage":0.25}, "children": [{
    "id": "Z11", "text": "c002-great_white_shark 0.02 c001-goldfish 0.01", "data": {"name":"Z11","level":1,"percentage":0.275}, "children": []
  }, {
    "id": "Z12", "text": "c003 0.03 c004 0.04", "data": {"name":"Z12","level":1,"percentage":0.325}, "children": []
  }]
}, {
  "id": "Z22", "text": "c006 0.09 c005 0.06", "data": {"name":"Z22","level":2,"percentage":0.375}, "children": [{
    "id": "Z13", "text": "c006 0.06 c005 0.05", "data": {"name":"Z13","level":1,"percentage":0.36875}, "children": []
  }]
}]
`
	if got := b.String(); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestTwoDecimals(t *testing.T) {
	for p, want := range map[float64]string{0: "0.0", 0.004: "0.0", 0.005: "0.01", 0.1: "0.1", 0.123: "0.12", 0.994: "0.99", 0.999: "0.99", 1: "0.99"} {
		if got := twoDecimals(p); got != want {
			t.Errorf("%v: %s, want %s", p, got, want)
		}
	}
}

// The words of a latent against the joint distribution by enumeration.
func TestDescribe(t *testing.T) {
	tree := smallTree(t)
	_, on := enumerate(tree, nil)
	for level := 1; level <= 2; level++ {
		for _, z := range tree.Latents(level) {
			words := describe(z, true, 100)
			last := math.Inf(1)
			for _, d := range words {
				var joint [2][2]float64 // [z][w]
				for zs := range 2 {
					for ws := range 2 {
						joint[zs][ws], _ = enumerate(tree, map[string]int{z.ID: zs, d.name: ws})
					}
				}
				mi := 0.0
				for zs, pz := range [2]float64{1 - on[z.ID], on[z.ID]} {
					for ws, pw := range [2]float64{1 - on[d.name], on[d.name]} {
						mi += joint[zs][ws] * math.Log(joint[zs][ws]/(pz*pw))
					}
					if p := joint[zs][1] / pz; !(math.Abs(p-d.p[zs]) <= 1e-14) {
						t.Errorf("P(%s=1 | %s=%d) = %v, want %v", d.name, z.ID, zs, d.p[zs], p)
					}
				}
				if math.Abs(mi-d.mi) > 1e-14 || d.mi > last {
					t.Errorf("MI(%s, %s) = %v, want %v; before %v", z.ID, d.name, d.mi, mi, last)
				}
				last = d.mi
			}
			if cut := describe(z, true, 1); len(cut) != 1 || cut[0] != words[0] {
				t.Errorf("%s: cut to one word: %v", z.ID, cut)
			}
		}
	}
}

func TestParseNodes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// Words that stand for classes lose their names; their numbers stay.
		{"c889-violin 0.0 c486-cello 0.01", "c889=0 c486=0.01"},
		{"c001-great white shark 0.25 c1234 0.5", "c001=0.25 c1234=0.5"},
		{"c001 1.0 c002 1", "c001=1 c002=1"},
		{"c001-x c002-y", "c001=NaN c002=NaN"},
		{"cluster 0.1 c001 0.2 c0001 0.3", "c001=0.2"},
		// Any other words, numbers among them.
		{"robot 0.02 cluster 0.1", "robot=0.02 cluster=0.1"},
		{"2020 0.1 1 0.3 0.5 0.25", "2020=0.1 1=0.3 0.5=0.25"},
		{"robot cluster", "robot=NaN cluster=NaN"},
		{"nan 0.5 inf 0.5", "nan=0.5 inf=0.5"},
	} {
		tree, err := ParseTree("x", []byte(`[{"id": "Z11", "text": "`+c.text+`"}]`))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		var got []string
		for _, w := range tree.Roots[0].Words {
			p := floatText(w.P[0])
			if p == "null" {
				p = "NaN"
			}
			if got = append(got, w.Name+"="+p); !math.IsNaN(w.P[1]) {
				t.Errorf("%s: P(%s=1 | Z=1) = %v is made up", c.text, w.Name, w.P[1])
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.text, s, c.want)
		}
	}
	// Membership comes from level 1 only, and levels from the depth where the file
	// does not say.
	tree, err := ParseTree("x", []byte(`[{"id": "Z21", "text": "c009 0.1 c008 0.2", "children": [{"id": "Z11", "text": "c001"}, {"id": "Z12", "text": "c002"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(tree.Words(), " "); got != "c001 c002" || tree.Levels() != 2 {
		t.Errorf("words %s, %d levels", got, tree.Levels())
	}
}

// The names behind a nodes.json's words stay known, without becoming part of the words.
func TestNamesOfNodes(t *testing.T) {
	tree, err := ParseTree("x", []byte(`[{"id": "Z11", "text": "c001-great_white_shark 0.01 c889-violin 0.02 c3000 0.03", "data": {}, "children": []}]`))
	if err != nil {
		t.Fatal(err)
	}
	part, err := tree.Restrict([]string{"c889"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{tree.Name("c001"), "great white shark"}, {tree.Name("c889"), "violin"}, {tree.Name("c3000"), ""}, {tree.Name("c002"), ""},
		{part.Name("c889"), "violin"},
	} {
		if c.got != c.want {
			t.Errorf("name %q, want %q", c.got, c.want)
		}
	}
	tree.Provenance.Names = map[string]string{"c001": "shark"}
	again, err := ParseTree("again", []byte(treeText(t, tree)))
	if err != nil {
		t.Fatal(err)
	}
	if again.Name("c001") != "shark" || again.Name("c889") != "" {
		t.Errorf("tree.json: names %q, %q, want those of its provenance", again.Name("c001"), again.Name("c889"))
	}
}
