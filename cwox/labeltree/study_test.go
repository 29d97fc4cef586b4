package labeltree_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/classname"
	"cwox/cwox/labeltree"
	"cwox/hlta"
	"cwox/internal/demo"
	"cwox/internal/testdata"
	"cwox/weights"
)

// How well do the clusters of weight rows agree with those that latent tree analysis learns from
// documents? The rows that -v logs are the table of the package comment. Two trees that were both
// learned from documents of the same network agree no better, which is the bar.
func TestStudy(t *testing.T) {
	lists := topLists(t)
	embedded := cwox.EmbeddedTree()
	resnet := published(t, "published-resnet50.json")
	googlenet := published(t, "published-googlenet.json")
	row := func(name string, a, b *hlta.Tree, level int) (kappa, ari float64) {
		x, y := homes(t, a, 1000, level), homes(t, b, 1000, level)
		share, kappa := agreement(lists, x, y)
		ari = hlta.ARI(x, y)
		t.Logf("%-58s level %d, %3d and %3d clusters: %.3f of pairs, kappa %.3f, ARI %.3f",
			name, level, count(x), count(y), share, kappa, ari)
		return kappa, ari
	}
	kappa1, ari1 := row("embedded tree, published ResNet-50", embedded, resnet, 1)
	kappa2, ari2 := row("published GoogLeNet, published ResNet-50", googlenet, resnet, 1)
	row("published GoogLeNet, embedded tree", googlenet, embedded, 1)
	leastKappa, leastARI := min(kappa1, kappa2)-0.01, min(ari1, ari2) // the lists are no exact measure
	for _, network := range []struct {
		name, file, weight string
		published, other   *hlta.Tree
		ten                string
	}{
		{"ResNet-50's rows", "resnet50_tf_v15.safetensors", "fc.weight", resnet, googlenet, "[[0 3] [1 2 4] [5 6] [7 8] [9]]"},
		{"GoogLeNet's rows", "googlenet_bvlc_caffe.safetensors", "loss3_classifier.weight", googlenet, resnet, "[[0 3] [1 2 4] [5 6] [7 8] [9]]"},
	} {
		f, err := weights.Open(testdata.Path(t, "weights", network.file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		tensor, ok := f.Tensor(network.weight)
		if !ok {
			t.Fatalf("%s: no %s", network.file, network.weight)
		}
		values, err := tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		// The network's rows bear the trees out, those of the same classes in another order do not.
		shuffled := make([]float32, 0, len(values))
		for c := range 1000 {
			shuffled = append(shuffled, values[(c*389+7)%1000*len(values)/1000:][:len(values)/1000]...)
		}
		for _, tree := range []*hlta.Tree{embedded, resnet, googlenet} {
			fit, err := labeltree.Match(tree, nil, classname.New(1000, nil, nil))
			if err != nil || fit.Doubtful(headOf(t, values, 1000)) || !fit.Doubtful(headOf(t, shuffled, 1000)) {
				t.Errorf("%s: %v, doubtful: its own %v, in another order %v", network.name, err,
					fit.Doubtful(headOf(t, values, 1000)), fit.Doubtful(headOf(t, shuffled, 1000)))
			}
		}
		tree := labeltree.FromWeights(headOf(t, values, tensor.Shape[0]), false)
		kappa, ari := row(network.name+", embedded tree", tree, embedded, 1)
		k, a := row(network.name+", its published tree", tree, network.published, 1)
		if kappa, ari := min(k, kappa), min(a, ari); kappa < leastKappa || ari < leastARI {
			t.Errorf("%s: kappa %.3f, ARI %.3f: want at least %.3f and %.3f, as two learned trees have", network.name, kappa, ari, leastKappa, leastARI)
		}
		row(network.name+", the other network's published tree", tree, network.other, 1)
		row(network.name+", embedded tree", tree, embedded, 2)
		row(network.name+", embedded tree", tree, embedded, 3)
		// Ten of the classes, as of a network tuned to them: cello, acoustic guitar, banjo, violin,
		// electric guitar, tabby, Egyptian cat, two huskies, sports car.
		var some []float32
		inputs := tensor.Shape[1]
		for _, c := range []int{486, 402, 420, 889, 546, 281, 285, 250, 248, 817} {
			some = append(some, values[c*inputs:][:inputs]...)
		}
		got, err := labeltree.FromWeights(headOf(t, some, 10), false).CutClasses([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 1)
		t.Logf("%s, ten of them: %v", network.name, got)
		if want := network.ten; err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: ten classes: %v, %v, want %s", network.name, got, err, want)
		}
		// The paper's Fig. 3.
		five, err := tree.CutClasses([]int{486, 402, 420, 889, 546}, 1)
		if want := "[[486 889] [402 420 546]]"; err != nil || fmt.Sprint(five) != want {
			t.Errorf("%s: the paper's five classes: %v, %v, want %s", network.name, five, err, want)
		}
		for _, pair := range [][]int{{486, 889}, {330, 331}, {402, 546}} { // cello, violin; rabbits; guitars
			if got, err := tree.CutClasses(pair, 1); err != nil || len(got) != 1 {
				t.Errorf("%s: %v: clusters %v, %v, want one", network.name, pair, got, err)
			}
		}
	}

	f := demo.Weights()
	tensor, _ := f.Tensor("fc.weight")
	values, err := tensor.Float32()
	if err != nil {
		t.Fatal(err)
	}
	tree := labeltree.FromWeights(headOf(t, values, demo.Classes), false)
	ari := hlta.ARI(homes(t, tree, demo.Classes, 1), homes(t, demo.Tree(), demo.Classes, 1))
	t.Logf("the demo's rows, its tree: %d and %d clusters, ARI %.3f", len(tree.Latents(1)), len(demo.Tree().Latents(1)), ari)
	if ari < 0.9 {
		t.Errorf("the demo's families: ARI %.3f", ari)
	}
}

// topLists are the real top labels of ResNet-50, a list an image.
func topLists(t *testing.T) [][]int {
	t.Helper()
	f, err := os.Open(testdata.Path(t, "hlta", "resnet50val.sparse.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var lists [][]int
	last := ""
	for lines := bufio.NewScanner(text); lines.Scan(); {
		id, word, _ := strings.Cut(lines.Text(), ", ")
		class, ok := hlta.ParseClassWord(word)
		if !ok {
			t.Fatalf("%q", lines.Text())
		}
		if id != last {
			lists, last = append(lists, nil), id
		}
		lists[len(lists)-1] = append(lists[len(lists)-1], class)
	}
	return lists
}

func published(t *testing.T, name string) *hlta.Tree {
	t.Helper()
	tree, err := hlta.ReadTree(testdata.Path(t, "trees", name))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// homes gives each class the number of its cluster.
func homes(t *testing.T, tree *hlta.Tree, classes, level int) []int {
	t.Helper()
	all := make([]int, classes)
	for i := range all {
		all[i] = i
	}
	clusters, err := tree.CutClasses(all, level)
	if err != nil {
		t.Fatal(err)
	}
	for i, cluster := range clusters {
		for _, c := range cluster {
			all[c] = i
		}
	}
	return all
}

func count(home []int) int {
	seen := map[int]bool{}
	for _, h := range home {
		seen[h] = true
	}
	return len(seen)
}

// agreement is the share of the pairs of classes in one list on which two clusterings agree
// (together or apart), and Cohen's kappa of it.
func agreement(lists [][]int, a, b []int) (share, kappa float64) {
	var n, same, inA, inB float64
	for _, list := range lists {
		for i, x := range list {
			for _, y := range list[:i] {
				n++
				if a[x] == a[y] {
					inA++
				}
				if b[x] == b[y] {
					inB++
				}
				if (a[x] == a[y]) == (b[x] == b[y]) {
					same++
				}
			}
		}
	}
	chance := (inA*inB + (n-inA)*(n-inB)) / (n * n)
	return same / n, (same/n - chance) / (1 - chance)
}
