// Package hlta learns, reads, writes and queries hierarchical latent tree models
// (Chen et al., "Latent Tree Models for Hierarchical Topic Detection", AIJ 2017):
// trees whose leaves are words (here class labels "c486") and whose inner nodes
// are binary latent variables, one level above the other.
//
//	docs, err := hlta.ReadDocuments("resnet50val.sparse.txt.gz")
//	tree, err := hlta.Learn(ctx, docs, hlta.Options{})
//	groups, err := tree.Cut([]string{"c486", "c402", "c889"}, 1) // [[0 2] [1]]
//
// A Tree is immutable and safe for concurrent use. Learning is deterministic: the
// same documents, options and seed give the same bytes for any number of threads.
package hlta
