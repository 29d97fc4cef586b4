package nn

// DeepLIFT's rescale rule (Shrikumar et al., 2017): the multiplier of an operator is the
// change of its output over the change of its input between the reference and the image, so
// that multipliers times the change of the network's input sum to the change of the logits.
//
// Linear operators and sums have their ordinary gradient. A max-pooling window sends the
// change of its maximum to the pixel that held the larger of both maxima (as Captum does), and
// local response normalisation is taken apart into squares, a power and a product (lrnBack).

// smallChange is the change of an operator's input below which its multiplier is the gradient.
const smallChange = 1e-10

// rescaleStep passes a signal through a ReLU: signal *= change of output / change of input.
type rescaleStep struct {
	signal view
	x, ref source // before the ReLU
}

func (s *rescaleStep) items(n int) int { return n * blocks(s.signal.c) }

func (s *rescaleStep) run(w *worker, first, n, item int) {
	nb := blocks(s.signal.c)
	image, b := item/nb, item%nb
	for y := 0; y < s.signal.h; y++ {
		x, ref := s.x.row(b, y), s.ref.row(b, y)
		p := w.mem[s.signal.at(image, b, y, 0):][:len(x)]
		for i, v := range x {
			r := ref[i]
			switch change := v - r; {
			case change > -smallChange && change < smallChange:
				if v <= 0 {
					p[i] = 0
				}
			default:
				p[i] *= (max(v, 0) - max(r, 0)) / change
			}
		}
	}
}

// maxPoolRescale passes a signal through a max-pooling.
type maxPoolRescale struct {
	maxPoolBack
	ref source
}

func (s *maxPoolRescale) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	s.start(w, image, b)
	for oy := 0; oy < s.signal.h; oy++ {
		for ox := 0; ox < s.signal.w; ox++ {
			p := w.mem[s.signal.at(image, b, oy, ox):][:block]
			for j, v := range p {
				if v == 0 {
					continue
				}
				y, x, top := s.largest(&s.x, b, oy, ox, j)
				ry, rx, refTop := s.largest(&s.ref, b, oy, ox, j)
				if refTop > top {
					y, x = ry, rx
				}
				change := s.x.row(b, y)[x*block+j] - s.ref.row(b, y)[x*block+j]
				if change <= -smallChange || change >= smallChange {
					v *= (top - refTop) / change
				}
				w.mem[s.dst.at(image, b, y, x)+j] += v
			}
		}
	}
}
