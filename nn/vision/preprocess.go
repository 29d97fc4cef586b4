package vision

// Preprocess is what a network expects of its input: size, channel order and an
// affine map per channel.
type Preprocess struct {
	Name          string // recorded in reports, e.g. "imagenet-torchvision"
	Width, Height int
	BGR           bool
	// Scale divides the 8-bit value first (255 for torchvision, 1 for Caffe);
	// then Mean is subtracted and the result divided by Std, in float32, as
	// torchvision does. Mean and Std are in the network's channel order.
	Scale     float32
	Mean, Std [3]float32
}

// ImageNet is torchvision's normalisation; BVLC is Caffe's GoogLeNet's.
var (
	ImageNet = Preprocess{Name: "imagenet-torchvision", Width: 224, Height: 224, Scale: 255,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}
	BVLC = Preprocess{Name: "bvlc-caffe", Width: 224, Height: 224, BGR: true, Scale: 1,
		Mean: [3]float32{104, 117, 123}, Std: [3]float32{1, 1, 1}}
)

// Input returns the picture at the network's input size: what the network sees.
// The aspect ratio is not kept, as in the paper. A picture of that size already
// is returned as it is, not copied.
func (p Preprocess) Input(pic *Picture) *Picture {
	if pic.Width == p.Width && pic.Height == p.Height {
		return pic
	}
	return pic.Resize(p.Width, p.Height)
}

// Tensor returns the network input [3][Height][Width] for a picture of any size:
// ((v/Scale)-Mean)/Std in the network's channel order, every step rounded to
// float32.
func (p Preprocess) Tensor(pic *Picture) []float32 {
	pix := p.Input(pic).Pix
	plane := p.Width * p.Height
	x := make([]float32, 3*plane)
	for c := range 3 {
		table := p.table(c)
		src := c
		if p.BGR {
			src = 2 - c
		}
		dst := x[c*plane : (c+1)*plane]
		for i := range dst {
			dst[i] = table[pix[3*i+src]]
		}
	}
	return x
}

// Value returns what Tensor makes of the 8-bit value v in channel c (in the
// network's order). Masking a pixel black, for example, needs it.
func (p Preprocess) Value(c int, v uint8) float32 { return p.table(c)[v] }

// table maps the 8-bit values of channel c.
func (p Preprocess) table(c int) *[256]float32 {
	var t [256]float32
	for v := range t {
		scaled := float32(v) / p.Scale
		centred := scaled - p.Mean[c]
		t[v] = centred / p.Std[c]
	}
	return &t
}
