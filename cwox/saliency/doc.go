// Package saliency holds the base explainers: Grad-CAM, MWP (excitation backprop),
// RISE and LIME. Each makes one saliency map per target, all targets from one sweep
// (masks, forward activations and backward passes are shared).
package saliency
