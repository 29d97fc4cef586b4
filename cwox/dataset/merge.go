package dataset

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox/report"
	"cwox/internal/outside"
	"cwox/internal/place"
)

// Merged says what [Merge] has made: what one run would have returned, of the command that the
// shards are of.
type Merged struct {
	Command string
	Shards  int
	// Rest is, of confusions, the call that makes the rest of the whole: see [LabelConfusions].
	Rest []string
	// One of these is set.
	Documents  *DocumentsResult // of confusions, too
	Evaluation *Evaluation
	Truth      *TruthSummary
	Reports    *ReportsResult
}

// LeftError is the error that shards are missing, or have not come to their end.
type LeftError struct {
	Dir                 string // of the shards
	Of                  int
	Missing, Unfinished []int
}

// Left are the shards to run, in order.
func (e *LeftError) Left() []int {
	return slices.Sorted(slices.Values(slices.Concat(e.Missing, e.Unfinished)))
}

func (e *LeftError) Error() string {
	return fmt.Sprintf("dataset: %s: of %d shards %d are missing and %d not finished: run these: --array=%s, each with --shard $SLURM_ARRAY_TASK_ID/%d",
		e.Dir, e.Of, len(e.Missing), len(e.Unfinished), Ranges(e.Left()), e.Of)
}

// Ranges writes numbers in order as Slurm's --array takes them: "3,17,20-25".
func Ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		first := numbers[i]
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		switch last := numbers[i-1]; last - first {
		case 0:
			parts = append(parts, strconv.Itoa(first))
		case 1:
			parts = append(parts, strconv.Itoa(first), strconv.Itoa(last))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", first, last))
		}
	}
	return strings.Join(parts, ",")
}

// merger holds the shards of a whole.
type merger struct {
	ctx  context.Context
	out  string
	work shardWork // that all have in common
	dirs []string  // of the shards, in order
	held []*lines  // their journals, which no other program writes meanwhile
	temp *place.Dir
}

// Left says which shards of out are missing or unfinished, as a *LeftError; nil where all are
// there. What keeps shards from being one whole is another error.
func Left(out string) error {
	_, err := newMerger(context.Background(), out)
	return err
}

