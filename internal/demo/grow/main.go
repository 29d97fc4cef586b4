// Grow learns the label tree of the network of the drawn world from what it says of scenes
// that it has not seen.
//
//	go run ./internal/demo/grow -o tree.json.gz
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"cwox/cwox"
	"cwox/hlta"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
	"cwox/internal/place"
	"cwox/nn"
)

func main() {
	out := flag.String("o", "tree.json.gz", "tree file to write")
	scenes := flag.Int("scenes", 30000, "number of scenes to learn from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *scenes); err != nil {
		fmt.Fprintln(os.Stderr, "grow:", err)
		os.Exit(1)
	}
}

// options: models are scored as if there were 5 documents per class, as the reference does
// with 5,000 for 1,000 classes. With many more the test of uni-dimensionality, which has ever
// more power, finds the pairs within the families. Any number from 120 to 300 gives the same
// clusters. The correlation test is left out, as in the papers: it keeps siblings that are
// seldom confused out of their cluster.
var options = hlta.Options{BatchSize: 5 * demo.Classes, NoCorrelationTest: true, GlobalEM: hlta.BatchGlobalEM}

func run(ctx context.Context, out string, scenes int) error {
	if scenes < 1000 || scenes > 1<<24 {
		return fmt.Errorf("-scenes %d: want 1000 to %d", scenes, 1<<24)
	}
	lists, err := labels(ctx, scenes)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	torn := 0
	for i, list := range lists {
		if len(list) < 2 {
			continue
		}
		torn++
		for _, class := range list {
			fmt.Fprintf(&text, "%d, %s\n", i, hlta.ClassWord(class))
		}
	}
	docs, err := hlta.ParseDocuments(fmt.Sprintf("%d scenes of the drawn world", scenes), &text)
	if err != nil {
		return err
	}
	tree, err := hlta.Learn(ctx, docs, options)
	if err != nil {
		return err
	}
	if err := place.Write(out, place.Gzip(out, tree.WriteJSON)); err != nil {
		return err
	}
	return describe(tree, torn)
}

// labels are the fewest classes of each scene whose probabilities exceed 0.95, by rank.
func labels(ctx context.Context, scenes int) ([][]int, error) {
	c, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		return nil, err
	}
	lists := make([][]int, scenes)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			s, err := c.Net.NewSession(nn.SessionOptions{Threads: 1})
			if err != nil {
				return err
			}
			defer s.Close()
			for {
				i := int(next.Add(1)) - 1
				if i >= scenes || ctx.Err() != nil {
					return ctx.Err()
				}
				scene := drawnworld.New(demo.FirstTree+uint64(i), drawnworld.Options{})
				prob := cwox.Softmax(s.Forward(c.Transform.Tensor(scene.Picture(drawnworld.NetworkSize))))
				ranked := cwox.Rank(prob)
				lists[i] = slices.Clone(ranked[:cwox.Cum(prob, ranked, cwox.DefaultCumulative)])
				if i%1000 == 999 {
					fmt.Fprintf(os.Stderr, "%d of %d scenes\n", i+1, scenes)
				}
			}
		})
	}
	return lists, g.Wait()
}

// describe prints the clusters and how well they agree with the families.
func describe(tree *hlta.Tree, documents int) error {
	groups, err := tree.Partition(1)
	if err != nil {
		return err
	}
	classes := drawnworld.Classes()
	found, families := make([]int, len(classes)), make([]int, len(classes))
	for i, c := range classes {
		found[i], families[i] = -1-i, c.Family // a class in no document is alone
	}
	for i, g := range groups {
		var names []string
		for _, w := range g.Words {
			if class, ok := hlta.ParseClassWord(w); ok && class < len(classes) {
				found[class] = i
				names = append(names, classes[class].Name)
			}
		}
		fmt.Printf("%s: %s\n", g.ID, strings.Join(names, ", "))
	}
	fmt.Printf("%d documents, adjusted Rand index of clusters and families %.3f\n", documents, hlta.ARI(found, families))
	return nil
}
