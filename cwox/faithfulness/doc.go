// Package faithfulness measures whether a heatmap shows what a network's output hangs on:
// it erases pixels in the order of the heatmap and watches the probabilities (paper
// section 5.1; CAUC of Eq. 4, CDROP of Eq. 5, deletion and insertion AUC).
//
//	score := faithfulness.Network(model, session)
//	results, err := faithfulness.Score(ctx, score, x, []faithfulness.Query{
//		{Heatmap: faithfulness.FromMap(m), Pos: []int{486}, Neg: []int{889}},
//	}, faithfulness.Options{})
//	fmt.Println(results[0].Status, results[0].CAUC, results[0].CDROP)
//
// Words: the contrastive score is s = P(pos) (1 - P(neg)) (Eq. 3), P of a set of classes
// the sum of their softmax probabilities; an erased pixel is 0 in all channels of the
// network's input, which is the mean colour; a delta-salient pixel has at least half of
// the heatmap's maximum, n_delta counts them. Small CAUC, deletion AUC and large CDROP,
// insertion AUC are good.
//
// Two definitions exist, the paper's equations and what the authors' code computes; see
// Definition. CAUC values over different numbers of pixels do not compare: to compare
// heatmaps of one pair of sets, use the least of their n_delta for all, with Query.Count
// or, after the fact, with Curve.CAUC.
//
// Contracts: pixels are erased in order of descending saliency, ties by ascending raster
// index. All queries of a call share batches, inputs are made by erasing only what
// changed. A heatmap that cannot be scored (blank, not finite, too few salient pixels)
// gets a Status and NaN, never a perfect score. The results do not depend on the batch.
package faithfulness
