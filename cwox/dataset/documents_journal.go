package dataset

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"

	"cwox/cwox"
	"cwox/nn/vision"
)

// documentsFormat changes when lines mean something else.
const documentsFormat = "cwox-documents/1"

// documentsSettings are everything that the lines of a journal depend on.
type documentsSettings struct {
	Format            string            `json:"format"`
	Model             string            `json:"model"`
	ModelSettings     string            `json:"model_settings"`
	WeightsKey        string            `json:"weights_key"`
	WeightsSHA256     string            `json:"weights_sha256"`
	Precision         string            `json:"precision"`
	Kernel            string            `json:"kernel"`
	MultiLabel        bool              `json:"multi_label"`
	Transform         *vision.Transform `json:"transform"`
	IgnoreOrientation bool              `json:"ignore_orientation"`
	Cumulative        float64           `json:"cumulative"`
	MaxLabels         int               `json:"max_labels"`
	Images            int               `json:"images"`
	ImagesSHA256      string            `json:"images_sha256"` // of their paths, a zero byte behind each
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
		Format: documentsFormat, Model: c.Arch.Name, WeightsSHA256: c.WeightsSHA256,
		Precision: c.Net.Precision(), Kernel: c.Net.Kernel(), MultiLabel: c.MultiLabel, ModelSettings: c.Settings, WeightsKey: c.WeightsKey,
		Transform: &c.Transform, IgnoreOrientation: o.IgnoreOrientation,
		Cumulative: o.Cumulative, MaxLabels: o.MaxLabels,
		Images: len(images), ImagesSHA256: hex.EncodeToString(hash.Sum(nil)),
	}
}

// differs names the first setting that is not the same, with both values.
func (s documentsSettings) differs(now documentsSettings) error {
	before, after := reflect.ValueOf(s), reflect.ValueOf(now)
	for i := range before.NumField() {
		if err := difference(before.Type().Field(i).Tag.Get("json"), before.Field(i).Interface(), after.Field(i).Interface()); err != nil {
			return err
		}
	}
	return nil
}

// journal is the .jsonl file: a line for every image that is done, in their order. A line is
// done once its newline is there.
type journal struct {
	path   string
	images []string
	file   *os.File
	size   int64 // of all whole lines
	lines  int
}

// Bounds on what is read of an earlier run.
const (
	maxSettingsBytes = 1 << 16
	maxLineBytes     = 16 << 20
)

// openJournal begins the journal of a documents file, or opens the one that is there, as far
// as it has whole lines.
func openJournal(documents string, s documentsSettings, images []string, restart bool) (*journal, error) {
	j := &journal{path: documents + ".jsonl", images: images}
	settings := documents + ".settings.json"
	if restart {
		if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("dataset: %w", err)
		}
	}
	var err error
	j.file, err = os.OpenFile(j.path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = j.begin(settings, s)
	case err == nil:
		err = j.resume(settings, s)
	}
	if err != nil {
		j.close()
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return j, nil
}

// begin writes the settings first: a journal is never without.
func (j *journal) begin(settings string, s documentsSettings) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	err = WriteFile(settings, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	return err
}

// resume counts the whole lines that are there and cuts off what follows them.
func (j *journal) resume(settings string, now documentsSettings) error {
	refuse := func(err error) error {
		return fmt.Errorf("%s: cannot go on with what is there: %w; restart, or write to another file", j.path, err)
	}
	before, err := readSettings(settings)
	if err != nil {
		return refuse(err)
	}
	if err := before.differs(now); err != nil {
		return refuse(err)
	}
	if err := j.read(func(int, *ImageLabels) error { return nil }); err != nil {
		return refuse(err)
	}
	return j.file.Truncate(j.size)
}

func readSettings(path string) (documentsSettings, error) {
	var s documentsSettings
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSettingsBytes))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// read visits all whole lines, and sets size and lines to what they are.
func (j *journal) read(visit func(i int, line *ImageLabels) error) error {
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	j.size, j.lines = 0, 0
	text := bufio.NewScanner(j.file)
	text.Buffer(make([]byte, 1<<16), maxLineBytes)
	text.Split(wholeLines)
	for text.Scan() {
		if j.lines == len(j.images) {
			return fmt.Errorf("line %d, of %d images", j.lines+1, len(j.images))
		}
		var line ImageLabels
		if err := json.Unmarshal(text.Bytes(), &line); err != nil {
			return fmt.Errorf("line %d: %w", j.lines+1, err)
		}
		// JSON replaces bytes that are no UTF-8, as the conversion to runes does.
		if want := string([]rune(j.images[j.lines])); line.Image != want {
			return fmt.Errorf("line %d is about %.200q, want %.200q", j.lines+1, line.Image, want)
		}
		for _, l := range line.Top {
			if l.Class < 0 {
				return fmt.Errorf("line %d: class %d", j.lines+1, l.Class)
			}
		}
		if err := visit(j.lines, &line); err != nil {
			return err
		}
		j.size += int64(len(text.Bytes()))
		j.lines++
	}
	if err := text.Err(); err != nil {
		return fmt.Errorf("line %d: %w", j.lines+1, err)
	}
	return nil
}

// wholeLines is a bufio.SplitFunc of lines with their newlines; a last line without one is
// left out.
func wholeLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// append adds whole lines. It notices another program that writes to the file.
func (j *journal) append(text []byte, lines int) error {
	info, err := j.file.Stat()
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	if info.Size() != j.size {
		return fmt.Errorf("dataset: %s: has %d bytes, %d were written: is another program at work on it?", j.path, info.Size(), j.size)
	}
	if _, err := j.file.WriteAt(text, j.size); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	j.size += int64(len(text))
	j.lines += lines
	return nil
}

func (j *journal) close() {
	if j.file != nil {
		j.file.Close()
	}
}
