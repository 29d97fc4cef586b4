package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/nn/vision"
)

func newClassify() *cobra.Command {
	var m modelFlags
	var top int
	c := &cobra.Command{
		Use:   "classify [flags] IMAGE...",
		Short: "Top labels of images, without explanation",
		Long: `Print the most probable classes of each image (files or folders). An image that cannot be
read costs a line, not the run; the exit code is then 1.`,
		Example: `  cwox classify photo.jpg
  cwox classify --json --top 3 photos/`,
		Args: atLeast(1, "images or folders"),
		RunE: func(c *cobra.Command, args []string) error {
			images, err := findImages(args)
			if err != nil {
				return err
			}
			cl, closeFile, err := m.load(c)
			if err != nil {
				return err
			}
			defer closeFile()
			if !c.Flags().Changed("top") {
				top = min(top, cl.Net.Classes())
			}
			if top < 1 || top > cl.Net.Classes() {
				return usage(c, "--top %d: want 1 to %d", top, cl.Net.Classes())
			}
			p := cwox.New(cl)
			defer p.Close()
			failed := false
			for _, image := range images {
				if err := c.Context().Err(); err != nil {
					return err
				}
				best, err := classifyOne(p, image, top, &m)
				if err != nil {
					failed = true
				}
				if err := printClasses(image, best, err, m.json); err != nil {
					return err
				}
			}
			if failed {
				return silent{}
			}
			return nil
		},
	}
	m.add(c)
	c.Flags().IntVar(&top, "top", 5, "how many classes")
	return c
}

func classifyOne(p *cwox.Pipeline, image string, top int, m *modelFlags) ([]cwox.TopClass, error) {
	pic, err := vision.DecodeFile(image, m.vision())
	if err != nil {
		return nil, err
	}
	return p.Classify(pic, top, m.threads)
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
		fmt.Fprintln(os.Stderr, "cwox:", failure)
		return nil
	}
	fmt.Println(image)
	for _, t := range top {
		fmt.Printf("  %5.1f %%  %-28s %4d\n", 100*t.Probability, t.Label, t.Class)
	}
	return nil
}