// Merge writes to out what one run without shards would have written, to the byte, of all
// shards beside it (see [Shard]). It needs no classifier and no image; what of confusions does
// need them is left to [WriteConfusions]. Shards that are missing
// or unfinished are a *LeftError; shards of other settings, another list or another kernel tier
// are an error that names the difference. What is there appears whole: a folder at once, the
// files of documents one by one, the documents last. Where the same is there already it stays,
// and where anything else is, that is an error.
func Merge(ctx context.Context, out string) (_ *Merged, err error) {
	m, err := newMerger(ctx, out)
	if err != nil {
		return nil, err
	}
	defer m.release()
	temp := filepath.Join(filepath.Dir(m.out), ".cwox-"+filepath.Base(m.out)+".merge")
	defer os.RemoveAll(temp)
	r := &Merged{Command: m.work.Command, Shards: len(m.dirs), Rest: m.work.Rest}
	begin := func() error { // once the journals are held, so that this folder is nobody else's
		if err := os.RemoveAll(temp); err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		if m.temp, err = place.Make(temp); err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		return nil
	}
	var parts []string
	switch m.work.Command {
	case commandDocuments:
		base := filepath.Base(m.out)
		parts = []string{base + ".settings.json", base + ".jsonl", base}
		r.Documents, err = m.documents(begin, base)
	case commandConfusions:
		r.Documents, err = m.documents(begin, ConfusionsDocuments)
	case commandEvaluate:
		r.Evaluation, err = m.evaluation(begin)
	case commandTruth:
		r.Truth, err = m.truth(begin)
	case commandExplain:
		r.Reports, err = m.reports(begin)
	default:
		err = fmt.Errorf("dataset: %s: shards of %.100q, which this program does not know", m.dirs[0], m.work.Command)
	}
	if m.temp != nil {
		err = errors.Join(err, m.temp.Close())
	}
	if err == nil {
		err = m.put(temp, parts)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// newMerger finds the shards of out.
func newMerger(ctx context.Context, out string) (*merger, error) {
	m := &merger{ctx: ctx, out: filepath.Clean(out)}
	dir := m.out + shardsSuffix
	there, err := shardsOf(dir)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return nil, fmt.Errorf("dataset: %s: no shards, as %s is one", dir, Shard{0, 2}.dir(out))
	}
	left := &LeftError{Dir: dir, Of: there[0].Of}
	have := map[int]bool{}
	for _, s := range there {
		if s.Of != left.Of {
			return nil, fmt.Errorf("dataset: %s: holds shards of %d and of %d: remove those that do not belong", dir, left.Of, s.Of)
		}
		have[s.Index] = true
	}
	var first *shardState
	for i := range left.Of {
		s := Shard{i, left.Of}
		m.dirs = append(m.dirs, s.dir(m.out))
		if !have[i] {
			left.Missing = append(left.Missing, i)
			continue
		}
		path := filepath.Join(s.dir(m.out), ShardFile)
		state, err := readShard(path)
		if errors.Is(err, fs.ErrNotExist) {
			left.Unfinished = append(left.Unfinished, i)
			continue
		}
		if err != nil {
			return nil, err
		}
		if state.Shard != i {
			return nil, fmt.Errorf("dataset: %s: of shard %d: was the folder renamed?", path, state.Shard)
		}
		if len(state.Unfinished) > 0 {
			left.Unfinished = append(left.Unfinished, i)
		}
		if first == nil {
			first = state
			m.work = state.shardWork
		}
		if d, err := differ(first.inOrder(), state.inOrder()); d != nil || err != nil {
			return nil, errors.Join(err, m.differ(first.Shard, i, d))
		}
	}
	if len(left.Missing)+len(left.Unfinished) > 0 {
		return nil, left
	}
	if m.work.Of != left.Of {
		return nil, fmt.Errorf("dataset: %s: of %d shards: was the folder renamed?", filepath.Join(m.dirs[0], ShardFile), m.work.Of)
	}
	return m, nil
}

// differ says that two shards are not of one whole; nil of no difference.
func (m *merger) differ(i, k int, d *difference) error {
	if d == nil {
		return nil
	}
	return fmt.Errorf("dataset: %s: shards %d and %d do not belong together: %s is %s in the one and %s in the other",
		m.out+shardsSuffix, i, k, d.name, d.before, d.now)
}

func (m *merger) release() {
	for _, l := range m.held {
		l.close()
	}
}

// hold opens a journal of every shard.
func (m *merger) hold(name string) ([]*lines, error) {
	var all []*lines
	for _, dir := range m.dirs {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil { // opening would make it
			return nil, fmt.Errorf("dataset: %w", err)
		}
		d, err := place.Open(dir)
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		l, err := openLines(d, name)
		d.Close() // the name is all that is needed of it
		if err != nil {
			return nil, err
		}
		all, m.held = append(all, l), append(m.held, l)
	}
	return all, nil
}

// sameSettings reads a file of settings, which is the same in all shards.
func sameSettings[S any](m *merger, name string) (*S, []byte, error) {
	path := filepath.Join(m.dirs[0], name)
	text, err := outside.Read(path, maxSettingsBytes)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	s, err := readSettings[S](path)
	if err != nil {
		return nil, nil, err
	}
	for i, dir := range m.dirs[1:] {
		path := filepath.Join(dir, name)
		other, err := outside.Read(path, maxSettingsBytes)
		if err != nil {
			return nil, nil, fmt.Errorf("dataset: %w", err)
		}
		if bytes.Equal(text, other) {
			continue
		}
		now, err := readSettings[S](path)
		if err != nil {
			return nil, nil, err
		}
		if d, err := differ(s, now); d != nil || err != nil {
			return nil, nil, errors.Join(err, m.differ(0, i+1, d))
		}
	}
	return s, text, nil
}

// write writes a file whose content is at hand.
func (m *merger) write(name string, text []byte) error {
	err := m.temp.Write(name, func(w io.Writer) error { _, err := w.Write(text); return err })
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}

// stream is the next line of one of several files.
type stream[T, K any] struct {
	file  int
	lines *lineReader[T]
	line  *T
	key   K
	text  []byte
}

// streams is a heap of them by key.
type streams[T, K any] struct {
	all     []*stream[T, K]
	compare func(a, b K) int
}

func (s *streams[T, K]) Len() int           { return len(s.all) }
func (s *streams[T, K]) Less(i, k int) bool { return s.compare(s.all[i].key, s.all[k].key) < 0 }
func (s *streams[T, K]) Swap(i, k int)      { s.all[i], s.all[k] = s.all[k], s.all[i] }
func (s *streams[T, K]) Push(x any)         { s.all = append(s.all, x.(*stream[T, K])) }
func (s *streams[T, K]) Pop() any {
	last := s.all[len(s.all)-1]
	s.all = s.all[:len(s.all)-1]
	return last
}

// shardBuffer is what is read of a shard's file at once, so that a thousand fit into memory.
const shardBuffer = 1 << 15

// interleave visits the lines of several files, each in the order of its keys, in the order of
// all. A file that is in no order was not finished, which is an error, and so is a last line
// without an end. The text of a line is the visitor's until it returns.
func interleave[T, K any](ctx context.Context, files []*lines, key func(*T) K, compare func(a, b K) int, visit func(file int, key K, line *T, text []byte) error) error {
	s := &streams[T, K]{compare: compare}
	advance := func(x *stream[T, K]) (more bool, err error) {
		if x.line, x.text, err = x.lines.next(); err != nil {
			return false, fmt.Errorf("dataset: %w", err)
		}
		if x.line == nil {
			if files[x.file].size != x.lines.at.to {
				err = fmt.Errorf("dataset: %w", x.lines.fail(errors.New("ends without a newline: was the shard finished?")))
			}
			return false, err
		}
		before := x.key
		if x.key = key(x.line); x.lines.at.line > 1 && compare(before, x.key) > 0 {
			return false, fmt.Errorf("dataset: %w", x.lines.fail(errors.New("out of order: was the shard finished?")))
		}
		return true, nil
	}
	for i, l := range files {
		x := &stream[T, K]{file: i, lines: readLines[T](l.dir.Path(l.name), io.NewSectionReader(l.file, 0, l.size), shardBuffer)}
		more, err := advance(x)
		if err != nil {
			return err
		}
		if more {
			s.all = append(s.all, x)
		}
	}
	heap.Init(s)
	for len(s.all) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := s.all[0]
		if err := visit(x.file, x.key, x.line, x.text); err != nil {
			return fmt.Errorf("dataset: %w", x.lines.fail(err))
		}
		more, err := advance(x)
		if err != nil {
			return err
		}
		if more {
			heap.Fix(s, 0)
		} else {
			heap.Pop(s)
		}
	}
	return nil
}

