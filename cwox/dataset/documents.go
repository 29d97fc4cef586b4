package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"cwox/cwox"
	"cwox/hlta"
	"cwox/internal/place"
	"cwox/nn"
	"cwox/nn/vision"
)

// DocumentsOptions steer [WriteDocuments]. The zero value makes the documents that label
// trees are learned from.
type DocumentsOptions struct {
	// Cumulative is what the probabilities of a document's labels exceed together
	// (cwox.DefaultCumulative).
	Cumulative float64
	// MaxLabels bounds the labels of a document, at least 2; 0 keeps all.
	MaxLabels int
	// Decode steers and bounds the decoding of images. Of its limits nothing depends that is
	// done: an image that they refuse is tried again.
	Decode vision.Options

	// KeepDoubtful makes documents also of damaged pictures and of label lists longer than
	// Undecided, which say little of what is confused with what: a picture cut off at its top
	// can bring more pairs of labels than a thousand others.
	KeepDoubtful bool

	// Shard, if it is not the whole, is the part of the images to do: see [Shard].
	Shard Shard
	// Restart throws away what an earlier run has left, instead of going on with it.
	Restart bool
	// Batch is the number of images per forward pass (8), Threads that of goroutines
	// (GOMAXPROCS). Results depend on neither.
	Batch, Threads int
	// Progress, if not nil, is told how far a phase has come: PhaseCheck of the images that
	// an earlier run has done, then PhaseLabel of all, beginning with those that it keeps.
	Progress func(phase string, done, total int)
}

// PhaseLabel is the phase of [WriteDocuments] in which the network runs.
const PhaseLabel = "label"

// DocumentsResult counts what [WriteDocuments] made, earlier runs included.
type DocumentsResult struct {
	Images     int    `json:"images"`
	Resumed    int    `json:"resumed"`    // images done by earlier runs
	Unchecked  int    `json:"unchecked"`  // of these: files that cannot be read now to compare them
	Unreadable int    `json:"unreadable"` // images without labels
	FirstError string `json:"first_error,omitempty"`
	Certain    int    `json:"certain"`   // images with a single label, which make no document
	Damaged    int    `json:"damaged"`   // damaged images with more, left out
	Undecided  int    `json:"undecided"` // images with more labels than Undecided, left out
	Documents  int    `json:"documents"` // images with more
	Labels     int    `json:"labels"`    // in all documents
}

