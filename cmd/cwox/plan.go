package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox/dataset"
	"cwox/internal/say"
)

func newPlan() *cobra.Command {
	var m modelFlags
	var f evaluateFlags
	var o dataset.PlanOptions
	var images int
	var machines string
	var price float64
	c := &cobra.Command{
		Use:   "plan [flags] DIR|LIST",
		Short: "How long will documents and evaluate take, and what will it cost?",
		Long: `Try some of the images of a folder or a list, and say how many hours all of them take on one
machine as this one and on several, and what these cost. It takes the flags of evaluate.
What runs the network thousands of times is not run: RISE and LIME are tried with few masks,
maps are not scored but the forward passes counted that this takes, and both are reckoned
with the forward passes a second that this machine does, or another (--forwards).`,
		Example: `  cwox plan --explainers gradcam,rise --machines 1,10,100 --price 0.8 images.txt
  cwox plan --images 1280000 sample/`,
		Args: exactly(1, "a folder or a list of images"),
		RunE: func(c *cobra.Command, args []string) error {
			for _, flag := range []string{"output", "shard", "restart", "max-images"} {
				if c.Flags().Changed(flag) {
					return usage(c, "--%s: of evaluate alone", flag)
				}
			}
			var n []int
			for _, text := range strings.Split(machines, ",") {
				k, err := strconv.Atoi(text)
				if err != nil || k < 1 {
					return usage(c, "--machines %s: want numbers of machines, as 1,10,100", machines)
				}
				n = append(n, k)
			}
			p, err := plan(c, &m, &f, o, args[0])
			if err != nil {
				return err
			}
			if images > 0 {
				p.Images = images
			}
			if m.json {
				return printJSON(p)
			}
			sayPlan(stdout, p, n, price)
			return nil
		},
	}
	m.add(c)
	f.add(c)
	s := c.Flags()
	for _, flag := range []string{"output", "shard", "restart", "max-images"} {
		_ = s.MarkHidden(flag)
	}
	s.IntVar(&o.Sample, "sample", 16, "images to try, spread over the list")
	s.Float64Var(&o.Forwards, "forwards", 0, "forward passes a second to reckon with (default: measured)")
	s.IntVar(&images, "images", 0, "plan for so many images (default: those of the list)")
	s.StringVar(&machines, "machines", "1,10,100", "numbers of machines")
	s.Float64Var(&price, "price", 0, "price of a machine's hour, in whatever currency")
	return c
}

func plan(c *cobra.Command, m *modelFlags, f *evaluateFlags, o dataset.PlanOptions, source string) (*dataset.Plan, error) {
	var err error
	if o.Evaluate, err = f.check(c); err != nil {
		return nil, err
	}
	images, err := listImages(source)
	if err != nil {
		return nil, err
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return nil, err
	}
	defer closeFile()
	if o.Evaluate, err = f.options(c, m, cl, o.Evaluate); err != nil {
		return nil, err
	}
	bars := phases{quiet: m.quiet, units: map[string]string{dataset.PhaseTry: "images"}}
	o.Progress = bars.update
	p, err := dataset.NewPlan(c.Context(), cl, images, o)
	bars.finish()
	return p, err
}

// sayPlan writes the table of a plan.
func sayPlan(w *say.Voice, p *dataset.Plan, machines []int, price float64) {
	w.Printf("%d images, of which %d were tried: %d of them qualify for evaluate; %.1f forward passes a second\n\n", p.Images, p.Tried, p.Qualify, p.Forwards)
	w.Printf("%-22s %18s", "", "seconds an image")
	for _, n := range machines {
		w.Printf(" %14s", fmt.Sprintf("%d machine%s", n, plural(n)))
	}
	if price > 0 {
		w.Printf(" %12s", "cost")
	}
	w.Printf("\n")
	for _, work := range p.Work {
		name := work.Command
		if work.Explainer != "" {
			name += ", " + work.Explainer
		}
		seconds := two(work.Seconds)
		if work.Error > 0 {
			seconds += " ± " + two(work.Error)
		}
		w.Printf("%-22s %18s", name, seconds)
		for _, n := range machines {
			w.Printf(" %14s", hours(p.Hours(work, n)))
		}
		if price > 0 {
			w.Printf(" %12.2f", p.Hours(work, 1)*price)
		}
		w.Printf("\n")
	}
}

// hours writes a time in the unit that suits it.
func hours(h float64) string {
	switch {
	case h >= 48:
		return two(h/24) + " days"
	case h >= 1:
		return two(h) + " h"
	case h >= 1./60:
		return two(h*60) + " min"
	}
	return two(h*3600) + " s"
}

// two writes a number with two digits, more where it has them before the point.
func two(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}
