// Package hlta learns, reads, writes and queries hierarchical latent tree models
// (Chen et al., "Latent Tree Models for Hierarchical Topic Detection", AIJ 2017):
// trees whose leaves are words (here class labels "c486") and whose inner nodes
// are binary latent variables, one level above the other.
//
//	docs, err := hlta.ReadDocuments("resnet50val.sparse.txt.gz")
//	tree, err := hlta.Learn(ctx, docs, hlta.Options{})
//	groups, err := tree.Cut([]string{"c486", "c402", "c889"}, 1) // [[0 2] [1]]
//
// Words: a latent is an inner node, on (1) or off (0); an island is the set of words
// (or latents) that share a latent; the cut at a level groups words by their latent
// of that level, and at level 1 these groups are the confusion clusters; the level of
// a latent counts from the words.
//
// ReadTree takes our tree.json, the authors' nodes.json (which has no parameters) and
// .bif, told apart by content; WriteJSON, WriteNodes, WriteBIF and WritePartition
// write. Restrict gives the part above some words, Text, WriteSVG and WriteHTML draw,
// and NewInference answers what the words seen say about the others. Files are taken
// to be hostile: an error names the file and what is wrong with it.
//
// A Tree is immutable and safe for concurrent use. Learning is deterministic: the
// same documents, options and seed give the same bytes for any number of threads.
// How well it finds what is there, what it costs and which options suit label lists:
// .github/hlta.md.
package hlta
