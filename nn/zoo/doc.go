// Package zoo knows the architectures: it builds a network from named tensors, and
// says what its input must look like, which layers to explain by default and what its
// classes are called.
//
//	a, err := zoo.Match(file, zoo.Spec{})        // the file decides; or zoo.Lookup("resnet50")
//	m, err := a.Load(file, zoo.LoadOptions{})    // *nn.Model
//	fmt.Println(a.Describe())                    // resnet50 (10 classes), keys "model.*" ...
//
// # What is recognised
//
// Match reads the family and every measure off names and shapes: a ResNet of any depth,
// widths, groups and stem, below any prefix, in the spellings of torchvision, timm, Hugging
// Face, fastai and Sequential (one table: spelling.go), with any chain of linear layers,
// BatchNorm1d and ReLU as its head (head.go); torchvision's and BVLC's GoogLeNet of any
// widths; and by one table each VGG, AlexNet and SqueezeNet (sequence.go), DenseNet (densenet.go)
// and the networks of inverted residual blocks (inverted.go: MobileNetV2 and V3, MnasNet,
// EfficientNet of both versions and Lite), of any widths and, but for the latter's stages, depths,
// in torchvision's and timm's names. Layers are called as in torchvision (or BVLC's Caffe model), whatever the file
// calls them. Pruned layers, weight and spectral norm are folded (tensors.go); tensors of
// other things are passed over and listed.
//
// A family besides ResNet and GoogLeNet is a row of kinds (kinds.go) and a function that reads its
// measures off a file and makes a net of units (units.go) of them; adopt compares the whole net
// with the file.
//
// An ONNX file describes its network itself (package importer): nothing is matched, and layers are
// called as its tensors are.
//
// # What tensors do not tell
//
// Stride placement, eps, poolings, activation, padding, dilation and torchvision's transform_input
// are decided by the user's Spec (spec.go lists the settings), by the layers of a whole
// pickled module, by a config.json of Hugging Face or timm (says.go), and are otherwise
// assumed: Facts.Assumed lists what and how to choose otherwise. What cannot be run is an
// error that names it (refuse.go), never the plain network in silence. CheckStatistics and Compare
// (statistics.go) look for wrong assumptions in the batch normalisations' statistics; that
// they find none is no proof.
package zoo
