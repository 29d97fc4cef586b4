package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/hlta"
	"cwox/internal/place"
	"cwox/nn/vision"
)

// evaluateFormat changes when rows mean something else.
const evaluateFormat = "cwox-evaluation/1"

// EvaluationSettings are everything that the rows of a folder depend on, apart from the
// images: what all share, and what differs by model, and by model and explainer.
type EvaluationSettings struct {
	Format            string                    `json:"format"`
	Methods           []cwox.Method             `json:"methods"`
	Variant           cwox.Variant              `json:"variant"`
	ReLU              cwox.ReLU                 `json:"relu"`
	TopK              int                       `json:"top"`
	Cumulative        float64                   `json:"cumulative"`
	Level             int                       `json:"level"`
	SupportDelta      float64                   `json:"support_delta"`
	Epsilon           float64                   `json:"epsilon"`
	Seed              uint64                    `json:"seed"`
	IgnoreOrientation bool                      `json:"ignore_orientation"`
	Definition        faithfulness.Definition   `json:"definition"`
	Step              int                       `json:"step"`
	Delta             float64                   `json:"delta"`
	AUCSteps          int                       `json:"auc_steps"`
	Models            map[string]EvaluatedModel `json:"models"`
	Explainers        map[string]map[string]any `json:"explainers"` // by "model/explainer"
}

// EvaluatedModel identifies a model.
type EvaluatedModel struct {
	Settings      string            `json:"settings,omitempty"`    // of the user, e.g. "stride=conv1"
	WeightsKey    string            `json:"weights_key,omitempty"` // of the state dict in the file
	WeightsSHA256 string            `json:"weights_sha256"`
	Precision     string            `json:"precision"`
	Kernel        string            `json:"kernel"`
	MultiLabel    bool              `json:"multi_label,omitempty"`
	TreeSHA256    string            `json:"tree_sha256,omitempty"`
	Pixels        int               `json:"pixels"`              // of the network's input
	Transform     *vision.Transform `json:"transform,omitempty"` // nil in folders of older releases
}

func evaluatedModel(c *cwox.Classifier) EvaluatedModel {
	shape := c.Net.Input()
	return EvaluatedModel{Settings: c.Settings, WeightsKey: c.WeightsKey, WeightsSHA256: c.WeightsSHA256, Precision: c.Net.Precision(), Kernel: c.Net.Kernel(),
		MultiLabel: c.MultiLabel, Pixels: shape.H * shape.W, Transform: &c.Transform}
}

// addTree adds the label tree that cuts the model's classes, if there is one.
func (m *EvaluatedModel) addTree(tree *hlta.Tree) error {
	if tree == nil {
		return nil
	}
	hash := sha256.New()
	err := tree.WriteJSON(hash)
	m.TreeSHA256 = hex.EncodeToString(hash.Sum(nil))
	return err
}

func newEvaluationSettings(c *cwox.Classifier, o *EvaluateOptions) (*EvaluationSettings, error) {
	x, f := o.Explain, o.Faithfulness
	if x.Clusters != nil || x.Classes != nil {
		return nil, errors.New("dataset: clusters and classes of an evaluation are each image's own")
	}
	if err := errors.Join(c.CheckTransform(), x.Check(c)); err != nil {
		return nil, err
	}
	m := evaluatedModel(c)
	if err := m.addTree(x.Tree); err != nil {
		return nil, err
	}
	s := &EvaluationSettings{
		Format: evaluateFormat, Methods: o.Methods, Variant: cmp.Or(x.Variant, cwox.Paper), ReLU: x.ReLU,
		TopK: x.TopK, Cumulative: x.Cumulative, Level: max(x.Level, 1), SupportDelta: x.Delta, Epsilon: x.Epsilon, Seed: x.Seed,
		IgnoreOrientation: o.IgnoreOrientation,
		Definition:        f.Definition, Step: f.Step, Delta: f.Delta, AUCSteps: f.AUCSteps,
		Models: map[string]EvaluatedModel{c.Arch.Name: m}, Explainers: map[string]map[string]any{},
	}
	for _, e := range o.Explainers {
		s.Explainers[c.Arch.Name+"/"+e.Name()] = e.Settings()
	}
	return s, nil
}

