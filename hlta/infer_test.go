package hlta

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"cwox/internal/testdata"
)

// randomTree has up to 12 variables on up to three levels, random Links and now and
// then a probability of exactly 0 or 1.
func randomTree(r *rand.Rand) *Tree {
	t := &Tree{}
	nodes, words := 0, 0
	p := func() [2]float64 {
		var p [2]float64
		for i := range p {
			p[i] = r.Float64()
			switch r.IntN(12) {
			case 0:
				p[i] = 0
			case 1:
				p[i] = 1
			}
		}
		return p
	}
	var grow func(level int) *Node
	grow = func(level int) *Node {
		nodes++
		n := &Node{ID: fmt.Sprintf("Z%d", nodes), Level: level, P: p()}
		if level == 1 {
			for range 1 + r.IntN(3) {
				n.Words = append(n.Words, Word{ClassWord(words), p()})
				words++
			}
			return n
		}
		n.Children = append(n.Children, grow(level-1))
		for nodes+words < 7 && r.IntN(2) == 0 {
			n.Children = append(n.Children, grow(level-1))
		}
		return n
	}
	level := 1 + r.IntN(3)
	for len(t.Roots) == 0 || nodes+words < 9 && r.IntN(2) == 0 {
		root := grow(level)
		root.P[1] = root.P[0]
		t.Roots = append(t.Roots, root)
	}
	for i := len(t.Roots) - 1; i >= 0; i-- { // any order; parents may come after
		if j := r.IntN(len(t.Roots)); j != i && !leadsTo(t, i, j) {
			t.Roots[i].P = p()
			t.Links = append(t.Links, Link{Parent: j, Child: i, P: t.Roots[i].P})
		}
	}
	t.setMarginals()
	return t
}

// leadsTo says whether the Links lead from root i to root j.
func leadsTo(t *Tree, i, j int) bool {
	for _, l := range t.Links {
		if l.Child == j {
			return l.Parent == i || leadsTo(t, i, l.Parent)
		}
	}
	return false
}

// enumerate sums over all states of all variables: P(evidence), and P(variable=1,
// evidence) by name. It shares no code with Inference.
func enumerate(t *Tree, evidence map[string]int) (all float64, on map[string]float64) {
	type variable struct {
		name, parent string
		p            [2]float64
	}
	var vars []variable
	var collect func(n *Node, parent string, p [2]float64)
	collect = func(n *Node, parent string, p [2]float64) {
		vars = append(vars, variable{n.ID, parent, p})
		for _, w := range n.Words {
			vars = append(vars, variable{w.Name, n.ID, w.P})
		}
		for _, c := range n.Children {
			collect(c, n.ID, c.P)
		}
	}
	for i, r := range t.Roots {
		parent, p := "", r.P
		for _, l := range t.Links {
			if l.Child == i {
				parent, p = t.Roots[l.Parent].ID, l.P
			}
		}
		collect(r, parent, p)
	}
	on = map[string]float64{}
	state := map[string]int{}
	for bits := range 1 << len(vars) {
		for i, v := range vars {
			state[v.name] = bits >> i & 1
		}
		joint := 1.0
		for _, v := range vars {
			if e, ok := evidence[v.name]; ok && state[v.name] != e {
				joint = 0
				break
			}
			p := v.p[state[v.parent]]
			if state[v.name] == 0 {
				p = 1 - p
			}
			joint *= p
		}
		all += joint
		for _, v := range vars {
			on[v.name] += joint * float64(state[v.name])
		}
	}
	return all, on
}

func TestInferenceAgainstEnumeration(t *testing.T) {
	const tolerance = 1e-12 // float64, a dozen variables
	possible, impossible := 0, 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		tree := randomTree(r)
		if err := tree.check(); err != nil {
			t.Fatal(err)
		}
		in, err := tree.NewInference()
		if err != nil {
			t.Fatal(err)
		}
		// No evidence: the marginals.
		_, on := enumerate(tree, nil)
		for level := 1; level <= tree.Levels(); level++ {
			for _, n := range tree.Latents(level) {
				if !(math.Abs(n.Marginal-on[n.ID]) <= tolerance) {
					t.Fatalf("seed %d: marginal of %s is %v, want %v", seed, n.ID, n.Marginal, on[n.ID])
				}
			}
		}
		for range 4 {
			var e Evidence
			evidence := map[string]int{}
			for _, w := range tree.Words() {
				switch r.IntN(3) {
				case 0:
					e.Present = append(e.Present, w)
					evidence[w] = 1
				case 1:
					e.Absent = append(e.Absent, w)
					evidence[w] = 0
				}
			}
			if r.IntN(2) == 0 {
				e.Absent, e.OthersAbsent = nil, true
				for _, w := range tree.Words() {
					if !slices.Contains(e.Present, w) {
						evidence[w] = 0
					}
				}
			}
			all, on := enumerate(tree, evidence)
			got, err := in.Posterior(e)
			if all == 0 {
				impossible++
				if errText(err) != "hlta: by this tree the evidence is impossible" {
					t.Errorf("seed %d, %v: error %v", seed, e, err)
				}
			} else {
				possible++
				if err != nil {
					t.Fatalf("seed %d, %v: %v", seed, e, err)
				}
				if !(math.Abs(got.LogLikelihood-math.Log(all)) <= tolerance) {
					t.Errorf("seed %d, %v: log-likelihood %v, want %v", seed, e, got.LogLikelihood, math.Log(all))
				}
				if len(got.Latents)+len(got.Words) != len(on) {
					t.Errorf("seed %d: %d variables, want %d", seed, len(got.Latents)+len(got.Words), len(on))
				}
				for name, want := range on {
					p, ok := got.Latents[name]
					if !ok {
						p, ok = got.Words[name]
					}
					if want /= all; !ok || math.Abs(p-want) > tolerance {
						t.Errorf("seed %d, %v: P(%s) = %v, want %v", seed, e, name, p, want)
					}
				}
			}
			if e.OthersAbsent {
				// The incremental way, with a word given twice.
				ll, err := in.LogLikelihood(append(e.Present, e.Present...))
				if err != nil || all == 0 && !math.IsInf(ll, -1) || all > 0 && math.Abs(ll-math.Log(all)) > tolerance {
					t.Errorf("seed %d, %v: log-likelihood %v (%v), want %v", seed, e.Present, ll, err, math.Log(all))
				}
			}
		}
	}
	if possible < 150 || impossible < 15 {
		t.Errorf("%d possible and %d impossible cases: the test has lost its teeth", possible, impossible)
	}
}

