package hlta

import (
	"slices"
	"sync"
	"sync/atomic"
)

// data is what one level is learned from: documents over n binary variables, words
// at level 1, latents of the level below above that. Documents in which every
// variable is 0 are not stored, only counted.
type data struct {
	n     int
	total float64 // documents, by weight
	rows  rowSet
	count []float64 // per variable: documents in which it is 1

	postStart []int   // n+1
	post      []int32 // per variable: the rows in which it is 1, ascending
}

func newData(n int, total float64, rows rowSet) *data {
	d := &data{n: n, total: total, rows: rows, count: make([]float64, n), postStart: make([]int, n+1)}
	for _, v := range rows.item {
		d.postStart[v+1]++
	}
	for v := range n {
		d.postStart[v+1] += d.postStart[v]
	}
	d.post = make([]int32, len(rows.item))
	at := slices.Clone(d.postStart[:n])
	for i := range rows.len() {
		for _, v := range rows.row(i) {
			d.post[at[v]] = int32(i)
			at[v]++
			d.count[v] += rows.weight[i]
		}
	}
	return d
}

func (d *data) postings(v int32) []int32 { return d.post[d.postStart[v]:d.postStart[v+1]] }

// sample draws size documents with replacement, in proportion to their weight.
func (d *data) sample(size int, random stream) *data {
	sum := make([]float64, d.rows.len())
	stored := 0.0
	for i, w := range d.rows.weight {
		stored += w
		sum[i] = stored
	}
	times := make([]int32, d.rows.len())
	for range size {
		// A document in which nothing is 1 is behind all the others.
		if i, _ := slices.BinarySearch(sum, random.float64()*d.total); i < len(times) {
			times[i]++
		}
	}
	rows := rowSet{start: []int{0}}
	for i, t := range times {
		if t > 0 {
			rows.item = append(rows.item, d.rows.row(i)...)
			rows.start = append(rows.start, len(rows.item))
			rows.weight = append(rows.weight, float64(t))
		}
	}
	return newData(d.n, float64(size), rows)
}

// telling is the share of the documents that tell what the median variable goes with: those in
// which it is 1 and another variable too.
func (d *data) telling() float64 {
	count := make([]float64, d.n)
	for i := range d.rows.len() {
		if row := d.rows.row(i); len(row) > 1 {
			for _, v := range row {
				count[v] += d.rows.weight[i]
			}
		}
	}
	slices.Sort(count)
	return count[d.n/2] / d.total
}

// patterns numbers the patterns of some variables over the rows that have any of
// them: the i-th variable is bit i.
type patterns struct{ of []uint32 }

func newPatterns(d *data) *patterns { return &patterns{make([]uint32, d.rows.len())} }

// each calls f once for every row in which one of vars is 1, and leaves p empty.
func (p *patterns) each(d *data, vars []int32, f func(row int32, pattern uint32)) {
	for bit, v := range vars {
		for _, row := range d.postings(v) {
			p.of[row] |= 1 << bit
		}
	}
	for _, v := range vars {
		for _, row := range d.postings(v) {
			if pattern := p.of[row]; pattern != 0 {
				p.of[row] = 0
				f(row, pattern)
			}
		}
	}
}

// parallel calls f(worker, i) once for every i in [0, n), on several goroutines at
// most one of which has the same worker in [0, threads).
func parallel(threads, n int, f func(worker, i int)) {
	if threads = min(threads, n); threads <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for worker := range threads {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(worker, i)
			}
		})
	}
	wait.Wait()
}
