// Package saliency holds the base explainers: Grad-CAM, MWP (excitation backprop),
// RISE, LIME, guided backpropagation and DeepLIFT. Each makes one saliency map per
// target, all targets from one sweep: masks, forward activations and backward passes
// are shared.
//
//	e := &saliency.GradCAM{ClusterLayer: "layer4", ClassLayer: "layer3"}
//	results, err := e.Explain(ctx, in, []saliency.Request{{
//		Stage:   saliency.ClassStage,
//		Targets: []saliency.Target{{Classes: []int{486}}, {Classes: []int{402, 420}}},
//	}})
//	heat := results[0].Maps[0].Resize(224, 224)
//
// Words: a target is a set of classes explained as one compound class; the pivot layer
// is the layer whose activations are weighed; a mask keeps some of the picture and
// greys the rest; a cell is a square of a mask's coarse grid; a superpixel is a patch
// of like pixels, and a sample is the picture with some of them blackened.
//
// Contracts: maps are row-major, at the explainer's native resolution and signed where
// the explainer's definition is; methods rectify them. The same input, settings and seed
// give the same bytes for any number of threads and any batch size. An explainer may keep
// scratch memory between calls, so it belongs to one goroutine at a time.
package saliency