func TestInferenceErrors(t *testing.T) {
	in, err := smallTree(t).NewInference()
	if err != nil {
		t.Fatal(err)
	}
	const missing = `hlta: word "cello" is not among the 6 words of the tree`
	for _, c := range []struct {
		e    Evidence
		want string
	}{
		{Evidence{Present: []string{"cello"}}, missing},
		{Evidence{Absent: []string{"cello"}}, missing},
		{Evidence{Present: []string{"c001"}, Absent: []string{"c002", "c001"}}, `hlta: word "c001" is given as present and as absent`},
	} {
		if _, err := in.Posterior(c.e); errText(err) != c.want {
			t.Errorf("%v: error %v, want %s", c.e, err, c.want)
		}
	}
	if _, err := in.LogLikelihood([]string{"cello"}); errText(err) != missing {
		t.Error(err)
	}
	if _, err := published(t, "published-resnet50.json").NewInference(); !strings.Contains(errText(err), "no parameters") {
		t.Errorf("inference without parameters: %v", err)
	}
}

// A thousand words: far below what a float64 holds without logarithms.
func TestInferenceDoesNotUnderflow(t *testing.T) {
	tree := bigTree(1500, 0.5)
	in, err := tree.NewInference()
	if err != nil {
		t.Fatal(err)
	}
	ll, err := in.LogLikelihood(nil)
	if err != nil {
		t.Fatal(err)
	}
	// All words are independent fair coins.
	if want := 1500 * math.Log(0.5); !(math.Abs(ll-want) <= 1e-9) {
		t.Errorf("log-likelihood %v, want %v", ll, want)
	}
}

// bigTree has words in threes below latents in threes, and so on. All latents are
// fair coins, and so are words if p is 0.5.
func bigTree(words int, p float64) *Tree {
	var level []*Node
	for w := 0; w < words; w++ {
		if w%3 == 0 {
			level = append(level, &Node{ID: fmt.Sprintf("Z1%d", len(level)), Level: 1, P: [2]float64{0.5, 0.5}})
		}
		z := level[len(level)-1]
		z.Words = append(z.Words, Word{ClassWord(w), [2]float64{1 - p, p}})
	}
	for l := 2; len(level) > 9; l++ {
		var up []*Node
		for i, n := range level {
			if i%3 == 0 {
				up = append(up, &Node{ID: fmt.Sprintf("Z%d%d", l, len(up)), Level: l, P: [2]float64{0.5, 0.5}})
			}
			z := up[len(up)-1]
			z.Children = append(z.Children, n)
		}
		level = up
	}
	t := &Tree{Roots: level}
	t.setMarginals()
	return t
}

func TestMeanLogLikelihood(t *testing.T) {
	in, err := smallTree(t).NewInference()
	if err != nil {
		t.Fatal(err)
	}
	lists := [][]string{{"c001", "c002"}, {"c005"}, {"c001", "c002"}, {"c003", "c006", "c001"}}
	docs, err := NewDocuments(lists)
	if err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, words := range lists {
		ll, err := in.LogLikelihood(words)
		if err != nil {
			t.Fatal(err)
		}
		want += ll / 4
	}
	if got, err := in.MeanLogLikelihood(docs); err != nil || math.Abs(got-want) > 1e-14 {
		t.Errorf("mean log-likelihood %v (%v), want %v", got, err, want)
	}
	if docs, err = NewDocuments([][]string{{"c001", "nothing"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := in.MeanLogLikelihood(docs); !strings.Contains(errText(err), `"nothing"`) {
		t.Errorf("unknown word: %v", err)
	}
}

// Trees and Inference may be shared: the same answers from many goroutines at once
// (and no data race, for who runs this with -race).
func TestConcurrentUse(t *testing.T) {
	tree := bigTree(300, 0.9)
	in, err := tree.NewInference()
	if err != nil {
		t.Fatal(err)
	}
	want, err := in.LogLikelihood([]string{"c001", "c200"})
	if err != nil {
		t.Fatal(err)
	}
	shared := &Tree{Roots: tree.Roots} // whose index nobody has asked for yet
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if ll, err := in.LogLikelihood([]string{"c001", "c200"}); err != nil || ll != want {
					t.Errorf("log-likelihood %v (%v), want %v", ll, err, want)
				}
				if groups, err := shared.CutClasses([]int{1, 200, 2}, 1); err != nil || len(groups) != 2 {
					t.Errorf("cut %v (%v)", groups, err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkLogLikelihood(b *testing.B) {
	docs, err := ReadDocuments(testdata.Path(b, "hlta", "resnet50val.sparse.txt.gz"))
	if err != nil {
		b.Fatal(err)
	}
	in, err := bigTree(1000, 0.9).NewInference()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := in.MeanLogLikelihood(docs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(docs.Distinct()), "ns/document")
}