// check wants the list that lines of a model, or of all, are about to be that of the shards.
// Names that JSON cannot hold cannot be compared.
func (m *merger) check(l *list, of string) error {
	if sum := l.sum(); l.n != m.work.Images || l.plain && sum != m.work.ImagesSHA256 {
		return fmt.Errorf("dataset: %s: the lines of %s are about %d images, which are not the %d of the list: were files of the shards changed?",
			m.out+shardsSuffix, of, l.n, m.work.Images)
	}
	return nil
}

// interleaveList visits the lines of a list, whose images are to be there one by one.
func interleaveList[L any, P listLine[L]](m *merger, name string, files []*lines, visit func(line *L, text []byte) error) error {
	images := newList()
	err := interleave(m.ctx, files, func(l *L) int { return P(l).about().id }, cmp.Compare, func(file, id int, line *L, text []byte) error {
		if id != images.n || id%len(files) != file {
			return fmt.Errorf("image %d, want %d: was the shard finished?", id, images.n)
		}
		images.add(P(line).about().image)
		if err := P(line).check(); err != nil {
			return err
		}
		return visit(line, text)
	})
	if err != nil {
		return err
	}
	return m.check(images, name)
}

func (m *merger) documents(begin func() error, name string) (*DocumentsResult, error) {
	settings, journal := name+".settings.json", name+".jsonl"
	_, text, err := sameSettings[documentsSettings](m, settings)
	if err != nil {
		return nil, err
	}
	files, err := m.hold(journal)
	if err == nil {
		err = begin()
	}
	if err == nil {
		err = m.write(settings, text)
	}
	if err != nil {
		return nil, err
	}
	r := &DocumentsResult{Images: m.work.Images}
	err = m.temp.Write(name, place.Gzip(name, func(docs io.Writer) error {
		return m.temp.Write(journal, func(w io.Writer) error {
			return interleaveList(m, journal, files, func(line *ImageLabels, text []byte) error {
				if _, err := w.Write(text); err != nil {
					return err
				}
				return r.write(docs, line, m.work.KeepDoubtful)
			})
		})
	}))
	return r, err
}

