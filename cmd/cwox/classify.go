package main

import (
	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/nn/vision"
)

func newClassify() *cobra.Command {
	var m modelFlags
	var t tensorFlags
	var top int
	c := &cobra.Command{
		Use:   "classify [flags] IMAGE...",
		Short: "Top labels of images, without explanation",
		Long: `Print the most probable classes of each image (files or folders). An image that cannot be
read costs a line, not the run; the exit code is then 1.

With --tensor the network's inputs are given as they are, for comparing with another program.`,
		Example: `  cwox classify photo.jpg
  cwox classify --weights finetuned.pth --json --top 3 photos/
  cwox classify --weights finetuned.pth --tensor inputs.safetensors --json`,
		Args: t.args,
		RunE: func(c *cobra.Command, args []string) error { return classify(c, &m, &t, top, args) },
	}
	m.add(c)
	t.add(c)
	c.Flags().IntVar(&top, "top", defaultTop, "how many classes (default: at most 5)")
	return c
}

// defaultTop is how many classes classify prints of a network that has as many.
const defaultTop = 5

func classify(c *cobra.Command, m *modelFlags, t *tensorFlags, top int, args []string) error {
	images, err := findImages(args)
	if err != nil {
		return err
	}
	tensors, err := t.read(m)
	if err != nil {
		return err
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	if top > cl.Net.Classes() {
		if c.Flags().Changed("top") {
			return usage(c, "--top %d: want 1 to %d", top, cl.Net.Classes())
		}
		top = cl.Net.Classes()
	}
	p := cwox.New(cl)
	defer p.Close()
	p.Measure()
	failed := false
	for i := range len(images) + tensors.n {
		if err := c.Context().Err(); err != nil {
			return err
		}
		var name string
		var best []cwox.TopClass
		var err error
		if i < len(images) {
			var pic *vision.Picture
			name = images[i]
			if pic, err = vision.DecodeFile(name, m.vision()); err == nil {
				best, err = p.Classify(pic, top, m.threads)
			}
		} else {
			var x []float32
			x, name = tensors.at(i)
			best, err = p.ClassifyTensor(x, top, m.threads)
		}
		if err == nil {
			m.warnStatistics(p)
		}
		failed = failed || err != nil
		if err := printClasses(name, best, err, m.json); err != nil {
			return err
		}
	}
	if failed {
		return silent{}
	}
	return nil
}

// classifyLine is one line of classify --json.
type classifyLine struct {
	Image string      `json:"image"`
	Top   []classLine `json:"top,omitempty"`
	Error string      `json:"error,omitempty"`
}

type classLine struct {
	Class       int     `json:"class"`
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
	Logit       float64 `json:"logit"`
}

func printClasses(image string, top []cwox.TopClass, failure error, asJSON bool) error {
	if asJSON {
		line := classifyLine{Image: image}
		if failure != nil {
			line.Error = failure.Error()
		}
		for _, t := range top {
			line.Top = append(line.Top, classLine(t))
		}
		return printJSON(line)
	}
	if failure != nil {
		complain(failure)
		return nil
	}
	stdout.Printf("%v\n", image)
	for _, t := range top {
		stdout.Printf("  %5.1f %%  %-28s %4d\n", 100*t.Probability, t.Label, t.Class)
	}
	return nil
}