// unite takes over the models and explainers of an earlier run: those that only one side has
// are no difference.
func unite(before, now *EvaluationSettings) {
	fill(&now.Models, before.Models)
	fill(&before.Models, now.Models)
	fill(&now.Explainers, before.Explainers)
	fill(&before.Explainers, now.Explainers)
}

func fill[V any](to *map[string]V, from map[string]V) {
	all := maps.Clone(from)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, *to)
	*to = all
}

// imageKey is an image with a model, unitKey also with an explainer: what is done at once.
type imageKey struct{ model, image string }
type unitKey struct{ model, image, explainer string }

func (k unitKey) compare(other unitKey) int {
	return cmp.Or(cmp.Compare(k.model, other.model), cmp.Compare(k.image, other.image), cmp.Compare(k.explainer, other.explainer))
}

func (k unitKey) String() string {
	return fmt.Sprintf("%.200q with %s, %s", k.image, k.model, k.explainer)
}

func (line *EvaluatedImage) key() unitKey { return unitKey{line.Model, line.Image, line.Explainer} }
func (row *EvaluationRow) key() unitKey   { return unitKey{row.Model, row.Image, row.Explainer} }

// evaluation is the journal of a folder. Rows go to results.jsonl first, then a line that
// counts them to images.jsonl; rows without such a line are those of an image that was not
// finished, and are cut off when the folder is opened again.
type evaluation struct {
	*journal
	images, results *lines

	done  map[unitKey]unitLine
	other map[imageKey]*EvaluatedImage // lines of images that failed or do not qualify
	sums  map[string]string            // SHA-256 of evaluated images
}

// unitLine is a line of images.jsonl that counts rows, and how many of these were found.
type unitLine struct{ line, rows, found int }

