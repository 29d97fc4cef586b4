// Package labeltree says where a classifier's confusion clusters come from, and whether a tree
// belongs to the classifier at all.
//
//	tree := labeltree.FromWeights(model, false)       // no images, no documents
//	fit, err := labeltree.Match(tree, nil, classname.New(10, labels, nil))
//	clusters, err := fit.Cut(topClasses, 1)
//
// A label tree is an hlta.Tree, whoever made it: latent tree analysis of documents (package
// hlta), or average link on the cosine of the weight rows of the network's last layer
// (FromWeights), which has clusters at three levels but no probabilities. Another source, average
// link on documents for instance, is another function here that returns an hlta.Tree.
//
// # Where the weight rows' dendrogram is cut
//
// Two clusters are joined while the mean cosine of their rows is a fifth more than that of any
// pair of unrelated classes (with a probability of 95 %, see threshold). But for that fifth, which
// was set on the networks below, the rule knows nothing of ImageNet, and nothing is joined where
// rows have no structure. Agreement with trees learned from documents, over the pairs of classes in
// one of the 28,097 top label lists of ResNet-50 on ImageNet's validation images (together in both,
// or apart in both; Cohen's kappa corrects for chance), and the adjusted Rand index over all
// classes (go test ./cwox/labeltree -run Study -v):
//
//	                                          clusters     pairs   kappa   ARI
//	ResNet-50's rows, embedded tree           452, 268     0.851   0.565   0.418
//	ResNet-50's rows, published ResNet-50     452, 287     0.861   0.570   0.396
//	ResNet-50's rows, published GoogLeNet     452, 410     0.854   0.490   0.329
//	GoogLeNet's rows, embedded tree           561, 268     0.860   0.569   0.390
//	GoogLeNet's rows, published GoogLeNet     561, 410     0.885   0.561   0.392
//	GoogLeNet's rows, published ResNet-50     561, 287     0.886   0.622   0.382
//	embedded tree, published ResNet-50        268, 287     0.856   0.568   0.377
//	published GoogLeNet, published ResNet-50  410, 287     0.888   0.590   0.331
//	published GoogLeNet, embedded tree        410, 268     0.843   0.475   0.300
//	the demo's rows, its tree                  13, 12                      0.971
//
// So the rows agree with a learned tree about as well as two learned trees agree with each other
// (the three rows before the last), and both networks' give the clusters of the paper's Fig. 3,
// cello with violin apart from the guitars and the banjo. The embedded tree is learned from
// ResNet-50's lists.
//
// Levels 2 and 3 have a third and a ninth of the clusters, as HLTA's trees have; kappa with the
// embedded tree's there is 0.59 and 0.53 for ResNet-50's rows, 0.61 and 0.55 for GoogLeNet's.
//
// # Many classes
//
// Up to 4,096 classes the whole dendrogram is made, in n^2/2 numbers. For more, clusters above the
// cut are found from the rows themselves, the same ones, in memory for the rows and 64 neighbours
// each; work is about n^2 products of rows (21,841 rows of 2,048 took 15 s on two busy cores).
//
// # Few classes
//
// Ten of ImageNet's (cello, acoustic guitar, banjo, violin, electric guitar, tabby, Egyptian cat,
// two huskies, sports car) give [cello violin] [the guitars and the banjo] [the cats] [the huskies]
// [sports car] with either network's rows.
//
// Two classes are two clusters: their union has the probability 1 under any mask, so that its map
// would show nothing, and they are contrasted at the layer that tells most. For the same reason no
// level ever has all classes in one cluster.
package labeltree
