package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/hlta"
	"cwox/internal/testdata"
)

// instruments is a nodes.json of five classes in two clusters.
const instruments = `[{"id": "Z21", "text": "", "data": {"level": 2, "percentage": 0.21}, "children": [
 {"id": "Z11", "text": "c402-acoustic_guitar 0.01 c546-electric_guitar 0.02 c420-banjo 0.01", "data": {"level": 1, "percentage": 0.12}},
 {"id": "Z12", "text": "c889-violin 0.01 c486-cello 0.01", "data": {"level": 1, "percentage": 0.15}}]}]`

func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// plantedDocuments is a file of documents whose words come in groups of four.
func plantedDocuments(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	x := uint64(1)
	coin := func(p float64) bool {
		x = x*6364136223846793005 + 1442695040888963407
		return float64(x>>40)/(1<<24) < p
	}
	for d := range 1500 {
		for g := range 6 {
			on := coin(0.3)
			for w := range 4 {
				if on && coin(0.8) || coin(0.02) {
					fmt.Fprintf(&b, "%d, c%03d\n", d, 4*g+w)
				}
			}
		}
	}
	return put(t, "docs.txt", b.String())
}

func TestTreeUsage(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.json")
	nodes := put(t, "nodes.json", instruments)
	labels := put(t, "labels.txt", "tench\ngoldfish\n")
	out := filepath.Join(t.TempDir(), "out")
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"tree", 0, ""},
		{"tree lern", exitUsage, "did you mean learn?"},
		{"tree learn", exitUsage, "want files of documents"},
		{"tree learn docs.txt", exitUsage, "-o FILE"},
		{"tree learn docs.txt -o x --max-island 99", exitUsage, "--max-island 99: want 4 to 16"},
		{"tree learn docs.txt -o x --em-steps 0", exitUsage, "--em-steps 0"},
		{"tree learn docs.txt -o x --global-em all", exitUsage, `global EM "all"`},
		{"tree learn docs.txt -o x --threads -3", exitUsage, "threads -3"},
		{"tree learn -o x " + missing, exitFailed, "missing.json"},
		{"tree show a b", exitUsage, "want one tree"},
		{"tree show --classes celo", exitUsage, `--classes celo: no class is called "celo"`},
		{"tree show --classes 4,-4", exitUsage, `no class is called "-4"`},
		{"tree show --words ,", exitUsage, "--words ,"},
		{"tree show --given !", exitUsage, "--given !"},
		{"tree show -o tree.pdf", exitUsage, "-o tree.pdf"},
		{"tree show --json -o tree.svg", exitUsage, "not with -o"},
		{"tree show --classes 5000", exitFailed, `word "c5000"`},
		{"tree show --level 99", exitUsage, "--level 99: the tree has levels 0 (words) to "},
		{"tree show --given 486,!486", exitFailed, `word "c486" is given as present and as absent`},
		{"tree show --given 486 " + nodes, exitFailed, "the tree has no parameters"},
		{"tree show --labels " + labels, exitFailed, "labels.txt: 2 class names, the tree has class 999"},
		{"tree show --labels " + missing, exitFailed, "missing.json"},
		{"tree show " + labels, exitFailed, "labels.txt: starts with"},
		{"tree show " + missing, exitFailed, "missing.json"},
		{"tree cut --classes 486,486", exitFailed, "given twice"},
		{"tree cut --level 0", exitUsage, "--level 0: want at least 1"},
		{"tree cut --level 99", exitUsage, "--level 99: the tree has levels 1 to "},
		{"tree convert --to nodes", exitUsage, "-o FILE"},
		{"tree convert -o x", exitUsage, "want tree, nodes, bif, partition"},
		{"tree convert -o x --to dot", exitUsage, `--to "dot"`},
		{"tree convert --to bif -o " + out + " " + nodes, exitFailed, "no parameters"},
	} {
		code, _, stderr := cli(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a conversion that failed left a file")
	}
}

