package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/internal/place"
	"cwox/nn/vision"
)

// ReportsOptions steer [WriteReports].
type ReportsOptions struct {
	Explain cwox.Options   // what is explained, and how
	Also    []cwox.Options // by which other methods and explainers, on the same page
	Decode  vision.Options // only its orientation changes reports
	Shard   Shard          // the part of the images to do, if it is not the whole: see [Shard]
	Restart bool           // throw away what an earlier run has left
	// Run explains an image. It has first set for the first image of the whole list that can
	// be decoded.
	Run func(image string, first bool) ([]*cwox.Explanation, error)
	// Done, if not nil, is told of every image whose report is there now, or why there is none.
	Done func(image, folder string, e []*cwox.Explanation, err error) error
	// Progress, if not nil, is told how far PhaseCheck, of what an earlier run has done, or
	// PhaseExplain has come.
	Progress func(phase string, done, total int)
}

// PhaseExplain is the phase of [WriteReports] and [WriteConfusions] in which images are explained.
const PhaseExplain = "explain"

// ReportsResult counts what [WriteReports] made, earlier runs included.
type ReportsResult struct {
	Images     int    `json:"images"`
	Resumed    int    `json:"resumed"` // images done by earlier runs
	Failed     int    `json:"failed"`
	FirstError string `json:"first_error,omitempty"`
}

// ReportLine is a line of explained.jsonl: what the page over all reports says of an image.
type ReportLine struct {
	ID        int               `json:"id"` // in the whole list
	Image     string            `json:"image"`
	SHA256    string            `json:"sha256,omitempty"` // of the image's file; empty where there is no report
	Error     string            `json:"error,omitempty"`
	Folder    string            `json:"folder,omitempty"`
	Lead      string            `json:"lead,omitempty"`
	Sure      float64           `json:"sure,omitempty"`
	Thumbnail []byte            `json:"thumbnail,omitempty"`
	Maps      []report.IndexMap `json:"maps,omitempty"`
	Warnings  int               `json:"warnings,omitempty"`
}

func (l *ReportLine) about() lineHead { return lineHead{l.ID, l.Image, l.SHA256, l.Error} }

func (l *ReportLine) check() error {
	if l.Folder != "" && l.Folder != place.Name(l.Folder) {
		return fmt.Errorf("%.200q is no name of a folder", l.Folder)
	}
	return nil
}

func (l *ReportLine) entry() report.IndexEntry {
	return report.IndexEntry{Folder: l.Folder, File: l.Image, Lead: l.Lead, Sure: l.Sure, Thumbnail: l.Thumbnail, Maps: l.Maps, Warnings: l.Warnings, Err: l.Error}
}

// The journal of reports, in the folder of a shard, or in that of one run until it has ended.
const (
	ReportsFile     = "explained.jsonl"
	ReportsSettings = "explained.settings.json"
)

// reportsFormat changes when reports mean something else.
const reportsFormat = "cwox-reports/2"

// reportsSettings are everything that the reports of images depend on, and that they record.
type reportsSettings struct {
	Format string `json:"format"`
	Model  string `json:"model"`
	EvaluatedModel
	WeightsFile       string         `json:"weights_file"`
	LabelsSHA256      string         `json:"labels_sha256"`
	TreeFile          string         `json:"tree_file"`
	IgnoreOrientation bool           `json:"ignore_orientation"`
	Method            cwox.Method    `json:"method"`
	Variant           cwox.Variant   `json:"variant"`
	Explainer         string         `json:"explainer"`
	ExplainerSettings map[string]any `json:"explainer_settings"`
	Level             int            `json:"level"`
	Clusters          [][]int        `json:"clusters"`
	Classes           []int          `json:"classes"`
	TopK              int            `json:"top"`
	Cumulative        float64        `json:"cumulative"`
	ReLU              cwox.ReLU      `json:"relu"`
	Delta             float64        `json:"delta"`
	Epsilon           float64        `json:"epsilon"`
	Seed              uint64         `json:"seed"`
	Also              []alsoSettings `json:"also,omitempty"`
}

// alsoSettings are those in which a further explanation may differ.
type alsoSettings struct {
	Method            cwox.Method    `json:"method"`
	Explainer         string         `json:"explainer"`
	ExplainerSettings map[string]any `json:"explainer_settings"`
}

func newReportsSettings(c *cwox.Classifier, o *ReportsOptions) (*reportsSettings, error) {
	x := o.Explain
	s := &reportsSettings{Format: reportsFormat, Model: c.Arch.Name, EvaluatedModel: evaluatedModel(c), WeightsFile: c.WeightsFile,
		LabelsSHA256: hashList(c.Labels), TreeFile: x.TreeFile, IgnoreOrientation: o.Decode.IgnoreOrientation, Method: x.Method, Variant: x.Variant,
		Explainer: x.Explainer.Name(), ExplainerSettings: x.Explainer.Settings(), Level: x.Level, Clusters: x.Clusters, Classes: x.Classes,
		TopK: x.TopK, Cumulative: x.Cumulative, ReLU: x.ReLU, Delta: x.Delta, Epsilon: x.Epsilon, Seed: x.Seed}
	for _, a := range o.Also {
		s.Also = append(s.Also, alsoSettings{a.Method, a.Explainer.Name(), a.Explainer.Settings()})
	}
	return s, s.addTree(x.Tree)
}

