package nn

import "slices"

// arena hands out memory by lifetime: two values may share it if they never live at the
// same time.
type arena struct {
	live []span
	size int
}

type span struct{ off, size, from, to int } // lives from step from to step to, both included

func (a *arena) alloc(size, from, to int) int {
	off := 0
	slices.SortFunc(a.live, func(x, y span) int { return x.off - y.off })
	for _, s := range a.live {
		if s.to < from || s.from > to {
			continue
		}
		if off+size <= s.off {
			break
		}
		off = max(off, s.off+s.size)
	}
	a.live = append(a.live, span{off, size, from, to})
	a.size = max(a.size, off+size)
	return off
}
