package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/internal/outside"
	"cwox/internal/place"
)

// Shard is a part of the work on a list: of its images, or scenes, in order those whose number,
// from 0, is Index modulo Of. The zero Shard is the whole.
//
// A shard writes to a folder of its own, out.shards/<Index>-of-<Of>, with the numbers and the
// settings of the whole, so that [Merge] makes of all shards what one run would have written.
type Shard struct{ Index, Of int }

// maxShards bounds what is asked of file systems.
const maxShards = 1 << 16

// ParseShard reads "i/n", i from 0.
func ParseShard(text string) (s Shard, err error) {
	i, n, ok := strings.Cut(text, "/")
	if s, ok = shardOf(i, n, ok); !ok {
		return Shard{}, fmt.Errorf("want i/n, i from 0 to n-1, n from 1 to %d", maxShards)
	}
	return s, nil
}

// shardOf reads two numbers as they are written here: no signs, no zeros before them.
func shardOf(i, n string, ok bool) (s Shard, _ bool) {
	var errI, errN error
	s.Index, errI = strconv.Atoi(i)
	s.Of, errN = strconv.Atoi(n)
	ok = ok && errI == nil && errN == nil && strconv.Itoa(s.Index) == i && strconv.Itoa(s.Of) == n
	return s, ok && 0 <= s.Index && s.Index < s.Of && s.Of <= maxShards
}

