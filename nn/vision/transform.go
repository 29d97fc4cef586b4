package vision

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
)

// Transform says what a network's input is made of a picture: resized, cropped, its channels
// in order, and an affine map of each. It is a plain value with a JSON form; every result
// records the one it was made with. A transform from outside is to be checked with Validate;
// the other methods panic where it is not valid.
type Transform struct {
	// Name says where the transform comes from, e.g. "paper", "torchvision", "bvlc-caffe".
	Name string
	// Width and Height are those of the network's input.
	Width, Height int
	// Resize is what happens first; its zero value stretches to Width x Height.
	Resize Resize
	// Crop takes the middle Width x Height of the resized picture; without it the resized
	// picture has that size.
	Crop Crop
	// Fill is the colour (red, green, blue) where a crop reaches beyond the picture; nil is
	// black.
	Fill          []uint8
	Interpolation Interpolation // "" means Bilinear
	// Pillow is the version of Pillow whose order of passes the resize follows: 12 for all
	// before 13, or 13 (0 means 13). They differ by a level here and there in tall pictures.
	Pillow   int
	Channels Channels // "" means RGB
	// Scale divides the 8-bit value first (255 for torchvision, 1 for Caffe);
	// then Mean is subtracted and the result divided by Std, in float32, as
	// torchvision does. Mean and Std are in the network's channel order, one each per
	// channel.
	Scale     float32
	Mean, Std []float32
}

// Resize is the size that a picture is brought to before the crop: its shorter side to
// Short, or to Width x Height in a way of fitting; with neither, stretched to the input's
// size.
type Resize struct {
	Short         int
	Width, Height int
	Fit           Fit
}

// Fit is how a picture comes to a size of another shape.
type Fit string

// The ways.
const (
	Stretch Fit = ""        // exactly the size; the aspect ratio is lost
	Cover   Fit = "cover"   // ratio kept, the smallest picture that covers the size (timm, not square)
	Contain Fit = "contain" // ratio kept, the largest picture within the size (timm's border mode)
	AsIs    Fit = "none"    // not resized at all
)

// Crop is which part of the resized picture the network gets.
type Crop string

// The crops. They differ by half a pixel where the rest is odd. Where the picture is smaller
// than the input it is padded.
const (
	NoCrop      Crop = ""
	Center      Crop = "center"       // offset int(round(rest / 2)), halves to even: torchvision, timm
	CenterFloor Crop = "center-floor" // offset floor(rest / 2): Hugging Face
)

// Channels are the network's input channels.
type Channels string

// The kinds of channels.
const (
	RGB  Channels = "rgb"
	BGR  Channels = "bgr"
	Grey Channels = "grey" // one channel, Pillow's convert("L") before the resize
)

// Limits of a transform: they bound memory.
const (
	MaxSide   = 4096    // of the input
	MaxPixels = 1 << 22 // of the input: 2048 x 2048
	MaxResize = 1 << 16 // of a side in Resize
)

// Validate says what is wrong with the transform, and whether it makes the input of a
// network with so many channels.
func (t Transform) Validate(channels int) error {
	if err := t.validate(channels); err != nil {
		return fmt.Errorf("vision: %w", err)
	}
	return nil
}

func (t Transform) validate(channels int) error {
	err := t.check()
	if err == nil && channels != t.channels() {
		switch channels {
		case 1:
			err = fmt.Errorf("the network's input has 1 channel, the transform makes %d (%s): choose the channels grey", t.channels(), t.order())
		case 3:
			err = fmt.Errorf("the network's input has 3 channels, the transform makes 1 (grey): choose the channels rgb or bgr")
		default:
			err = fmt.Errorf("the network wants %d channels, a picture has 3 (or 1, grey): give it inputs as they are with --tensor FILE.safetensors", channels)
		}
	}
	return err
}