func (m *merger) evaluation(begin func() error) (*Evaluation, error) {
	settings, text, err := sameSettings[EvaluationSettings](m, settingsFile)
	if err != nil {
		return nil, err
	}
	images, err := m.hold(ImagesFile)
	if err != nil {
		return nil, err
	}
	results, err := m.hold(ResultsFile)
	if err == nil {
		err = begin()
	}
	if err == nil {
		err = m.write(settingsFile, text)
	}
	if err != nil {
		return nil, err
	}
	// An image is one shard's, with all its lines, and every model has all images.
	lists := map[string]*list{}
	of, last := 0, unitKey{}
	mine := func(file int, key unitKey) error {
		key.explainer = ""
		if key == last && file != of {
			return fmt.Errorf("%.200q is in shard %d, too", key.image, of)
		}
		of, last = file, key
		return nil
	}
	err = m.temp.Write(ImagesFile, func(w io.Writer) error {
		return interleave(m.ctx, images, (*EvaluatedImage).key, unitKey.compare, func(file int, key unitKey, _ *EvaluatedImage, text []byte) error {
			if key.model != last.model || key.image != last.image {
				if lists[key.model] == nil {
					lists[key.model] = newList()
				}
				lists[key.model].add(key.image)
			}
			if err := mine(file, key); err != nil {
				return err
			}
			_, err := w.Write(text)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	for model := range settings.Models {
		if lists[model] == nil {
			lists[model] = newList()
		}
		if err := m.check(lists[model], model); err != nil {
			return nil, err
		}
	}
	last = unitKey{}
	err = m.temp.Write(ResultsFile, func(w io.Writer) error {
		return interleave(m.ctx, results, (*rowHead).key, unitKey.compare, func(file int, key unitKey, _ *rowHead, text []byte) error {
			if err := mine(file, key); err != nil {
				return err
			}
			_, err := w.Write(text)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	// Opening it as a run does finds rows that do not fit the lines that count them.
	temp := m.temp.Path("")
	j, err := openEvaluation(temp, settings, false)
	if err == nil {
		var rows int64
		for _, l := range results {
			rows += l.size
		}
		if j.results.size != rows {
			err = fmt.Errorf("%s: rows of images that %s lacks", ResultsFile, ImagesFile)
		}
		err = errors.Join(err, j.close())
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: joined, the lines do not fit: were the shards finished? %w", m.out+shardsSuffix, err)
	}
	return summarizeAs(temp, m.out)
}

func (m *merger) truth(begin func() error) (*TruthSummary, error) {
	type explainer struct {
		shardScenes
		settings *truthSettings
		text     []byte
		files    []*lines
	}
	var all []explainer
	for _, s := range m.work.Scenes {
		if err := s.check(m.dirs[0]); err != nil {
			return nil, err
		}
		x := explainer{shardScenes: s}
		var err error
		if x.settings, x.text, err = sameSettings[truthSettings](m, truthSettingsFile(s.Explainer)); err != nil {
			return nil, err
		}
		if x.files, err = m.hold(truthFile(s.Explainer)); err != nil {
			return nil, err
		}
		if all = append(all, x); len(all) > 1 {
			if d, err := differ(all[0].settings.common(), x.settings.common()); d != nil || err != nil {
				return nil, errors.Join(err, d.changed(filepath.Join(m.dirs[0], truthSettingsFile(s.Explainer))))
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("dataset: %s: no scenes", filepath.Join(m.dirs[0], ShardFile))
	}
	if err := begin(); err != nil {
		return nil, err
	}
	sum := newTruthSummary(all[0].settings)
	for _, x := range all {
		if err := m.write(truthSettingsFile(x.Explainer), x.text); err != nil {
			return nil, err
		}
		var scenes []TruthScene
		err := m.temp.Write(truthFile(x.Explainer), func(w io.Writer) error {
			return interleave(m.ctx, x.files, func(s *TruthScene) uint64 { return s.Scene }, cmp.Compare, func(file int, _ uint64, s *TruthScene, text []byte) error {
				k := len(scenes)
				if k == x.Scenes { // an earlier run wanted more
					return nil
				}
				if s.Scene != x.settings.First+uint64(k) || k%len(x.files) != file {
					return fmt.Errorf("scene %d, want %d: was the shard finished?", s.Scene, x.settings.First+uint64(k))
				}
				scenes = append(scenes, *s)
				_, err := w.Write(text)
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		if len(scenes) != x.Scenes {
			return nil, fmt.Errorf("dataset: %s: %d scenes with %s, want %d", m.out+shardsSuffix, len(scenes), x.Explainer, x.Scenes)
		}
		if err := sum.add(x.Explainer, x.settings.ExplainerSettings, scenes); err != nil {
			return nil, err
		}
	}
	return sum, sum.write(m.temp.Path(""))
}

func (m *merger) reports(begin func() error) (*ReportsResult, error) {
	if _, _, err := sameSettings[reportsSettings](m, ReportsSettings); err != nil {
		return nil, err
	}
	files, err := m.hold(ReportsFile)
	if err == nil {
		err = begin()
	}
	if err != nil {
		return nil, err
	}
	r := &ReportsResult{Images: m.work.Images}
	var entries []report.IndexEntry
	err = interleaveList(m, ReportsFile, files, func(line *ReportLine, _ []byte) error {
		r.count(line)
		entries = append(entries, line.entry())
		if line.Folder == "" {
			return nil
		}
		return m.link(filepath.Join(m.dirs[line.ID%len(m.dirs)], line.Folder), line.Folder)
	})
	if err != nil {
		return nil, err
	}
	return r, report.WriteIndex(m.temp.Path(""), entries)
}

// link gives the files of a report a second name in a folder of the whole.
func (m *merger) link(from, folder string) error {
	if _, err := os.Stat(filepath.Join(from, report.JSONFile)); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	d, err := place.Make(m.temp.Path(folder))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && err == nil {
			err = d.Link(filepath.Join(from, e.Name()), e.Name())
		}
	}
	return errors.Join(err, d.Close())
}

// put gives what is whole in a folder its place: as the folder out, or as files beside it in
// an order. What is there must be the same.
func (m *merger) put(temp string, parts []string) error {
	parent, err := place.Open(filepath.Dir(m.out))
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer parent.Close()
	folder := len(parts) == 0
	to := m.out
	if !folder {
		to = filepath.Dir(m.out)
	} else if there, err := os.ReadDir(m.out); errors.Is(err, fs.ErrNotExist) || err == nil && len(there) == 0 {
		os.Remove(m.out) // the empty folder: not all systems rename onto one
		if err := parent.Rename(filepath.Base(temp), filepath.Base(m.out)); err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		return nil
	}
	var missing []string
	err = fs.WalkDir(os.DirFS(temp), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		same, err := sameContent(filepath.Join(temp, name), filepath.Join(to, name))
		lacks := errors.Is(err, fs.ErrNotExist)
		switch {
		case lacks && !folder:
			missing = append(missing, name)
			return nil
		case lacks || err == nil && !same:
			return fmt.Errorf("%s: holds something else than the shards make (%s): remove it first", m.out, name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	for _, name := range parts {
		if slices.Contains(missing, name) {
			if err := parent.Rename(filepath.Join(filepath.Base(temp), name), name); err != nil {
				return fmt.Errorf("dataset: %w", err)
			}
		}
	}
	return nil
}

// sameContent says whether two files have the same bytes.
func sameContent(a, b string) (bool, error) {
	x, err := outside.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := outside.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	bufA, bufB := make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		n, errA := io.ReadFull(x, bufA)
		k, errB := io.ReadFull(y, bufB)
		if !bytes.Equal(bufA[:n], bufB[:k]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			done := func(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }
			if done(errA) && done(errB) {
				return true, nil
			}
			return false, cmp.Or(errA, errB)
		}
	}
}
