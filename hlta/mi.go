package hlta

import (
	"context"
	"fmt"
	"sync/atomic"

	"cwox/internal/elementary"
)

// mutual is the mutual information, in nats and without smoothing, of all pairs of
// variables of a level. Only pairs that occur together
// are stored. For the others it follows from their two counts, and grows with
// either of them, which makes the best of them easy to find.
type mutual struct {
	total float64
	count []float64
	rows  []mutualRow
}

// mutualRow holds, for one variable, those it occurs with, in no order, and the
// mutual information with each.
type mutualRow struct {
	col []int32
	val []float64
}

// Bounds on pairwise counting, the second of 1.6 GB: 12 bytes for an ordered pair.
const (
	maxPairWork = 1 << 33 // ordered pairs of words in documents
	maxPairs    = 1 << 27 // ordered pairs that occur together
)

// newMutual counts all pairs. More than limit ordered pairs are an error.
func newMutual(ctx context.Context, d *data, threads int, limit int64) (*mutual, error) {
	work := 0.0
	for i := range d.rows.len() {
		l := float64(len(d.rows.row(i)))
		work += float64(l * l)
	}
	if work > maxPairWork {
		return nil, fmt.Errorf("hlta: the documents hold %.3g pairs of words (the squares of their lengths), at most %.3g", work, float64(maxPairWork))
	}

	m := &mutual{total: d.total, count: d.count, rows: make([]mutualRow, d.n)}
	type scratch struct {
		together []float64
		touched  []int32
	}
	threads = min(threads, d.n)
	scratches := make([]scratch, threads)
	var pairs atomic.Int64
	const block = 16
	parallel(threads, (d.n+block-1)/block, func(worker, i int) {
		if ctx.Err() != nil || pairs.Load() > limit {
			return
		}
		s := &scratches[worker]
		if s.together == nil {
			s.together = make([]float64, d.n)
		}
		for v := int32(i * block); v < int32(min(d.n, (i+1)*block)); v++ {
			s.touched = s.touched[:0]
			for _, row := range d.postings(v) {
				w := d.rows.weight[row]
				for _, u := range d.rows.row(int(row)) {
					if s.together[u] == 0 {
						s.touched = append(s.touched, u)
					}
					s.together[u] += w
				}
			}
			if len(s.touched) == 0 {
				continue
			}
			k := len(s.touched) - 1 // without v itself
			r := mutualRow{make([]int32, 0, k), make([]float64, 0, k)}
			for _, u := range s.touched {
				if u != v {
					r.col = append(r.col, u)
					r.val = append(r.val, m.of(v, u, s.together[u]))
				}
				s.together[u] = 0
			}
			m.rows[v] = r
			pairs.Add(int64(k))
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if pairs.Load() > limit {
		return nil, fmt.Errorf("hlta: more than %d of the pairs of %d words occur together, want at most that", limit/2, d.n)
	}
	return m, nil
}

// of is the mutual information of u and v, which occur together in so many documents.
// It is the same to the last bit for any two pairs with equal counts.
func (m *mutual) of(u, v int32, together float64) float64 {
	return mutualInformation(m.total, max(m.count[u], m.count[v]), min(m.count[u], m.count[v]), together)
}

// mutualInformation is that of two binary variables, in nats: in n documents the
// first is 1 in a, the second in b, both in ab.
func mutualInformation(n, a, b, ab float64) float64 {
	cell := func(both, x, y float64) float64 {
		if both <= 0 {
			return 0
		}
		return both / n * elementary.Log(both*n/(x*y))
	}
	return cell(ab, a, b) + cell(a-ab, a, n-b) + cell(b-ab, n-a, b) + cell(n-a-b+ab, n-a, n-b)
}

func xlogx(x float64) float64 {
	if x <= 0 {
		return 0
	}
	return x * elementary.Log(x)
}
