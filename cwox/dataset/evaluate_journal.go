package dataset

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
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
	TreeSHA256    string            `json:"tree_sha256"`
	Pixels        int               `json:"pixels"`              // of the network's input
	Transform     *vision.Transform `json:"transform,omitempty"` // nil in folders of older releases
}

func newEvaluationSettings(c *cwox.Classifier, o *EvaluateOptions) (*EvaluationSettings, error) {
	x, f := o.Explain, o.Faithfulness
	if x.Clusters != nil || x.Classes != nil {
		return nil, errors.New("dataset: clusters and classes of an evaluation are each image's own")
	}
	if err := errors.Join(c.CheckTransform(), x.Check(c)); err != nil {
		return nil, err
	}
	shape := c.Net.Input()
	m := EvaluatedModel{Settings: c.Settings, WeightsKey: c.WeightsKey, WeightsSHA256: c.WeightsSHA256, Precision: c.Net.Precision(), Kernel: c.Net.Kernel(),
		MultiLabel: c.MultiLabel, Pixels: shape.H * shape.W, Transform: &c.Transform}
	if x.Tree != nil {
		hash := sha256.New()
		if err := x.Tree.WriteJSON(hash); err != nil {
			return nil, err
		}
		m.TreeSHA256 = hex.EncodeToString(hash.Sum(nil))
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

// merge adds the models and explainers of an earlier run. It is an error if anything that
// both have differs.
func (s *EvaluationSettings) merge(before *EvaluationSettings) error {
	old, err := plain(before)
	if err != nil {
		return err
	}
	now, err := plain(s)
	if err != nil {
		return err
	}
	for _, group := range []string{"models", "explainers"} { // those of one side are no difference
		a, _ := old[group].(map[string]any)
		b, _ := now[group].(map[string]any)
		for key := range a {
			if _, both := b[key]; !both {
				delete(a, key)
			}
		}
		for key := range b {
			if _, both := a[key]; !both {
				delete(b, key)
			}
		}
	}
	if err := difference("", old, now); err != nil {
		return err
	}
	for key, m := range before.Models {
		s.Models[key] = m
	}
	for key, e := range before.Explainers {
		s.Explainers[key] = e
	}
	return nil
}

// plain is a value as JSON reads it.
func plain(v any) (out map[string]any, err error) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	return out, err
}

// difference names the first setting, in order of name, that is not the same.
func difference(path string, before, now any) error {
	a, mapA := before.(map[string]any)
	b, mapB := now.(map[string]any)
	if !mapA || !mapB {
		was, err := json.Marshal(before)
		if err != nil {
			return err
		}
		is, err := json.Marshal(now)
		if err != nil {
			return err
		}
		if !bytes.Equal(was, is) {
			return fmt.Errorf("%s was %s and is %s now", path, was, is)
		}
		return nil
	}
	var keys []string
	for key := range a {
		keys = append(keys, key)
	}
	for key := range b {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		inner := key
		if path != "" {
			inner = path + "." + key
		}
		if err := difference(inner, a[key], b[key]); err != nil {
			return err
		}
	}
	return nil
}

// imageKey is an image with a model, unitKey also with an explainer: what is done at once.
type imageKey struct{ model, image string }
type unitKey struct{ model, image, explainer string }

// evaluation is the journal of a folder. Rows go to results.jsonl first, then a line that
// counts them to images.jsonl; rows without such a line are those of an image that was not
// finished, and are cut off when the folder is opened again.
type evaluation struct {
	dir             string
	results, images *growing

	done    map[unitKey]int     // number of rows
	skipped map[imageKey]bool   // images that do not qualify
	sums    map[imageKey]string // SHA-256 of evaluated images
}

// growing is a file of lines that is appended to.
type growing struct {
	file *os.File
	size int64 // of what is known to be there
}

func openEvaluation(dir string, s *EvaluationSettings, restart bool) (_ *evaluation, err error) {
	j := &evaluation{dir: dir, done: map[unitKey]int{}, skipped: map[imageKey]bool{}, sums: map[imageKey]string{}}
	defer func() {
		if err != nil {
			j.close()
			err = fmt.Errorf("dataset: %w", err)
		}
	}()
	path := func(name string) string { return filepath.Join(dir, name) }
	if restart {
		for _, name := range []string{ImagesFile, ResultsFile, settingsFile} {
			if err := os.Remove(path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	var before EvaluationSettings
	switch err := readJSON(path(settingsFile), &before); {
	case errors.Is(err, fs.ErrNotExist):
		for _, name := range []string{ImagesFile, ResultsFile} {
			if _, err := os.Stat(path(name)); err == nil {
				return nil, fmt.Errorf("%s: without %s beside it: restart, or write to another folder", path(name), settingsFile)
			}
		}
	case err != nil:
		return nil, err
	default:
		if err := s.merge(&before); err != nil {
			return nil, fmt.Errorf("%s: cannot go on with what is there: %w; restart, or write to another folder", dir, err)
		}
	}
	if err := writeJSON(path(settingsFile), s); err != nil {
		return nil, err
	}
	for name, g := range map[string]**growing{ResultsFile: &j.results, ImagesFile: &j.images} {
		f, err := os.OpenFile(path(name), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		*g = &growing{file: f}
	}
	if err := j.load(); err != nil {
		return nil, fmt.Errorf("%w: restart, or write to another folder", err)
	}
	return j, nil
}

// load finds out what is done and cuts off what is not whole.
func (j *evaluation) load() error {
	var end int64
	err := eachLine(j.images.file, &end, func(line *EvaluatedImage, _ int64) error {
		key := imageKey{line.Model, line.Image}
		switch {
		case line.Error != "": // is tried again
		case line.Skipped != "":
			j.skipped[key] = true
		default:
			j.done[unitKey{line.Model, line.Image, line.Explainer}] = line.Rows
			j.sums[key] = line.SHA256
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := j.images.cut(end); err != nil {
		return err
	}
	found := map[unitKey]int{}
	unfinished := int64(-1)
	err = eachLine(j.results.file, &end, func(row *EvaluationRow, at int64) error {
		key := unitKey{row.Model, row.Image, row.Explainer}
		if _, done := j.done[key]; !done {
			if unfinished < 0 {
				unfinished = at
			}
			return nil
		}
		if unfinished >= 0 {
			return fmt.Errorf("a finished image's row (%.200q) after those of an unfinished one", row.Image)
		}
		found[key]++
		return nil
	})
	if err != nil {
		return err
	}
	for key, rows := range j.done {
		if found[key] != rows {
			return fmt.Errorf("%s: %d rows of %.200q with %s, %s, where %s has %d", j.results.file.Name(), found[key], key.image, key.model, key.explainer, ImagesFile, rows)
		}
	}
	if unfinished >= 0 {
		end = unfinished
	}
	return j.results.cut(end)
}

// append adds an image: rows first.
func (j *evaluation) append(rows []EvaluationRow, lines []EvaluatedImage) error {
	if len(rows) > 0 {
		if err := appendLines(j.results, rows); err != nil {
			return err
		}
	}
	return appendLines(j.images, lines)
}

// finish puts both files in order of model, image and explainer, and drops the lines of
// errors that something else followed. The content does not depend on what was done when.
func (j *evaluation) finish() error {
	if err := j.finishImages(); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if err := j.finishResults(); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}

func (j *evaluation) finishImages() error {
	var lines []EvaluatedImage
	err := eachLine(j.images.file, new(int64), func(line *EvaluatedImage, _ int64) error {
		lines = append(lines, *line)
		return nil
	})
	if err != nil {
		return err
	}
	before := len(lines)
	byUnit := func(a, b EvaluatedImage) int {
		return unitKey{a.Model, a.Image, a.Explainer}.compare(unitKey{b.Model, b.Image, b.Explainer})
	}
	sorted := slices.IsSortedFunc(lines, byUnit)
	slices.SortStableFunc(lines, byUnit)
	kept := lines[:0]
	for i, line := range lines {
		if line.Error == "" || i+1 == len(lines) || lines[i+1].Model != line.Model || lines[i+1].Image != line.Image {
			kept = append(kept, line)
		}
	}
	if sorted && len(kept) == before {
		return nil
	}
	return WriteFile(j.images.file.Name(), func(w io.Writer) error { return encodeLines(w, kept) })
}

func (j *evaluation) finishResults() error {
	type unit struct {
		key       unitKey
		from, end int64
	}
	var units []unit
	var end int64
	err := eachLine(j.results.file, &end, func(row *EvaluationRow, at int64) error {
		key := unitKey{row.Model, row.Image, row.Explainer}
		if n := len(units); n == 0 || units[n-1].key != key {
			if n > 0 {
				units[n-1].end = at
			}
			units = append(units, unit{key: key, from: at})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := len(units); n > 0 {
		units[n-1].end = end
	}
	byKey := func(a, b unit) int { return a.key.compare(b.key) }
	if slices.IsSortedFunc(units, byKey) {
		return nil
	}
	slices.SortStableFunc(units, byKey)
	return WriteFile(j.results.file.Name(), func(w io.Writer) error {
		for _, u := range units {
			if _, err := io.Copy(w, io.NewSectionReader(j.results.file, u.from, u.end-u.from)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k unitKey) compare(other unitKey) int {
	return cmp.Or(cmp.Compare(k.model, other.model), cmp.Compare(k.image, other.image), cmp.Compare(k.explainer, other.explainer))
}

func (j *evaluation) close() {
	for _, g := range []*growing{j.results, j.images} {
		if g != nil {
			g.file.Close()
		}
	}
}

// cut removes what follows the last whole line.
func (g *growing) cut(end int64) error {
	g.size = end
	return g.file.Truncate(end)
}

// appendLines adds lines to a file and makes sure of them. It notices another program that
// writes to the file.
func appendLines[T any](g *growing, lines []T) error {
	info, err := g.file.Stat()
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if info.Size() != g.size {
		return fmt.Errorf("dataset: %s: has %d bytes, %d were written: is another program at work on it?", g.file.Name(), info.Size(), g.size)
	}
	var text bytes.Buffer
	if err := encodeLines(&text, lines); err != nil {
		return fmt.Errorf("dataset: %s: %w", g.file.Name(), err)
	}
	if _, err := g.file.Write(text.Bytes()); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if err := g.file.Sync(); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	g.size += int64(text.Len())
	return nil
}

func encodeLines[T any](w io.Writer, lines []T) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i := range lines {
		if err := e.Encode(&lines[i]); err != nil {
			return err
		}
	}
	return nil
}

// eachLine visits the whole lines of a file, with where they begin, and sets end to where the
// last one ends.
func eachLine[T any](f *os.File, end *int64, visit func(line *T, at int64) error) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	text := bufio.NewScanner(f)
	text.Buffer(make([]byte, 1<<16), maxLineBytes)
	text.Split(wholeLines)
	*end = 0
	number := 0
	for text.Scan() {
		number++
		line := new(T)
		err := json.Unmarshal(text.Bytes(), line)
		if err == nil {
			err = visit(line, *end)
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", f.Name(), number, err)
		}
		*end += int64(len(text.Bytes()))
	}
	if err := text.Err(); err != nil {
		return fmt.Errorf("%s: line %d: %w", f.Name(), number+1, err)
	}
	return nil
}

func readJSON(path string, to any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLineBytes))
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	return WriteFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		return e.Encode(v)
	})
}
