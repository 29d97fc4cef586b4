package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/internal/demo"
	"cwox/internal/demo/aim"
	"cwox/internal/drawnworld"
	"cwox/internal/outside"
	"cwox/internal/place"
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
		Long: `Recompute the explanation that a folder of 'cwox explain' or 'cwox demo' holds from the
settings in its report.json, and compare every file: maps, numbers, page and overlays, none
more and none less; of a folder of several images all of theirs and the page over them.
Exit code 0: all the same bytes. The times in report.json are taken as they are, and so is
a setting that changes nothing, as the seed of an explainer without chance.
Another kernel tier than the report's may give the same bytes, too, as avx2, avx512 and neon
do in float32: then the tier is a remark. Where maps differ, how far each does by tier is
printed, and the exit code is 1.`,
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
	var dirs []string
	index, err := report.ReadIndex(dir)
	switch {
	case err == nil:
		for _, i := range index.Images {
			if i.Error == "" {
				dirs = append(dirs, filepath.Join(dir, i.Folder))
			}
		}
		if image != "" {
			return usage(c, "--image: %s holds the reports of %d images: verify one of its folders", dir, len(index.Images))
		}
	case errors.Is(err, fs.ErrNotExist):
		dirs = []string{dir}
	default:
		return err
	}
	entries := map[string]report.IndexEntry{}
	v := verified{Dir: dir, Same: true}
	for i, one := range dirs {
		settings := *m // what a report says of the model is its own
		settings.quiet = m.quiet || i > 0
		inputs := *t
		e, n, err := verifyOne(c, &settings, &inputs, image, one)
		if err != nil {
			return err
		}
		if entries[filepath.Base(one)], err = report.NewIndexEntry(filepath.Base(one), e[0]); err != nil {
			return err
		}
		v.Kernel, v.Maps, v.Files = n.kernel, v.Maps+n.maps, v.Files+n.files
		if e[0].Model.Kernel != n.kernel && !slices.Contains(v.MadeBy, e[0].Model.Kernel) {
			v.MadeBy = append(v.MadeBy, e[0].Model.Kernel)
		}
	}
	if index != nil {
		n, err := verifyIndex(dir, index, entries)
		if err != nil {
			return err
		}
		v.Files += n
	}
	if m.json {
		return printJSON(v)
	}
	kernels := v.Kernel
	if v.MadeBy != nil {
		kernels += ", made by " + strings.Join(v.MadeBy, " and ")
	}
	stdout.Printf("%s: all %d maps, every number and all %d files agree to the byte (%s)\n", dir, v.Maps, v.Files, kernels)
	return nil
}

// verified is what verify --json prints.
type verified struct {
	Dir    string   `json:"dir"`
	Same   bool     `json:"same"`
	Maps   int      `json:"maps"`
	Files  int      `json:"files"`
	Kernel string   `json:"kernel"`
	MadeBy []string `json:"made_by,omitempty"` // other kernel tiers, of the same bits
}

// counted is what was compared, and the kernel tier that it was computed by again.
type counted struct {
	maps, files int
	kernel      string
}

// verifyOne makes the report of a folder again, as if at the same place in the same time, and
// compares the folders.
func verifyOne(c *cobra.Command, m *modelFlags, t *tensorFlags, image, dir string) ([]*cwox.Explanation, counted, error) {
	path := filepath.Join(dir, report.JSONFile)
	old, err := report.ReadJSON(path)
	if err != nil {
		return nil, counted{}, err
	}
	if image == "" {
		image = beside(dir, old.Image.File)
	}
	e, err := explainAgain(c, m, t, image, old)
	if err != nil {
		return nil, counted{}, fmt.Errorf("%s: %w", path, err)
	}
	kernel := e[0].Model.Kernel
	for _, one := range e {
		one.Model.Kernel = old.Model.Kernel // another's bytes may be the same
	}
	again, err := place.Temporary("cwox-verify-")
	if err != nil {
		return nil, counted{}, err
	}
	defer os.RemoveAll(again)
	truth, err := drawnworld.ReadTruth(filepath.Join(dir, drawnworld.TruthFile))
	if err == nil { // a folder of demo
		scene := truth.Scene()
		if scene == nil || truth.Size != demo.PictureSize {
			return nil, counted{}, fmt.Errorf("%s: of no scene that this program draws", filepath.Join(dir, drawnworld.TruthFile))
		}
		for _, one := range e {
			aim.Tell(scene, one)
		}
		err = scene.WriteTruth(again, truth.Size)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = report.Write(again, e[0], e[1:]...)
	}
	if err != nil {
		return nil, counted{}, err
	}
	maps, err := compareMaps(dir, again, old.Model.Kernel, kernel)
	if err != nil {
		return nil, counted{}, err
	}
	files, err := compareFolders(dir, again)
	if err != nil && kernel != old.Model.Kernel {
		err = fmt.Errorf("%w (made by kernel tier %s, this is %s)", err, old.Model.Kernel, kernel)
	}
	return e, counted{maps, files, kernel}, err
}