func TestTreeLearn(t *testing.T) {
	docs := plantedDocuments(t)
	var first []byte
	for _, flags := range []string{"", "--threads 1 --json", "--quiet"} {
		out := filepath.Join(t.TempDir(), "tree.json")
		code, stdout, stderr := cli(t, append([]string{"tree", "learn", docs, "-o", out}, strings.Fields(flags)...)...)
		text, err := os.ReadFile(out)
		if code != 0 || err != nil {
			t.Fatalf("exit code %d, %v: %s", code, err, stderr)
		}
		if first == nil {
			first = text
			if !strings.Contains(stdout, "24 words below 6 latents") || !strings.Contains(stdout, "from 1396 documents") {
				t.Errorf("%q", stdout)
			}
		}
		if !bytes.Equal(text, first) {
			t.Errorf("%q: another tree", flags)
		}
		if strings.Contains(flags, "--json") {
			var r learned
			if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Words != 24 || r.Documents != 1396 || r.Latents[0] != 6 || r.File != out {
				t.Errorf("%s: %+v, %v", stdout, r, err)
			}
		}
		// The planted groups are the clusters.
		_, stdout, _ = cli(t, "tree", "cut", out, "--json")
		var groups [][]int
		if err := json.Unmarshal([]byte(stdout), &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			slices.Sort(g)
			if want := []int{g[0], g[0] + 1, g[0] + 2, g[0] + 3}; g[0]%4 != 0 || !slices.Equal(g, want) {
				t.Errorf("cluster %v", g)
			}
		}
	}
	tree, err := hlta.ParseTree("tree.json", first)
	if err != nil {
		t.Fatal(err)
	}
	if p := tree.Provenance; p.Program != "cwox "+version || p.Input != "docs.txt" || p.Options.MaxIsland != 10 || p.Options.CTThreshold != 3 {
		t.Errorf("provenance %+v %+v", p, p.Options)
	}
}

// Every flag reaches its option, and a threshold of zero is not the default.
func TestTreeLearnOptions(t *testing.T) {
	docs := plantedDocuments(t)
	out := filepath.Join(t.TempDir(), "tree.json")
	code, _, stderr := cli(t, "tree", "learn", "-o", out, "--seed", "7", "--em-restarts", "2", "--em-steps", "30", "--em-tolerance", "0.5",
		"--ud-threshold", "4", "--ct-threshold", "0", "--no-correlation-test", "--whole-island", "--max-island", "8", "--max-top", "3",
		"--batch-size", "-1", "--learn-size", "900", "--global-em", "stepwise", "--global-steps", "3", "--global-tolerance", "0.3",
		"--minibatch", "100", "--epochs", "2", "--alpha", "0.6", docs)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	tree, err := hlta.ReadTree(out)
	if err != nil {
		t.Fatal(err)
	}
	want := hlta.Options{Seed: 7, EMRestarts: 2, EMSteps: 30, EMTolerance: 0.5, UDThreshold: 4, CTThreshold: 1e-300,
		NoCorrelationTest: true, WholeIsland: true, MaxIsland: 8, MaxTop: 3, BatchSize: -1, LearnSize: 900,
		GlobalEM: hlta.StepwiseGlobalEM, GlobalSteps: 3, GlobalTolerance: 0.3, Minibatch: 100, Epochs: 2, Alpha: 0.6}
	got, err := json.Marshal(tree.Provenance.Options)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(want); err != nil || !bytes.Equal(got, text) {
		t.Errorf("options %s, want %s", got, text)
	}
}

func TestTreeLearnBadDocuments(t *testing.T) {
	for text, says := range map[string]string{
		"":                       "docs.txt: no documents",
		"0, a\n0 b\n":            `docs.txt:2: "0 b"`,
		"0, a\n0, b\n1, a\n":     "2 distinct words",
		"\x1f\x8b\x08\x00broken": "docs.txt:1: unexpected EOF",
		"0, a\n1, b\n0, c\n":     `document "0" was there before, at line 1`,
	} {
		out := filepath.Join(t.TempDir(), "tree.json")
		code, _, stderr := cli(t, "tree", "learn", put(t, "docs.txt", text), "-o", out)
		if code != exitFailed || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit code %d, %q; want ...%s...", text, code, stderr, says)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%q: there is a tree", text)
		}
	}
}

