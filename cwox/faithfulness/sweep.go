package faithfulness

import (
	"context"
	"fmt"
	"math"

	"cwox/cwox/saliency"
)

// sweep evaluates points of many curves in common batches.
type sweep struct {
	trails []*trail
	points int
}

// trail is a curve to be evaluated.
type trail struct {
	query  *Query
	order  []int32 // pixels as they are erased
	insert bool    // pixels appear instead
	curve  Curve
}

// slot is the place of one input in the batch, and what it holds.
type slot struct {
	trail  *trail // nil at first
	pixels int    // erased or inserted
	point  int    // of the trail's curve
}

func (s *sweep) add(t *trail) {
	s.trails = append(s.trails, t)
	s.points += len(t.curve.Pixels)
}

// run evaluates everything. Consecutive points of a curve lie side by side in the batch,
// so that each slot goes on from where the batch before left it.
func (s *sweep) run(ctx context.Context, score Scorer, x []float32, o *Options) error {
	batch := min(o.Batch, s.points)
	inputs := make([]float32, batch*len(x))
	slots := make([]slot, batch)
	done, filled := 0, 0
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := read(score(inputs[:filled*len(x)]), slots[:filled], o.Output); err != nil {
			return err
		}
		done += filled
		filled = 0
		if o.Progress != nil {
			o.Progress(done, s.points)
		}
		return nil
	}
	for _, t := range s.trails {
		for point := range t.curve.Pixels {
			slots[filled].fill(inputs[filled*len(x):][:len(x)], x, t, point)
			if filled++; filled == batch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if filled > 0 {
		return flush()
	}
	return nil
}

// fill makes the input of a point of a curve: from x, or from what the slot holds where
// that is an earlier point of the curve.
func (s *slot) fill(input, x []float32, t *trail, point int) {
	pixels := t.curve.Pixels[point]
	if s.trail != t || s.pixels > pixels {
		if t.insert {
			clear(input)
		} else {
			copy(input, x)
		}
		s.trail, s.pixels = t, 0
	}
	plane := len(t.order)
	for _, p := range t.order[s.pixels:pixels] {
		for i := int(p); i < len(input); i += plane {
			if t.insert {
				input[i] = x[i]
			} else {
				input[i] = 0
			}
		}
	}
	s.pixels, s.point = pixels, point
}

// read takes the probabilities of the slots' inputs.
func read(prob []float64, slots []slot, output saliency.Output) error {
	if len(prob) == 0 || len(prob)%len(slots) != 0 {
		panic("faithfulness: the scorer's result does not fit the number of inputs")
	}
	classes := len(prob) / len(slots)
	for i := range slots {
		s := &slots[i]
		row := prob[i*classes:][:classes]
		var err error
		if s.trail.curve.Pos[s.point], err = joint(row, s.trail.query.Pos, output); err != nil {
			return err
		}
		if s.trail.curve.Neg[s.point], err = joint(row, s.trail.query.Neg, output); err != nil {
			return err
		}
	}
	return nil
}

// joint is P of a set of classes.
func joint(prob []float64, classes []int, output saliency.Output) (float64, error) {
	members := make([]float64, len(classes))
	for i, c := range classes {
		if c >= len(prob) {
			return 0, fmt.Errorf("faithfulness: class %d: the network has classes 0 to %d", c, len(prob)-1)
		}
		members[i] = prob[c]
	}
	p := output.Compound(members)
	if math.IsNaN(p) || math.IsInf(p, 0) {
		return 0, fmt.Errorf("faithfulness: the probability of the classes %v is %g", classes, p)
	}
	return p, nil
}