// beside is where the image of a report lies beside the report's folder, as in an archive that the
// page of serve saves; "" if it is where the report says, or not there either.
func beside(dir, image string) string {
	path := filepath.Join(filepath.Dir(filepath.Clean(dir)), filepath.Base(image))
	if _, err := os.Stat(image); err == nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// explainAgain makes the explanations of a report from the settings in it.
func explainAgain(c *cobra.Command, m *modelFlags, t *tensorFlags, image string, old *report.Report) ([]*cwox.Explanation, error) {
	moved := image != ""
	if !moved {
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
		return nil, err
	}
	m.direct = strings.HasSuffix(old.Model.Kernel, "-direct")
	cl, closeFile, err := m.load(c)
	if err != nil {
		return nil, err
	}
	defer closeFile()
	if cl.WeightsSHA256 != old.Model.WeightsSHA256 {
		return nil, fmt.Errorf("made with weights of SHA-256 %s, %s has %s", old.Model.WeightsSHA256, m.weights, cl.WeightsSHA256)
	}
	cl.MultiLabel = old.Model.Output == saliency.Sigmoid.String()
	o, err := askedOf(old, cl)
	if err != nil {
		return nil, err
	}
	for i := range o.options {
		o.options[i].Threads = m.threads
	}
	// The report says what became of the orientation.
	for _, w := range old.Warnings {
		m.ignoreOrientation = m.ignoreOrientation || w.Code == vision.NoteOrientationIgnored
	}
	p := cwox.New(cl)
	defer p.Close()
	if slices.ContainsFunc(old.Warnings, func(w report.Warning) bool { return w.Code == cwox.StatisticsDiffer }) {
		p.Measure() // the first image of a run was
	}
	var all []*cwox.Explanation
	if tensors.n > 0 {
		all, err = explainTensor(c.Context(), p, tensors, o, m)
	} else {
		all, err = explainOne(c.Context(), p, image, o, m)
	}
	if errors.Is(err, fs.ErrNotExist) && !moved {
		err = fmt.Errorf("%w (--image says where the image is now)", err)
	}
	if err != nil {
		return nil, err
	}
	for i, was := range old.Each() {
		if e := all[i]; e.Picture.SHA256 != old.Image.SHA256 {
			return nil, fmt.Errorf("made from a file of SHA-256 %s, %s has %s", old.Image.SHA256, image, e.Picture.SHA256)
		}
		asRecorded(all[i], was, o.options[0].Tree != nil)
	}
	return all, nil
}

// asRecorded takes over what may differ from a report, the time it took and where files lie, and
// of a tree that is not at hand what is known of it: its clusters were taken as they stand.
func asRecorded(e *cwox.Explanation, old *report.Report, tree bool) {
	e.File, e.Model.WeightsFile = old.Image.File, old.Model.Weights
	if !tree && old.Tree.SHA256 != "" {
		e.Tree = cwox.TreeInfo{Source: cwox.TreeSource(old.Tree.Source), SHA256: old.Tree.SHA256, Level: old.Tree.Level, Missing: old.Tree.Missing}
		for i, w := range old.Warnings {
			if w.Code == cwox.TreeDoubtful || w.Code == cwox.TreeLacks {
				e.Warnings = slices.Insert(e.Warnings, min(i, len(e.Warnings)), cwox.Warning(w))
			}
		}
	}
	e.Tree.File = old.Tree.File
	e.Seconds = map[string]float64{}
	for stage, s := range old.Seconds {
		e.Seconds[stage] = float64(s)
	}
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

// compareMaps compares the maps of two report folders and returns how many there are. Where those
// of another kernel tier are not the same, how far each is apart is printed.
func compareMaps(dir, again, was, is string) (int, error) {
	a, err := weights.Open(filepath.Join(dir, report.MapsFile))
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, err := weights.Open(filepath.Join(again, report.MapsFile))
	if err != nil {
		return 0, err
	}
	defer b.Close()
	for _, name := range b.Names() {
		if _, ok := a.Tensor(name); !ok {
			return 0, fmt.Errorf("%s: no map %q", a.Path(), name)
		}
	}
	apart := map[string]float64{}
	for _, name := range a.Names() {
		x, _ := a.Tensor(name)
		y, ok := b.Tensor(name)
		if !ok {
			return 0, fmt.Errorf("%s: a map %q that the settings do not make", a.Path(), name)
		}
		d, err := largestDifference(x, y)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", a.Path(), err)
		}
		if was == is && d > 0 {
			return 0, fmt.Errorf("%s: %q differs, by %.3g of its maximum", a.Path(), name, d)
		}
		if d > 0 {
			apart[name] = d
		}
	}
	if len(apart) > 0 {
		for _, name := range a.Names() {
			stdout.Printf("%-24s %.3g relative\n", name, apart[name])
		}
		return 0, fmt.Errorf("%s: made by kernel tier %s, this is %s: CWOX_ISA=%s compares byte by byte", dir, was, is, strings.TrimSuffix(was, "-direct"))
	}
	return len(a.Names()), nil
}

// compareFolders compares the files of two folders byte by byte, and returns how many there are.
func compareFolders(dir, again string) (int, error) {
	there, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	want, err := os.ReadDir(again)
	if err != nil {
		return 0, err
	}
	made := map[string]bool{}
	for _, f := range want {
		made[f.Name()] = true
		path := filepath.Join(dir, f.Name())
		if f.IsDir() { // of a report that was verified
			continue
		}
		fresh, err := os.ReadFile(filepath.Join(again, f.Name()))
		if err != nil {
			return 0, err
		}
		text, err := outside.Read(path, int64(len(fresh))+1<<20)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return 0, fmt.Errorf("%s: is missing", path)
		case err != nil:
			return 0, err
		case !bytes.Equal(text, fresh):
			return 0, fmt.Errorf("%s: differs from what its settings make%s", path, firstDifference(text, fresh))
		}
	}
	for _, f := range there {
		if !made[f.Name()] {
			return 0, fmt.Errorf("%s: is no file of the report", filepath.Join(dir, f.Name()))
		}
	}
	return len(want), nil
}

