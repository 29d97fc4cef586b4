package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
	"cwox/weights"
)

func newVerify() *cobra.Command {
	var m modelFlags
	var t tensorFlags
	var image string
	c := &cobra.Command{
		Use:   "verify [flags] DIR",
		Short: "Recompute a report from its own settings: does every byte agree?",
		Long: `Recompute the explanation that a folder of 'cwox explain' holds from the settings in its
report.json, and compare every map and every number. Exit code 0: all the same bytes.
With another kernel tier than the report's the largest relative difference of each map is
printed instead, and the exit code is 1.`,
		Example: `  cwox verify cwox-out
  cwox verify --image moved/photo.jpg --weights resnet50.pth cwox-out`,
		Args: exactly(1, "the folder of a report"),
		RunE: func(c *cobra.Command, args []string) error { return verify(c, &m, &t, image, args[0]) },
	}
	c.Flags().StringVar(&image, "image", "", "the image, if it is not where the report says")
	c.Flags().StringVar(&m.weights, "weights", "", "the weight file, if it is not where the report says")
	c.Flags().StringVar(&t.name, "tensor-name", "", "the tensor in the file of network inputs that the report was made from")
	c.Flags().StringVar(&m.labels, "labels", "", "class names that the report was made with")
	c.Flags().IntVar(&m.threads, "threads", 0, "goroutines to compute with (default: all processors)")
	m.addOutput(c)
	return c
}

func verify(c *cobra.Command, m *modelFlags, t *tensorFlags, image, dir string) error {
	old, err := report.ReadJSON(filepath.Join(dir, report.JSONFile))
	if err != nil {
		return err
	}
	if image == "" {
		image = old.Image.File
	}
	if m.weights == "" {
		m.weights = old.Model.Weights
	}
	m.model, m.key, m.precision, m.seed = old.Model.Settings, old.Model.Key, old.Model.Precision, old.Seed
	if m.weights == "" {
		m.model = old.Model.Name // the demo's, which is embedded
	}
	m.reference = old.Variant == string(cwox.Reference)
	tensors, err := m.recordedInput(old, image, t)
	if err != nil {
		return err
	}
	m.direct = strings.HasSuffix(old.Model.Kernel, "-direct")
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	if cl.WeightsSHA256 != old.Model.WeightsSHA256 {
		return fmt.Errorf("%s: SHA-256 %s, the report was made with %s", m.weights, cl.WeightsSHA256, old.Model.WeightsSHA256)
	}
	cl.MultiLabel = old.Model.Output == saliency.Sigmoid.String()
	o, err := optionsOf(old, cl)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, report.JSONFile), err)
	}
	o.Threads = m.threads
	// The report says what became of the orientation.
	for _, w := range old.Warnings {
		m.ignoreOrientation = m.ignoreOrientation || w.Code == vision.NoteOrientationIgnored
	}
	p := cwox.New(cl)
	defer p.Close()
	if slices.ContainsFunc(old.Warnings, func(w report.Warning) bool { return w.Code == cwox.StatisticsDiffer }) {
		p.Measure() // the first image of a run was
	}
	var e *cwox.Explanation
	if tensors.n > 0 {
		e, err = explainTensor(c.Context(), p, tensors, o, m)
	} else {
		e, err = explainOne(c.Context(), p, image, o, m)
	}
	if err != nil {
		return err
	}
	if e.Picture.SHA256 != old.Image.SHA256 {
		return fmt.Errorf("%s: SHA-256 %s, the report was made from %s", image, e.Picture.SHA256, old.Image.SHA256)
	}
	again, err := os.MkdirTemp("", "cwox-verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(again)
	if err := report.Write(again, e); err != nil {
		return err
	}
	return compareReports(dir, again, old, m)
}

// recordedInput makes the network's input that of a report: its transform, or the file of
// inputs that were given as they are.
func (f *modelFlags) recordedInput(r *report.Report, image string, t *tensorFlags) (*inputs, error) {
	switch {
	case r.Input == nil: // of an older release
		f.input.preprocess = "paper"
	case r.Input.Transform != nil:
		f.recorded = r.Input
	default:
		t.file = strings.TrimSuffix(image, "[0]")
		return t.read(f)
	}
	return &inputs{}, nil
}

