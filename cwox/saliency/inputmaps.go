package saliency

import (
	"context"
	"slices"

	"cwox/nn"
)

// inputMaps answers requests for an explainer whose maps come from the signal that reaches
// the network's input [C][H][W], of the session's image 0. A compound class is seeded with its
// members' shares p_c/p(C) (paper section 4.1). reduce makes a map of a signal, which is then
// smoothed. A target has the same map in both stages.
func inputMaps(ctx context.Context, in *Input, session *nn.Session, rule nn.Rule, reqs []Request,
	sigma float64, reduce func(dst []float64, signal []float32)) ([]Result, error) {
	var targets []Target
	index := map[string]int{}
	for _, req := range reqs {
		for _, t := range req.Targets {
			key := t.key()
			if _, ok := index[key]; !ok {
				index[key] = len(targets)
				targets = append(targets, t)
			}
		}
	}
	shape, width := in.Model.Input(), in.Model.Classes()
	maps := make([]Map, len(targets))
	for at := 0; at < len(targets); at += inputSeeds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		some := targets[at:min(at+inputSeeds, len(targets))]
		seeds := make([]float32, len(some)*width)
		for i, t := range some {
			for k, w := range t.weights(in.Logits) {
				seeds[i*width+t.Classes[k]] = float32(w)
			}
		}
		signals, err := session.Backward(rule, 0, seeds, inputLayer)
		if err != nil {
			return nil, err
		}
		for i := range some {
			m := make([]float64, shape.H*shape.W)
			reduce(m, signals[0][i*shape.Size():][:shape.Size()])
			smooth(m, shape.H, shape.W, sigma)
			maps[at+i] = Map{shape.H, shape.W, round(m)}
		}
		if in.Progress != nil {
			in.Progress(at+len(some), len(targets))
		}
	}
	results := make([]Result, len(reqs))
	for r, req := range reqs {
		for _, t := range req.Targets {
			m := maps[index[t.key()]]
			m.Data = slices.Clone(m.Data) // whoever changes one map changes no other
			results[r].Maps = append(results[r].Maps, m)
		}
	}
	return results, nil
}

// inputLayer is the name of the network's input among the layers of nn.
const inputLayer = "input"

// inputSeeds is how many signals go down to the input together: it bounds memory.
const inputSeeds = 4
