package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/nn"
	"cwox/nn/vision"
)

// EvaluateOptions steer [Evaluate]. The zero value compares all methods with Grad-CAM, by
// the paper's definitions, pixel by pixel.
type EvaluateOptions struct {
	Methods    []cwox.Method        // nil means all; the tables have them in this order
	Explainers []saliency.Explainer // nil means the default one

	// Explain says which classes are explained and how. Its Method, Explainer, Progress,
	// Clusters and Classes must be left alone.
	Explain cwox.Options
	// Faithfulness says how the maps are scored. Its AUCSteps is DefaultEvaluateAUCSteps
	// where it is 0; its Progress must be left alone.
	Faithfulness faithfulness.Options

	// MaxImages bounds the images that are evaluated; 0 evaluates all that qualify.
	MaxImages int
	// Decode steers and bounds the decoding of images. Of its limits nothing depends that is
	// done: an image that they refuse is tried again.
	Decode vision.Options
	// Shard, if it is not the whole, is the part of the images to do: see [Shard]. It leaves
	// MaxImages alone.
	Shard Shard
	// Restart throws away what earlier runs have left in the folder.
	Restart bool
	// Progress, if not nil, is told how far a phase has come: PhaseCheck of the images that
	// earlier runs have lines of, PhaseSelect of those that are looked through for some that
	// qualify, PhaseEvaluate of the pairs.
	Progress func(phase string, done, total int)
}

// The phases of [Evaluate].
const (
	PhaseSelect   = "select"   // counts images
	PhaseEvaluate = "evaluate" // counts pairs of a class and its foil, per explainer
)

// DefaultEvaluateAUCSteps are the steps of deletion and insertion curves, far fewer than
// faithfulness.DefaultAUCSteps: with those, these two take most of the time.
const DefaultEvaluateAUCSteps = 28

// EvaluationRow is a line of results.jsonl: how faithful the map of a class is that a method
// makes with an explainer, against the other classes of its cluster. What has no value is null.
type EvaluationRow struct {
	Image       string              `json:"image"`
	Model       string              `json:"model"`
	Explainer   string              `json:"explainer"`
	Method      cwox.Method         `json:"method"`
	Class       int                 `json:"class"`
	Label       string              `json:"label,omitempty"`
	Foil        []int               `json:"foil"`
	FoilLabels  []string            `json:"foil_labels,omitempty"`
	Probability float64             `json:"probability"` // of Class
	Status      faithfulness.Status `json:"status"`
	NDelta      int                 `json:"n_delta"`
	// Common is the least n_delta of all methods, over which CAUC is computed; 0 where
	// the map of any method cannot be scored. OwnCAUC is over NDelta, from a curve that
	// has few points behind Common, but for the method that explainers are compared with.
	Common       int         `json:"n_common"`
	CAUC         report.Real `json:"cauc"`
	OwnCAUC      report.Real `json:"cauc_own"`
	CDROP        report.Real `json:"cdrop"`
	DeletionAUC  report.Real `json:"deletion_auc"`
	InsertionAUC report.Real `json:"insertion_auc"`
	Curve        RowCurve    `json:"curve"`
}

// RowCurve is the contrastive score curve, thinned to at most 257 points, with seven digits.
type RowCurve struct {
	Pixels []int     `json:"pixels"`
	Pos    []float64 `json:"p_pos"`
	Neg    []float64 `json:"p_neg"`
}

const maxCurvePoints = 257

// EvaluatedImage is a line of images.jsonl: what became of an image, with a model and an
// explainer.
type EvaluatedImage struct {
	Image     string    `json:"image"`
	Model     string    `json:"model"`
	Explainer string    `json:"explainer,omitempty"` // empty where no explainer came to it
	Error     string    `json:"error,omitempty"`
	Skipped   string    `json:"skipped,omitempty"` // why it does not qualify: one of the Skipped* constants
	SHA256    string    `json:"sha256,omitempty"`  // of the file that the line is about; empty: it is tried again
	Clusters  [][]int   `json:"clusters,omitempty"`
	Rows      int       `json:"rows,omitempty"` // in results.jsonl
	Warnings  []Warning `json:"warnings,omitempty"`
}

