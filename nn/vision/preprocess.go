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
