package hlta

import (
	"cmp"
	"math"
	"slices"
)

// pool holds the variables of a level that have no island yet and finds, for any
// variable, the closest free one: among those it occurs with by looking at all of
// them, and of those it never occurs with the most frequent, since their mutual
// information grows with their counts (see mutual).
type pool struct {
	mi   *mutual
	free []bool
	left int // number of free variables

	// Variables that are in no finished island, by falling count, equal ones by
	// index: a ring through index n.
	next, prev []int32
	marker     marker // for callers that are alone
}

// closest is a variable and the one it shares most information with; among equals
// the one with the smallest index. (A variable that is never 1 shares none with any;
// it gets the most frequent one.)
type closest struct {
	of, v int32
	mi    float64
}

// marker remembers the variables that one search has met.
type marker struct {
	seen  []uint32
	round uint32
}

func newPool(mi *mutual) *pool {
	n := len(mi.rows)
	p := &pool{mi: mi, free: make([]bool, n), left: n, next: make([]int32, n+1), prev: make([]int32, n+1)}
	order := make([]int32, n)
	for v := range order {
		order[v] = int32(v)
		p.free[v] = true
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(mi.count[b], mi.count[a]) })
	at := int32(n)
	for _, v := range order {
		p.next[at], p.prev[v] = v, at
		at = v
	}
	p.next[at], p.prev[n] = int32(n), at
	return p
}

// take makes v not free; giveBack makes it free again, unless remove was called.
func (p *pool) take(v int32)     { p.free[v] = false; p.left-- }
func (p *pool) giveBack(v int32) { p.free[v] = true; p.left++ }

// remove forgets v, which has been taken.
func (p *pool) remove(v int32) {
	p.next[p.prev[v]], p.prev[p.next[v]] = p.next[v], p.prev[v]
}

// closest returns the free variable closest to v, which may be free itself. There
// must be one.
func (p *pool) closest(v int32, m *marker) closest {
	if m.seen == nil {
		m.seen = make([]uint32, len(p.free))
	}
	m.round++
	m.seen[v] = m.round
	best := closest{of: v, v: -1, mi: math.Inf(-1)}
	row := &p.mi.rows[v]
	for i, u := range row.col {
		m.seen[u] = m.round
		if p.free[u] {
			if mi := row.val[i]; mi > best.mi || mi == best.mi && u < best.v {
				best.v, best.mi = u, mi
			}
		}
	}
	end := int32(len(p.free))
	for u := p.next[end]; u != end; u = p.next[u] {
		if p.free[u] && m.seen[u] != m.round {
			if mi := p.mi.of(v, u, 0); mi > best.mi || mi == best.mi && u < best.v {
				best.v, best.mi = u, mi
			}
			break
		}
	}
	if best.v < 0 {
		panic("hlta: no variable is left")
	}
	return best
}

// seedHeap is a heap (container/heap) with the closest pair on top, among equals the
// one of the smallest variable.
type seedHeap []closest

func (h seedHeap) Len() int      { return len(h) }
func (h seedHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h seedHeap) Less(i, j int) bool {
	return h[i].mi > h[j].mi || h[i].mi == h[j].mi && h[i].of < h[j].of
}
func (h *seedHeap) Push(any) { panic("hlta: the seeds only shrink") }
func (h *seedHeap) Pop() any {
	*h = (*h)[:len(*h)-1]
	return nil
}