// check is validate for any network.
func (t Transform) check() error {
	r := t.Resize
	side := func(n int) bool { return n >= 1 && n <= MaxResize }
	switch {
	case len(t.Name) > maxName:
		return fmt.Errorf("a name of %d bytes, at most %d are taken", len(t.Name), maxName)
	case t.Width < 1 || t.Height < 1 || t.Width > MaxSide || t.Height > MaxSide:
		return fmt.Errorf("an input of %s pixels: want sides of 1 to %d", size(t.Width, t.Height), MaxSide)
	case t.Width*t.Height > MaxPixels:
		return fmt.Errorf("an input of %s = %d pixels, the limit is %d", size(t.Width, t.Height), t.Width*t.Height, MaxPixels)
	case filters[t.interpolation()] == nil:
		return fmt.Errorf("interpolation %q: want one of %s", t.Interpolation, list(Interpolations()))
	case t.Pillow != 0 && t.Pillow != 12 && t.Pillow != 13:
		return fmt.Errorf("pillow %d: want 12 (all before 13) or 13", t.Pillow)
	case t.Channels != "" && !slices.Contains(channelKinds, t.Channels):
		return fmt.Errorf("channels %q: want one of %s", t.Channels, list(channelKinds))
	case !slices.Contains(crops, t.Crop):
		return fmt.Errorf("crop %q: want none, %s or %s", t.Crop, Center, CenterFloor)
	case !slices.Contains(fits, r.Fit):
		return fmt.Errorf("resize %q: want stretch, cover, contain or none", r.Fit)
	case r.Short != 0 && (r.Width != 0 || r.Height != 0 || r.Fit != Stretch):
		return fmt.Errorf("resize: the shorter side to %d and also to %s %s", r.Short, r.Fit, size(r.Width, r.Height))
	case r.Short != 0 && !side(r.Short):
		return fmt.Errorf("resize: the shorter side to %d: want 1 to %d", r.Short, MaxResize)
	case (r.Width != 0 || r.Height != 0) && (r.Fit == AsIs || !side(r.Width) || !side(r.Height)),
		(r.Fit == Cover || r.Fit == Contain) && r.Width == 0:
		return fmt.Errorf("resize to %s %s: want sides of 1 to %d", size(r.Width, r.Height), r.Fit, MaxResize)
	case t.Crop == NoCrop && (r.Short != 0 || r.Fit != Stretch || r.Width != 0 && (r.Width != t.Width || r.Height != t.Height)):
		return fmt.Errorf("resize %s without a crop does not make the input of %s", t.Resize.words(t), size(t.Width, t.Height))
	case t.Fill != nil && len(t.Fill) != 3:
		return fmt.Errorf("fill: %d values, want 3: red, green, blue", len(t.Fill))
	case !(t.Scale > 0) || math.IsInf(float64(t.Scale), 0):
		return fmt.Errorf("scale %g: want a positive number, 255 for values from 0 to 1", t.Scale)
	case len(t.Mean) != t.channels() || len(t.Std) != t.channels():
		return fmt.Errorf("%d means and %d standard deviations: want %d each for %s", len(t.Mean), len(t.Std), t.channels(), t.order())
	}
	for c := range t.Mean {
		if m, s := float64(t.Mean[c]), float64(t.Std[c]); math.IsNaN(m) || math.IsInf(m, 0) || !(math.Abs(s) > 0) || math.IsInf(s, 0) {
			return fmt.Errorf("channel %d: mean %g and standard deviation %g: want finite numbers, the second not 0", c, m, s)
		}
	}
	return nil
}

const maxName = 200

var (
	channelKinds = []Channels{RGB, BGR, Grey}
	crops        = []Crop{NoCrop, Center, CenterFloor}
	fits         = []Fit{Stretch, Cover, Contain, AsIs}
)

// Input returns the picture at the network's input size: what the network sees, in grey for a
// network of one channel. A picture of that size already is returned as it is, not copied,
// where nothing else changes it. Only the part that the crop takes is computed. Beside it the
// work takes some rows, and 36 bytes for each pixel of a row that goes into one pixel of the
// input: at most 80 MB for any picture that Decode gives and an input of 224 x 224.
func (t Transform) Input(pic *Picture) *Picture {
	width, height := t.resized(pic.Width, pic.Height)
	x, y := t.offset(width, height)
	if width == pic.Width && height == pic.Height && x == 0 && y == 0 && width == t.Width && height == t.Height && t.Channels != Grey {
		return pic
	}
	q := pic.like(t.Width, t.Height)
	part := image.Rect(x, y, x+t.Width, y+t.Height).Intersect(image.Rect(0, 0, width, height))
	if part.Dx() < t.Width || part.Dy() < t.Height {
		t.fill(q)
	}
	r := resampler{src: pic, pillow: t.pillow(), grey: t.Channels == Grey, filter: filters[t.interpolation()], width: width, height: height}
	r.draw(q, part.Min.Sub(image.Pt(x, y)), part)
	return q
}

// Tensor returns the network input [C][Height][Width] for a picture of any size.
func (t Transform) Tensor(pic *Picture) []float32 { return t.Normalize(t.Input(pic)) }

// Normalize returns the network input [C][Height][Width] for a picture of the input's size,
// one that Input gave: ((v/Scale)-Mean)/Std in the network's channel order, every step
// rounded to float32.
func (t Transform) Normalize(pic *Picture) []float32 {
	if pic.Width != t.Width || pic.Height != t.Height {
		panic("vision: Normalize: the picture does not have the input's size")
	}
	pix := pic.Pix
	plane := t.Width * t.Height
	x := make([]float32, t.channels()*plane)
	for c := range t.channels() {
		table := t.table(c)
		src := c
		if t.Channels == BGR {
			src = 2 - c
		}
		dst := x[c*plane : (c+1)*plane]
		for i := range dst {
			dst[i] = table[pix[3*i+src]]
		}
	}
	return x
}

// Value returns what Normalize makes of the 8-bit value v in channel c (in the
// network's order). Masking a pixel black, for example, needs it.
func (t Transform) Value(c int, v uint8) float32 { return t.table(c)[v] }

