// Package vision turns image files into network input: a guarded decoder whose
// pixels agree with libjpeg-turbo, libwebp and Pillow, and transforms, which say as
// data how the input is made of a picture: Pillow's antialiased resize by any of its
// filters, a crop, grey, and the normalisation a network expects. All of it is exact:
// pixels and tensors are those of the Python programs to the bit.
//
//	pic, err := vision.DecodeFile("cello_guitar.jpg", vision.Options{})
//	x := vision.Paper.Tensor(pic) // [3][224][224], normalised
//
//	t, err := vision.Preset("torchvision", 3, 224, 224) // shorter side to 256, middle 224 x 224
//	t, source, ok, err := vision.FromConfig(config, preprocessor, metadata) // timm's, Hugging Face's
//	seen, unseen := t.Region(pic.Width, pic.Height) // what the network gets to see
//
// A Picture is 8-bit RGB, [Height][Width][3]. What was repaired, assumed or ignored
// on the way to it is in its Notes, never silent: a rotation by EXIF, dropped alpha,
// a truncated file.
//
// A Transform is a plain value with a JSON form (see MarshalJSON); results record the
// one they were made with, and nothing else knows a size or a mean. One from outside is
// checked by Validate, which also says whether it fits a network.
//
// To add a filter, a preset or an image processor is a row: filters, presets,
// processors.
//
// Files may be hostile. Sizes are checked against caps, and against what a file of
// that length can hold, before anything is allocated; errors name the file, what was
// found and what the limit is. The resize streams: for a picture of any shape it takes
// little beside the input that it makes (see Transform.Input). Configurations are
// bounded and read field by field.
//
// Everything is deterministic, on every processor, and safe for concurrent use as
// long as nobody writes to a picture that others read.
package vision
