// Package dataset takes the classifier over many images: it writes the label lists that
// label trees are learned from, and measures how faithful explanations are (the paper's
// Tables 1 to 3).
//
//	images, _, err := dataset.List("photos")                            // a folder, or a list of paths
//	result, err := dataset.WriteDocuments(ctx, classifier, images, "docs.txt.gz",
//		dataset.DocumentsOptions{})
//	docs, err := hlta.ReadDocuments("docs.txt.gz")
//
//	e, err := dataset.Evaluate(ctx, classifier, images, "results", dataset.EvaluateOptions{
//		Explain: cwox.Options{Tree: tree}})
//	err = e.WriteText(os.Stdout)
//
// Words: a document is the list of the top classes of an image whose probabilities sum to
// more than 0.95; a journal is the file that grows by a line per image while the work lasts;
// a pair is a top class and the other classes of its confusion cluster, its foil.
//
// Many machines share the work, and Merge makes of their shards what one call would have written:
//
//	_, err := dataset.Evaluate(ctx, classifier, images, "results", dataset.EvaluateOptions{
//		Shard: dataset.Shard{Index: 3, Of: 100}})                   // on each its own index
//	merged, err := dataset.Merge(ctx, "results")                    // on one, when all are done
//
// Contracts: an image that cannot be read costs a line, not the run; what would fail for every
// image, as too many open files, ends the run and makes no line. A run that ended in any way,
// kill -9 included, is continued by the same call, and the files come to the same bytes as
// without the interruption, for any number of threads and any batch. Images that were replaced
// between runs are noticed by their hashes. Memory does not grow with the number of images, but
// for their paths and hashes and, in an evaluation, the numbers of a pair. One program at a time
// writes to a file or folder: another one ends with an error and changes nothing.
package dataset
