// Package vision turns image files into network input: a guarded decoder whose
// pixels agree with libjpeg-turbo, libwebp and Pillow, Pillow's antialiased bilinear
// resize, and the normalisation a network expects. All of it is exact: pixels and
// tensors are those of the Python programs to the bit.
//
//	pic, err := vision.DecodeFile("cello_guitar.jpg", vision.Options{})
//	x := vision.Paper.Tensor(pic) // [3][224][224], normalised
//
// A Picture is 8-bit RGB, [Height][Width][3]. What was repaired, assumed or ignored
// on the way to it is in its Notes, never silent: a rotation by EXIF, dropped alpha,
// a truncated file.
//
// Files may be hostile. Sizes are checked against caps, and against what a file of
// that length can hold, before anything is allocated; errors name the file, what was
// found and what the limit is.
//
// Everything is deterministic, on every processor, and safe for concurrent use as
// long as nobody writes to a picture that others read.
package vision