// ImageLabels is a line of the .jsonl file: what the classifier says of an image.
type ImageLabels struct {
	// ID is that of the image's document: its number in the whole list, from 0.
	ID    int    `json:"id"`
	Image string `json:"image"`
	// SHA256 is the hash of the image's file, hex; empty where it is to be tried again.
	SHA256 string `json:"sha256,omitempty"`
	// Error says why there are no labels.
	Error string `json:"error,omitempty"`
	// Cum is the number of top classes whose probabilities exceed the threshold.
	Cum int `json:"cum,omitempty"`
	// Top are these classes, by rank; fewer where DocumentsOptions.MaxLabels is.
	Top []Label `json:"top,omitempty"`
	// Warnings are the notes of the decoder.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Label is a class that an image may show.
type Label struct {
	Class       int     `json:"class"`
	Probability float64 `json:"probability"`
}

// Warning is a note of the decoder: an EXIF rotation, a truncated file.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Undecided is the length from which on a label list says that the classifier does not know.
const Undecided = 100

// defaultBatch is large enough for the network to be at its fastest, and small enough for
// memory and for stopping soon.
const defaultBatch = 8

// WriteDocuments classifies images and writes their label lists, the shortest prefixes of
// classes by rank whose probabilities sum to more than 0.95 (paper section 5), as documents
// for hlta.Learn: lines "docId, c486", where docId is the index of the image. Images of a
// single label are left out, and those that KeepDoubtful keeps. A name ending in .gz is
// compressed.
//
// What the classifier says of every image is in path + ".jsonl", a line of ImageLabels for
// each in the order of images; one that cannot be read has a line, too. This file grows
// while the work goes on and path appears at its end, so that after an end of any kind the
// same call goes on where the last one stopped and comes to the same bytes. path +
// ".settings.json" says what the lines were made with; going on with other settings, weights
// or images is an error that names the difference.
//
// A line stands as long as its image's file has the hash in it: images that were replaced, and
// those that could not be read, are tried again. An error that would meet every other image,
// too, as too many open files, ends the work and makes no line.
func WriteDocuments(ctx context.Context, c *cwox.Classifier, images []string, path string, o DocumentsOptions) (*DocumentsResult, error) {
	work := listed(commandDocuments, images)
	work.KeepDoubtful = o.KeepDoubtful
	return writeDocuments(ctx, c, images, work, o, func() (string, error) {
		dir, err := o.Shard.claim(path, path, path+".jsonl", path+".settings.json")
		if err != nil || o.Shard.whole() {
			return path, err
		}
		return filepath.Join(dir, filepath.Base(path)), nil
	})
}

// writeDocuments is WriteDocuments as a part of some work, to a file that claim makes room for.
func writeDocuments(ctx context.Context, c *cwox.Classifier, images []string, work shardWork, o DocumentsOptions, claim func() (path string, err error)) (_ *DocumentsResult, err error) {
	if o, err = o.withDefaults(images); err != nil {
		return nil, err
	}
	if err := c.CheckTransform(); err != nil {
		return nil, err
	}
	path, err := claim()
	if err != nil {
		return nil, err
	}
	j, err := openDocuments(path, newSettings(c, work, o), images, o.Shard, o.Restart)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	state, err := o.Shard.begin(j.dir, work, o.Restart, work.Command)
	if err != nil {
		return nil, err
	}
	todo, unread, err := j.todo(ctx, o.Threads, o.Progress)
	if err != nil {
		return nil, err
	}
	n := o.Shard.count(len(images))
	result := &DocumentsResult{Images: n, Resumed: n - len(todo), Unchecked: unread}
	if err := o.classify(ctx, c, j, todo); err != nil {
		return nil, err
	}
	if err := j.finish(); err != nil {
		return nil, err
	}
	err = place.Write(path, place.Gzip(path, func(w io.Writer) error { return result.writeLines(w, j.files[0], o.KeepDoubtful) }))
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return result, state.end(j.dir, work.Command)
}

func (o DocumentsOptions) withDefaults(images []string) (DocumentsOptions, error) {
	if o.Cumulative == 0 {
		o.Cumulative = cwox.DefaultCumulative
	}
	if o.Batch == 0 {
		o.Batch = defaultBatch
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	switch {
	case len(images) == 0:
		return o, errors.New("dataset: no images")
	case !(o.Cumulative > 0 && o.Cumulative < 1):
		return o, fmt.Errorf("dataset: cumulative probability %g: want more than 0 and less than 1", o.Cumulative)
	case o.MaxLabels < 0 || o.MaxLabels == 1:
		return o, fmt.Errorf("dataset: at most %d labels: want 2 or more", o.MaxLabels)
	case o.Batch < 1 || o.Batch > 1024:
		return o, fmt.Errorf("dataset: batch %d: want 1 to 1024", o.Batch)
	case o.Threads < 1 || o.Threads > 1024:
		return o, fmt.Errorf("dataset: threads %d: want 1 to 1024", o.Threads)
	}
	return o, nil
}

// classify appends a line to the journal for every image that is to be done. Images are
// decoded ahead of the network; what waits for it is bounded.
func (o *DocumentsOptions) classify(ctx context.Context, c *cwox.Classifier, j *documentsJournal, todo []int) (err error) {
	total := o.Shard.count(len(j.images))
	done := total - len(todo)
	o.Progress(PhaseLabel, done, total)
	if len(todo) == 0 {
		return nil
	}
	session, err := c.Net.NewSession(nn.SessionOptions{Batch: min(o.Batch, len(todo)), Threads: o.Threads})
	if err != nil {
		return err
	}
	defer session.Close()
	ctx, cancel := context.WithCancel(ctx)
	frames, wait := o.decode(ctx, c, j.images, todo)
	defer wait()
	defer cancel()

	size := c.Net.Input().Size()
	batch := make([]float32, session.Batch()*size)
	for indices := range slices.Chunk(todo, session.Batch()) {
		waiting := make([]*frame, 0, len(indices))
		n := 0
		for range indices {
			f, err := next(ctx, frames)
			if err != nil {
				return err
			}
			waiting = append(waiting, f)
			n += copy(batch[n:], f.tensor)
		}
		var logits []float32
		if n > 0 {
			logits = session.Forward(batch[:n])
		}
		lines := make([]ImageLabels, len(waiting))
		for k, f := range waiting {
			if f.tensor != nil {
				o.label(c, &f.line, logits[:c.Net.Classes()])
				logits = logits[c.Net.Classes():]
			}
			lines[k] = f.line
		}
		if err := j.append(lines); err != nil {
			return err
		}
		done += len(indices)
		o.Progress(PhaseLabel, done, total)
	}
	return nil
}

// frame is an image on its way to the network.
type frame struct {
	line   ImageLabels
	ready  chan struct{} // closed when what follows is set
	tensor []float32     // nil where the line has an error
	err    error         // of the moment: no line at all
}

// next waits for the next frame to be decoded.
func next(ctx context.Context, frames <-chan *frame) (*frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case f := <-frames:
		select {
		case <-f.ready:
			return f, f.err
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}

// maxDecoders bounds the images, which may be large, that are decoded at the same time.
const maxDecoders = 8

// decode sends images, in the order of their indices, while goroutines decode them. It is at
// most two batches ahead. After ctx has ended, wait waits for the goroutines.
func (o *DocumentsOptions) decode(ctx context.Context, c *cwox.Classifier, images []string, indices []int) (frames <-chan *frame, wait func()) {
	var group errgroup.Group
	ordered := make(chan *frame, 2*o.Batch)
	work := make(chan *frame)
	group.Go(func() error {
		defer close(work)
		for _, i := range indices {
			f := &frame{line: ImageLabels{ID: i, Image: images[i]}, ready: make(chan struct{})}
			for _, to := range []chan<- *frame{ordered, work} {
				select {
				case to <- f:
				case <-ctx.Done():
					return nil
				}
			}
		}
		return nil
	})
	for range min(o.Threads, maxDecoders) {
		group.Go(func() error {
			for f := range work {
				f.decode(c, o.Decode)
			}
			return nil
		})
	}
	return ordered, func() { _ = group.Wait() }
}

func (f *frame) decode(c *cwox.Classifier, o vision.Options) {
	defer close(f.ready)
	pic, sum, err := decodeImage(f.line.Image, o)
	f.line.SHA256 = sum
	switch {
	case err == nil:
	case ofTheMoment(err):
		f.err = err
		return
	default:
		f.line.Error = err.Error()
		return
	}
	for _, n := range pic.Notes {
		f.line.Warnings = append(f.line.Warnings, Warning(n))
	}
	f.tensor = c.Transform.Tensor(pic)
}

// label ranks the classes by their logits.
func (o *DocumentsOptions) label(c *cwox.Classifier, line *ImageLabels, logits []float32) {
	for i, z := range logits {
		if math.IsNaN(float64(z)) || math.IsInf(float64(z), 0) {
			line.SHA256 = "" // which would say that decoding fails
			line.Error = fmt.Sprintf("dataset: %s: the logit of class %d is %g: the network's output cannot be ranked", line.Image, i, z)
			return
		}
	}
	prob := c.Output().Probabilities(logits)
	ranked := cwox.Rank(prob)
	line.Cum = c.Cum(prob, ranked, o.Cumulative)
	k := line.Cum
	if o.MaxLabels > 0 {
		k = min(k, o.MaxLabels)
	}
	line.Top = make([]Label, k)
	for i, class := range ranked[:k] {
		line.Top[i] = Label{Class: class, Probability: prob[class]}
	}
}

// writeLines writes the documents of all lines of a journal, and counts.
func (r *DocumentsResult) writeLines(w io.Writer, l *lines, keepDoubtful bool) error {
	_, err := each(l, func(line *ImageLabels, _ span) error { return r.write(w, line, keepDoubtful) })
	return err
}

// write writes the document of a line, if it makes one, and counts.
func (r *DocumentsResult) write(w io.Writer, line *ImageLabels, keepDoubtful bool) error {
	damaged := func(w Warning) bool { return w.Code == vision.NoteTruncated }
	switch {
	case line.Error != "":
		if r.Unreadable++; r.Unreadable == 1 {
			r.FirstError = line.Error
		}
		return nil
	case len(line.Top) < 2:
		r.Certain++
		return nil
	case keepDoubtful:
	case slices.ContainsFunc(line.Warnings, damaged):
		r.Damaged++
		return nil
	case len(line.Top) > Undecided:
		r.Undecided++
		return nil
	}
	r.Documents++
	r.Labels += len(line.Top)
	var text []byte
	for _, l := range line.Top {
		text = strconv.AppendInt(text, int64(line.ID), 10)
		text = append(text, ", "...)
		text = append(text, hlta.ClassWord(l.Class)...)
		text = append(text, '\n')
	}
	_, err := w.Write(text)
	return err
}
