package labeltree

import (
	"cmp"
	"slices"

	"cwox/nn"
)

// sparseLink is averageLink of more items than have all their similarities in memory, as far down
// as a similarity: the same merges, from the rows themselves. Two clusters are that similar on
// average only if some of their items are, so that only such pairs need be looked at; and the mean
// similarity of clusters A and B of unit rows is the product of their sums over |A| |B|. It takes
// n^2 products of rows to find the pairs, and memory for the rows and mostNeighbours n pairs; an
// item with more neighbours than that keeps the nearest, and clusters may then stay apart.
//
// rows become the sums of the clusters' rows, at each cluster's lowest item; size counts its items,
// 0 at the others.
func sparseLink(m *nn.Model, rows []float32, n, inputs int, least float64) (merges []merge, size []int) {
	near := neighbours(m, rows, n, inputs, float32(least))
	size = make([]int, n)
	home := make([]int, n) // towards the item that a cluster is known by
	for i := range n {
		size[i], home[i] = 1, i
	}
	find := func(i int) int {
		for home[i] != i {
			home[i] = home[home[i]]
			i = home[i]
		}
		return i
	}
	similarity := func(a, b int) float64 {
		x, y := rows[a*inputs:][:inputs], rows[b*inputs:][:inputs]
		sum := 0.0
		for i, v := range x {
			sum += float64(float64(v) * float64(y[i]))
		}
		return sum / (float64(size[a]) * float64(size[b]))
	}
	var chain []int
	for start := 0; start < n || len(chain) > 0; {
		if len(chain) == 0 {
			if home[start] != start {
				start++
				continue
			}
			chain = append(chain, start)
		}
		at, last, best, most := chain[len(chain)-1], -1, -1, least
		for i, x := range near[at] {
			near[at][i] = int32(find(int(x)))
		}
		slices.Sort(near[at])
		near[at] = slices.Compact(near[at])
		if len(chain) > 1 { // of equally near clusters the one on the chain already
			last = chain[len(chain)-2]
			best, most = last, similarity(at, last)
		}
		for _, x := range near[at] {
			if c := int(x); c != at && c != last {
				if s := similarity(at, c); s > most {
					best, most = c, s
				}
			}
		}
		switch {
		case best < 0: // unlike all that is left, and that stays so
			chain = nil
			start++
		case best != last:
			chain = append(chain, best)
		default:
			chain = chain[:len(chain)-2]
			a, b := min(at, last), max(at, last)
			merges = append(merges, merge{a, b, most})
			home[b] = a
			size[a], size[b] = size[a]+size[b], 0
			for i, v := range rows[b*inputs:][:inputs] {
				rows[a*inputs+i] += v
			}
			near[a], near[b] = append(near[a], near[b]...), nil
		}
	}
	sortMerges(merges)
	return merges, size
}

const mostNeighbours = 64

// neighbours lists for each row those that are more similar to it than least, or that it is among
// the mostNeighbours nearest of, ascending.
func neighbours(m *nn.Model, rows []float32, n, inputs int, least float32) [][]int32 {
	near := make([][]int32, n)
	allProducts(m, rows, n, inputs, func(row int, cosine []float32) {
		var list []int32
		for c, s := range cosine {
			if s > least && c != row {
				list = append(list, int32(c))
			}
		}
		if len(list) > mostNeighbours {
			slices.SortStableFunc(list, func(a, b int32) int { return cmp.Compare(cosine[b], cosine[a]) })
			list = slices.Clone(list[:mostNeighbours])
		}
		near[row] = list
	})
	for i := range n {
		for _, c := range near[i][:len(near[i]):len(near[i])] {
			near[c] = append(near[c], int32(i))
		}
	}
	for i := range near {
		slices.Sort(near[i])
		near[i] = slices.Compact(near[i])
	}
	return near
}
