package hlta

import (
	"cmp"
	"slices"
)

// linkIslands joins the latents of the top level into the tree that keeps most of
// their mutual information (Chow and Liu 1968), and directs
// it away from the first island with three variables or more. Links are in
// breadth-first order. P(child|parent) is estimated with everything else fixed, on
// the seeds of the two, as the papers say; the authors' program leaves them
// independent by mistake.
func linkIslands(d *data, islands []island, level int, o *Options) []Link {
	neighbours := make([][]int, len(islands))
	for _, e := range spanningTree(len(islands), posteriorInformation(d, islands)) {
		neighbours[e[0]] = append(neighbours[e[0]], e[1])
		neighbours[e[1]] = append(neighbours[e[1]], e[0])
	}
	root := max(0, slices.IndexFunc(islands, func(s island) bool { return len(s.vars) >= 3 }))
	done := make([]bool, len(islands))
	done[root] = true
	queue := []int{root}
	var links []Link
	scratch := newPatterns(d)
	starts := make([]start, o.EMRestarts)
	for ; len(queue) > 0; queue = queue[1:] {
		parent := queue[0]
		slices.Sort(neighbours[parent])
		for _, child := range neighbours[parent] {
			if done[child] {
				continue
			}
			done[child] = true
			queue = append(queue, child)
			random := newStream(keyLink, o.Seed, uint64(level), uint64(parent), uint64(child))
			p := fitLink(d, &islands[parent], &islands[child], scratch, o, starts, random)
			links = append(links, Link{Parent: parent, Child: child, P: p})
		}
	}
	return links
}

// fitLink estimates P(child=1 | parent=0), P(child=1 | parent=1).
func fitLink(d *data, parent, child *island, scratch *patterns, o *Options, starts []start, random stream) [2]float64 {
	m := submodel{
		form:  split,
		start: params{0, 0, child.p[0][0], child.p[0][1], child.p[1][0], child.p[1][1]},
		fixed: [4]bool{false, true, true},
	}
	m.setBase(parent.prior, parent.p[0], parent.p[1])
	m.count[0] = d.total
	scratch.each(d, []int32{parent.vars[0], parent.vars[1], child.vars[0], child.vars[1]}, func(row int32, pattern uint32) {
		m.count[pattern] += d.rows.weight[row]
		m.count[0] -= d.rows.weight[row]
	})
	p := m.fit(o, starts, random)
	return [2]float64{p[0], p[1]}
}

// posteriorInformation returns the mutual information of all pairs of latents when
// each has its posterior given its own variables: at [i][j], i < j.
func posteriorInformation(d *data, islands []island) [][]float64 {
	// With b the posterior of a document without the island's variables and r what a
	// document's own differs from it, the sum over documents of the product of two
	// posteriors is N b b' + b R' + b' R + sum r r', R = sum r.
	k := len(islands)
	of := make([]int, d.n)
	bit := make([]uint32, d.n)
	base := make([]float64, k)
	for i := range islands {
		base[i] = islands[i].posterior(0)
		for j, v := range islands[i].vars {
			of[v], bit[v] = i, 1<<j
		}
	}
	sum := make([]float64, k)
	cross := make([][]float64, k)
	for i := range cross {
		cross[i] = make([]float64, k)
	}
	pattern := make([]uint32, k)
	r := make([]float64, k)
	var touched []int
	for row := range d.rows.len() {
		touched = touched[:0]
		for _, v := range d.rows.row(row) {
			i := of[v]
			if pattern[i] == 0 {
				touched = append(touched, i)
			}
			pattern[i] |= bit[v]
		}
		slices.Sort(touched)
		w := d.rows.weight[row]
		for t, j := range touched {
			r[j] = islands[j].posterior(pattern[j]) - base[j]
			pattern[j] = 0
			sum[j] += float64(w * r[j])
			for _, i := range touched[:t] {
				cross[i][j] += float64(w * r[i] * r[j])
			}
		}
	}
	for i := range k {
		for j := i + 1; j < k; j++ {
			both := float64(d.total*base[i]*base[j]) + float64(base[i]*sum[j]) + float64(base[j]*sum[i]) + cross[i][j]
			cross[i][j] = mutualInformation(d.total, float64(d.total*base[i])+sum[i], float64(d.total*base[j])+sum[j], both)
		}
	}
	return cross
}

// spanningTree returns the edges of the tree over n nodes with the largest sum of
// weights, weight[i][j] for i < j; among equal edges the first wins.
func spanningTree(n int, weight [][]float64) [][2]int {
	var edges [][2]int
	for i := range n {
		for j := i + 1; j < n; j++ {
			edges = append(edges, [2]int{i, j})
		}
	}
	slices.SortStableFunc(edges, func(a, b [2]int) int {
		return cmp.Compare(weight[b[0]][b[1]], weight[a[0]][a[1]])
	})
	// Kruskal's way: an edge belongs to the tree if it joins two parts.
	joined := make([]int, n) // to another node of the part, or itself
	for i := range joined {
		joined[i] = i
	}
	part := func(i int) int {
		for joined[i] != i {
			joined[i] = joined[joined[i]]
			i = joined[i]
		}
		return i
	}
	return slices.DeleteFunc(edges, func(e [2]int) bool {
		a, b := part(e[0]), part(e[1])
		joined[a] = b
		return a == b
	})
}
