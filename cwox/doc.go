// Package cwox explains an image classifier's whole output: it groups the top
// classes into confusion clusters and contrasts clusters with each other, then the
// classes inside each cluster (CWOX-2s; Xie et al., "Two-Stage Holistic and
// Contrastive Explanation of Image Classification", UAI 2023).
//
//	e, err := cwox.Explain(ctx, model, picture, cwox.Options{Tree: tree})
//	for i, c := range e.Clusters { fmt.Println(i, c.Classes, c.Probability) }
//
// Words: a confusion cluster is a group of top classes that share a level-1 latent of
// the label tree; the foil of a class is the rest of its cluster; the rest of a cluster
// is the union of the other clusters.
package cwox
