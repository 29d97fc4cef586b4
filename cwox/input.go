package cwox

import (
	"errors"
	"fmt"
	"math"

	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// subject is what is explained: a picture, or a network input as it is.
type subject struct {
	pic  *vision.Picture
	x    []float32 // [C][H][W]; used where pic is nil
	held *Held     // what is known of it; nil where nothing is to be kept
}

// input makes the network's input, and checks that it is one.
func (s subject) input(c *Classifier) (*saliency.Input, error) {
	shape := c.Net.Input()
	in := &saliency.Input{Model: c.Net}
	if s.x != nil {
		if len(s.x) != shape.Size() {
			return nil, fmt.Errorf("cwox: an input of %d numbers, %s takes %d x %d x %d = %d", len(s.x), c.Arch.Name, shape.C, shape.H, shape.W, shape.Size())
		}
		in.X = s.x
		in.Picture = pictureOf(s.x, shape.C, shape.H, shape.W)
		in.Tensor = func(*vision.Picture) []float32 { return make([]float32, shape.Size()) }
		return in, nil
	}
	if s.pic == nil || s.pic.Width < 1 || s.pic.Height < 1 || len(s.pic.Pix) != 3*s.pic.Width*s.pic.Height {
		return nil, errors.New("cwox: the picture is empty or its pixels do not fit its size")
	}
	if err := c.CheckTransform(); err != nil {
		return nil, err
	}
	in.Picture, in.Tensor = c.Transform.Input(s.pic), c.Transform.Normalize
	in.X = c.Transform.Normalize(in.Picture)
	return in, nil
}

// whole says what a classifier lacks to be used.
func (c *Classifier) whole() error {
	if c == nil || c.Net == nil || c.Arch == nil {
		return errors.New("cwox: a classifier needs a network (Net) and what is known of it (Arch)")
	}
	return nil
}

// CheckTransform says whether the classifier's transform makes what its network takes. Its
// error names both.
func (c *Classifier) CheckTransform() error {
	shape := c.Net.Input()
	if err := c.Transform.Validate(shape.C); err != nil {
		return fmt.Errorf("cwox: %s: %w", c.Arch.Name, err)
	}
	if c.Transform.Width != shape.W || c.Transform.Height != shape.H {
		return fmt.Errorf("cwox: %s takes %d x %d pixels, its transform makes %d x %d (height x width)", c.Arch.Name,
			shape.H, shape.W, c.Transform.Height, c.Transform.Width)
	}
	return nil
}

// shown is the picture to show, and what the network got of it.
func (s subject) shown(c *Classifier, in *saliency.Input) (*vision.Picture, Input) {
	if s.pic == nil {
		return in.Picture, Input{Seen: vision.Region{Width: float64(in.Picture.Width), Height: float64(in.Picture.Height)}}
	}
	t := c.Transform
	seen, unseen := t.Region(s.pic.Width, s.pic.Height)
	return s.pic, Input{Transform: &t, From: c.TransformFrom, Seen: seen, Unseen: unseen}
}

// muchUnseen is the share of the picture from which on a reader is told that it was cut off.
const muchUnseen = 0.1

// remarks are the warnings that follow from what the network got.
func (in Input) remarks() []Warning {
	if in.Transform == nil || in.Unseen <= muchUnseen {
		return nil
	}
	return []Warning{{"cropped", fmt.Sprintf("The network did not see %.0f %% of the picture: it got the middle of it (%s). "+
		"To explain the whole picture: --preprocess paper, or --crop none.", 100*in.Unseen, in.Transform.Geometry())}}
}

// pictureOf shows a network input [channels][height][width]: the first three channels, or the
// first alone, each from its least to its largest value.
func pictureOf(x []float32, channels, height, width int) *vision.Picture {
	p := vision.New(width, height)
	plane := height * width
	for c := range 3 {
		from := 0
		if channels >= 3 {
			from = c
		}
		values := x[from*plane:][:plane]
		low, high := values[0], values[0]
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
		if !(high > low && high-low < math.MaxFloat32) { // constant, or not finite
			continue
		}
		for i, v := range values {
			p.Pix[3*i+c] = uint8(255*(v-low)/(high-low) + 0.5)
		}
	}
	return p
}
