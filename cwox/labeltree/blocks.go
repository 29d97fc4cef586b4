package labeltree

import (
	"cmp"
	"slices"
)

// blocks splits n rows into blocks of at most most by principal direction divisive partitioning
// (Boley, 1998): a block that is too large is cut across its first principal direction, at the
// widest gap between the projections of its rows in the middle half of them, so that a block
// shrinks by a quarter at least. Rows in a block are in order.
func blocks(rows []float32, n, inputs, most int) [][]int {
	todo := [][]int{every(n, n)}
	var out [][]int
	for len(todo) > 0 {
		block := todo[0]
		todo = todo[1:]
		if len(block) <= most {
			out = append(out, block)
			continue
		}
		at := projections(rows, inputs, block)
		order := every(len(block), len(block))
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
		split, widest := len(block)/2, 0.0
		for k := (len(block) + 3) / 4; k <= 3*len(block)/4; k++ {
			if gap := at[order[k]] - at[order[k-1]]; gap > widest {
				split, widest = k, gap
			}
		}
		for _, half := range [][]int{order[:split], order[split:]} {
			var part []int
			for _, i := range half {
				part = append(part, block[i])
			}
			slices.Sort(part)
			todo = append(todo, part)
		}
	}
	slices.SortFunc(out, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return out
}

// projections of rows on about their first principal direction: the power method, from the row
// that is farthest from their mean.
func projections(rows []float32, inputs int, block []int) []float64 {
	const iterations = 8
	mean := make([]float64, inputs)
	for _, r := range block {
		for i, v := range rows[r*inputs:][:inputs] {
			mean[i] += float64(v) / float64(len(block))
		}
	}
	direction := make([]float64, inputs)
	farthest := -1.0
	for _, r := range block {
		d := 0.0
		row := rows[r*inputs:][:inputs]
		for i, v := range row {
			x := float64(v) - mean[i]
			d += float64(x * x)
		}
		if d > farthest {
			farthest = d
			for i, v := range row {
				direction[i] = float64(v) - mean[i]
			}
		}
	}
	at := make([]float64, len(block))
	for range iterations {
		next := make([]float64, inputs)
		total := 0.0
		for k, r := range block {
			row := rows[r*inputs:][:inputs]
			at[k] = 0
			for i, v := range row {
				at[k] += float64((float64(v) - mean[i]) * direction[i])
			}
			total = max(total, at[k], -at[k])
			for i, v := range row {
				next[i] += float64(at[k] * (float64(v) - mean[i]))
			}
		}
		if total == 0 {
			break // all rows are equal
		}
		for i := range next {
			direction[i] = next[i] / total
		}
	}
	return at
}
