package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/internal/place"
	"cwox/nn/vision"
)

// ReportsOptions steer [WriteReports].
type ReportsOptions struct {
	Explain cwox.Options   // what is explained, and how
	Decode  vision.Options // only its orientation changes reports
	Shard   Shard          // not the whole
	Restart bool           // throw away what an earlier run has left
	// Run explains an image. It has first set for the first image of the whole list that can
	// be decoded.
	Run func(image string, first bool) (*cwox.Explanation, error)
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

// ReportLine is a line of explained.jsonl, in the folder of a shard: what the page over all
// reports says of an image.
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

// ReportsFile is the journal in the folder of a shard of reports.
const ReportsFile = "explained.jsonl"

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
}

func newReportsSettings(c *cwox.Classifier, o *ReportsOptions) (*reportsSettings, error) {
	x := o.Explain
	s := &reportsSettings{Format: reportsFormat, Model: c.Arch.Name, EvaluatedModel: evaluatedModel(c), WeightsFile: c.WeightsFile,
		LabelsSHA256: hashList(c.Labels), TreeFile: x.TreeFile, IgnoreOrientation: o.Decode.IgnoreOrientation, Method: x.Method, Variant: x.Variant,
		Explainer: x.Explainer.Name(), ExplainerSettings: x.Explainer.Settings(), Level: x.Level, Clusters: x.Clusters, Classes: x.Classes,
		TopK: x.TopK, Cumulative: x.Cumulative, ReLU: x.ReLU, Delta: x.Delta, Epsilon: x.Epsilon, Seed: x.Seed}
	return s, s.addTree(x.Tree)
}

// WriteReports explains a shard of images, each into its folder, whose name is its image's in
// folders, in the shard's folder of out. [Merge] makes of all shards the folder that one run
// writes, with the pages over all images. After an end of any kind the same call goes on where the last one
// stopped. An image that cannot be explained costs its report, not the run; an error that would
// meet every other image, too, ends the work.
func WriteReports(ctx context.Context, c *cwox.Classifier, images, folders []string, out string, o ReportsOptions) (_ *ReportsResult, err error) {
	if o.Shard.whole() || len(images) < 2 || len(folders) != len(images) {
		return nil, fmt.Errorf("dataset: %d images, %d folders, shard %v: want a shard of several images", len(images), len(folders), o.Shard)
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	s, err := newReportsSettings(c, &o)
	if err != nil {
		return nil, err
	}
	dir, err := o.Shard.claim(out, out)
	if err != nil {
		return nil, err
	}
	d, err := place.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j, err := openList[ReportLine](d, settingsFile, s, ReportsFile, images, o.Shard, o.Restart)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	state, err := o.Shard.begin(d, listed(commandExplain, images), o.Restart, commandExplain)
	if err != nil {
		return nil, err
	}
	for i, sum := range j.sums {
		if _, err := os.Stat(filepath.Join(dir, folders[i], report.JSONFile)); sum != "" && err != nil {
			j.sums[i] = ""
		}
	}
	todo, _, err := j.todo(ctx, o.Explain.Threads, o.Progress)
	if err != nil {
		return nil, err
	}
	n := o.Shard.count(len(images))
	r := &ReportsResult{Images: n, Resumed: n - len(todo)}
	first := -1
	if len(todo) > 0 {
		if first, err = firstDecodable(images, o.Decode); err != nil {
			return nil, err
		}
	}
	for k, i := range todo {
		o.Progress(PhaseExplain, r.Resumed+k, n)
		line, err := o.report(ctx, dir, images[i], folders[i], i == first)
		if err != nil {
			return nil, err
		}
		line.ID, line.Image = i, images[i]
		if err := j.append([]ReportLine{*line}); err != nil {
			return nil, err
		}
	}
	if err := j.finish(); err != nil {
		return nil, err
	}
	if _, err := each(j.files[0], func(line *ReportLine, _ span) error { r.count(line); return nil }); err != nil {
		return nil, err
	}
	return r, state.end(d, commandExplain)
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
		return &ReportLine{Error: err.Error()}, nil
	}
	if err := report.Write(filepath.Join(dir, folder), e); err != nil {
		return nil, err
	}
	x, err := report.NewIndexEntry(folder, e)
	return &ReportLine{SHA256: e.Picture.SHA256, Folder: x.Folder, Lead: x.Lead, Sure: x.Sure, Thumbnail: x.Thumbnail, Maps: x.Maps, Warnings: x.Warnings}, err
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
