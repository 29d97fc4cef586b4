package saliency

import (
	"context"
	"fmt"

	"cwox/nn"
)

// pivotMaps answers requests for an explainer that weighs a pivot layer's activations
// with a signal sent down from the logits. One sweep sends a signal per class of any
// target down to the layers of both stages; reduce makes a map [H][W] of a layer's
// activations and one signal, both [C][H][W], into dst, zero at first. Such maps are
// linear in the seed, so a compound class's is the mean of its members' with the
// weights p_c/p(C) (paper section 4.1).
func pivotMaps(ctx context.Context, in *Input, rule nn.Rule, layers [2]string, reqs []Request,
	reduce func(dst []float64, act, signal []float32, s nn.Shape)) ([]Result, error) {
	classes, index := union(reqs)
	wanted := pivotLayers(layers, reqs)
	maps := map[string][][]float64{} // layer -> class -> [H][W]
	acts := make([][]float32, len(wanted))
	shapes := make([]nn.Shape, len(wanted))
	for i, layer := range wanted {
		act, shape, err := in.Session.Activation(0, layer)
		if err != nil {
			return nil, err
		}
		acts[i], shapes[i] = act, shape
		maps[layer] = make([][]float64, len(classes))
	}
	width := in.Model.Classes()
	for at := 0; at < len(classes); at += sweepSeeds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		some := classes[at:min(at+sweepSeeds, len(classes))]
		seeds := make([]float32, len(some)*width)
		for i, c := range some {
			seeds[i*width+c] = 1
		}
		signals, err := in.Session.Backward(rule, 0, seeds, wanted...)
		if err != nil {
			return nil, err
		}
		for l, layer := range wanted {
			size := shapes[l].Size()
			for i := range some {
				m := make([]float64, shapes[l].H*shapes[l].W)
				reduce(m, acts[l], signals[l][i*size:][:size], shapes[l])
				maps[layer][at+i] = m
			}
		}
		if in.Progress != nil {
			in.Progress(at+len(some), len(classes))
		}
	}
	results := make([]Result, len(reqs))
	for r, req := range reqs {
		layer := layers[req.Stage]
		var shape nn.Shape
		for l := range wanted {
			if wanted[l] == layer {
				shape = shapes[l]
			}
		}
		for _, t := range req.Targets {
			sum := make([]float64, shape.H*shape.W)
			for i, w := range t.weights(in.Logits) {
				for k, v := range maps[layer][index[t.Classes[i]]] {
					sum[k] += float64(w * v)
				}
			}
			results[r].Maps = append(results[r].Maps, Map{shape.H, shape.W, round(sum)})
		}
	}
	return results, nil
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
