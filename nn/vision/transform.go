package vision

// Transform says what a network's input is made of a picture: resized, cropped, its channels
// in order, and an affine map of each. It is a plain value with a JSON form; every result
// records the one it was made with.
type Transform struct {
	// Name says where the transform comes from, e.g. "paper", "torchvision", "bvlc-caffe".
	Name string
	// Width and Height are those of the network's input.
	Width, Height int
	// Resize is what happens first; its zero value stretches to Width x Height.
	Resize Resize
	// Crop takes the middle Width x Height of the resized picture.
	Crop          bool
	Interpolation Interpolation // "" means Bilinear
	Channels      Channels      // "" means RGB
	// Scale divides the 8-bit value first (255 for torchvision, 1 for Caffe);
	// then Mean is subtracted and the result divided by Std, in float32, as
	// torchvision does. Mean and Std are in the network's channel order, one each per
	// channel.
	Scale     float32
	Mean, Std []float32
}

// Resize is the size that a picture is brought to before the crop: its shorter side to
// Short, or stretched to Width x Height; with neither, stretched to the input's size.
type Resize struct{ Short, Width, Height int }

// Interpolation is a filter of Pillow's, antialiased.
type Interpolation string

// The filters.
const (
	Bilinear Interpolation = "bilinear"
	Bicubic  Interpolation = "bicubic"
	Lanczos  Interpolation = "lanczos"
	Nearest  Interpolation = "nearest"
)

// Channels are the network's input channels.
type Channels string

// The kinds of channels.
const (
	RGB  Channels = "rgb"
	BGR  Channels = "bgr"
	Grey Channels = "grey" // one channel, Pillow's convert("L")
)

// Paper stretches a picture to 224 x 224 and normalises it as torchvision does, as the
// paper's authors do; BVLC is Caffe's GoogLeNet's.
var (
	Paper = Transform{Name: "paper", Width: 224, Height: 224, Scale: 255,
		Mean: []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225}}
	BVLC = Transform{Name: "bvlc-caffe", Width: 224, Height: 224, Channels: BGR, Scale: 1,
		Mean: []float32{104, 117, 123}, Std: []float32{1, 1, 1}}
)

// Input returns the picture at the network's input size: what the network sees. A picture
// of that size already is returned as it is, not copied.
func (t Transform) Input(pic *Picture) *Picture {
	if pic.Width == t.Width && pic.Height == t.Height {
		return pic
	}
	return pic.Resize(t.Width, t.Height)
}

// Tensor returns the network input [C][Height][Width] for a picture of any size.
func (t Transform) Tensor(pic *Picture) []float32 { return t.Normalize(t.Input(pic)) }

// Normalize returns the network input [C][Height][Width] for a picture of the input's size,
// one that Input gave: ((v/Scale)-Mean)/Std in the network's channel order, every step
// rounded to float32.
func (t Transform) Normalize(pic *Picture) []float32 {
	pix := pic.Pix
	plane := t.Width * t.Height
	x := make([]float32, 3*plane)
	for c := range 3 {
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
