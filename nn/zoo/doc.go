// Package zoo knows the architectures: it builds a network from named tensors, and
// says what its input must look like, which layers to explain by default and what its
// classes are called.
//
//	a, err := zoo.Lookup("resnet50")
//	m, err := a.Load(file)      // *nn.Model; file is a *weights.File and must stay open
//	x := a.Transform.Tensor(picture)
//
// The parameter names are torchvision's (ResNet, GoogLeNet) or those of BVLC's Caffe
// model (googlenet-caffe). The number of classes comes from the file.
package zoo
