package hlta

// ARI is the adjusted Rand index of two groupings of the same items (Hubert and
// Arabie 1985): 1 for equal groupings, about 0 for independent ones. Item i is in
// group a[i] of the first and b[i] of the second; the numbers themselves mean
// nothing. Groupings that are both trivial (all apart, or all together) score 1.
// It panics if the lengths differ.
func ARI(a, b []int) float64 {
	c := newContingency(a, b)
	pairs := func(n float64) float64 { return float64(n * (n - 1) / 2) }
	var cells, rows, cols float64
	for _, n := range c.cells {
		cells += pairs(float64(n))
	}
	for _, n := range c.rows {
		rows += pairs(float64(n))
	}
	for _, n := range c.cols {
		cols += pairs(float64(n))
	}
	all := pairs(float64(len(a)))
	if all == 0 {
		return 1
	}
	expected, highest := rows*cols/all, float64((rows+cols)/2)
	if highest == expected {
		return 1
	}
	return (cells - expected) / (highest - expected)
}

// contingency counts the items of two groupings: per group of each, and per pair of
// groups that share items, all in order of first appearance (so that sums over
// them are the same bits every time).
type contingency struct {
	rows, cols, cells []int
}

func newContingency(a, b []int) contingency {
	if len(a) != len(b) {
		panic("hlta: groupings of different numbers of items")
	}
	var t contingency
	rows, cols, cells := map[int]int{}, map[int]int{}, map[[2]int]int{}
	for i := range a {
		t.rows = tally(t.rows, rows, a[i])
		t.cols = tally(t.cols, cols, b[i])
		t.cells = tally(t.cells, cells, [2]int{a[i], b[i]})
	}
	return t
}

// tally adds one to the counter of key, which at maps to its place in counts.
func tally[K comparable](counts []int, at map[K]int, key K) []int {
	i, ok := at[key]
	if !ok {
		i = len(counts)
		at[key] = i
		counts = append(counts, 0)
	}
	counts[i]++
	return counts
}