// TestTreeLearnSeveral wants the parts of a run, given one by one, to be as many documents as
// the whole, and refuses them joined.
func TestTreeLearnSeveral(t *testing.T) {
	whole := plantedDocuments(t)
	text, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	half := strings.Index(string(text), "\n750, ") + 1
	first := string(text[:half])
	var second strings.Builder // numbered anew, as another run does
	for line := range strings.Lines(string(text[half:])) {
		var doc int
		var word string
		if _, err := fmt.Sscanf(line, "%d, %s", &doc, &word); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&second, "%d, %s\n", doc-750, word)
	}
	a, b := put(t, "a.txt", first), put(t, "b.txt", second.String())
	documents := func(args ...string) int {
		out := filepath.Join(t.TempDir(), "tree.json")
		code, stdout, stderr := cli(t, append([]string{"tree", "learn", "--json", "-o", out}, args...)...)
		var l learned
		if err := json.Unmarshal([]byte(stdout), &l); code != 0 || err != nil {
			t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
		}
		return l.Documents
	}
	if got, want := documents(a, b), documents(whole); got != want || want == 0 {
		t.Errorf("%d documents in two files, want %d", got, want)
	}
	joined := put(t, "joined.txt", first+second.String())
	if code, _, stderr := cli(t, "tree", "learn", joined, "-o", filepath.Join(t.TempDir(), "tree.json")); code != exitFailed || !strings.Contains(stderr, "one by one, not joined") {
		t.Errorf("joined: exit code %d: %s", code, stderr)
	}
}

func TestTreeCut(t *testing.T) {
	nodes := put(t, "nodes.json", instruments)
	for _, tc := range []struct{ args, want string }{
		{"--classes 486,402,420,889,546 --json", "[[486,889],[402,420,546]]\n"},
		{"--classes 546,889 --json", "[[546],[889]]\n"},
		{"--classes 546,889 --level 2 --json", "[[546,889]]\n"},
		{"--words c889,c486 --json", "[[889,486]]\n"},
		{"--json", "[[402,546,420],[889,486]]\n"},
		{"--classes 486,889,402", "1: cello (c486), violin (c889)\n2: acoustic guitar (c402)\n"},
		{"--classes 486,889,402 --no-labels", "1: c486, c889\n2: c402\n"},
	} {
		code, stdout, stderr := cli(t, append([]string{"tree", "cut", nodes}, strings.Fields(tc.args)...)...)
		if code != 0 || stdout != tc.want {
			t.Errorf("tree cut %s: exit code %d, %q %q; want %q", tc.args, code, stdout, stderr, tc.want)
		}
	}
	words := put(t, "nodes.json", `[{"id": "Z11", "text": "cat 0.1 dog 0.2", "data": {"level": 1}}]`)
	if code, stdout, stderr := cli(t, "tree", "cut", words, "--json"); code != 0 || stdout != `[["cat","dog"]]`+"\n" {
		t.Errorf("exit code %d, %q %q", code, stdout, stderr)
	}
	published := testdata.Path(t, "trees", "published-resnet50.json")
	if _, stdout, stderr := cli(t, "tree", "cut", published, "--classes", "486,402,420,889,546", "--json"); stdout != "[[486,889],[402,420,546]]\n" {
		t.Errorf("%q %q", stdout, stderr)
	}
}

func TestTreeShow(t *testing.T) {
	nodes := put(t, "nodes.json", instruments)
	labels := put(t, "labels.txt", strings.Repeat("thing\n", 889)+"fiddle, violin\n")
	for _, tc := range []struct{ args, want string }{
		{nodes + " --ascii --classes 486,420", `2 words, 2/1 latents      P    off  on
Z21                   0.210
|- Z11                0.120
|  ` + "`" + `- c420 banjo          -  0.010   -
` + "`" + `- Z12                0.150
   ` + "`" + `- c486 cello          -  0.010   -
`},
		{nodes + " --level 1 --no-labels", "5 words, 2/1 latents      P\n"},
		{nodes + " --words c889 --labels " + labels, "c889 fiddle"},
		{"--classes 486 --given 889,!402", "given 889,!402: ln P = "},
		{nodes + " --level 2 --classes 486 --ascii", "Z21 (1 word)"},
		{"--classes 486 --json", `"word": "c486"`},
		{"demo", "c009 round-hole guitar"},
	} {
		code, stdout, stderr := cli(t, append([]string{"tree", "show"}, strings.Fields(tc.args)...)...)
		if whole := strings.Count(tc.want, "\n") > 2; code != 0 || whole && stdout != tc.want || !strings.Contains(stdout, tc.want) {
			t.Errorf("tree show %s: exit code %d, %s %s; want\n%s", tc.args, code, stdout, stderr, tc.want)
		}
	}
}

