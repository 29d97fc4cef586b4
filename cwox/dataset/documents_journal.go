package dataset

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

func newSettings(c *cwox.Classifier, images []string, o DocumentsOptions) documentsSettings {
	hash := sha256.New()
	out := bufio.NewWriter(hash)
	for _, image := range images {
		out.WriteString(image)
		out.WriteByte(0)
	}
	out.Flush()
	return documentsSettings{
		Format: documentsFormat, Model: c.Arch.Name, EvaluatedModel: evaluatedModel(c), IgnoreOrientation: o.Decode.IgnoreOrientation,
		Cumulative: o.Cumulative, MaxLabels: o.MaxLabels, Images: len(images), ImagesSHA256: hex.EncodeToString(hash.Sum(nil)),
	}
}

// documentsJournal has a line for every image, in their order once the work has ended. Before
// it may have several for an image, of which the last one counts.
type documentsJournal struct {
	*journal
	images []string
	sums   []string       // of the images whose lines stand
	failed map[int]string // errors of the images that could not be read
}

// openDocuments opens the journal of a documents file as far as its lines are whole.
func openDocuments(path string, s documentsSettings, images []string, restart bool) (*documentsJournal, error) {
	dir, err := place.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j := &documentsJournal{images: images, sums: make([]string, len(images)), failed: map[int]string{}}
	base := filepath.Base(path)
	j.journal, err = openJournal(dir, base+".settings.json", &s, nil, restart, j.load, base+".jsonl")
	return j, err
}

func (j *documentsJournal) load(files []*lines) error {
	end, err := each(files[0], func(line *ImageLabels, _ span) error {
		i := line.ID
		if i < 0 || i >= len(j.images) {
			return fmt.Errorf("image %d, of %d", i, len(j.images))
		}
		if want := asRead(j.images[i]); line.Image != want {
			return fmt.Errorf("image %d is %.200q, want %.200q", i, line.Image, want)
		}
		if line.SHA256 != "" && line.SHA256 == j.sums[i] {
			return fmt.Errorf("image %d again, %.200q", i, line.Image)
		}
		for _, l := range line.Top {
			if l.Class < 0 {
				return fmt.Errorf("class %d", l.Class)
			}
		}
		j.sums[i] = line.SHA256
		if delete(j.failed, i); line.SHA256 == "" {
			j.failed[i] = line.Error
		}
		return nil
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
func (j *documentsJournal) todo(ctx context.Context, o DocumentsOptions) (indices []int, unread int, err error) {
	var inputs []input
	for i, sum := range j.sums {
		if sum != "" {
			inputs = append(inputs, input{i, j.images[i], sum})
		}
	}
	again, unread, err := changed(ctx, o.Threads, inputs, o.Progress)
	for _, i := range again {
		j.sums[i] = ""
	}
	for i, sum := range j.sums {
		if sum == "" {
			indices = append(indices, i)
		}
	}
	return indices, unread, err
}

// append adds the lines of images, but for those that could not be read before, either.
func (j *documentsJournal) append(of []ImageLabels) error {
	of = slices.DeleteFunc(of, func(line ImageLabels) bool {
		before, failed := j.failed[line.ID]
		return failed && line.SHA256 == "" && line.Error == before
	})
	text, err := encode(of...)
	if err != nil {
		return fmt.Errorf("dataset: %s: %w", j.dir.Path(j.files[0].name), err)
	}
	return j.files[0].append(text)
}

// finish brings the lines into the order of the images.
func (j *documentsJournal) finish() error {
	return arrange(j.files[0], func(line *ImageLabels) int { return line.ID }, cmp.Compare, func(old, next int) bool { return old == next })
}
