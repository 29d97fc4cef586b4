package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"cwox/cwox"
)

// report.json and the page say where the clusters come from, in all ways there are.
func TestTree(t *testing.T) {
	const sum = "6feb60c5d992a83d9d65e2ab7d8f1b0c3a4e5f6071829304a5b6c7d8e9f00112"
	for _, tt := range []struct {
		tree       cwox.TreeInfo
		json, page string
	}{
		{cwox.TreeInfo{Source: cwox.TreeWeights, SHA256: sum, Level: 1}, `{"source":"weights","sha256":"` + sum + `","level":1}`,
			"Groups come from the model itself: classes whose weights in its last layer are alike form one."},
		{cwox.TreeInfo{Source: cwox.TreeEmbedded, SHA256: sum, Level: 2}, `{"source":"embedded","sha256":"` + sum + `","level":2}`,
			"Groups come from the label tree that is part of cwox, learned from the names that a model gave together for many pictures, cut at its level 2."},
		{cwox.TreeInfo{Source: cwox.TreeFile, File: "my/<b>tree.json", SHA256: sum, Level: 1, Missing: 3},
			`{"source":"file","file":"my/<b>tree.json","sha256":"` + sum + `","level":1,"missing":3}`,
			"Groups come from the label tree in &lt;b&gt;tree.json."},
		{cwox.TreeInfo{Source: cwox.ClustersOnly}, `{"source":"given"}`, "Groups were given by hand."},
		{cwox.TreeInfo{Source: cwox.ClustersOnly, SHA256: sum, Level: 1}, `{"source":"given","sha256":"` + sum + `","level":1}`,
			"Groups come from a label tree that was given."},
		{cwox.TreeInfo{Source: cwox.NoTree}, `{"source":"none"}`, ""},
	} {
		e := synthetic(2, 1)
		e.Tree = tt.tree
		r, err := New(e)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r.Tree); err != nil || strings.TrimSpace(text.String()) != tt.json {
			t.Errorf("%s, %v, want %s", text.String(), err, tt.json)
		}
		var page bytes.Buffer
		if err := WritePage(&page, e); err != nil {
			t.Fatal(err)
		}
		checkPage(t, page.Bytes())
		if !strings.Contains(page.String(), ">"+tt.page+"</p>") || (tt.page == "") == strings.Contains(page.String(), "Groups ") {
			t.Errorf("%+v: the page does not say %q", tt.tree, tt.page)
		}
		if tt.tree.SHA256 != "" && !strings.Contains(page.String(), sum) {
			t.Errorf("%+v: no hash on the page", tt.tree)
		}
		e.Method = cwox.SWOX // groups nothing
		page.Reset()
		if err := WritePage(&page, e); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page.String(), "Groups ") {
			t.Errorf("%+v: groups of a method that has none", tt.tree)
		}
	}
}
