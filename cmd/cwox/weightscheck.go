package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/spf13/cobra"

	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// checkedLine is one line of weights check --json.
type checkedLine struct {
	Model    string  `json:"model"` // --model that chooses it
	Input    string  `json:"input"` // --preprocess, in words
	Z        float64 `json:"z"`
	LogVar   float64 `json:"log_variance"`
	Nearest  int     `json:"nearest"` // of so many pictures
	Pictures int     `json:"pictures"`
	Error    string  `json:"error,omitempty"`
}

func newWeightsCheck() *cobra.Command {
	var m modelFlags
	c := &cobra.Command{
		Use:   "check --weights FILE IMAGE...",
		Short: "Which arithmetic and which input fit the statistics in the weights?",
		Long: `Weights do not tell everything: where the stride of a block is, whether there is a
max-pooling, what the input looked like. But training left the mean and variance of each
channel in the batch normalisations. This runs every alternative on the same pictures and
says how far the channels are from those: z, means in standard deviations, and the logarithm
of the variances' ratio. The nearest is most likely what was trained.

It sees nothing behind the last batch normalisation, no order of colours, hardly an epsilon;
differences of a few hundredths mean nothing. A dozen photographs of the kind that the network
was trained on are a good choice.`,
		Example: `  cwox weights check --weights finetuned.pth photos/
  cwox weights check --weights model.pth --preprocess paper photo.jpg`,
		Args: atLeast(1, "images or folders"),
		RunE: func(c *cobra.Command, args []string) error { return checkWeights(c, &m, args) },
	}
	s := c.Flags()
	s.StringVar(&m.weights, "weights", "", "weight file or folder (default: the one fetched into the cache)")
	s.StringVar(&m.key, "key", "", "state dict to take of a file that holds several")
	s.StringVar(&m.model, "model", "", "network to start from, where the file does not decide: NAME:key=value,...")
	m.input.add(c)
	m.precision = "f32"
	m.addOutput(c)
	return c
}

// trial is one way to run the network, and how it did.
type trial struct {
	checkedLine
	spec      zoo.Spec
	transform vision.Transform
	distances []float64 // of each picture
}

func checkWeights(c *cobra.Command, m *modelFlags, args []string) error {
	if err := m.check(c); err != nil {
		return err
	}
	images, err := findImages(args)
	if err != nil {
		return err
	}
	file, err := m.open()
	if err != nil {
		return err
	}
	defer file.Close()
	trials, err := m.trials(c, file)
	if err != nil {
		return err
	}
	bar := newProgress("check", "runs", m.quiet)
	for i := range trials {
		if err := trials[i].run(c.Context(), file, images, m.vision()); err != nil {
			return err
		}
		bar.update(int64(i+1), int64(len(trials)))
	}
	bar.finish()
	best := nearest(trials, len(images))
	if m.json {
		for _, t := range trials {
			if err := printJSON(t.checkedLine); err != nil {
				return err
			}
		}
		return nil
	}
	stdout.Printf("%6s %6s %8s  %s\n", "z", "ln var", "nearest", "network and input")
	for i, t := range trials {
		mark := ""
		if i == best {
			mark = "  <- none fits clearly better"
		}
		if t.Error != "" {
			stdout.Printf("%24s--model %s: %s\n", "", t.Model, t.Error)
			continue
		}
		stdout.Printf("%6.3f %6.3f %3d / %-3d  --model %s, %s%s\n", t.Z, t.LogVar, t.Nearest, len(images), t.Model, t.Input, mark)
	}
	return nil
}

// trials are the network as the flags have it, its alternatives, and other inputs for it.
func (f *modelFlags) trials(c *cobra.Command, file *weights.File) ([]trial, error) {
	spec, err := zoo.ParseSpec(f.model)
	if err != nil {
		return nil, err
	}
	arch, err := zoo.Match(file, spec)
	if err != nil {
		return nil, err
	}
	in, err := f.input.choose(c, arch, file, false)
	if err != nil {
		return nil, err
	}
	name := func(s zoo.Spec) string {
		if s.Name == "" {
			s.Name = arch.Name
		}
		return s.String()
	}
	var out []trial
	for _, s := range arch.Alternatives(spec) {
		out = append(out, trial{spec: s, transform: in.Transform, checkedLine: checkedLine{Model: name(s), Input: in.String()}})
	}
	for _, other := range otherInputs(in.Transform) {
		out = append(out, trial{spec: spec, transform: other, checkedLine: checkedLine{Model: name(spec), Input: other.String()}})
	}
	return out, nil
}

// otherInputs are inputs that people train with, apart from the one chosen.
func otherInputs(t vision.Transform) []vision.Transform {
	var out []vision.Transform
	add := func(change func(*vision.Transform)) {
		other := t
		change(&other)
		if !reflect.DeepEqual(other, t) {
			out = append(out, other)
		}
	}
	each := func(v float32) []float32 {
		all := make([]float32, len(t.Mean))
		for i := range all {
			all[i] = v
		}
		return all
	}
	add(func(o *vision.Transform) { o.Resize, o.Crop = vision.Resize{}, vision.NoCrop })
	add(func(o *vision.Transform) { o.Scale, o.Mean, o.Std = 255, each(0.5), each(0.5) })
	add(func(o *vision.Transform) { o.Scale, o.Mean, o.Std = 255, each(0), each(1) })
	add(func(o *vision.Transform) { o.Scale, o.Mean, o.Std = 1, each(0), each(1) })
	return out
}

// run measures the trial on every picture.
func (t *trial) run(ctx context.Context, file *weights.File, images []string, o vision.Options) error {
	arch, err := zoo.Match(file, t.spec)
	if err != nil {
		t.Error = err.Error()
		return nil
	}
	net, err := arch.Load(file, zoo.LoadOptions{Width: t.transform.Width, Height: t.transform.Height})
	if err != nil {
		t.Error = err.Error()
		return nil
	}
	for _, image := range images {
		if err := ctx.Err(); err != nil {
			return err
		}
		pic, err := vision.DecodeFile(image, o)
		if err != nil {
			complain(err)
			return silent{}
		}
		s, err := zoo.CheckStatistics(net, t.transform.Tensor(pic))
		if err != nil {
			return err
		}
		if s.Layers == 0 {
			return fmt.Errorf("%s: the network has no batch normalisations, so there are no statistics to compare with", file.Name())
		}
		t.Z += s.Z / float64(len(images))
		t.LogVar += s.LogVar / float64(len(images))
		t.distances = append(t.distances, s.Distance())
	}
	t.Pictures = len(images)
	return nil
}

// clearly is by how much a trial must be nearer than one before it to say anything.
const clearly = 0.05

// nearest counts on how many pictures each trial is the nearest, and returns the index of the
// first one than which none has a clearly smaller mean distance, -1 if none could be run.
func nearest(trials []trial, pictures int) int {
	best := -1
	for i, t := range trials {
		if t.Error == "" && (best < 0 || t.Z+t.LogVar < trials[best].Z+trials[best].LogVar-clearly) {
			best = i
		}
	}
	for p := range pictures {
		first := -1
		for i, t := range trials {
			if t.Error == "" && (first < 0 || t.distances[p] < trials[first].distances[p]) {
				first = i
			}
		}
		if first >= 0 {
			trials[first].Nearest++
		}
	}
	return best
}
