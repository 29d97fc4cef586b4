package labeltree

import (
	"cmp"
	"slices"
)

// merge joins the clusters that two items are in.
type merge struct {
	a, b       int
	similarity float64 // mean over the pairs of items of the two clusters
}

// averageLink clusters n items, which count as often as size says or once each, agglomeratively by average link (UPGMA; Sokal and Michener,
// 1958): the two clusters whose items are most similar on average are joined, until there is
// one. sim holds the similarity of items i > j at pair(i, j), and is used up. The n-1 merges
// are in order of falling similarity.
//
// It follows nearest-neighbour chains (Benzécri, 1982), in O(n^2) time and no memory beside
// sim. Of clusters that are equally similar the one on the chain already is preferred, then the
// one of the lowest item, so that the result does not depend on anything but sim.
func averageLink(sim []float32, size []int, n int) []merge {
	if len(sim) != n*(n-1)/2 {
		panic("labeltree: the similarities are not those of all pairs")
	}
	weight := make([]float64, n) // of the cluster that an item stands for, its lowest
	alive := every(n, n)
	for i := range weight {
		weight[i] = 1
		if size != nil {
			weight[i] = float64(size[i])
		}
	}
	merges := make([]merge, 0, max(n-1, 0))
	var chain []int
	for len(alive) > 1 {
		if len(chain) == 0 {
			chain = append(chain, alive[0])
		}
		for {
			at, last := chain[len(chain)-1], -1
			best := -1
			if len(chain) > 1 {
				last = chain[len(chain)-2]
				best = last
			}
			for _, c := range alive {
				if c != at && (best < 0 || sim[pair(at, c)] > sim[pair(at, best)]) {
					best = c
				}
			}
			if best == last {
				break
			}
			chain = append(chain, best)
		}
		a, b := chain[len(chain)-2], chain[len(chain)-1]
		chain = chain[:len(chain)-2]
		a, b = min(a, b), max(a, b)
		merges = append(merges, merge{a, b, float64(sim[pair(a, b)])})
		at, _ := slices.BinarySearch(alive, b)
		alive = slices.Delete(alive, at, at+1)
		wa, wb := weight[a], weight[b]
		for _, c := range alive {
			if c != a {
				ac, bc := float64(sim[pair(a, c)]), float64(sim[pair(b, c)])
				// Conversions forbid fused multiply-add: the same bits everywhere.
				sim[pair(a, c)] = float32((float64(wa*ac) + float64(wb*bc)) / (wa + wb))
			}
		}
		weight[a] += wb
	}
	sortMerges(merges)
	return merges
}

// sortMerges puts merges in order of falling similarity, ties as they are.
func sortMerges(merges []merge) {
	slices.SortStableFunc(merges, func(x, y merge) int { return cmp.Compare(y.similarity, x.similarity) })
}

// pair is the place of a pair of different items among n(n-1)/2.
func pair(i, j int) int {
	if i < j {
		i, j = j, i
	}
	return i*(i-1)/2 + j
}

// cut numbers the clusters that the first merges make of n items, in order of their lowest
// item: item i is in cluster home[i].
func cut(n int, merges []merge) (home []int, clusters int) {
	parent := make([]int, n)
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for _, m := range merges {
		a, b := find(m.a), find(m.b)
		parent[max(a, b)] = min(a, b)
	}
	home = make([]int, n)
	for i := range home {
		if r := find(i); r == i {
			home[i] = clusters
			clusters++
		} else {
			home[i] = home[r]
		}
	}
	return home, clusters
}