// firstDifference shows where two texts part; of pictures and the like it tells the place.
func firstDifference(was, is []byte) string {
	at := 0
	for at < min(len(was), len(is)) && was[at] == is[at] {
		at++
	}
	if bytes.IndexByte(was, 0) >= 0 || !utf8.Valid(is) {
		return fmt.Sprintf(", from byte %d on", at)
	}
	from := max(0, at-40)
	return fmt.Sprintf(": it reads ...%s, recomputed it is ...%s", was[from:min(len(was), at+40)], is[from:min(len(is), at+40)])
}

// verifyIndex compares what lies over the reports of several images with what is made of them,
// and returns how many files that is.
func verifyIndex(dir string, index *report.Index, entries map[string]report.IndexEntry) (int, error) {
	again, err := place.Temporary("cwox-verify-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(again)
	var all []report.IndexEntry
	for _, i := range index.Images {
		e, ok := entries[i.Folder]
		if !ok {
			e = report.IndexEntry{File: i.File, Folder: i.Folder, Err: i.Error}
		} else if err := os.Mkdir(filepath.Join(again, i.Folder), 0o777); err != nil {
			return 0, err
		}
		all = append(all, e)
	}
	if err := report.WriteIndex(again, all); err != nil {
		return 0, err
	}
	n, err := compareFolders(dir, again)
	return n - len(entries), err
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
