package nn

import "sync/atomic"

// front runs the leading steps of a plan, whose maps are large, over whole images: each worker
// takes one image at a time through all of them, in memory of its own. Nobody waits for anybody,
// and a map is read by the core that wrote it.
type front struct {
	plan  *plan // for one image
	steps []step
	moves []move      // of what the other steps read
	mems  [][]float32 // by worker
}

// move copies a value from the memory of a worker to that of the batch.
type move struct {
	from, to view
	half     bool
}

// frontBytes bounds the memory of all workers.
const frontBytes = 512 << 20

// newFront plans the front of a session's plan; nil where there is none, or nobody to share it.
func (m *Model) newFront(o SessionOptions, of *plan, keep []bool, keepFrom int) *front {
	if o.Threads == 1 || o.Batch < o.Threads || of.splitGroup == 0 || len(o.Keep) > 0 || o.Whole || o.Moments {
		return nil
	}
	one := o
	one.Batch, one.Threads = 1, 1
	f := &front{plan: m.layOut(one, o, keep, keepFrom)}
	if 4*f.plan.size*o.Threads > frontBytes {
		return nil
	}
	f.steps = f.plan.steps[:f.plan.ends[of.splitGroup-1]]
	for _, n := range of.crossing {
		a, b := &f.plan.values[n.id], &of.values[n.id]
		if b.hasF32 && !a.hasF32 || b.hasBF16 && !a.hasBF16 || b.hasF32 && b.f32.image == 0 || b.hasBF16 && b.bf16.image == 0 {
			panic("nn: two plans of a graph differ")
		}
		if b.hasF32 {
			f.moves = append(f.moves, move{a.f32, b.f32, false})
		}
		if b.hasBF16 {
			f.moves = append(f.moves, move{a.bf16, b.bf16, true})
		}
	}
	for range o.Threads {
		f.mems = append(f.mems, alignedFloats(f.plan.size))
	}
	return f
}

// frontRun is the front of a run, over images 0..images-1.
type frontRun struct {
	*front
	images     int64
	next, done position
}

func (f *frontRun) reset() {
	f.next.Store(0)
	f.done.Store(0)
}

// work takes images until none is left, then waits for the others. mem is the batch's.
func (f *frontRun) work(w *worker, mem []float32) {
	finished := int64(0)
	for image := f.next.Add(1) - 1; image < f.images; image = f.next.Add(1) - 1 {
		w.use(f.mems[w.number])
		w.image = int(image)
		for _, s := range f.steps {
			for item := range s.items(1) {
				s.run(w, 0, 1, item)
			}
		}
		from, half := w.mem, w.half
		w.use(mem)
		for i := range f.moves {
			m := &f.moves[i]
			if m.half {
				copyImage(w.half, half, &m.to, &m.from, w.image)
			} else {
				copyImage(w.mem, from, &m.to, &m.from, w.image)
			}
		}
		w.image = 0
		finished++
	}
	f.done.Add(finished)
	for spins := 0; f.done.Load() < f.images; spins++ {
		pause(spins)
	}
}

// copyImage copies image 0 of one view to an image of another.
func copyImage[T float32 | uint16](dst, src []T, to, from *view, image int) {
	for b := range blocks(to.c) {
		clearBorder(to, dst, image, b, 0, to.h)
		for y := range to.h {
			copy(dst[to.at(image, b, y, 0):][:to.w*block], src[from.at(0, b, y, 0):])
		}
	}
}

// position is a counter on a cache line of its own.
type position struct {
	atomic.Int64
	_ [56]byte
}
