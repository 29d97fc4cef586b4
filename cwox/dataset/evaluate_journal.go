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
		IgnoreOrientation: o.Decode.IgnoreOrientation,
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
	join(&before.Models, &now.Models)
	join(&before.Explainers, &now.Explainers)
}

func join[V any](a, b *map[string]V) {
	inA, inB := map[string]V{}, map[string]V{}
	maps.Copy(inA, *b)
	maps.Copy(inA, *a)
	maps.Copy(inB, *a)
	maps.Copy(inB, *b)
	*a, *b = inA, inB
}

// unitKey is what is done at once: an image with a model and an explainer. Without an
// explainer it is a line that says why there are no rows.
type unitKey struct{ model, image, explainer string }

func (k unitKey) compare(other unitKey) int {
	return cmp.Or(cmp.Compare(k.model, other.model), cmp.Compare(k.image, other.image), cmp.Compare(k.explainer, other.explainer))
}

func (k unitKey) String() string {
	return fmt.Sprintf("%.200q with %s, %s", k.image, k.model, k.explainer)
}

func (line *EvaluatedImage) key() unitKey { return unitKey{line.Model, line.Image, line.Explainer} }
func (row *rowHead) key() unitKey         { return unitKey{row.Model, row.Image, row.Explainer} }

// rowHead is what is read of an EvaluationRow where its numbers, of which its curve has hundreds,
// do not matter.
type rowHead struct{ Image, Model, Explainer string }

// evaluation is the journal of a folder. Rows go to results.jsonl first, then a line that
// counts them to images.jsonl; rows without such a line are those of an image that was not
// finished, and are cut off when the folder is opened again.
type evaluation struct {
	*journal
	images, results *lines

	units []*unitLine // in the order of their lines
	done  map[unitKey]*unitLine
	other map[unitKey]*EvaluatedImage // lines of images that failed or do not qualify
	sums  map[string]string           // SHA-256 of evaluated images
}

// unitLine is a line of images.jsonl that counts rows, and how many of these were found.
type unitLine struct {
	unitKey
	line, rows, found int
}

func openEvaluation(dir string, s *EvaluationSettings, restart bool) (*evaluation, error) {
	d, err := place.Make(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j := &evaluation{done: map[unitKey]*unitLine{}, other: map[unitKey]*EvaluatedImage{}, sums: map[string]string{}}
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
			j.other[line.key()] = line
			return nil
		}
		unit := &unitLine{line.key(), at.line, line.Rows, 0}
		if before := j.done[unit.unitKey]; before != nil {
			return fmt.Errorf("%v again, as in line %d", unit, before.line)
		}
		if before := j.sums[line.Image]; before != "" && before != line.SHA256 {
			return fmt.Errorf("%v: the SHA-256 is %s, it was %s in an earlier line", unit, line.SHA256, before)
		}
		j.units, j.done[unit.unitKey], j.sums[line.Image] = append(j.units, unit), unit, line.SHA256
		return nil
	})
}

// loadResults counts rows, and leaves out those of an image that was not finished, at the end.
func (j *evaluation) loadResults(l *lines) (int64, error) {
	var unfinished *unitKey
	var whole int64
	_, err := each(l, func(row *rowHead, at span) error {
		key := row.key()
		unit := j.done[key]
		switch {
		case unit == nil && unfinished == nil:
			unfinished = &key
		case unfinished != nil && (unit != nil || key.model != unfinished.model || key.image != unfinished.image):
			return fmt.Errorf("a row of %v behind one of %v, which %s lacks", key, unfinished, ImagesFile)
		case unit != nil:
			whole = at.to
			if unit.found++; unit.found > unit.rows {
				return fmt.Errorf("row %d of %v, where line %d of %s has %d", unit.found, unit, unit.line, ImagesFile, unit.rows)
			}
		}
		return nil
	})
	for _, unit := range j.units {
		if err == nil && unit.found < unit.rows {
			err = fmt.Errorf("dataset: %s: %d rows of %v, where line %d of %s has %d", l.dir.Path(l.name), unit.found, unit, unit.line, ImagesFile, unit.rows)
		}
	}
	return whole, err
}

// check compares the images that have lines with their files. Lines without rows are
// forgotten where another file is there now; rows are not, since others stand beside them.
func (j *evaluation) check(ctx context.Context, model string, images []string, threads int, progress func(phase string, done, total int)) (unread int, err error) {
	var inputs []input
	for i, image := range images {
		key := unitKey{model, asRead(image), ""}
		sum := j.sums[key.image]
		if other := j.other[key]; other != nil {
			if sum != "" && other.SHA256 != sum { // evaluated since, with another model
				delete(j.other, key)
			}
			sum = cmp.Or(sum, other.SHA256)
		}
		if sum != "" {
			inputs = append(inputs, input{i, image, sum})
		}
	}
	again, unread, err := changed(ctx, threads, inputs, progress)
	if err != nil {
		return 0, err
	}
	var replaced []string
	for _, i := range again {
		key := unitKey{model, asRead(images[i]), ""}
		if j.sums[key.image] != "" {
			replaced = append(replaced, images[i])
		}
		delete(j.other, key)
	}
	if n := len(replaced); n > 0 {
		return 0, fmt.Errorf("dataset: %s: rests on images that have changed since, %d of %d: %s: put them back, or begin anew with --restart or another -o",
			j.dir.Path(ResultsFile), n, len(images), strings.Join(replaced[:min(n, 5)], ", "))
	}
	return unread, nil
}

// append adds an image: rows first.
func (j *evaluation) append(rows []EvaluationRow, of ...EvaluatedImage) error {
	if old := j.other[unitKey{of[0].Model, asRead(of[0].Image), ""}]; old != nil && of[0].Error != "" && old.Error == of[0].Error && old.SHA256 == of[0].SHA256 {
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
		err = arrange(j.results, (*rowHead).key, unitKey.compare, replaces)
	}
	return err
}
