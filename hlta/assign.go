package hlta

// assign gives every document the more probable state of every island's latent, as
// its own variables tell, a tie going to state 0: the data of the next level,
// equal documents merged. State 0 is that of a document without
// the island's variables (see buildIslands), so these documents stay sparse.
func assign(d *data, islands []island, threads int) *data {
	on := make([][]int32, len(islands)) // rows of d in which the latent is 1
	scratches := make([]*patterns, threads)
	parallel(threads, len(islands), func(worker, i int) {
		if scratches[worker] == nil {
			scratches[worker] = newPatterns(d)
		}
		s := &islands[i]
		state := make([]bool, 1<<len(s.vars))
		for pattern := range state {
			state[pattern] = s.posterior(uint32(pattern)) > 0.5
		}
		scratches[worker].each(d, s.vars, func(row int32, pattern uint32) {
			if state[pattern] {
				on[i] = append(on[i], row)
			}
		})
	})

	// Transpose, as newData does.
	rows := d.rows.len()
	start := make([]int, rows+1)
	for _, list := range on {
		for _, row := range list {
			start[row+1]++
		}
	}
	for row := range rows {
		start[row+1] += start[row]
	}
	item := make([]int32, start[rows])
	at := make([]int, rows)
	copy(at, start)
	for i, list := range on {
		for _, row := range list {
			item[at[row]] = int32(i)
			at[row]++
		}
	}
	merge := newMerger(rows)
	for row := range rows {
		if r := item[start[row]:start[row+1]]; len(r) > 0 {
			merge.add(r, d.rows.weight[row])
		}
	}
	return newData(len(islands), d.total, merge.rowSet)
}