// ShardFrom finds out which shard this is from what Slurm tells the tasks of an array, or
// Kubernetes the pods of an Indexed Job (whose manifest sets JOB_COMPLETIONS). It also says
// from what.
func ShardFrom(getenv func(string) string) (s Shard, from string, err error) {
	task, pod := getenv("SLURM_ARRAY_TASK_ID"), getenv("JOB_COMPLETION_INDEX")
	switch {
	case task != "" && pod != "":
		return s, "", errors.New("both SLURM_ARRAY_TASK_ID and JOB_COMPLETION_INDEX are set: give i/n")
	case task != "":
		first, count, last := getenv("SLURM_ARRAY_TASK_MIN"), getenv("SLURM_ARRAY_TASK_COUNT"), getenv("SLURM_ARRAY_TASK_MAX")
		from = fmt.Sprintf("SLURM_ARRAY_TASK_ID=%s, _MIN=%s, _COUNT=%s", task, first, count)
		id, err1 := strconv.Atoi(task)
		low, err2 := strconv.Atoi(first)
		n, err3 := strconv.Atoi(count)
		high, err4 := strconv.Atoi(last)
		if last == "" {
			high, err4 = low+n-1, nil
		}
		ok := errors.Join(err1, err2, err3, err4) == nil
		if ok && high-low+1 != n {
			return s, "", fmt.Errorf("%s, _MAX=%s: an array with gaps, as when some shards are run again, does not tell how many there are: give $SLURM_ARRAY_TASK_ID/n", from, last)
		}
		if s, ok = shardOf(strconv.Itoa(id-low), strconv.Itoa(n), ok); !ok {
			return s, "", fmt.Errorf("%s: these make no shard", from)
		}
	case pod != "":
		n := getenv("JOB_COMPLETIONS")
		from = fmt.Sprintf("JOB_COMPLETION_INDEX=%s, JOB_COMPLETIONS=%s", pod, n)
		var ok bool
		if s, ok = shardOf(pod, n, true); !ok {
			return s, "", fmt.Errorf("%s: these make no shard (JOB_COMPLETIONS is for the manifest to set)", from)
		}
	default:
		return s, "", errors.New("neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set: give i/n")
	}
	return s, from, nil
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// whole says that this is no part.
func (s Shard) whole() bool { return s.Of == 0 }

func (s Shard) check() error {
	if s != (Shard{}) && (s.Index < 0 || s.Index >= s.Of || s.Of > maxShards) {
		return fmt.Errorf("dataset: shard %v: want i/n, i from 0 to n-1, n from 1 to %d", s, maxShards)
	}
	return nil
}

// has says whether unit k belongs to the shard.
func (s Shard) has(k int) bool { return s.whole() || k%s.Of == s.Index }

// unit is the number in the whole of the shard's unit k.
func (s Shard) unit(k int) int {
	if s.whole() {
		return k
	}
	return s.Index + k*s.Of
}

// count is how many of n units belong to the shard.
func (s Shard) count(n int) int {
	if s.whole() {
		return n
	}
	return (n - s.Index + s.Of - 1) / s.Of // the index is below s.Of: never negative
}

// of are the images of the shard.
func (s Shard) of(images []string) []string {
	if s.whole() {
		return images
	}
	var out []string
	for i := s.Index; i < len(images); i += s.Of {
		out = append(out, images[i])
	}
	return out
}

// shardsSuffix is what a folder of shards has behind the name of the whole.
const shardsSuffix = ".shards"

// dir is the folder of a shard.
func (s Shard) dir(out string) string {
	return filepath.Join(filepath.Clean(out)+shardsSuffix, fmt.Sprintf("%d-of-%d", s.Index, s.Of))
}

// The commands whose work has shards.
const (
	commandDocuments  = "documents"
	commandEvaluate   = "evaluate"
	commandTruth      = "evaluate --truth"
	commandExplain    = "explain"
	commandConfusions = "confusions"
)

// ShardFile is the file of a shard's folder that says what the shard is of.
const ShardFile = "shard.json"

// shardFormat changes when a shard's files mean something else.
const shardFormat = "cwox-shard/1"

// shardState is shard.json: what all shards must have in common beside the settings of their
// journals, and which shard this is, and how far.
type shardState struct {
	shardWork
	Shard int `json:"shard"`
	// Unfinished are the runs that have begun and not come to their end: the models with the
	// explainers of an evaluation, which may be added one by one, else the command.
	Unfinished []string `json:"unfinished"`
}

type shardWork struct {
	Format       string        `json:"format"`
	Command      string        `json:"command"`
	Of           int           `json:"of"`
	Images       int           `json:"images"` // of the whole list
	ImagesSHA256 string        `json:"images_sha256"`
	KeepDoubtful bool          `json:"keep_doubtful,omitempty"` // of documents
	Scenes       []shardScenes `json:"scenes,omitempty"`        // of drawn scenes, by explainer
	Rest         []string      `json:"rest,omitempty"`          // of confusions: the call that makes the rest of the whole
}

type shardScenes struct {
	Explainer string `json:"explainer"`
	Scenes    int    `json:"scenes"`
}

// inOrder is the work, whatever order its explainers came in.
func (w shardWork) inOrder() shardWork {
	w.Scenes = slices.SortedFunc(slices.Values(w.Scenes), func(a, b shardScenes) int { return strings.Compare(a.Explainer, b.Explainer) })
	return w
}

// listed is the work on a list of images.
func listed(command string, images []string) shardWork {
	return shardWork{Command: command, Images: len(images), ImagesSHA256: hashList(images)}
}

// hashList is the SHA-256 of a list.
func hashList(images []string) string {
	l := newList()
	for _, image := range images {
		l.add(image)
	}
	return l.sum()
}

// list counts and hashes names, a zero byte behind each.
type list struct {
	n     int
	hash  hash.Hash
	to    *bufio.Writer
	plain bool // all are as JSON can have them
}

func newList() *list {
	h := sha256.New()
	return &list{hash: h, to: bufio.NewWriter(h), plain: true}
}

func (l *list) add(name string) {
	l.n++
	l.plain = l.plain && !strings.ContainsRune(name, '\ufffd')
	l.to.WriteString(name)
	l.to.WriteByte(0)
}

func (l *list) sum() string {
	l.to.Flush()
	return hex.EncodeToString(l.hash.Sum(nil))
}

// claim makes the folder of the shard, if it is one, and says where its files go: for folders
// that is out itself or the shard's folder. It is an error if the whole is there already, or
// shards of another number.
func (s Shard) claim(out string, whole ...string) (string, error) {
	if err := s.check(); err != nil || s.whole() {
		return out, err
	}
	if base := filepath.Base(out); base == "." || base == ".." || base == string(filepath.Separator) {
		return "", fmt.Errorf("dataset: %s: shards are kept beside it: name it by its last name", out)
	}
	for _, name := range whole {
		if there, err := os.ReadDir(name); err == nil && len(there) == 0 {
			continue
		}
		if _, err := os.Lstat(name); err == nil {
			return "", fmt.Errorf("dataset: %s: holds the whole already (%s): no shard of it is wanted; remove it, or choose another -o", out, name)
		}
	}
	dir := s.dir(out)
	there, err := shardsOf(filepath.Dir(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, other := range there {
		if other.Of != s.Of {
			return "", fmt.Errorf("dataset: %s: holds a shard of %d (%d-of-%d), this is one of %d: use the same number, or remove that", filepath.Dir(dir), other.Of, other.Index, other.Of, s.Of)
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("dataset: %w", err)
	}
	return dir, nil
}

// shardsOf are the shards that have folders in a folder, in order.
func shardsOf(dir string) (all []Shard, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	for _, e := range entries {
		i, n, ok := strings.Cut(e.Name(), "-of-")
		s, ok := shardOf(i, n, ok)
		if !ok {
			continue
		}
		is := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 { // to one elsewhere; else a thousand shards would look at each other
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			is = err == nil && info.IsDir()
		}
		if is {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Shard) int { return a.Index - b.Index })
	return all, nil
}

// begin notes in the shard's folder, whose journal this program holds, that runs begin. Of
// another list than the lines that are there are about it is an error.
func (s Shard) begin(d *place.Dir, work shardWork, restart bool, runs ...string) (*shardState, error) {
	if s.whole() {
		return nil, nil
	}
	work.Format, work.Of = shardFormat, s.Of
	now := &shardState{work, s.Index, slices.Clone(runs)}
	before, err := readShard(d.Path(ShardFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) || restart:
	case err != nil:
		return nil, refuse(err)
	default:
		list := func(w shardWork) shardWork {
			return shardWork{Format: w.Format, Command: w.Command, Of: w.Of, Images: w.Images, ImagesSHA256: w.ImagesSHA256}
		}
		if d1, err := differ(list(before.shardWork), list(work)); d1 != nil || err != nil {
			return nil, refuse(errors.Join(err, d1.changed(d.Path(ShardFile))))
		}
		for _, run := range before.Unfinished {
			if !slices.Contains(now.Unfinished, run) {
				now.Unfinished = append(now.Unfinished, run)
			}
		}
	}
	return now, now.write(d)
}

// end notes that runs have come to their end.
func (s *shardState) end(d *place.Dir, runs ...string) error {
	if s == nil {
		return nil
	}
	s.Unfinished = slices.DeleteFunc(s.Unfinished, func(run string) bool { return slices.Contains(runs, run) })
	return s.write(d)
}

func (s *shardState) write(d *place.Dir) error {
	if err := d.Write(ShardFile, asJSON(s)); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	d.Sync()
	return nil
}

func readShard(path string) (*shardState, error) {
	text, err := outside.Read(path, maxSettingsBytes)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	s := new(shardState)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	if s.Format != shardFormat {
		return nil, fmt.Errorf("dataset: %s: format %.100q, this program writes %q", path, s.Format, shardFormat)
	}
	return s, nil
}
