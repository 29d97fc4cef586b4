package main

import (
	"context"
	"cwox/cwox"
	"cwox/nn/vision"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// asked is what is made of an image: an explanation by each method, for the options of each
// explainer.
type asked struct {
	methods []cwox.Method
	options []cwox.Options
}

// asked turns the flags into what is to be made by a classifier.
func (f *explainFlags) asked(c *cobra.Command, m *modelFlags, cl *cwox.Classifier) (asked, error) {
	o, err := f.options(c, m, cl)
	if err != nil {
		return asked{}, err
	}
	var p asked
	for _, name := range f.methods() {
		p.methods = append(p.methods, cwox.Method(name))
	}
	for _, name := range f.explainers() {
		if o.Explainer, err = f.settings.explainer(c, name, cl, o.Variant); err != nil {
			return asked{}, err
		}
		for _, o.Method = range p.methods {
			if err := o.Check(cl); err != nil {
				return asked{}, err
			}
		}
		p.options = append(p.options, o)
	}
	return p, nil
}

// explainTensor explains the first of the network inputs given.
func explainTensor(ctx context.Context, p *cwox.Pipeline, in *inputs, o asked, m *modelFlags) ([]*cwox.Explanation, error) {
	x, name := in.at(0)
	all, err := o.explain(p, name, m, func(o cwox.Options, methods []cwox.Method) ([]*cwox.Explanation, error) {
		return p.ExplainTensorAll(ctx, x, o, methods)
	})
	for _, e := range all {
		e.File, e.Picture.SHA256 = name, in.sha256
	}
	return all, err
}

// explainOne decodes and explains an image.
func explainOne(ctx context.Context, p *cwox.Pipeline, image string, o asked, m *modelFlags) ([]*cwox.Explanation, error) {
	start := time.Now()
	pic, err := vision.DecodeFile(image, m.vision())
	if err != nil {
		return nil, err
	}
	decode := time.Since(start)
	all, err := o.explain(p, image, m, func(o cwox.Options, methods []cwox.Method) ([]*cwox.Explanation, error) {
		return p.ExplainAll(ctx, pic, o, methods)
	})
	for i, e := range all {
		e.File = image
		if i == 0 {
			e.Seconds["decode"] = decode.Seconds()
		}
	}
	return all, err
}

// explain makes the explanations of an input, those of each explainer under a progress bar; an
// error that is no interruption names the input.
func (o asked) explain(p *cwox.Pipeline, name string, m *modelFlags, by func(cwox.Options, []cwox.Method) ([]*cwox.Explanation, error)) ([]*cwox.Explanation, error) {
	var all []*cwox.Explanation
	for _, options := range o.options {
		bar := newProgress(filepath.Base(name), "steps", m.quiet)
		options.Progress = func(done, total int) { bar.update(int64(done), int64(total)) }
		e, err := by(options, o.methods)
		m.file.Release() // gradients have packed what they need
		m.warnStatistics(p)
		bar.finish()
		if err != nil && !errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e...)
	}
	return all, nil
}

// each are the options of every explanation of an image.
func (o asked) each() []cwox.Options {
	var all []cwox.Options
	for _, options := range o.options {
		for _, options.Method = range o.methods {
			all = append(all, options)
		}
	}
	return all
}

func (f *explainFlags) methods() []string    { return parts(f.method) }
func (f *explainFlags) explainers() []string { return parts(f.explainer) }

// parts are the values of a flag that takes several.
func parts(list string) []string {
	out := strings.Split(list, ",")
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

// oneOf refuses values of a flag that are not known, or given twice.
func oneOf(c *cobra.Command, flag string, values, known []string) error {
	for i, v := range values {
		if !slices.Contains(known, v) {
			return usage(c, "--%s %s: want %s", flag, v, strings.Join(known, ", "))
		}
		if slices.Contains(values[:i], v) {
			return usage(c, "--%s: %s twice", flag, v)
		}
	}
	return nil
}