// Why images do not qualify (paper section 5: the pairs are those of a class and the others
// of its cluster).
const (
	SkippedSingleClass = "single class"
	SkippedNoCluster   = "no cluster of two classes"
)

// Evaluate measures how faithful methods and explainers are to a classifier over many images:
// the paper's Tables 1 to 3. For every image with more than one top class and a cluster of at
// least two, it scores the maps of all pairs (c, C minus c) of a class and the rest of its
// cluster.
//
// Images are taken in the order of their paths, each once. The folder dir gets results.jsonl (a line
// of EvaluationRow each), images.jsonl (EvaluatedImage), settings.json, and at the end
// summary.json, tables.txt, tables.md, tables.csv and index.html, a page of its own. Another model,
// other explainers or further images can be added to a folder later; other settings are an
// error that names the difference.
//
// After an end of any kind the same call goes on where the last one stopped and comes to the
// same bytes. An image that cannot be read, decoded or explained costs a line. An error that
// would meet every other image, too, as too many open files, ends the work and makes no line.
// A line stands as long as its image's file has the hash in it: images that were replaced, and
// those that could not be read or explained, are tried again; but where an image that was
// replaced has rows, with this or another model, it is an error that names it.
//
// A shard has the first three files alone, in its own folder, and its result counts images alone.
func Evaluate(ctx context.Context, c *cwox.Classifier, images []string, dir string, o EvaluateOptions) (_ *Evaluation, err error) {
	e := &evaluator{c: c, o: o}
	if err := e.prepare(); err != nil {
		return nil, err
	}
	defer e.close()
	if drawn, _ := filepath.Glob(filepath.Join(dir, "truth-*.jsonl")); len(drawn) > 0 {
		return nil, fmt.Errorf("dataset: %s: holds an evaluation of drawn scenes: write to another folder", dir)
	}
	if dir, err = o.Shard.claim(dir, dir); err != nil {
		return nil, err
	}
	j, err := openEvaluation(dir, e.settings, o.Restart)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	images = slices.Compact(slices.Sorted(slices.Values(images)))
	state, err := o.Shard.begin(j.dir, listed(commandEvaluate, images), o.Restart, e.runs()...)
	if err != nil {
		return nil, err
	}
	images = o.Shard.of(images)
	unread, err := j.check(ctx, c.Arch.Name, images, o.Explain.Threads, e.o.Progress)
	if err != nil {
		return nil, err
	}
	jobs, err := e.choose(ctx, images, j)
	if err != nil {
		return nil, err
	}
	if err := e.work(ctx, jobs, j); err != nil {
		return nil, err
	}
	if err := j.finish(); err != nil {
		return nil, err
	}
	var all *Evaluation
	if o.Shard.whole() {
		all, err = Summarize(dir)
	} else {
		all = &Evaluation{Settings: *e.settings, Images: map[string]ImageCounts{}}
		err = errors.Join(all.countImages(j.dir.Path(ImagesFile)), state.end(j.dir, e.runs()...))
	}
	if err != nil {
		return nil, err
	}
	all.Unchecked = unread
	return all, nil
}

// runs are the model with each explainer.
func (e *evaluator) runs() (names []string) {
	for _, x := range e.o.Explainers {
		names = append(names, e.c.Arch.Name+"/"+x.Name())
	}
	return names
}

// evaluator holds what stays from image to image.
type evaluator struct {
	c        *cwox.Classifier
	o        EvaluateOptions
	settings *EvaluationSettings

	selecting *cwox.Pipeline
	pipelines []*cwox.Pipeline // by explainer
	session   *nn.Session
}

