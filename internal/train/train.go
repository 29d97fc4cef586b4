package train

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"cwox/asm"
	"cwox/nn/vision"
)

// Draw returns the i-th training picture, 8-bit RGB [size][size][3], and its target, a
// distribution over the classes. It is called by several goroutines.
type Draw func(i uint64, size int) (pix []uint8, target []float32)

// Phase is a stretch of training at one picture size.
type Phase struct{ Size, Images int }

// Options steer Run. The zero value of everything but Draw and Phases is the good
// default.
type Options struct {
	Draw   Draw
	Phases []Phase

	Batch int // images per step; 0 means 32
	Group int // images that are normalised together, a divisor of Batch; 0 means 16

	Rate     float64 // highest learning rate; 0 means 0.05
	Momentum float64 // Nesterov's; 0 means 0.9
	Decay    float64 // of the convolutions' weights; 0 means 1e-4

	// Calibrate is the number of groups over which the running averages are taken
	// anew after the last step; 0 means 64.
	Calibrate int

	Kernels *asm.Kernels // nil means asm.Select's choice
	Threads int          // 0 means GOMAXPROCS
	Log     io.Writer    // a line every few seconds; nil for none
}

func (o Options) withDefaults() (Options, error) {
	if o.Batch == 0 {
		o.Batch = 32
	}
	if o.Group == 0 {
		o.Group = min(16, o.Batch)
	}
	if o.Rate == 0 {
		o.Rate = 0.05
	}
	if o.Momentum == 0 {
		o.Momentum = 0.9
	}
	if o.Decay == 0 {
		o.Decay = 1e-4
	}
	if o.Calibrate == 0 {
		o.Calibrate = 64
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Draw == nil || o.Batch < 1 || o.Group < 1 || o.Batch%o.Group != 0 || o.Threads < 1 || o.Calibrate < 1 {
		panic("train: bad options")
	}
	for _, p := range o.Phases {
		if p.Size < 32 || p.Images < 0 {
			panic("train: bad phase")
		}
	}
	if o.Kernels == nil {
		k, _, err := asm.Select()
		if err != nil {
			return o, err
		}
		o.Kernels = k
	}
	return o, nil
}

// trainer is the state of a run.
type trainer struct {
	Options
	net    *Net
	groups []*gradient
	spaces []*workspace // one per goroutine
	speed  *gradient    // momentum
	steps  int          // in all
	step   int
	next   uint64 // picture
}

// Run trains net: every phase after the other, the learning rate rising over the first
// twentieth of the steps and then falling as half a cosine (Loshchilov and Hutter, 2017).
// It returns ctx's error if it was cancelled, and an error if the loss is not finite.
func Run(ctx context.Context, net *Net, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	t := &trainer{Options: o, net: net, speed: net.newGradient()}
	for range o.Batch / o.Group {
		t.groups = append(t.groups, net.newGradient())
	}
	for _, p := range o.Phases {
		t.steps += p.Images / o.Batch
	}
	for _, p := range o.Phases {
		t.spaces = nil
		for range min(o.Threads, len(t.groups)) {
			t.spaces = append(t.spaces, net.newWorkspace(o.Kernels, o.Group, p.Size))
		}
		if err := t.phase(ctx, p); err != nil {
			return err
		}
	}
	return t.calibrate(ctx)
}

func (t *trainer) phase(ctx context.Context, p Phase) error {
	start, shown := time.Now(), time.Now()
	loss, correct, seen := 0.0, 0, 0
	total := p.Images / t.Batch
	for s := range total {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.parallel(len(t.net.units)+1, func(_, i int) { t.net.convAt(i).transpose() })
		first := t.next
		t.next += uint64(t.Batch)
		t.parallel(len(t.groups), func(thread, i int) {
			ws, g := t.spaces[thread], t.groups[i]
			g.reset()
			ws.draw(t.Draw, first+uint64(i*t.Group))
			ws.forward(g, false)
			ws.backward(g, 1/float64(t.Batch))
		})
		for _, g := range t.groups {
			loss += g.loss
			correct += g.correct
		}
		seen += t.Batch
		t.descend()
		t.step++
		if now := time.Now(); now.Sub(shown) > 5*time.Second || s == total-1 {
			if math.IsNaN(loss) || math.IsInf(loss, 0) {
				return fmt.Errorf("train: step %d: the loss is %v", t.step, loss)
			}
			fmt.Fprintf(t.Log, "size %d  step %d of %d  loss %.4f  right %.3f  rate %.4f  %.0f images/s\n", p.Size, t.step, t.steps,
				loss/float64(seen), float64(correct)/float64(seen), t.rate(), float64((s+1)*t.Batch)/now.Sub(start).Seconds())
			loss, correct, seen, shown = 0, 0, 0, now
		}
	}
	return nil
}

func (t *trainer) rate() float64 {
	warm := float64(t.steps)/20 + 1
	x := (float64(t.step) + 0.5) / float64(t.steps)
	return t.Rate * min(1, (float64(t.step)+1)/warm) * (0.5 + 0.5*math.Cos(math.Pi*x))
}

// descend adds up the groups' gradients, in order, and takes a step.
func (t *trainer) descend() {
	rate := float32(t.rate())
	rows := t.spaces[0].rows
	share := 0.1 / float64(len(t.groups))
	t.parallel(len(t.net.units)+1, func(_, i int) {
		move := func(w []float32, decay float64, pick func(g *gradient) []float32) {
			sum := pick(t.groups[0])
			for _, g := range t.groups[1:] {
				for j, v := range pick(g) {
					sum[j] += v
				}
			}
			rows.descend(&w[0], &sum[0], &pick(t.speed)[0], len(w)/lanes, float32(decay), float32(t.Momentum), rate)
		}
		if i == len(t.net.units) {
			move(t.net.fc.weight, t.Decay, func(g *gradient) []float32 { return g.fc.weight })
			move(t.net.fc.bias, 0, func(g *gradient) []float32 { return g.fc.bias })
			return
		}
		u := t.net.units[i]
		move(u.conv.weight, t.Decay, func(g *gradient) []float32 { return g.conv[i].weight })
		move(u.norm.gamma, 0, func(g *gradient) []float32 { return g.norm[i].gamma })
		move(u.norm.beta, 0, func(g *gradient) []float32 { return g.norm[i].beta })
		for _, g := range t.groups {
			u.norm.track(g.moments[i], share)
		}
	})
}

// calibrate replaces the running averages by plain averages over new pictures under the
// final weights.
func (t *trainer) calibrate(ctx context.Context) error {
	if len(t.spaces) == 0 {
		return nil
	}
	for done := 0; done < t.Calibrate; {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(len(t.groups), t.Calibrate-done)
		first := t.next
		t.next += uint64(count * t.Group)
		t.parallel(count, func(thread, i int) {
			t.spaces[thread].draw(t.Draw, first+uint64(i*t.Group))
			t.spaces[thread].forward(t.groups[i], false)
		})
		for i := range count {
			for k, u := range t.net.units {
				u.norm.track(t.groups[i].moments[k], 1/float64(done+1))
			}
			done++
		}
	}
	return nil
}

// parallel calls f(thread, 0..n-1) from as many goroutines as there are workspaces.
func (t *trainer) parallel(n int, f func(thread, i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for thread := range min(len(t.spaces), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(thread, i)
			}
		})
	}
	wg.Wait()
}

// draw fills a workspace with pictures first, first+1, ...
func (ws *workspace) draw(d Draw, first uint64) {
	for i := range ws.n {
		pix, target := d(first+uint64(i), ws.size)
		if len(pix) != 3*ws.size*ws.size || len(target) != ws.net.shape.Classes {
			panic("train: a picture or its target has the wrong size")
		}
		ws.set(i, pix, target)
	}
}

func (n *Net) convAt(i int) *conv {
	if i == len(n.units) {
		return n.fc
	}
	return n.units[i].conv
}

// normalised maps 8-bit values to the network's input by channel, as the zoo does.
var normalised = func() (t [3][256]float32) {
	p := vision.Paper
	for ch := range t {
		for v := range t[ch] {
			t[ch][v] = (float32(v)/p.Scale - p.Mean[ch]) / p.Std[ch]
		}
	}
	return t
}()
