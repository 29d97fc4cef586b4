package nn

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"cwox/asm"
)

// worker is one goroutine's share of a session.
type worker struct {
	number int
	image  int // which image of the input a plan for one image is given

	mem  []float32 // the memory of the plan being run
	half []uint16  // the same memory as bfloat16
	row  []float32 // scratch for a row; see scratch
	band []float32 // rows of an operand; see preparedStep

	wide, cut [][]float64 // scratch vectors; see buffers

	// Arguments of kernels, here so that calls do not allocate.
	gemm       asm.GemmF32Args
	gemmHalf   asm.GemmBF16Args
	depthwise  asm.DepthwiseF32Args
	affine     asm.MapF32Args
	sigmoid    asm.SigmoidF32Args
	exp        asm.GaussF32Args
	pool       asm.MaxPoolF32Args
	lrn        asm.LRNF32Args
	winIn      asm.WinogradInF32Args
	winOut     asm.WinogradOutF32Args
	poolHalf   asm.MaxPoolBF16Args
	winInHalf  asm.WinogradInBF16Args
	winOutHalf asm.WinogradOutBF16Args
	narrow     asm.NarrowBF16Args
	widen      asm.WidenBF16Args
}

// step is one operator of a plan, cut into items that may run in any order and at the
// same time.
type step interface {
	items(n int) int                   // for n images
	run(w *worker, first, n, item int) // item of images first..first+n-1
}

// crew runs plans with a fixed number of goroutines. Between the steps of a plan its
// helpers spin on a counter rather than sleep, since a step lasts a fraction of a
// millisecond, and so they do for a moment after a plan, since the next one may follow:
// it takes a tenth of a millisecond to wake a goroutine.
type crew struct {
	workers []*worker
	start   []chan *run
	closed  atomic.Bool
}

// run is the execution of one plan. Every worker has its share of each step's items, the same part
// of them in every step, so that it mostly reads what it wrote itself: its own caches hold that,
// and on many machines no others do. Who is done with his share helps the others.
type run struct {
	mem   []float32
	front *frontRun // before the steps; nil for none
	steps []scheduled
	parts [][]share    // by step and worker
	ends  []int64      // by step: the items of all steps up to it
	taken []position   // by worker: how many items of its shares have been taken
	done  position     // items finished
	busy  atomic.Int64 // helpers that have not ended
}

// share is a worker's part of a step's items.
type share struct {
	first    int64 // item
	from, to int64 // its places among the items of all shares of the worker
}

func newCrew(threads int) *crew {
	c := &crew{}
	for i := 0; i < threads; i++ {
		w := &worker{number: i}
		c.workers = append(c.workers, w)
		if i == 0 {
			continue
		}
		ch := make(chan *run, 1)
		c.start = append(c.start, ch)
		go func() {
			for r := range ch {
				r.work(w)
				r.busy.Add(-1)
				for spins := 0; len(ch) == 0 && spins < patience; spins++ {
				}
			}
		}()
	}
	return c
}

// close ends the helpers.
func (c *crew) close() {
	if c.closed.Swap(true) {
		return
	}
	for _, ch := range c.start {
		close(ch)
	}
}

// check panics if the crew was closed.
func (c *crew) check(method string) {
	if c.closed.Load() {
		panic("nn: " + method + ": the session is closed")
	}
}

// do executes r on all workers and returns when every step is done.
func (c *crew) do(r *run) {
	for i := range r.taken {
		r.taken[i].Store(0)
	}
	r.done.Store(0)
	if r.front != nil {
		r.front.reset()
	}
	r.busy.Store(int64(len(c.start)))
	for _, ch := range c.start {
		ch <- r
	}
	r.work(c.workers[0])
	for spins := 0; r.busy.Load() > 0; spins++ {
		pause(spins)
	}
}

// work takes items of each step until none is left, then waits for the others.
func (r *run) work(w *worker) {
	if r.front != nil {
		r.front.work(w, r.mem)
	}
	w.use(r.mem)
	for i := range r.steps {
		finished := int64(0)
		for k := range r.taken {
			finished += r.take(w, i, (w.number+k)%len(r.taken))
		}
		r.done.Add(finished)
		for spins := 0; r.done.Load() < r.ends[i]; spins++ {
			pause(spins)
		}
	}
}

// use makes the worker's steps work in mem.
func (w *worker) use(mem []float32) {
	w.mem, w.half = mem, unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(mem))), 2*len(mem))
}

// take does items of a worker's share of step i until none is left, and returns how many.
func (r *run) take(w *worker, i, of int) (finished int64) {
	s, part, taken := &r.steps[i], r.parts[i][of], &r.taken[of]
	for {
		at := taken.Load()
		if at >= part.to {
			return finished
		}
		if taken.CompareAndSwap(at, at+1) {
			s.run(w, s.first, s.n, int(part.first+at-part.from))
			finished++
		}
	}
}

// scheduled is a step over images first..first+n-1.
type scheduled struct {
	step
	first, n int
}

// patience is how often a worker looks for the others before it sleeps: some hundred
// microseconds, the length of a step that was cut badly. Longer waits mean that another
// program has the processor.
const patience = 1 << 17

// pause is what a worker does between two looks for the others.
func pause(spins int) {
	if spins > patience {
		time.Sleep(20 * time.Microsecond)
	} else if spins%1024 == 1023 {
		runtime.Gosched()
	}
}

func (c *crew) newRun(mem []float32, steps []scheduled) *run {
	workers := int64(len(c.workers))
	r := &run{mem: mem, steps: steps, taken: make([]position, workers)}
	own, all := make([]int64, workers), int64(0)
	for _, s := range steps {
		items := int64(s.items(s.n))
		parts := make([]share, workers)
		for k := range workers {
			first, end := k*items/workers, (k+1)*items/workers
			parts[k] = share{first, own[k], own[k] + end - first}
			own[k] = parts[k].to
		}
		all += items
		r.parts, r.ends = append(r.parts, parts), append(r.ends, all)
	}
	return r
}

// parallel calls f(0), ..., f(n-1) from as many goroutines as there are processors.
func parallel(n int, f func(i int)) {
	threads := min(n, runtime.GOMAXPROCS(0))
	if threads <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
