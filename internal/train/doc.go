// Package train trains the small residual networks that come with the repository: a
// narrow bottleneck ResNet with torchvision's parameter names, on pictures of the drawn
// world, by stochastic gradient descent.
//
//	net := train.NewNet(train.Shape{Classes: 36}, 0)
//	err := train.Run(ctx, net, train.Options{Log: os.Stderr})
//	err = weights.WriteFile("demo.safetensors", net.Tensors(), nil)
//
// Activations are stored block by block of 16 channels, [block][image][y][x][16], so
// that a 1x1 convolution over a whole batch, its input gradient and its weight gradient
// are each a few long calls of the same matrix-product kernel (asm.GemmF32).
//
// A batch is cut into groups of images, which are normalised on their own (Hoffer, Hubara
// and Soudry, 2017, call it ghost batch normalisation); a group belongs to one goroutine
// from its pictures to its weight gradients, and the gradients are added in the order of
// the groups. So the same seed gives the same weights for any number of goroutines; the
// kernel tiers avx2 and avx512 agree to the bit as well.
//
// A net is changed by Run and must not be used by others meanwhile. Shapes that do not
// fit are broken contracts and panic.
package train