// What is given changes what is shown, and by the whole tree although a part is shown.
func TestTreeShowGiven(t *testing.T) {
	prob := func(given string) (p struct {
		LogLikelihood float64 `json:"log_likelihood"`
		Words         map[string]float64
		Latents       map[string]float64
	}) {
		code, stdout, stderr := cli(t, "tree", "show", "--json", "--classes", "330", "--given", given)
		if err := json.Unmarshal([]byte(stdout), &p); err != nil || code != 0 {
			t.Fatalf("exit code %d, %v: %s", code, err, stderr)
		}
		return p
	}
	with, without := prob("c331"), prob("!331")
	if len(with.Words) != 1 || len(with.Latents) != 1 || with.LogLikelihood >= 0 {
		t.Errorf("%+v", with)
	}
	if !(with.Words["c330"] > 0.3 && without.Words["c330"] < 0.01) {
		t.Errorf("P(wood rabbit | hare) = %v, P(wood rabbit | no hare) = %v", with.Words, without.Words)
	}
}

func TestTreeDraw(t *testing.T) {
	for name, want := range map[string][]string{
		"tree.svg":  {"<svg", "cello", "</svg>"},
		"tree.html": {"<!doctype html>", "cello", "embedded tree, given 889", "</html>"},
		"tree.txt":  {"c486 cello", "ln P"},
	} {
		out := filepath.Join(t.TempDir(), name)
		code, stdout, stderr := cli(t, "tree", "show", "--classes", "486,889,402", "--given", "889", "-o", out)
		text, err := os.ReadFile(out)
		if code != 0 || err != nil || stdout != "" {
			t.Errorf("%s: exit code %d, %v: %s%s", name, code, err, stdout, stderr)
		}
		for _, w := range want {
			if !strings.Contains(strings.ReplaceAll(string(text), "<!DOCTYPE", "<!doctype"), w) {
				t.Errorf("%s: no %q", name, w)
			}
		}
	}
}

// The embedded tree survives a journey through every format that holds it.
func TestTreeConvert(t *testing.T) {
	dir := t.TempDir()
	_, cut, _ := cli(t, "tree", "cut", "--json")
	in := []string{}
	for _, to := range []string{"tree", "bif", "nodes"} {
		out := filepath.Join(dir, to)
		if code, _, stderr := cli(t, append([]string{"tree", "convert", "-o", out, "--to", to}, in...)...); code != 0 {
			t.Fatalf("%s: exit code %d: %s", to, code, stderr)
		}
		// nodes.json has the words of a latent in another order.
		if _, got, _ := cli(t, "tree", "cut", out, "--json"); to != "nodes" && got != cut {
			t.Errorf("%s: other clusters", to)
		}
		in = []string{out}
	}
	nodes, err := os.ReadFile(in[0])
	if err != nil || !bytes.Contains(nodes, []byte("c486-cello")) {
		t.Errorf("nodes.json has no names; %v", err)
	}
	for _, from := range append(in, filepath.Join(dir, "tree")) {
		out := from + ".partition"
		if code, _, stderr := cli(t, "tree", "convert", from, "-o", out, "--to", "partition"); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
	}
	a, err := os.ReadFile(filepath.Join(dir, "nodes.partition"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "tree.partition"))
	var levels []map[string][]string
	if err != nil || !bytes.Equal(a, b) || json.Unmarshal(a, &levels) != nil || len(levels) < 2 {
		t.Errorf("partitions of %d levels: %v", len(levels), err)
	}
}