func (e *evaluator) prepare() (err error) {
	o := &e.o
	if len(o.Methods) == 0 {
		o.Methods = cwox.Methods()
	}
	if len(o.Explainers) == 0 {
		x, err := cwox.NewExplainer(cwox.ExplainerNames()[0], e.c, o.Explain.Variant)
		if err != nil {
			return err
		}
		o.Explainers = []saliency.Explainer{x}
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if err := checkMethods(o.Methods); err != nil {
		return err
	}
	for i, x := range o.Explainers {
		for _, other := range o.Explainers[:i] {
			if other.Name() == x.Name() {
				return fmt.Errorf("dataset: explainer %s is given twice", x.Name())
			}
		}
	}
	if o.MaxImages > 0 && !o.Shard.whole() {
		return errors.New("dataset: a bound on the images that qualify is one of the whole list: a shard cannot know it")
	}
	if o.MaxImages < 0 {
		return fmt.Errorf("dataset: at most %d images: want 1 or more", o.MaxImages)
	}
	if o.Faithfulness.AUCSteps == 0 {
		o.Faithfulness.AUCSteps = DefaultEvaluateAUCSteps
	}
	if o.Faithfulness, err = o.Faithfulness.WithDefaults(); err != nil {
		return err
	}
	if e.settings, err = newEvaluationSettings(e.c, o); err != nil {
		return err
	}
	e.selecting = cwox.New(e.c)
	for range o.Explainers {
		e.pipelines = append(e.pipelines, cwox.New(e.c))
	}
	return nil
}

func checkMethods(methods []cwox.Method) error {
	for i, m := range methods {
		if !slices.Contains(cwox.Methods(), m) {
			return fmt.Errorf("dataset: unknown method %q (known: %v)", m, cwox.Methods())
		}
		if slices.Contains(methods[:i], m) {
			return fmt.Errorf("dataset: method %s is given twice", m)
		}
	}
	return nil
}

func (e *evaluator) close() {
	for _, p := range append(e.pipelines, e.selecting) {
		p.Close()
	}
	if e.session != nil {
		e.session.Close()
	}
}

// evaluateJob is an image that is to be evaluated with some of the explainers.
type evaluateJob struct {
	image      string
	explainers []int
	pairs      int
}

// choose looks images through for those that qualify and are not done yet.
func (e *evaluator) choose(ctx context.Context, images []string, j *evaluation) (jobs []evaluateJob, err error) {
	qualify := 0
	for i, image := range images {
		if e.o.MaxImages > 0 && qualify == e.o.MaxImages {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e.o.Progress(PhaseSelect, i, len(images))
		if other := j.other[unitKey{e.c.Arch.Name, asRead(image), ""}]; other != nil && other.SHA256 != "" {
			continue
		}
		job := evaluateJob{image: image}
		for k, x := range e.o.Explainers {
			if j.done[unitKey{e.c.Arch.Name, asRead(image), x.Name()}] == nil {
				job.explainers = append(job.explainers, k)
			}
		}
		if len(job.explainers) == 0 {
			qualify++
			continue
		}
		line := EvaluatedImage{Image: image, Model: e.c.Arch.Name}
		var clusters [][]int
		pic, err := e.decode(&line)
		if err == nil {
			if _, clusters, err = e.selecting.Cut(pic, e.o.Explain); err != nil {
				line.SHA256 = "" // it is tried again
			}
		}
		switch {
		case err != nil && ofTheMoment(err):
			return nil, err
		case err != nil:
			line.Error = err.Error()
		default:
			if job.pairs, line.Skipped = pairs(clusters); line.Skipped == "" {
				qualify++
				jobs = append(jobs, job)
				continue
			}
		}
		if err := j.append(nil, line); err != nil {
			return nil, err
		}
	}
	e.selecting.Close()
	return jobs, nil
}

// pairs counts the pairs of a class and the rest of its cluster, or says why there are none.
func pairs(clusters [][]int) (n int, skipped string) {
	classes := 0
	for _, c := range clusters {
		classes += len(c)
		if len(c) > 1 {
			n += len(c)
		}
	}
	switch {
	case classes < 2:
		return 0, SkippedSingleClass
	case n == 0:
		return 0, SkippedNoCluster
	}
	return n, ""
}

// decode reads an image and notes what it is in its line.
func (e *evaluator) decode(line *EvaluatedImage) (*vision.Picture, error) {
	pic, sum, err := decodeImage(line.Image, e.o.Decode)
	line.SHA256 = sum
	if err != nil {
		return nil, err
	}
	for _, n := range pic.Notes {
		line.Warnings = append(line.Warnings, Warning(n))
	}
	return pic, nil
}

// work evaluates images and appends their rows to the journal, each image's at once.
func (e *evaluator) work(ctx context.Context, jobs []evaluateJob, j *evaluation) (err error) {
	done, total := 0, 0
	for _, job := range jobs {
		total += job.pairs * len(job.explainers)
	}
	for _, job := range jobs {
		size := job.pairs * len(job.explainers)
		report := func(share float64) { e.o.Progress(PhaseEvaluate, done+int(share*float64(size)), total) }
		report(0)
		rows, lines, err := e.image(ctx, job, j, report)
		if err != nil {
			return err
		}
		if err := j.append(rows, lines...); err != nil {
			return err
		}
		done += size
		report(0)
	}
	return nil
}

// image evaluates an image. What is wrong with the image becomes a line.
func (e *evaluator) image(ctx context.Context, job evaluateJob, j *evaluation, progress func(share float64)) ([]EvaluationRow, []EvaluatedImage, error) {
	base := EvaluatedImage{Image: job.image, Model: e.c.Arch.Name}
	failed := func(err error) ([]EvaluationRow, []EvaluatedImage, error) {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if ofTheMoment(err) {
			return nil, nil, err
		}
		base.Error, base.SHA256 = err.Error(), "" // it is tried again
		return nil, []EvaluatedImage{base}, nil
	}
	pic, err := e.decode(&base)
	if err != nil {
		return failed(err)
	}
	if before := j.sums[asRead(base.Image)]; before != "" && before != base.SHA256 { // since it was checked
		return nil, nil, fmt.Errorf("dataset: %s: SHA-256 %s, it was evaluated with %s before: the image has changed", job.image, base.SHA256, before)
	}
	var rows []EvaluationRow
	var queries []faithfulness.Query
	var lines []EvaluatedImage
	for _, k := range job.explainers {
		o := e.o.Explain
		o.Explainer = e.o.Explainers[k]
		o.Progress = func(int, int) { progress(0) }
		all, err := e.pipelines[k].ExplainAll(ctx, pic, o, e.o.Methods)
		if err != nil {
			return failed(fmt.Errorf("%s: %s: %w", job.image, o.Explainer.Name(), err))
		}
		line := base
		line.Explainer = o.Explainer.Name()
		for _, cluster := range all[0].Clusters {
			line.Clusters = append(line.Clusters, cluster.Classes)
		}
		before := len(rows)
		rows, queries = e.ask(rows, queries, all, line)
		line.Rows = len(rows) - before
		lines = append(lines, line)
	}
	group := len(e.o.Methods)
	for i := 0; i < len(rows); i += group {
		if err := e.find(rows[i:][:group], queries[i:][:group]); err != nil {
			return nil, nil, err
		}
	}
	results, err := e.score(ctx, pic, queries, progress)
	if err != nil {
		return failed(fmt.Errorf("%s: %w", job.image, err))
	}
	for i, r := range results {
		rows[i].measure(r, e.o.Faithfulness)
	}
	return rows, lines, nil
}

// ask makes the rows of an image and an explainer: pair by pair, all methods of a pair
// together.
func (e *evaluator) ask(rows []EvaluationRow, queries []faithfulness.Query, all []*cwox.Explanation, line EvaluatedImage) ([]EvaluationRow, []faithfulness.Query) {
	prob := map[int]float64{}
	for _, t := range all[0].Top {
		prob[t.Class] = t.Probability
	}
	for k, class := range all[0].Classes {
		cluster := all[0].Clusters[class.Cluster].Classes
		if len(cluster) < 2 {
			continue
		}
		row := EvaluationRow{Image: line.Image, Model: line.Model, Explainer: line.Explainer,
			Class: class.Class, Label: e.c.Label(class.Class), Probability: prob[class.Class]}
		for _, c := range cluster {
			if c != class.Class {
				row.Foil = append(row.Foil, c)
				if label := e.c.Label(c); label != "" {
					row.FoilLabels = append(row.FoilLabels, label)
				}
			}
		}
		for _, x := range all {
			row.Method = x.Method
			rows = append(rows, row)
			queries = append(queries, faithfulness.Query{Heatmap: faithfulness.FromMap(x.Classes[k].Map), Pos: []int{row.Class}, Neg: row.Foil})
		}
	}
	return rows, queries
}

// score scores all maps of an image in common batches.
func (e *evaluator) score(ctx context.Context, pic *vision.Picture, queries []faithfulness.Query, progress func(share float64)) ([]faithfulness.Result, error) {
	o := e.o.Faithfulness
	if e.session == nil {
		s, err := e.c.Net.NewSession(nn.SessionOptions{Batch: o.Batch, Threads: e.o.Explain.Threads})
		if err != nil {
			return nil, err
		}
		e.session = s
	}
	o.Output = e.c.Output()
	o.Progress = func(done, total int) { progress(float64(done) / float64(total)) }
	return faithfulness.Score(ctx, faithfulness.Classifier(e.c, e.session), e.c.Transform.Tensor(pic), queries, o)
}

// find finds the number of pixels that all methods of a pair share, and spares them the
// points of their curves behind it: all but the one method whose explainers are compared.
func (e *evaluator) find(rows []EvaluationRow, queries []faithfulness.Query) error {
	common := math.MaxInt
	for i := range rows {
		n, status, err := faithfulness.Salient(queries[i].Heatmap, e.o.Faithfulness)
		if err != nil {
			return err
		}
		rows[i].NDelta, rows[i].Status = n, status
		if status != faithfulness.OK {
			n = 0
		}
		common = min(common, n)
	}
	for i := range rows {
		rows[i].Common = common
		if i != e.settings.shownMethod() {
			queries[i].Exact = max(common, 1)
		}
	}
	return nil
}

// measure fills in what was found.
func (row *EvaluationRow) measure(r faithfulness.Result, o faithfulness.Options) {
	row.CAUC = report.Real(math.NaN())
	if row.Common > 0 {
		row.CAUC = report.Real(r.Contrast.CAUC(o.Definition, row.Common, o.Step))
	}
	row.OwnCAUC, row.CDROP = report.Real(r.CAUC), report.Real(r.CDROP)
	row.DeletionAUC, row.InsertionAUC = report.Real(r.DeletionAUC), report.Real(r.InsertionAUC)
	thin := r.Contrast.Thin(maxCurvePoints)
	row.Curve = RowCurve{Pixels: append([]int{}, thin.Pixels...), Pos: short(thin.Pos), Neg: short(thin.Neg)}
}

// short rounds to seven digits.
func short(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i], _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 7, 64), 64)
	}
	return out
}

// Files of an evaluation.
const (
	ResultsFile    = "results.jsonl"
	ImagesFile     = "images.jsonl"
	settingsFile   = "settings.json"
	SummaryFile    = "summary.json"
	TablesFile     = "tables.txt"
	TablesCSV      = "tables.csv"
	TablesMarkdown = "tables.md"
)
