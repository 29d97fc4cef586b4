package saliency

import (
	"context"
	"fmt"

	"cwox/nn"
)

// Known are the class maps that explainers with pivot layers have made of one input. Its zero
// value is empty.
type Known struct {
	maps   map[knownKey]knownMap
	values int // in all maps
}

type knownKey struct {
	rule  nn.Rule
	layer string
	class int
}

type knownMap struct {
	shape nn.Shape  // of the layer
	data  []float64 // [H][W]
}

// maxKnown bounds the values of all maps, 4 MiB; 14 x 14 pixels of 1000 classes have 196,000.
const maxKnown = 1 << 19

// Holds says whether an explainer can answer requests from what is known.
func (k *Known) Holds(e Explainer, reqs []Request) bool {
	p, ok := e.(interface{ pivots() (nn.Rule, [2]string) })
	if !ok {
		return false
	}
	rule, layers := p.pivots()
	classes, _ := union(reqs)
	return len(k.missing(rule, pivotLayers(layers, reqs), classes)) == 0
}

// missing are the classes that lack the map of a layer.
func (k *Known) missing(rule nn.Rule, layers []string, classes []int) (out []int) {
	for _, c := range classes {
		for _, layer := range layers {
			if _, ok := k.maps[knownKey{rule, layer, c}]; !ok {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

func (k *Known) add(key knownKey, m knownMap) {
	if k.maps == nil {
		k.maps = map[knownKey]knownMap{}
	}
	k.maps[key] = m
	k.values += len(m.data)
}

// pivotMaps answers requests for an explainer that weighs a pivot layer's activations
// with a signal sent down from the logits. One sweep sends a signal per class of any
// target down to the layers of both stages; reduce makes a map [H][W] of a layer's
// activations and one signal, both [C][H][W], into dst, zero at first. Such maps are
// linear in the seed, so a compound class's is the mean of its members' with the
// weights p_c/p(C) (paper section 4.1).
func pivotMaps(ctx context.Context, in *Input, rule nn.Rule, layers [2]string, reqs []Request,
	reduce func(dst []float64, act, signal []float32, s nn.Shape)) ([]Result, error) {
	known := in.Known
	if known == nil {
		known = new(Known)
	}
	classes, _ := union(reqs)
	wanted := pivotLayers(layers, reqs)
	if missing := known.missing(rule, wanted, classes); len(missing) > 0 {
		if err := known.sweep(ctx, in, rule, wanted, missing, reduce); err != nil {
			return nil, err
		}
	}
	results := make([]Result, len(reqs))
	for r, req := range reqs {
		layer := layers[req.Stage]
		for _, t := range req.Targets {
			shape := known.maps[knownKey{rule, layer, t.Classes[0]}].shape
			sum := make([]float64, shape.H*shape.W)
			for i, w := range t.weights(in.Logits) {
				for k, v := range known.maps[knownKey{rule, layer, t.Classes[i]}].data {
					sum[k] += float64(w * v)
				}
			}
			results[r].Maps = append(results[r].Maps, Map{shape.H, shape.W, round(sum)})
		}
	}
	if known.values > maxKnown {
		*known = Known{}
	}
	return results, nil
}

// sweep makes the maps of some classes at some layers.
func (k *Known) sweep(ctx context.Context, in *Input, rule nn.Rule, layers []string, classes []int,
	reduce func(dst []float64, act, signal []float32, s nn.Shape)) error {
	acts := make([][]float32, len(layers))
	shapes := make([]nn.Shape, len(layers))
	for i, layer := range layers {
		act, shape, err := in.Session.Activation(0, layer)
		if err != nil {
			return err
		}
		acts[i], shapes[i] = act, shape
	}
	width := in.Model.Classes()
	for at := 0; at < len(classes); at += sweepSeeds {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := classes[at:min(at+sweepSeeds, len(classes))]
		seeds := make([]float32, len(some)*width)
		for i, c := range some {
			seeds[i*width+c] = 1
		}
		signals, err := in.Session.Backward(rule, 0, seeds, layers...)
		if err != nil {
			return err
		}
		for l, layer := range layers {
			size := shapes[l].Size()
			for i, c := range some {
				m := make([]float64, shapes[l].H*shapes[l].W)
				reduce(m, acts[l], signals[l][i*size:][:size], shapes[l])
				k.add(knownKey{rule, layer, c}, knownMap{shapes[l], m})
			}
		}
		if in.Progress != nil {
			in.Progress(at+len(some), len(classes))
		}
	}
	return nil
}

// sweepSeeds is how many signals go down together: it bounds memory.
const sweepSeeds = 8

// pivotLayers lists the layers that the requests' stages use, each once.
func pivotLayers(layers [2]string, reqs []Request) []string {
	var out []string
	for _, r := range reqs {
		if layer := layers[r.Stage]; len(out) == 0 || out[0] != layer {
			if len(out) < 2 {
				out = append(out, layer)
			}
		}
	}
	return out
}

// keepLayers are the layers a session must keep for both stages.
func keepLayers(layers [2]string) []string {
	var out []string
	for _, layer := range layers {
		if layer != "" && (len(out) == 0 || out[0] != layer) {
			out = append(out, layer)
		}
	}
	return out
}

// checkLayers makes sure that each requested stage names a layer with a spatial size.
func checkLayers(name string, m *nn.Model, layers [2]string, reqs []Request) error {
	for _, r := range reqs {
		layer := layers[r.Stage]
		if layer == "" {
			return fmt.Errorf("saliency: %s: no pivot layer given for the %s stage", name, r.Stage)
		}
		shape, err := m.LayerShape(layer)
		if err != nil {
			return fmt.Errorf("saliency: %s: %s stage: %w", name, r.Stage, err)
		}
		if shape.H < 2 || shape.W < 2 {
			return fmt.Errorf("saliency: %s: %s layer %q is %dx%d: a map needs at least 2x2", name, r.Stage, layer, shape.H, shape.W)
		}
	}
	return nil
}

func round(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