// Region is a rectangle of a picture, in its pixels, from the upper left corner.
type Region struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Region returns the rectangle of a picture of a size that the network's input shows, and the
// share of the picture that it does not see. Where the input is padded the rectangle reaches
// beyond the picture.
func (t Transform) Region(width, height int) (seen Region, unseen float64) {
	w, h := t.resized(width, height)
	x, y := t.offset(w, h)
	axis := func(at, part, resized, n int) (first, length, inside float64) {
		first, length = float64(at)*float64(n)/float64(resized), float64(part)*float64(n)/float64(resized)
		return first, length, float64(max(0, min(at+part, resized)-max(at, 0))) / float64(resized)
	}
	var across, down float64
	seen.X, seen.Width, across = axis(x, t.Width, w, width)
	seen.Y, seen.Height, down = axis(y, t.Height, h, height)
	return seen, 1 - float64(across*down)
}

// String is the transform in words: "shorter side to 256, middle 224x224, bilinear; rgb / 255,
// mean 0.485 0.456 0.406, std 0.229 0.224 0.225".
func (t Transform) String() string {
	return fmt.Sprintf("%s, %s; %s / %g, mean %s, std %s", t.Geometry(), t.interpolation(), t.order(), t.Scale, numbers(t.Mean), numbers(t.Std))
}

// Geometry is the part of String about sizes: "shorter side to 256, middle 224x224".
func (t Transform) Geometry() string {
	if t.Crop != NoCrop {
		return t.Resize.words(t) + ", middle " + size(t.Width, t.Height)
	}
	return t.Resize.words(t)
}

// words says where the resize goes.
func (r Resize) words(t Transform) string {
	switch {
	case r.Fit == AsIs:
		return "not resized"
	case r.Short > 0:
		return fmt.Sprintf("shorter side to %d", r.Short)
	case r.Fit == Cover:
		return "scaled to cover " + size(r.Width, r.Height)
	case r.Fit == Contain:
		return "scaled to fit into " + size(r.Width, r.Height)
	case r.Width > 0:
		return "stretched to " + size(r.Width, r.Height)
	}
	return "stretched to " + size(t.Width, t.Height)
}

// resized is the size of a picture after the resize, at most 2^31-1 a side, which is more
// than Pillow can make.
func (t Transform) resized(width, height int) (int, int) {
	whole := func(x float64) int { return int(min(max(x, 1), math.MaxInt32)) }
	r := t.Resize
	switch {
	case r.Fit == AsIs:
		return width, height
	case r.Short > 0: // torchvision: the longer side is int(short * long / short)
		if width <= height {
			return r.Short, whole(float64(r.Short) * float64(height) / float64(width))
		}
		return whole(float64(r.Short) * float64(width) / float64(height)), r.Short
	case r.Fit == Cover || r.Fit == Contain: // timm's ResizeKeepRatio
		across, down := float64(width)/float64(r.Width), float64(height)/float64(r.Height)
		ratio := min(across, down)
		if r.Fit == Contain {
			ratio = max(across, down)
		}
		return whole(math.RoundToEven(float64(width) / ratio)), whole(math.RoundToEven(float64(height) / ratio))
	case r.Width > 0:
		return r.Width, r.Height
	}
	return t.Width, t.Height
}

// offset is where the input begins in a resized picture; negative where it is padded.
func (t Transform) offset(width, height int) (x, y int) {
	return t.Crop.offset(width, t.Width), t.Crop.offset(height, t.Height)
}

func (c Crop) offset(side, part int) int {
	rest := float64(side-part) / 2
	switch {
	case c == CenterFloor:
		return int(math.Floor(rest))
	case rest < 0: // torchvision pads by floor(-rest) on the left
		return int(math.Ceil(rest))
	}
	return int(math.RoundToEven(rest))
}

// fill paints a picture with the colour of the padding.
func (t Transform) fill(q *Picture) {
	if t.Fill == nil {
		return
	}
	r, g, b := t.Fill[0], t.Fill[1], t.Fill[2]
	if t.Channels == Grey {
		r = Luma(r, g, b)
		g, b = r, r
	}
	for i := 0; i < len(q.Pix); i += 3 {
		q.Pix[i], q.Pix[i+1], q.Pix[i+2] = r, g, b
	}
}

// table maps the 8-bit values of channel c.
func (t Transform) table(c int) *[256]float32 {
	var table [256]float32
	for v := range table {
		scaled := float32(v) / t.Scale
		centred := scaled - t.Mean[c]
		table[v] = centred / t.Std[c]
	}
	return &table
}

// channels is the number of channels of the input.
func (t Transform) channels() int {
	if t.Channels == Grey {
		return 1
	}
	return 3
}

// order is Channels with its default.
func (t Transform) order() Channels {
	if t.Channels == "" {
		return RGB
	}
	return t.Channels
}

func (t Transform) pillow() int {
	if t.Pillow == 0 {
		return 13
	}
	return t.Pillow
}

func (t Transform) interpolation() Interpolation {
	if t.Interpolation == "" {
		return Bilinear
	}
	return t.Interpolation
}

// size is a size as people write it, width first.
// size is height x width, as tensors, the JSON form and the command line have it.
func size(width, height int) string { return fmt.Sprintf("%dx%d", height, width) }

func numbers(list []float32) string { return strings.Trim(fmt.Sprint(list), "[]") }

func list[T ~string](names []T) string {
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	return strings.Join(out, ", ")
}