// compareReports compares the maps and the numbers of two report folders.
func compareReports(dir, again string, old *report.Report, m *modelFlags) error {
	fresh, err := report.ReadJSON(filepath.Join(again, report.JSONFile))
	if err != nil {
		return err
	}
	a, err := weights.Open(filepath.Join(dir, report.MapsFile))
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := weights.Open(filepath.Join(again, report.MapsFile))
	if err != nil {
		return err
	}
	defer b.Close()
	otherTier := old.Model.Kernel != fresh.Model.Kernel
	for _, name := range b.Names() {
		if _, ok := a.Tensor(name); !ok {
			return fmt.Errorf("%s: no map %q", a.Path(), name)
		}
	}
	differs := false
	for _, name := range a.Names() {
		x, _ := a.Tensor(name)
		y, ok := b.Tensor(name)
		if !ok {
			return fmt.Errorf("%s: a map %q that the settings do not make", a.Path(), name)
		}
		d, err := largestDifference(x, y)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Path(), err)
		}
		if otherTier {
			stdout.Printf("%-24s %.3g relative\n", name, d)
		} else if d > 0 {
			return fmt.Errorf("%s: %q differs, by %.3g of its maximum", a.Path(), name, d)
		}
		differs = differs || d > 0
	}
	if otherTier {
		return fmt.Errorf("the report was made by kernel tier %s, this is %s: CWOX_ISA=%s compares byte by byte", old.Model.Kernel, fresh.Model.Kernel, old.Model.Kernel)
	}
	if fresh.Tree.SHA256 == "" { // the tree is not at hand
		fresh.Tree = old.Tree
		old.Warnings = slices.DeleteFunc(old.Warnings, func(w report.Warning) bool { return w.Code == cwox.TreeDoubtful })
	}
	// Locations and times may differ.
	for _, r := range []*report.Report{old, fresh} {
		r.Seconds, r.Image.File, r.Model.Weights, r.Tree.File = nil, "", "", ""
	}
	was, err := json.Marshal(old)
	if err != nil {
		return err
	}
	is, err := json.Marshal(fresh)
	if err != nil {
		return err
	}
	if !bytes.Equal(was, is) {
		at := 0
		for at < min(len(was), len(is)) && was[at] == is[at] {
			at++
		}
		from := max(0, at-40)
		return fmt.Errorf("%s: reads ...%s, recomputed it is ...%s", filepath.Join(dir, report.JSONFile),
			was[from:min(len(was), at+40)], is[from:min(len(is), at+40)])
	}
	if m.json {
		return printJSON(map[string]any{"dir": dir, "same": true, "maps": len(a.Names()), "kernel": fresh.Model.Kernel})
	}
	stdout.Printf("%s: all %d maps and every number agree to the byte (%s)\n", dir, len(a.Names()), fresh.Model.Kernel)
	return nil
}

// largestDifference is the largest difference of two maps over the largest value of x; 0 only
// where the bytes agree.
func largestDifference(x, y *weights.Tensor) (float64, error) {
	a, err := x.Float32()
	if err != nil {
		return 0, err
	}
	b, err := y.Float32()
	if err != nil {
		return 0, err
	}
	if len(a) != len(b) {
		return 0, fmt.Errorf("%q: shape %v, recomputed it has %v", x.Name, x.Shape, y.Shape)
	}
	var d, scale float64
	for i, v := range a {
		scale = max(scale, math.Abs(float64(v)))
		if math.Float32bits(v) != math.Float32bits(b[i]) {
			d = max(d, math.Abs(float64(v)-float64(b[i])), math.SmallestNonzeroFloat64)
			if d != d {
				return math.Inf(1), nil
			}
		}
	}
	if scale > 0 {
		return d / scale, nil
	}
	return d, nil
}
