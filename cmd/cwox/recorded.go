package main

import (
	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/hlta"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// recorded are the settings that a report holds, of whichever explainer.
type recorded struct {
	ClusterLayer string           `json:"cluster_layer"`
	ClassLayer   string           `json:"class_layer"`
	Residual     string           `json:"residual"`
	Contrastive  bool             `json:"contrastive"`
	ClusterMasks int              `json:"cluster_masks"`
	ClusterCells int              `json:"cluster_cells"`
	ClusterKeep  float64          `json:"cluster_keep"`
	ClassMasks   int              `json:"class_masks"`
	ClassCells   int              `json:"class_cells"`
	ClassKeep    float64          `json:"class_keep"`
	Quality      saliency.Quality `json:"quality"`
	Tolerance    float64          `json:"tolerance"`
	MinMax       bool             `json:"minmax"`

	Superpixels     saliency.Superpixels `json:"superpixels"`
	ClusterSamples  int                  `json:"cluster_samples"`
	ClusterKernel   float64              `json:"cluster_kernel"`
	ClusterSegments int                  `json:"cluster_segments"`
	ClassSamples    int                  `json:"class_samples"`
	ClassKernel     float64              `json:"class_kernel"`
	ClassSegments   int                  `json:"class_segments"`

	Smooth float64 `json:"smooth"`

	ReLU    bool    `json:"relu"`
	Delta   float64 `json:"delta"`
	Epsilon float64 `json:"epsilon"`
}

// askedOf is what makes a report again: methods that follow each other with one explainer
// share its work.
func askedOf(r *report.Report, cl *cwox.Classifier) (asked, error) {
	var p asked
	all := r.Each()
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Explainer.Name == all[0].Explainer.Name {
			n++
		}
		var methods []cwox.Method
		var o cwox.Options
		relu, effects := cwox.AutoReLU, false
		for i, one := range all[:n] {
			own, err := optionsOf(one, cl)
			if err != nil {
				return asked{}, err
			}
			methods = append(methods, own.Method)
			effects = effects || own.Effects
			if i == 0 || own.Method == cwox.CWOX2s { // which alone has thresholds
				o = own
			}
			if auto := own.Variant == cwox.Paper || own.Method == cwox.SWOX; own.Method != cwox.CWOX1sB && auto != (own.ReLU == cwox.WithReLU) {
				relu = own.ReLU // it was asked for
			}
		}
		o.ReLU, o.Effects = relu, effects
		if p.methods != nil && !slices.Equal(p.methods, methods) {
			return asked{}, fmt.Errorf("methods %v by one explainer, %v by another", p.methods, methods)
		}
		p.methods = methods
		p.options = append(p.options, o)
		all = all[n:]
	}
	return p, nil
}

// optionsOf are the options that make a report of one explanation again.
func optionsOf(r *report.Report, cl *cwox.Classifier) (cwox.Options, error) {
	o := cwox.Options{Method: cwox.Method(r.Method), Variant: cwox.Variant(r.Variant), Seed: r.Seed}
	o.Effects = slices.ContainsFunc(r.Classes, func(c report.Class) bool { return c.Effect != nil }) ||
		slices.ContainsFunc(r.Clusters, func(c report.Cluster) bool { return c.Effect != nil })
	// A tree that is at hand cuts again; else the clusters stand as they are.
	switch cwox.TreeSource(r.Tree.Source) {
	case cwox.TreeEmbedded, cwox.TreeWeights:
		o.Tree = cwox.DefaultTree(cl)
	case cwox.TreeFile:
		if tree, err := hlta.ReadTree(r.Tree.File); err == nil {
			o.Tree, o.TreeFile = tree, r.Tree.File
		}
	}
	o.Level = r.Tree.Level
	if o.Tree == nil {
		for _, k := range r.Clusters {
			o.Clusters = append(o.Clusters, k.Classes)
		}
	}
	if o.Clusters == nil {
		for _, t := range r.Top {
			o.Classes = append(o.Classes, t.Class)
		}
	}
	text, err := json.Marshal(r.Explainer.Settings)
	if err != nil {
		return o, err
	}
	var s recorded
	if err := json.Unmarshal(text, &s); err != nil {
		return o, fmt.Errorf("explainer settings: %w", err)
	}
	o.ReLU, o.Delta, o.Epsilon = cwox.NoReLU, s.Delta, s.Epsilon
	if s.ReLU {
		o.ReLU = cwox.WithReLU
	}
	switch r.Explainer.Name {
	case "gradcam":
		o.Explainer = &saliency.GradCAM{ClusterLayer: s.ClusterLayer, ClassLayer: s.ClassLayer}
	case "mwp":
		o.Explainer = &saliency.MWP{ClusterLayer: s.ClusterLayer, ClassLayer: s.ClassLayer,
			Duplicated: s.Residual == "duplicated", Contrastive: s.Contrastive}
	case "rise":
		o.Explainer = &saliency.RISE{
			Cluster:   saliency.RISEStage{Masks: s.ClusterMasks, Cells: s.ClusterCells, Keep: s.ClusterKeep},
			Class:     saliency.RISEStage{Masks: s.ClassMasks, Cells: s.ClassCells, Keep: s.ClassKeep},
			Quality:   s.Quality,
			Tolerance: s.Tolerance, Raw: !s.MinMax}
	case "lime":
		o.Explainer = &saliency.LIME{
			Cluster:     saliency.LIMEStage{Samples: s.ClusterSamples, Kernel: s.ClusterKernel, Segments: s.ClusterSegments},
			Class:       saliency.LIMEStage{Samples: s.ClassSamples, Kernel: s.ClassKernel, Segments: s.ClassSegments},
			Superpixels: s.Superpixels}
	case "guided":
		o.Explainer = &saliency.Guided{Smooth: s.Smooth}
	case "deeplift":
		o.Explainer = &saliency.DeepLIFT{Smooth: s.Smooth}
	default:
		return o, fmt.Errorf("explainer %q: not one of %s", r.Explainer.Name, strings.Join(explainerNames, ", "))
	}
	return o, nil
}