func openEvaluation(dir string, s *EvaluationSettings, restart bool) (*evaluation, error) {
	d, err := place.Make(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j := &evaluation{done: map[unitKey]unitLine{}, other: map[imageKey]*EvaluatedImage{}, sums: map[string]string{}}
	if j.journal, err = openJournal(d, settingsFile, s, unite, restart, j.load, ImagesFile, ResultsFile); err != nil {
		return nil, err
	}
	j.images, j.results = j.files[0], j.files[1]
	return j, nil
}

// load finds out what is done and cuts off what is not whole.
func (j *evaluation) load(files []*lines) error {
	images, err := j.loadImages(files[0])
	if err != nil {
		return err
	}
	results, err := j.loadResults(files[1])
	if err != nil {
		return err
	}
	return errors.Join(files[0].cut(images), files[1].cut(results))
}

func (j *evaluation) loadImages(l *lines) (end int64, err error) {
	return each(l, func(line *EvaluatedImage, at span) error {
		if line.Error != "" || line.Skipped != "" {
			j.other[imageKey{line.Model, line.Image}] = line
			return nil
		}
		if before, twice := j.done[line.key()]; twice {
			return fmt.Errorf("%v, as in line %d", line.key(), before.line)
		}
		j.done[line.key()] = unitLine{line: at.line, rows: line.Rows}
		if before := j.sums[line.Image]; before != "" && before != line.SHA256 {
			return fmt.Errorf("%.200q has the SHA-256 %s, and %s in an earlier line", line.Image, line.SHA256, before)
		}
		j.sums[line.Image] = line.SHA256
		return nil
	})
}

func (j *evaluation) loadResults(l *lines) (end int64, err error) {
	var unfinished *EvaluationRow
	from := int64(-1)
	end, err = each(l, func(row *EvaluationRow, at span) error {
		unit, done := j.done[row.key()]
		switch {
		case !done && unfinished == nil:
			unfinished, from = row, at.from
		case !done && (row.Model != unfinished.Model || row.Image != unfinished.Image):
			return fmt.Errorf("a row of %v, which %s lacks, as it does %v", row.key(), ImagesFile, unfinished.key())
		case done && unfinished != nil:
			return fmt.Errorf("a finished image's row (%v) after those of an unfinished one", row.key())
		case done && unit.found == unit.rows:
			return fmt.Errorf("row %d of %v, where line %d of %s has %d", unit.found+1, row.key(), unit.line, ImagesFile, unit.rows)
		case done:
			unit.found++
			j.done[row.key()] = unit
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	lacks, key := unitLine{}, unitKey{} // the first in the file
	for k, unit := range j.done {
		if unit.found < unit.rows && (lacks.line == 0 || unit.line < lacks.line) {
			lacks, key = unit, k
		}
	}
	if lacks.line > 0 {
		return 0, fmt.Errorf("dataset: %s: %d rows of %v, where line %d of %s has %d", l.dir.Path(l.name), lacks.found, key, lacks.line, ImagesFile, lacks.rows)
	}
	if from >= 0 {
		end = from
	}
	return end, nil
}

// check compares the images that have lines with their files. Lines without rows are
// forgotten where another file is there now; rows are not, since others stand beside them.
func (j *evaluation) check(ctx context.Context, model string, images []string, threads int, report func(done, total int)) (unread int, err error) {
	var inputs []input
	for i, image := range images {
		key := imageKey{model, asRead(image)}
		sum := j.sums[key.image]
		if other := j.other[key]; other != nil && other.Skipped != "" {
			if sum != "" && other.SHA256 != sum { // evaluated since, with another model
				delete(j.other, key)
			}
			sum = cmp.Or(sum, other.SHA256)
		}
		if sum != "" {
			inputs = append(inputs, input{i, image, sum})
		}
	}
	again, unread, err := changed(ctx, threads, inputs, report)
	if err != nil {
		return 0, err
	}
	var replaced []string
	for _, i := range again {
		key := imageKey{model, asRead(images[i])}
		if j.sums[key.image] != "" {
			replaced = append(replaced, images[i])
		}
		delete(j.other, key)
	}
	if n := len(replaced); n > 0 {
		return 0, fmt.Errorf("dataset: %s: %d images have changed since they were evaluated (%s): put them back, or begin anew with --restart or another -o",
			j.dir.Path(ResultsFile), n, strings.Join(replaced[:min(n, 5)], ", "))
	}
	return unread, nil
}

// append adds an image: rows first.
func (j *evaluation) append(rows []EvaluationRow, of ...EvaluatedImage) error {
	if old := j.other[imageKey{of[0].Model, asRead(of[0].Image)}]; old != nil && of[0].Error != "" && old.Error == of[0].Error && old.SHA256 == of[0].SHA256 {
		return nil // it fails as it did
	}
	text, err := encode(rows...)
	if err == nil && len(rows) > 0 {
		err = j.results.append(text)
	}
	if err == nil {
		err = j.results.sync() // never a line whose rows are lost
	}
	if err == nil {
		text, err = encode(of...)
	}
	if err == nil {
		err = j.images.append(text)
	}
	if err == nil && len(rows) > 0 {
		err = j.images.sync() // never the rows of two images without their lines
	}
	return err
}

// finish puts both files in order of model, image and explainer, and drops the lines of
// images without rows that something else followed. The content does not depend on what was
// done when.
func (j *evaluation) finish() error {
	replaces := func(old, next unitKey) bool {
		return old.explainer == "" && old.model == next.model && old.image == next.image
	}
	err := arrange(j.images, (*EvaluatedImage).key, unitKey.compare, replaces)
	if err == nil {
		err = arrange(j.results, (*EvaluationRow).key, unitKey.compare, replaces)
	}
	return err
}
