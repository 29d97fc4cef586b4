// Package labeltree says where a classifier's confusion clusters come from, and whether a tree
// belongs to the classifier at all.
//
//	tree := labeltree.FromWeights(model, false)       // no images, no documents
//	fit, err := labeltree.Match(tree, labeltree.Classes{N: 10, Labels: labels})
//	clusters, err := fit.Cut(topClasses, 1)
//
// A label tree is an hlta.Tree, whoever made it: latent tree analysis of documents (package
// hlta), or average link on the cosine of the weight rows of the network's last layer
// (FromWeights), which has clusters at three levels but no probabilities. Another source, average
// link on documents for instance, is another function here that returns an hlta.Tree.
//
// # Where the weight rows' dendrogram is cut
//
// Two clusters are joined while the mean cosine of their rows is more than that of any pair of
// unrelated classes (with a probability of 95 %, see threshold). Nothing in this rule is fitted
// to ImageNet, and nothing is joined where rows have no structure. Agreement with trees learned
// from documents, over the pairs of classes in one of the 28,097 top label lists of ResNet-50 on
// ImageNet's validation images (together in both, or apart in both; Cohen's kappa corrects for
// chance), and the adjusted Rand index over all 1000 classes
// (go test ./cwox/labeltree -run Study -v):
//
//	                                        clusters     pairs   kappa   ARI
//	ResNet-50's rows, embedded tree         337, 268     0.848   0.591   0.427
//	ResNet-50's rows, its published tree    337, 287     0.841   0.553   0.386
//	GoogLeNet's rows, embedded tree         404, 268     0.847   0.579   0.437
//	GoogLeNet's rows, its published tree    404, 410     0.837   0.481   0.351
//	embedded tree, published ResNet-50      268, 287     0.856   0.568   0.377
//	published GoogLeNet, published ResNet   410, 287     0.888   0.590   0.331
//	the demo's rows, its tree                12, 12                      1.000
//
// So the rows agree with a learned tree as well as two learned trees agree with each other. The
// embedded tree is learned from ResNet-50's lists.
//
// Levels 2 and 3 have a third and a ninth of the clusters, as HLTA's trees have; kappa with the
// embedded tree's there is 0.56 and 0.52 for ResNet-50's rows, 0.59 and 0.55 for GoogLeNet's.
//
// # Many classes
//
// Up to 4,096 classes the whole dendrogram is made, in n^2/2 numbers. For more, clusters above the
// cut are found from the rows themselves, the same ones, in memory for the rows and 64 neighbours
// each; work is about n^2 products of rows (21,841 rows of 2,048 take some seconds on a few cores).
//
// # Few classes
//
// Ten of ImageNet's (cello, acoustic guitar, banjo, violin, electric guitar, tabby, Egyptian cat,
// two huskies, sports car) give [cello violin] [the guitars and the banjo] [the cats] [the huskies]
// [sports car] with ResNet-50's rows; GoogLeNet's have cats and huskies together.
//
// Two classes are two clusters: their union has the probability 1 under any mask, so that its map
// would show nothing, and they are contrasted at the layer that tells most. For the same reason no
// level ever has all classes in one cluster.
package labeltree
