// Drawn trains the network of the drawn world and writes it as safetensors.
//
//	go run ./internal/train/drawn -o demo.safetensors
//
// The same seed and phases give the same bytes on every processor with AVX2. Training
// pictures are scenes 2^40, 2^40+1, ...; everything below is held out.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"time"

	"cwox/asm"
	"cwox/internal/drawnworld"
	"cwox/internal/train"
	"cwox/weights"
)

const (
	firstTraining = 1 << 40
	firstHeldOut  = 1 << 32
)

func main() {
	out := flag.String("o", "demo.safetensors", "file to write")
	seed := flag.Uint64("seed", 0, "seed of the weights")
	phases := flag.String("phases", "64:96000,112:176000,224:80000", "picture sizes and numbers of pictures, in order")
	mild := flag.Int("mild", 60000, "number of pictures over which the scenes get as hard as they are")
	rate := flag.Float64("rate", 0.05, "highest learning rate")
	batch := flag.Int("batch", 32, "pictures per step")
	held := flag.Int("check", 2000, "held-out scenes to check the network on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *seed, *phases, *mild, *rate, *batch, *held); err != nil {
		fmt.Fprintln(os.Stderr, "drawn:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, seed uint64, phases string, mild int, rate float64, batch, held int) error {
	list, err := parsePhases(phases)
	if err != nil {
		return err
	}
	if batch < 16 || batch%16 != 0 || rate <= 0 || held < 0 || mild < 0 {
		return fmt.Errorf("-batch %d must be a multiple of 16, -rate %g positive, -check %d and -mild %d not negative", batch, rate, held, mild)
	}
	start := time.Now()
	net := train.NewNet(train.Shape{Classes: len(drawnworld.Classes())}, seed)
	fmt.Fprintf(os.Stderr, "%d classes, %d parameters\n", len(drawnworld.Classes()), net.Parameters())
	err = train.Run(ctx, net, train.Options{
		Draw:   func(i uint64, size int) ([]uint8, []float32) { return picture(lesson(i, uint64(mild)), size) },
		Phases: list, Rate: rate, Batch: batch, Log: os.Stderr,
	})
	if err != nil {
		return err
	}
	size := list[len(list)-1].Size
	metadata := map[string]string{
		"architecture": "resnet bottleneck 2-2-2-2 width 16",
		"classes":      strings.Join(labels(), "\n"),
		"input":        strconv.Itoa(size),
		"training":     fmt.Sprintf("drawnworld seed %d phases %s mild %d batch %d rate %g", seed, phases, mild, batch, rate),
	}
	tensors, err := halved(net.Tensors())
	if err != nil {
		return err
	}
	if err := weights.WriteFile(out, tensors, metadata); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "trained in %v\n", time.Since(start).Round(time.Second))
	return check(ctx, net, size, held)
}

// lesson is the i-th training scene. The first mild ones get harder: one thing alone and
// in plain view gives way to scenes as they come, without which little is learned from
// the first tens of thousands.
func lesson(i, mild uint64) *drawnworld.Scene {
	seed := uint64(firstTraining) + i
	if i < mild && (i*0x9e3779b97f4a7c15)>>32*mild>>32 >= i {
		return drawnworld.New(seed, drawnworld.Options{Clean: true, Classes: []int{int(i % uint64(len(drawnworld.Classes())))}})
	}
	return drawnworld.New(seed, drawnworld.Options{})
}

func picture(s *drawnworld.Scene, size int) ([]uint8, []float32) {
	return s.Picture(size).Pix, s.Target()
}

func labels() []string {
	var out []string
	for _, c := range drawnworld.Classes() {
		out = append(out, c.Name)
	}
	return out
}

func parsePhases(text string) ([]train.Phase, error) {
	var out []train.Phase
	for _, p := range strings.Split(text, ",") {
		size, images, ok := strings.Cut(p, ":")
		s, err1 := strconv.Atoi(size)
		n, err2 := strconv.Atoi(images)
		if !ok || err1 != nil || err2 != nil || s < 32 || s > drawnworld.MaxSize || n < 1 {
			return nil, fmt.Errorf("-phases: %q is not SIZE:IMAGES", p)
		}
		out = append(out, train.Phase{Size: s, Images: n})
	}
	return out, nil
}

// halved stores the matrices in 16 bits: it changes no probability by more than about 0.001.
func halved(tensors []*weights.Tensor) ([]*weights.Tensor, error) {
	for i, t := range tensors {
		if len(t.Shape) < 2 {
			continue
		}
		data, err := t.Float32()
		if err != nil {
			return nil, err
		}
		tensors[i] = weights.NewF16(t.Name, t.Shape, data)
	}
	return tensors, nil
}

func heldOut(i uint64, size int) ([]uint8, []float32) {
	return picture(drawnworld.New(i, drawnworld.Options{}), size)
}

// check prints how right, and how sure, the network is on scenes it has not seen.
func check(ctx context.Context, net *train.Net, size, count int) error {
	if count == 0 {
		return nil
	}
	k, _, err := asm.Select()
	if err != nil {
		return err
	}
	classes, families := drawnworld.Classes(), drawnworld.Families()
	confusion := make([][]float64, len(classes))
	for i := range confusion {
		confusion[i] = make([]float64, len(classes))
	}
	var loss, entropy float64
	var family, listed, torn, several int
	type tally struct{ n, right int }
	single := map[string]*tally{"clear": {}, "hidden": {}, "rival": {}}
	var sure [10]struct{ n, right, p float64 }
	err = net.Predict(ctx, k, heldOut, firstHeldOut, count, size, 0, func(i uint64, p []float64, target []float32) {
		order := make([]int, len(p))
		for c := range order {
			order[c] = c
		}
		sort.SliceStable(order, func(a, b int) bool { return p[order[a]] > p[order[b]] })
		top := order[0]
		shown, sum := 0, 0.0
		for shown < 5 && sum <= 0.95 {
			sum += p[order[shown]]
			shown++
		}
		if shown > 1 {
			listed++
			if classes[order[0]].Family == classes[order[1]].Family {
				torn++
			} else {
				several++
			}
		}
		right := false
		for c, t := range target {
			if t > 0 {
				loss -= float64(t) * math.Log(max(p[c], 1e-30))
				entropy -= float64(t) * math.Log(float64(t))
				right = right || c == top
			}
		}
		s := drawnworld.New(i, drawnworld.Options{})
		for _, o := range s.Objects {
			if classes[o.Class].Family == classes[top].Family {
				family++
				break
			}
		}
		if len(s.Objects) == 1 {
			o := s.Objects[0]
			for c := range p {
				confusion[o.Class][c] += p[c]
			}
			kind := "clear"
			if o.Rival >= 0 {
				kind = "rival"
			} else if o.Hidden > 0.6 {
				kind = "hidden"
			}
			single[kind].n++
			if right {
				single[kind].right++
			}
			if o.Rival < 0 {
				b := &sure[min(int(p[top]*10), 9)]
				b.n++
				b.p += p[top]
				if right {
					b.right++
				}
			}
		}
	})
	if err != nil {
		return err
	}
	n := float64(count)
	fmt.Printf("held out %d scenes: cross-entropy %.3f (of the labels themselves %.3f), family of the top class right %.3f\n", count, loss/n, entropy/n, float64(family)/n)
	fmt.Printf("more than one class needed for 0.95: %.3f (top two of one family %.3f, of two %.3f)\n", float64(listed)/n, float64(torn)/n, float64(several)/n)
	for _, kind := range []string{"clear", "hidden", "rival"} {
		fmt.Printf("scenes of one object, telling part %s: %d right of %d\n", kind, single[kind].right, single[kind].n)
	}
	for i, b := range sure {
		if b.n > 0 {
			fmt.Printf("sure %.1f-%.1f: %4.0f scenes, mean probability %.3f, right %.3f\n", float64(i)/10, float64(i+1)/10, b.n, b.p/b.n, b.right/b.n)
		}
	}
	for _, f := range families {
		for _, a := range f.Classes {
			total := 0.0
			for _, v := range confusion[a] {
				total += v
			}
			fmt.Printf("%-20s", classes[a].Name)
			rest := 1.0
			for _, b := range f.Classes {
				fmt.Printf(" %.2f", confusion[a][b]/max(total, 1))
				rest -= confusion[a][b] / max(total, 1)
			}
			fmt.Printf("  other %.2f\n", rest)
		}
	}
	return nil
}
