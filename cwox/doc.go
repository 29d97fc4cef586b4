// Package cwox explains an image classifier's whole output: it groups the top
// classes into confusion clusters and contrasts clusters with each other, then the
// classes inside each cluster (CWOX-2s; Xie et al., "Two-Stage Holistic and
// Contrastive Explanation of Image Classification", UAI 2023).
//
//	c := &cwox.Classifier{Net: model, Arch: arch, Transform: arch.Transform, Labels: labels}
//	p := cwox.New(c) // one goroutine, many pictures
//	e, err := p.Explain(ctx, picture, cwox.Options{Tree: cwox.DefaultTree(c)})
//	for i, k := range e.Clusters { fmt.Println(i, k.Classes, k.Probability) }
//
// Words: a confusion cluster is a group of top classes that share a level-1 latent of
// the label tree, which is learned from what a classifier confuses (package hlta) or made of its
// last layer's weights (package labeltree), and used only if its words are the classifier's
// classes; the foil of a class is the rest of its cluster; the rest of a cluster is the union
// of the other clusters; a base map is the explainer's, of one target, and a
// contrastive map is what a method makes of several. A transform says how the network's
// input is made of a picture; what it leaves out is unseen.
//
// Contracts: a Classifier is immutable and shared; a Pipeline belongs to one goroutine at a
// time. Maps have the size of the network's input, row-major float32, and are not negative.
// The same picture, options and seed give the same bytes for any number of threads.
// Whatever a reader should be told (a blank map, a single class, a value that is not
// finite) is a Warning of the Explanation, not an error.
package cwox
