package dataset

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"cwox/cwox"
	"cwox/internal/place"
)

// documentsFormat changes when lines mean something else.
const documentsFormat = "cwox-documents/2"

// documentsSettings are everything that the lines of a journal depend on.
type documentsSettings struct {
	Format string `json:"format"`
	Model  string `json:"model"`
	EvaluatedModel
	IgnoreOrientation bool    `json:"ignore_orientation"`
	Cumulative        float64 `json:"cumulative"`
	MaxLabels         int     `json:"max_labels"`
	Images            int     `json:"images"`
	ImagesSHA256      string  `json:"images_sha256"` // of their paths, a zero byte behind each
}

func newSettings(c *cwox.Classifier, work shardWork, o DocumentsOptions) *documentsSettings {
	return &documentsSettings{
		Format: documentsFormat, Model: c.Arch.Name, EvaluatedModel: evaluatedModel(c), IgnoreOrientation: o.Decode.IgnoreOrientation,
		Cumulative: o.Cumulative, MaxLabels: o.MaxLabels, Images: work.Images, ImagesSHA256: work.ImagesSHA256,
	}
}

// listJournal has a line of L for every image of a list, or of a shard of it, in their order
// once the work has ended. Before it may have several for an image, of which the last one counts.
type listJournal[L any, P listLine[L]] struct {
	*journal
	images []string // of the whole list
	shard  Shard
	sums   []string       // of the images whose lines stand
	failed map[int]string // errors of the images that could not be read
}

// listLine is a line about an image of a list.
type listLine[L any] interface {
	*L
	about() lineHead
	check() error
}

// lineHead is what all lines about images of a list have: the image's number and name, the
// hash of its file if the line stands, and why there is no more.
type lineHead struct {
	id               int
	image, sum, fail string
}

func (l *ImageLabels) about() lineHead { return lineHead{l.ID, l.Image, l.SHA256, l.Error} }

func (l *ImageLabels) check() error {
	for _, t := range l.Top {
		if t.Class < 0 {
			return fmt.Errorf("class %d", t.Class)
		}
	}
	return nil
}

type documentsJournal = listJournal[ImageLabels, *ImageLabels]

// openDocuments opens the journal of a documents file as far as its lines are whole.
func openDocuments(path string, s *documentsSettings, images []string, shard Shard, restart bool) (*documentsJournal, error) {
	dir, err := place.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	base := filepath.Base(path)
	return openList[ImageLabels](dir, base+".settings.json", s, base+".jsonl", images, shard, restart)
}

// openList opens the journal of a list as far as its lines are whole.
func openList[L any, P listLine[L], S any](dir *place.Dir, settings string, s *S, file string, images []string, shard Shard, restart bool) (_ *listJournal[L, P], err error) {
	j := &listJournal[L, P]{images: images, shard: shard, sums: make([]string, len(images)), failed: map[int]string{}}
	j.journal, err = openJournal(dir, settings, s, nil, restart, j.load, file)
	return j, err
}

func (j *listJournal[L, P]) load(files []*lines) error {
	end, err := each(files[0], func(line *L, _ span) error {
		l := P(line).about()
		if l.id < 0 || l.id >= len(j.images) {
			return fmt.Errorf("image %d, of %d", l.id, len(j.images))
		}
		if !j.shard.has(l.id) {
			return fmt.Errorf("image %d, which is not of shard %v", l.id, j.shard)
		}
		if want := asRead(j.images[l.id]); l.image != want {
			return fmt.Errorf("image %d is %.200q, want %.200q", l.id, l.image, want)
		}
		if l.sum != "" && l.sum == j.sums[l.id] {
			return fmt.Errorf("image %d again, %.200q", l.id, l.image)
		}
		j.sums[l.id] = l.sum
		if delete(j.failed, l.id); l.sum == "" {
			j.failed[l.id] = l.fail
		}
		return P(line).check()
	})
	if err != nil {
		return err
	}
	return files[0].cut(end)
}

// asRead is a path as a line has it: JSON replaces bytes that are no UTF-8, as the conversion
// to runes does.
func asRead(path string) string { return string([]rune(path)) }

// todo says which images have no line that stands, and how many of the others cannot be
// compared with their lines.
func (j *listJournal[L, P]) todo(ctx context.Context, threads int, progress func(phase string, done, total int)) (indices []int, unread int, err error) {
	var inputs []input
	for i, sum := range j.sums {
		if sum != "" {
			inputs = append(inputs, input{i, j.images[i], sum})
		}
	}
	again, unread, err := changed(ctx, threads, inputs, progress)
	for _, i := range again {
		j.sums[i] = ""
	}
	for i, sum := range j.sums {
		if sum == "" && j.shard.has(i) {
			indices = append(indices, i)
		}
	}
	return indices, unread, err
}

// append adds the lines of images, but for those that stand already, and of those that could not
// be read before, either.
func (j *listJournal[L, P]) append(of []L) error {
	of = slices.DeleteFunc(of, func(line L) bool {
		l := P(&line).about()
		before, failed := j.failed[l.id]
		return l.sum != "" && l.sum == j.sums[l.id] || failed && l.sum == "" && l.fail == before
	})
	text, err := encode(of...)
	if err != nil {
		return fmt.Errorf("dataset: %s: %w", j.dir.Path(j.files[0].name), err)
	}
	return j.files[0].append(text)
}

// finish brings the lines into the order of the images.
func (j *listJournal[L, P]) finish() error {
	return arrange(j.files[0], func(line *L) int { return P(line).about().id }, cmp.Compare, func(old, next int) bool { return old == next })
}
