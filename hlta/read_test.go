package hlta

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

func zipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Every format, plain and compressed, from a file whose name says nothing.
func TestReadTree(t *testing.T) {
	tree := smallTree(t)
	var nodes bytes.Buffer
	if err := tree.WriteNodes(&nodes, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.dat")
	for _, c := range []struct {
		name string
		data []byte
		want string // first bytes of the error, or "" for none
	}{
		{"tree.json", []byte(smallTreeJSON), ""},
		{"nodes.json", nodes.Bytes(), ""},
		{"nodes.json with a byte order mark", append([]byte("\xEF\xBB\xBF \n"), nodes.Bytes()...), ""},
		{"bif", []byte(bifText(t, tree)), ""},
		{"empty", nil, "the file is empty"},
		{"text", []byte("0, c001\n0, c002\n"), `starts with "0, c001\n0, c002": neither tree.json nor nodes.json nor .bif`},
	} {
		for _, zip := range []bool{false, true} {
			data := c.data
			if zip {
				data = zipped(t, data)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := ReadTree(path)
			if c.want != "" {
				if want := "hlta: " + path + ": " + c.want; errText(err) != want {
					t.Errorf("%s: %v, want %s", c.name, err, want)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			words := got.Words()
			slices.Sort(words) // nodes.json has them by mutual information
			if got.Levels() != 2 || strings.Join(words, " ") != "c001 c002 c003 c004 c005 c006" {
				t.Errorf("%s: %d levels, words %v", c.name, got.Levels(), words)
			}
		}
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(t.TempDir(), "absent"), "no such file"},
		{t.TempDir(), "not a regular file"},
	} {
		if _, err := ReadTree(c.path); !strings.Contains(errText(err), c.want) || !strings.Contains(errText(err), c.path) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestParseTreeErrors(t *testing.T) {
	tree := func(roots string) string { return `{"format": "cwox-tree/1", "roots": [` + roots + `]}` }
	const w = `"words": [{"word": "c001"}, {"word": "c002"}]`
	leaf := func(id string) string { return `{"id": "` + id + `", "level": 1, "words": [{"word": "w` + id + `"}]}` }
	nodes := func(text string) string { return `[{"id": "Z11", "text": "` + text + `", "children": []}]` }
	for _, c := range []struct{ text, want string }{
		// tree.json
		{`{`, "byte 1: unexpected end of JSON input"},
		{`{}`, `no "format": not a tree.json, which has "cwox-tree/1"`},
		{`{"format": "cwox-tree/2"}`, `format "cwox-tree/2", want "cwox-tree/1"`},
		{tree(""), "the tree is empty"},
		{tree("null"), `byte 40: null where an object is wanted`},
		{tree("{}"), `latent "" is empty`},
		{tree("[]"), `"[" where an object is wanted`},
		{tree(leaf("Z11") + `], "links": [null`), "null where an object is wanted"},
		{tree(`{"id": "Z11", "level": 1, "words": [null]}`), "null where an object is wanted"},
		{tree(`{"id": "Z11", "level": 1, "words": {"a": 1}}`), `"{" where an array is wanted`},

		{tree(leaf("Z11")) + "]", "invalid character ']'"},
		{tree(leaf("Z11")) + "{}", `"{" after the end`},
		{tree(`{"id": "Z11", "level": 0, ` + w + `}`), `latent "Z11": level 0, want at least 1`},
		{tree(`{"id": "Z11", "level": 1}`), `latent "Z11": level 1, but it has no words`},
		{tree(`{"id": "Z11", "level": 2, ` + w + `}`), `latent "Z11": level 2, but it has 2 words of its own`},
		{tree(`{"id": "Z21", "level": 2}`), `latent "Z21": level 2, but it has no children`},
		{tree(`{"id": "Z11", "level": 1, ` + w + `, "children": [` + leaf("Z12") + `]}`), `latent "Z11": level 1, but it has 1 latents as children`},
		{tree(`{"id": "Z21", "level": 2, "children": [{"id": "Z22", "level": 2}]}`), `latent "Z22": level 2, but its parent is of level 2`},
		{tree(`{"id": "Z21", "level": 65, "children": [` + leaf("Z11") + `]}`), `latent "Z21": level 65, want at most 64`},
		{tree(leaf("Z11") + "," + leaf("Z11")), `latent "Z11" occurs twice (before as a latent)`},
		{tree(leaf("Z11") + "," + leaf("wZ11")), `latent "wZ11" occurs twice (before as a word)`},
		{tree(`{"id": "Z11", "level": 1, "words": [{"word": "a"}, {"word": "a"}]}`), `latent "Z11": word "a" occurs twice (before as a word)`},
		{tree(`{"id": "Z11", "level": 1, "words": [{"word": "a b"}]}`), `latent "Z11": word "a b" contains ' '`},
		{tree(`{"id": "Z11", "level": 1, "words": [{}]}`), `latent "Z11": word "" is empty`},
		{tree(`{"id": "` + strings.Repeat("Z", 256) + `", "level": 1, ` + w + `}`), "has 256 bytes, at most 255"},
		{tree(`{"id": "Z11", "level": 1, "p": [1.5, 0.5], ` + w + `}`), `latent "Z11": probability 1.5, want 0 to 1`},
		{tree(`{"id": "Z11", "level": 1, "marginal": -1, ` + w + `}`), `latent "Z11": probability -1, want 0 to 1`},
		{tree(`{"id": "Z11", "level": 1, "marginal": 1e999, ` + w + `}`), "probability 1e999 is not a number"},
		{tree(`{"id": "Z11", "level": 1, "words": [{"word": "a", "p": [0, 2]}]}`), `word "a": probability 2, want 0 to 1`},
		{tree(`{"id": "Z11", "level": 1, "words": [{"word": "a", "p": ["0", 0]}]}`), `probability "0" is not a number`},
		{tree(`{"id": "Z11", "level": 1.5}`), "number 1.5"},
		{tree(leaf("Z11") + "," + leaf("Z12") + `], "links": [{"parent": 0, "child": 2}`), "link 0 -> 2: the tree has 2 roots"},
		{tree(leaf("Z11") + "," + leaf("Z12") + `], "links": [{"parent": -1, "child": 1}`), "link -1 -> 1: the tree has 2 roots"},
		{tree(leaf("Z11") + "," + leaf("Z12") + `], "links": [{"parent": 0, "child": 1}, {"parent": 1, "child": 0}`), "the links between 2 of the 2 roots form a cycle"},
		{tree(leaf("Z11") + "," + leaf("Z12") + `], "links": [{"parent": 1, "child": 1}`), "the links between 1 of the 2 roots form a cycle"},
		{tree(leaf("Z11") + "," + leaf("Z12") + `], "links": [{"parent": 0, "child": 1}, {"parent": 1, "child": 1}`), `links lead to "Z12" from both "Z11" and "Z12"`},
		{tree(leaf("Z11") + "," + leaf("Z12") + `], "links": [{"parent": 0, "child": 1, "p": [0, 7]}`), `link "Z11" -> "Z12": probability 7, want 0 to 1`},
		{"PK\x03\x04tree.json", "compressed with zip: decompress it first (unzip)"},
		// nodes.json
		{`[`, "byte 1: unexpected end of JSON input"},
		{`[]`, "the tree is empty"},
		{`[1]`, `"1" where an object is wanted`},
		{`[null]`, "null where an object is wanted"},
		{`[{"Z11": ["c001", "c002"]}]`, `a node has no "id": not a nodes.json`}, // a partition
		{nodes(""), `node "Z11": no words in its text ""`},
		{nodes("c001 0.1 c002 0.1 c001-tench 0.3"), `latent "Z11": word "c001" occurs twice (before as a word)`},
		{nodes("c001 1.01 c002 0.1"), `word "c001": probability 1.01, want 0 to 1`},
		{nodes("c001 0.1 c002 -0.1"), `word "c002": probability -0.1, want 0 to 1`},
		{`[{"id": "Z11", "text": "c001", "data": {"level": 2}}]`, `node "Z11": level 2, but its children make it level 1`},
		{`[{"id": "Z21", "data": {"level": 1}, "children": ` + nodes("c001") + `}]`, `node "Z21": level 1, but its children make it level 2`},
		{`[{"id": "Z11", "text": "c001", "data": {"percentage": 2}}]`, `latent "Z11": probability 2, want 0 to 1`},
		{`[{"text": "c001"}]`, `a node has no "id": not a nodes.json`},
		{`[{"id": "Z11", "text": "c001"}, {"id": "Z12", "text": "violin"}]`, `node "Z12": no words in its text "violin"`},
	} {
		_, err := ParseTree("x", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), "hlta: x: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.200s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// Files made to take time or memory get their answer at once.
func TestHostileTrees(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nesting", strings.Repeat(`[{"id":"Z1","children":`, 100_000), "more than 64 levels"},
		{"brackets", strings.Repeat("[", 1_000_000), "where an object is wanted"},
		{"brackets in what is skipped", `{"x":` + strings.Repeat("[", 10_000_000), "exceeded max depth"},
		{"brackets in the provenance", `{"provenance":` + strings.Repeat("[", 1_000_000), "exceeded max depth"},
		{"names in the provenance", `{"provenance":{"names":{` + strings.Repeat(`"":"",`, 3_000_000) + `"":""}}}`, "more than 2097152 JSON values"},
		{"many objects", "[" + strings.Repeat(`{"id":"Z1"},`, 3_000_000) + "{}]", "more than 524288 objects"},
		{"as many objects as may be", "[" + strings.Repeat(`{"id":"Z1"},`, maxVariables-1) + "{}]", "no \"id\""},
		{"as many words as may be", `{"format":"cwox-tree/1","roots":[{"words":[` + strings.Repeat("{},", maxVariables), "more than 524288 objects"},
		{"nulls for nodes", "[" + strings.Repeat("null,", 5_000_000) + "null]", "null where"},
		{"nulls for roots", `{"format":"cwox-tree/1","roots":[` + strings.Repeat("null,", 5_000_000) + "null]}", "null where"},
		{"nulls for links", `{"format":"cwox-tree/1","roots":[],"links":[` + strings.Repeat("null,", 5_000_000) + "null]}", "null where"},
		{"nulls for words", `{"format":"cwox-tree/1","roots":[{"words":[` + strings.Repeat("null,", 5_000_000) + "null]}]}", "null where"},
		{"nulls for a probability", `{"format":"cwox-tree/1","roots":[{"p":[` + strings.Repeat("null,", 5_000_000) + "null]}]}", `latent "" is empty`},
		{"many words", `[{"id":"Z1","text":"` + strings.Repeat("c001 ", 2_000_000) + `"}]`, "word"},
		{"large number", `[{"id":"Z1","data":{"level":` + strings.Repeat("9", 1_000_000) + `}}]`, "number"},
		{"comments", "network x { " + strings.Repeat("/**/", 2_000_000), "ends inside a block"},
		{"variables", "network x { } " + strings.Repeat(`variable "a" { type discrete[2] { a b }; } `, 500_000), "twice"},
	} {
		var err error
		got := testdata.Allocated(func() { _, err = ParseTree("x", []byte(c.text)) })
		if !strings.Contains(errText(err), c.want) {
			t.Errorf("%s: %.200v, want %s", c.name, err, c.want)
		}
		// Bounded by what a tree may hold, and by the text.
		if most := int64(300<<20 + 16*len(c.text)); got > most {
			t.Errorf("%s: %d bytes allocated for %d, want at most %d", c.name, got, len(c.text), most)
		}
	}
	// A gzip bomb: 70 MB of blanks in 70 kB.
	_, err := ParseTree("x", zipped(t, bytes.Repeat([]byte(" "), maxTreeBytes+1)))
	if errText(err) != "hlta: x: more than 67108864 bytes" {
		t.Errorf("bomb: %v", err)
	}
}
