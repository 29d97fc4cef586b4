package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/saliency"
)

// explainerNames lists the base explainers.
var explainerNames = cwox.ExplainerNames()

// settingFlags are the settings of the base explainers. Those of both stages are one value
// for both, or "cluster stage, class stage".
type settingFlags struct {
	clusterLayer, classLayer string
	contrastive              bool
	masks, cells, keep       string
	quality                  string
	tolerance                float64
	samples, kernel          string
	superpixels, segments    string
	smooth                   float64
}

func (f *settingFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.clusterLayer, "cluster-layer", "", "gradcam, mwp: pivot layer of the cluster stage (default: by architecture)")
	s.StringVar(&f.classLayer, "class-layer", "", "gradcam, mwp: pivot layer of the class stage")
	s.BoolVar(&f.contrastive, "mwp-contrastive", false, "mwp: contrastive excitation backprop (c-MWP)")
	s.StringVar(&f.masks, "rise-masks", "", "rise: masks, N or N,M for the two stages (default 5000,3000; fast: 2500,1000)")
	s.StringVar(&f.cells, "rise-cells", "", "rise: grid cells per side (default 15,10)")
	s.StringVar(&f.keep, "rise-keep", "", "rise: probability to keep a cell (default 0.3,0.14)")
	s.StringVar(&f.quality, "rise-quality", "", "rise: estimator, "+strings.Join(qualityNames(), ", ")+"; fast needs half to a quarter of the masks (default plain)")
	s.Float64Var(&f.tolerance, "rise-tolerance", 0, "rise: stop when every map's predicted fidelity is 1 - this")
	s.StringVar(&f.samples, "lime-samples", "", "lime: blackened pictures, N or N,M for the two stages (default 2000)")
	s.StringVar(&f.superpixels, "lime-superpixels", "", "lime: "+strings.Join(superpixelNames(), " or ")+" (default quickshift)")
	s.StringVar(&f.kernel, "lime-kernel", "", "lime: kernel size of quickshift, larger for fewer superpixels (default 4)")
	s.StringVar(&f.segments, "lime-segments", "", "lime: superpixels of slic (default 200)")
	s.Float64Var(&f.smooth, "smooth", 0, "guided, deeplift: smooth maps by a Gaussian of this many pixels")
	_ = c.RegisterFlagCompletionFunc("lime-superpixels", cobra.FixedCompletions(superpixelNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("rise-quality", cobra.FixedCompletions(qualityNames(), cobra.ShellCompDirectiveNoFileComp))
}

// settingsOf are the explainers that a flag is a setting of.
var settingsOf = map[string][]string{
	"cluster-layer": {"gradcam", "mwp"}, "class-layer": {"gradcam", "mwp"}, "mwp-contrastive": {"mwp"},
	"rise-masks": {"rise"}, "rise-cells": {"rise"}, "rise-keep": {"rise"}, "rise-quality": {"rise"}, "rise-tolerance": {"rise"},
	"lime-samples": {"lime"}, "lime-superpixels": {"lime"}, "lime-kernel": {"lime"}, "lime-segments": {"lime"},
	"smooth": {"guided", "deeplift"},
}

// check refuses a setting that belongs to none of the explainers chosen.
func (f *settingFlags) check(c *cobra.Command, explainers ...string) error {
	for _, flag := range slices.Sorted(maps.Keys(settingsOf)) {
		owners := settingsOf[flag]
		if c.Flags().Changed(flag) && !slices.ContainsFunc(explainers, func(e string) bool { return slices.Contains(owners, e) }) {
			return usage(c, "--%s: a setting of %s, and the explainer is %s", flag, strings.Join(owners, " and "), strings.Join(explainers, ", "))
		}
	}
	return nil
}

func qualityNames() []string {
	var out []string
	for _, q := range saliency.Qualities() {
		out = append(out, string(q))
	}
	return out
}

func superpixelNames() []string {
	var out []string
	for _, k := range saliency.SuperpixelKinds() {
		out = append(out, string(k))
	}
	return out
}

// explainer makes the explainer of a name with the flags' settings.
func (f *settingFlags) explainer(c *cobra.Command, name string, cl *cwox.Classifier, v cwox.Variant) (saliency.Explainer, error) {
	e, err := cwox.NewExplainer(name, cl, v)
	if err != nil {
		return nil, usage(c, "--explainer %s: want %s", name, strings.Join(explainerNames, ", "))
	}
	switch e := e.(type) {
	case *saliency.GradCAM:
		override(&e.ClusterLayer, f.clusterLayer)
		override(&e.ClassLayer, f.classLayer)
	case *saliency.MWP:
		override(&e.ClusterLayer, f.clusterLayer)
		override(&e.ClassLayer, f.classLayer)
		e.Contrastive = f.contrastive
	case *saliency.RISE:
		if err := both("rise-masks", f.masks, strconv.Atoi, &e.Cluster.Masks, &e.Class.Masks); err != nil {
			return nil, usage(c, "%v", err)
		}
		if err := both("rise-cells", f.cells, strconv.Atoi, &e.Cluster.Cells, &e.Class.Cells); err != nil {
			return nil, usage(c, "%v", err)
		}
		if err := both("rise-keep", f.keep, parseFloat, &e.Cluster.Keep, &e.Class.Keep); err != nil {
			return nil, usage(c, "%v", err)
		}
		e.Quality, e.Tolerance = saliency.Quality(f.quality), f.tolerance
	case *saliency.LIME:
		if err := both("lime-samples", f.samples, strconv.Atoi, &e.Cluster.Samples, &e.Class.Samples); err != nil {
			return nil, usage(c, "%v", err)
		}
		if err := both("lime-kernel", f.kernel, parseFloat, &e.Cluster.Kernel, &e.Class.Kernel); err != nil {
			return nil, usage(c, "%v", err)
		}
		if err := both("lime-segments", f.segments, strconv.Atoi, &e.Cluster.Segments, &e.Class.Segments); err != nil {
			return nil, usage(c, "%v", err)
		}
		e.Superpixels = saliency.Superpixels(f.superpixels)
	case *saliency.Guided:
		e.Smooth = f.smooth
	case *saliency.DeepLIFT:
		e.Smooth = f.smooth
	}
	return e, nil
}

func override(to *string, value string) {
	if value != "" {
		*to = value
	}
}

// both reads one value for both stages, or two separated by a comma; all are to be above 0.
func both[T int | float64](flag, text string, parse func(string) (T, error), cluster, class *T) error {
	if text == "" {
		return nil
	}
	first, second, two := strings.Cut(text, ",")
	if !two {
		second = first
	}
	a, err1 := parse(strings.TrimSpace(first))
	b, err2 := parse(strings.TrimSpace(second))
	if err1 != nil || err2 != nil || !(a > 0) || !(b > 0) {
		return fmt.Errorf("--%s %s: want a number above 0, or two separated by a comma", flag, text)
	}
	*cluster, *class = a, b
	return nil
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