// WriteReports explains several images, each into its folder of out, whose name is its image's in
// folders, and writes the pages over all. A shard does without these, in its own folder: [Merge]
// makes of all shards the folder that one run writes. After an end of any kind the same call goes
// on where the last one stopped; meanwhile the pages tell of the images that are done. An image
// that cannot be explained costs its report, not the run; an error that would meet every other
// image, too, ends the work.
func WriteReports(ctx context.Context, c *cwox.Classifier, images, folders []string, out string, o ReportsOptions) (_ *ReportsResult, err error) {
	if len(images) < 2 || len(folders) != len(images) {
		return nil, fmt.Errorf("dataset: %d images, %d folders: want several images, and a folder for each", len(images), len(folders))
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if o.Done == nil {
		o.Done = func(string, string, []*cwox.Explanation, error) error { return nil }
	}
	s, err := newReportsSettings(c, &o)
	if err != nil {
		return nil, err
	}
	dir, err := o.Shard.claim(out, out)
	if err != nil {
		return nil, err
	}
	d, err := place.Make(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j, err := openList[ReportLine](d, ReportsSettings, s, ReportsFile, images, o.Shard, o.Restart)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, j.close()); err == nil && o.Shard.whole() {
			err = removeJournal(dir) // the folder is that of reports now: other settings may replace them
		}
	}()
	state, err := o.Shard.begin(d, listed(commandExplain, images), o.Restart, commandExplain)
	if err != nil {
		return nil, err
	}
	var lost []int // reports that have lines
	for i, sum := range j.sums {
		if _, err := os.Stat(filepath.Join(dir, folders[i], report.JSONFile)); sum != "" && err != nil {
			lost = append(lost, i)
		}
	}
	todo, _, err := j.todo(ctx, o.Explain.Threads, o.Progress)
	if err != nil {
		return nil, err
	}
	todo = append(todo, lost...)
	slices.Sort(todo)
	todo = slices.Compact(todo)
	n := o.Shard.count(len(images))
	r := &ReportsResult{Images: n, Resumed: n - len(todo)}
	if o.Shard.whole() {
		if err := writeIndex(dir, j, folders); err != nil {
			return nil, err
		}
	}
	err = o.explain(ctx, j, folders, todo)
	if o.Shard.whole() { // whatever has ended the work
		err = errors.Join(err, writeIndex(dir, j, folders))
	}
	if err == nil {
		err = j.finish()
	}
	if err != nil {
		return nil, err
	}
	if _, err := each(j.files[0], func(line *ReportLine, _ span) error { r.count(line); return nil }); err != nil {
		return nil, err
	}
	return r, state.end(d, commandExplain)
}

// removeJournal ends a run. Lines without settings would be refused: they go first.
func removeJournal(dir string) error {
	d, err := place.Open(dir)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return errors.Join(d.Remove(ReportsFile, ReportsSettings), d.Close())
}

type reportsJournal = listJournal[ReportLine, *ReportLine]

// explain explains the images that are to be done. Before the next one is opened the last one's
// report is whole, and its line is there.
func (o *ReportsOptions) explain(ctx context.Context, j *reportsJournal, folders []string, todo []int) error {
	n := o.Shard.count(len(j.images))
	first := -1
	if len(todo) > 0 {
		var err error
		if first, err = firstDecodable(j.images, o.Decode); err != nil {
			return err
		}
	}
	for k, i := range todo {
		o.Progress(PhaseExplain, n-len(todo)+k, n)
		line, err := o.report(ctx, j.dir.Path(""), j.images[i], folders[i], i == first)
		if err != nil {
			return err
		}
		line.ID, line.Image = i, j.images[i]
		if err := j.append([]ReportLine{*line}); err != nil {
			return err
		}
	}
	return nil
}

// writeIndex writes the pages over all reports, as far as there are any.
func writeIndex(dir string, j *reportsJournal, folders []string) error {
	entries := make([]report.IndexEntry, len(j.images))
	for i, image := range j.images {
		entries[i] = report.IndexEntry{File: image, Folder: folders[i], Err: "not explained yet"}
	}
	_, err := each(j.files[0], func(line *ReportLine, _ span) error { entries[line.ID] = line.entry(); return nil })
	if err != nil {
		return err
	}
	return report.WriteIndex(dir, entries)
}

func (r *ReportsResult) count(line *ReportLine) {
	if line.Error != "" {
		if r.Failed++; r.Failed == 1 {
			r.FirstError = line.Error
		}
	}
}

// report explains an image into its folder. What is wrong with the image becomes a line.
func (o *ReportsOptions) report(ctx context.Context, dir, image, folder string, first bool) (*ReportLine, error) {
	e, err := o.Run(image, first)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if ofTheMoment(err) {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		return &ReportLine{Error: err.Error()}, o.Done(image, "", nil, err)
	}
	if err := report.Write(filepath.Join(dir, folder), e[0], e[1:]...); err != nil {
		return nil, err
	}
	x, err := report.NewIndexEntry(folder, e[0])
	if err == nil {
		err = o.Done(image, filepath.Join(dir, folder), e, nil)
	}
	return &ReportLine{SHA256: e[0].Picture.SHA256, Folder: x.Folder, Lead: x.Lead, Sure: x.Sure, Thumbnail: x.Thumbnail, Maps: x.Maps, Warnings: x.Warnings}, err
}

// firstDecodable is the number of the first image that can be decoded; -1 if there is none.
func firstDecodable(images []string, o vision.Options) (int, error) {
	for i, image := range images {
		_, _, err := decodeImage(image, o)
		if err == nil {
			return i, nil
		}
		if ofTheMoment(err) {
			return 0, err
		}
	}
	return -1, nil
}

// OfTheMoment tells of an error that the same call may not meet another time or on another
// machine: the system's, or that another program is at work. What is wrong with the settings or
// with a file, also that it is not there, is none of these.
func OfTheMoment(err error) bool { return ofTheMoment(err) || errors.Is(err, place.ErrLocked) }
