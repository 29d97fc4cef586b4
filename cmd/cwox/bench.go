package main

import (
	"context"

	"github.com/spf13/cobra"

	"cwox/bench"
	"cwox/nn"
)

func newBench() *cobra.Command {
	var m modelFlags
	o := bench.Options{}
	kinds := map[string]func(context.Context, bench.Options, func(bench.Record)) error{
		"kernels": bench.Kernels, "layers": bench.Layers, "model": bench.Model, "explain": bench.Explain,
	}
	c := &cobra.Command{
		Use:   "bench [kernels|layers|model|explain]",
		Short: "Speed of this machine: kernels, layers, models, explanations",
		Long: `Measure the multiply-add peak of this machine for each kernel tier, every layer of a
network in place, whole forward passes, or whole jobs: Grad-CAM explanations from a cold
start and with the network loaded, and RISE's masks beside bare forward passes. Random
weights are used where none are given; speed does not depend on them.

bench/peers/run in the source tree compares with ONNX Runtime and OpenVINO.`,
		Example: `  cwox bench model --model resnet50 --batch 8
  cwox bench layers --model googlenet --threads 1
  cwox bench explain --precision bf16 --seconds 10
  CWOX_ISA=avx2 cwox bench model --json`,
		ValidArgs: []string{"kernels", "layers", "model", "explain"},
		Args:      cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			kind := "model"
			if len(args) == 1 {
				kind = args[0]
			}
			measure := kinds[kind]
			if measure == nil {
				return usage(c, "bench %s: want kernels, layers, model or explain", kind)
			}
			if err := m.check(c); err != nil {
				return err
			}
			if m.model == "" && m.weights == "" {
				m.model = defaultModel
			}
			o.Model, o.Threads, o.Compile = m.model, m.threads, m.compile()
			if m.weights != "" {
				var err error
				if o.Arch, err = m.arch(); err != nil {
					return err
				}
				o.Model = o.Arch.Name
				var closers []func()
				defer func() {
					for _, f := range closers {
						f()
					}
				}()
				o.Load = func() (*nn.Model, error) {
					cl, closeFile, err := m.load(c)
					if err != nil {
						return nil, err
					}
					closers = append(closers, closeFile)
					return cl.Net, nil
				}
			}
			return measure(c.Context(), o, func(r bench.Record) {
				if m.json {
					_ = printJSON(r)
				} else {
					stdout.Printf("%v\n", r)
				}
			})
		},
	}
	m.add(c)
	c.Flags().IntVar(&o.Batch, "batch", 0, "images per pass (default 1; explain: 8 masks)")
	c.Flags().Float64Var(&o.Seconds, "seconds", 2, "time to spend on each figure")
	return c
}
