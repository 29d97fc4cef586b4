// Package vision turns image files into network input: a guarded decoder whose
// pixels agree with libjpeg-turbo and Pillow, Pillow's antialiased bilinear resize
// to the bit, and the normalisation a network expects.
//
//	pic, err := vision.DecodeFile("cello_guitar.jpg", vision.Options{})
//	x := vision.ImageNet.Tensor(pic) // [3][224][224], normalised
//
// Everything is deterministic and safe for concurrent use. Sizes are checked
// against caps before anything is allocated.
package vision
