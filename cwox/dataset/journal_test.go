package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/outside"
	"cwox/internal/place"
	"cwox/nn/vision"
)

// A command is one of the three kinds of long work, in a folder of its own.
type command struct {
	name    string
	journal string // its first file
	lines   []string
	run     func(dir string, restart bool, progress func(phase string, done, total int)) error
}

// commands are the three, over the same images.
func commands(t *testing.T, images []string) []command {
	t.Helper()
	demo := demoClassifier(t)
	return []command{
		{"documents", "docs.txt.jsonl", []string{"docs.txt.jsonl"}, func(dir string, restart bool, progress func(string, int, int)) error {
			_, err := WriteDocuments(t.Context(), small(), images, filepath.Join(dir, "docs.txt"), DocumentsOptions{Batch: 2, Restart: restart, Progress: progress})
			return err
		}},
		{"evaluate", ImagesFile, []string{ImagesFile, ResultsFile}, func(dir string, restart bool, progress func(string, int, int)) error {
			o := evaluateOptions(t)
			o.Restart, o.Progress = restart, progress
			_, err := Evaluate(t.Context(), small(), images, dir, o)
			return err
		}},
		{"truth", "truth-gradcam.jsonl", []string{"truth-gradcam.jsonl"}, func(dir string, restart bool, progress func(string, int, int)) error {
			_, err := EvaluateTruth(t.Context(), demo, dir, TruthOptions{Step: -1, Restart: restart, Progress: progress, Threads: 2, Methods: []cwox.Method{cwox.SWOX},
				Explainers: []TruthExplainer{{"gradcam", 4, func() (saliency.Explainer, error) { return cwox.NewExplainer("gradcam", demo, cwox.Paper) }}}})
			return err
		}},
	}
}

func silent(string, int, int) {}

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestKilled goes on from what is there at every step of each command, as it is, with a line
// that a killed program has begun, and with zeros that a machine has left: the same bytes.
func TestKilled(t *testing.T) {
	_, images := smallImages(t, 12)
	for _, c := range commands(t, images) {
		dir := t.TempDir()
		var states []map[string]string
		err := c.run(dir, false, func(string, int, int) {
			if now := files(t, dir); len(states) == 0 || !sameText(now, states[len(states)-1]) {
				states = append(states, now)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		want := files(t, dir)
		states = append(states, want)
		if len(states) < 4 {
			t.Errorf("%s: %d states", c.name, len(states))
		}
		for i, state := range states {
			for _, tail := range []string{"", `{"image":"`, "\x00\x00\x00", "?"} {
				torn := map[string]string{}
				for name, text := range state {
					if torn[name] = text; slices.Contains(c.lines, name) && text != "" {
						torn[name] += tail
					}
				}
				again := folder(t, torn)
				if err := c.run(again, false, silent); err != nil {
					t.Errorf("%s, state %d, %q behind it: %v", c.name, i, tail, err)
				}
				sameFiles(t, fmt.Sprintf("%s, state %d, %q behind it", c.name, i, tail), files(t, again), want)
			}
		}
	}
}

func sameText(a, b map[string]string) bool {
	for name := range a {
		if a[name] != b[name] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestOneWriter: while one program is at work, others stop and change nothing, whatever they
// are told; of those that begin at once, one comes to the end.
func TestOneWriter(t *testing.T) {
	if f, err := os.Open(os.DevNull); err == nil {
		defer f.Close()
		if errors.Is(place.Lock(f), errors.ErrUnsupported) {
			t.Skip("no locks here")
		}
	}
	_, images := smallImages(t, 12)
	for _, c := range commands(t, images) {
		dir := t.TempDir()
		tried := 0
		err := c.run(dir, false, func(_ string, done, _ int) {
			if tried++; tried > 6 {
				return
			}
			before := files(t, dir)
			err := c.run(dir, tried%2 == 0, silent)
			if want := filepath.Join(dir, c.journal) + ": another program is at work on it"; !errors.Is(err, place.ErrLocked) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s: %v, want ...%s", c.name, err, want)
			}
			sameFiles(t, c.name+", beside another", files(t, dir), before)
		})
		if err != nil || tried == 0 {
			t.Fatalf("%s: %v, after %d others", c.name, err, tried)
		}
		want := files(t, dir)

		for round := range 3 {
			dir := t.TempDir()
			var group sync.WaitGroup
			errs := make([]error, 4)
			for i := range errs {
				group.Go(func() { errs[i] = c.run(dir, (i+round)%3 == 0, silent) })
			}
			group.Wait()
			done := 0
			for _, err := range errs {
				if err == nil {
					done++
				} else if !errors.Is(err, place.ErrLocked) {
					t.Errorf("%s: at once: %v", c.name, err)
				}
			}
			if done == 0 {
				t.Errorf("%s: none of %d came to the end", c.name, len(errs))
			}
			sameFiles(t, c.name+", at once", files(t, dir), want)
		}
	}
}

// faults lets images fail to open, or to be read, for the time of a test.
func faults(t *testing.T, fail func(path string) error, whileReading bool) {
	t.Helper()
	open := openImage
	t.Cleanup(func() { openImage = open })
	openImage = func(path string) (io.ReadCloser, error) {
		if err := fail(path); err != nil {
			err = &fs.PathError{Op: "open", Path: path, Err: err}
			if whileReading {
				return io.NopCloser(failing{err}), nil
			}
			return nil, err
		}
		return open(path)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestErrorsOfTheMoment: what fails for a reason that is not the image's own leaves no trace
// in what the next run comes to. What would fail for all images ends the run.
func TestErrorsOfTheMoment(t *testing.T) {
	_, images := smallImages(t, 12)
	all := commands(t, images)[:2] // scenes are not read
	want := make([]map[string]string, len(all))
	for i, c := range all {
		dir := t.TempDir()
		if err := c.run(dir, false, silent); err != nil {
			t.Fatal(err)
		}
		want[i] = files(t, dir)
	}
	for n, tc := range []struct {
		err  error
		ends bool
	}{
		{syscall.EMFILE, true}, {syscall.ENFILE, true}, {syscall.ENOMEM, true}, {syscall.EIO, true}, {syscall.ESTALE, true},
		{syscall.ETIMEDOUT, true}, {syscall.ENOSPC, true}, {syscall.ENOTCONN, true}, {os.ErrDeadlineExceeded, true},
		{syscall.EACCES, false}, {syscall.EPERM, false}, {syscall.ENOENT, false}, {syscall.ELOOP, false}, {outside.ErrNotRegular, false},
	} {
		if got := ofTheMoment(fmt.Errorf("x: %w", &fs.PathError{Op: "open", Path: "x", Err: tc.err})); got != tc.ends {
			t.Errorf("%v: of the moment %t", tc.err, got)
		}
		for i, c := range all {
			if c.name == "evaluate" && n%3 > 0 { // some of each
				continue
			}
			for _, from := range []int{1, 5, 8} { // good ones, and the broken one
				for _, whileReading := range []bool{false, true}[from%2:] {
					what := fmt.Sprintf("%s: %v from image %d on", c.name, tc.err, from)
					dir := t.TempDir()
					t.Run("", func(t *testing.T) {
						faults(t, func(path string) error {
							if path >= images[from] {
								return tc.err
							}
							return nil
						}, whileReading)
						err := c.run(dir, false, silent)
						if tc.ends && (!errors.Is(err, tc.err) || !strings.Contains(err.Error(), images[from]) || !strings.Contains(err.Error(), "goes on")) {
							t.Errorf("%s: %v", what, err)
						}
						text := files(t, dir)[c.journal]
						if failed := strings.Count(text, tc.err.Error()); tc.ends && failed > 0 || !tc.ends && failed < len(images)-from {
							t.Errorf("%s: %d lines of errors", what, failed)
						}
						if tc.ends {
							return
						}
						if err := c.run(dir, false, silent); err != nil && c.name == "documents" { // it fails as it did
							t.Errorf("%s: %v", what, err)
						}
						if again := files(t, dir)[c.journal]; again != text {
							t.Errorf("%s: failing again changes the journal", what)
						}
					})
					if err := c.run(dir, false, silent); err != nil {
						t.Errorf("%s, then not: %v", what, err)
					}
					sameFiles(t, what+", then not", files(t, dir), want[i])
				}
			}
		}
	}

	// What is done does not get lost while its image is away.
	for i, c := range all {
		t.Run("away", func(t *testing.T) {
			faults(t, func(string) error { return syscall.ENOENT }, false)
			dir := folder(t, want[i])
			if err := c.run(dir, false, silent); err != nil {
				t.Error(err)
			}
			sameFiles(t, c.name+": images away", files(t, dir), want[i])
		})
	}
}

// TestReplaced: documents do an image again whose file is another one now; an evaluation does
// so where it has no rows, and refuses where it has.
func TestReplaced(t *testing.T) {
	_, images := smallImages(t, 14)
	all := commands(t, images)[:2]
	var before []map[string]string
	for _, c := range all {
		dir := t.TempDir()
		if err := c.run(dir, false, silent); err != nil {
			t.Fatal(err)
		}
		before = append(before, files(t, dir))
	}
	content := map[string][]byte{"broken": []byte("broken in another way")}
	for _, image := range images {
		text, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		content[image] = text
	}
	hasRows := func(image string) bool { return strings.Contains(before[1][ResultsFile], image) }
	rows, none := slices.IndexFunc(images, hasRows), slices.IndexFunc(images, func(image string) bool { return !hasRows(image) })
	refused := 0
	for _, tc := range []struct{ old, new string }{
		{images[rows], images[rows+2]}, {images[rows], "broken"}, // rows rest on it
		{images[none], images[rows]}, {images[none], "broken"}, // it did not qualify
		{images[5], images[rows]}, {images[5], images[none]}, {images[5], "broken"}, // it was broken
	} {
		if err := os.WriteFile(tc.old, content[tc.new], 0o644); err != nil {
			t.Fatal(err)
		}
		for i, c := range all {
			what := fmt.Sprintf("%s: %s replaced by %s", c.name, filepath.Base(tc.old), filepath.Base(tc.new))
			fresh, dir := t.TempDir(), folder(t, before[i])
			if err := c.run(fresh, false, silent); err != nil {
				t.Fatal(err)
			}
			err := c.run(dir, false, silent)
			if c.name == "evaluate" && hasRows(tc.old) {
				refused++
				if err == nil || !strings.Contains(err.Error(), "have changed since, 1 of 14: ") || !strings.Contains(err.Error(), tc.old) || !strings.Contains(err.Error(), "--restart") {
					t.Errorf("%s: %v", what, err)
				}
				sameFiles(t, what+", refused", files(t, dir), before[i])
				err = c.run(dir, true, silent)
			}
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			sameFiles(t, what, files(t, dir), files(t, fresh))
		}
		if err := os.WriteFile(tc.old, content[tc.old], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if refused != 2 {
		t.Errorf("%d refused, want 2", refused)
	}
	// A list may name an image twice.
	twice := append(slices.Clone(images), images[0])
	out := filepath.Join(t.TempDir(), "docs.txt")
	write(t, twice, out, DocumentsOptions{})
	if err := os.WriteFile(images[0], content[images[rows]], 0o644); err != nil {
		t.Fatal(err)
	}
	if r := write(t, twice, out, DocumentsOptions{}); r.Resumed != 13 {
		t.Errorf("%+v, want 13 that stay", r)
	}
	fresh := filepath.Join(t.TempDir(), "docs.txt")
	write(t, twice, fresh, DocumentsOptions{})
	if !slices.Equal(results(t, out), results(t, fresh)) {
		t.Error("an image that the list has twice: other results")
	}
}

// TestUnchecked counts what cannot be compared.
func TestUnchecked(t *testing.T) {
	_, images := smallImages(t, 8)
	out := filepath.Join(t.TempDir(), "docs.txt")
	write(t, images, out, DocumentsOptions{})
	if err := os.Remove(images[2]); err != nil {
		t.Fatal(err)
	}
	if r := write(t, images, out, DocumentsOptions{}); r.Unchecked != 1 || r.Resumed != 8 || r.Unreadable != 1 {
		t.Errorf("%+v", r)
	}
}

// TestLimits: what a limit refuses is tried again with another one.
func TestLimits(t *testing.T) {
	_, images := smallImages(t, 8)
	for name, strict := range map[string]vision.Options{"pixels": {MaxPixels: 98}, "memory": {MaxMemory: 98}, "bytes": {MaxBytes: 5}} {
		fresh, out := filepath.Join(t.TempDir(), "docs.txt"), filepath.Join(t.TempDir(), "docs.txt")
		write(t, images, fresh, DocumentsOptions{})
		if r := write(t, images, out, DocumentsOptions{Decode: strict}); r.Unreadable != 8 {
			t.Errorf("%s: %+v", name, r)
		}
		if r := write(t, images, out, DocumentsOptions{}); r.Unreadable != 1 || r.Resumed > 1 { // the broken one, which no limit meets
			t.Errorf("%s: %+v", name, r)
		}
		if r := write(t, images, out, DocumentsOptions{Decode: strict}); r.Unreadable != 1 || r.Resumed != 8 {
			t.Errorf("%s: %+v", name, r)
		}
		if !slices.Equal(results(t, out), results(t, fresh)) {
			t.Errorf("%s: other results", name)
		}
	}
}

// TestSettings: the difference is found to the last digit, and a setting of another release.
func TestSettings(t *testing.T) {
	s := truthSettings{Format: truthFormat, Seed: 1<<63 + 1}
	s.TreeSHA256 = "a"
	dir := t.TempDir()
	open := func(s truthSettings) error {
		j, err := openTruth(dir, "x", s, Shard{}, false)
		if err == nil {
			err = errors.Join(j.append(&TruthScene{Scene: uint64(len(j.scenes))}), j.close())
		}
		return err
	}
	if err := cmp.Or(open(s), open(s)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change func(s *truthSettings)
		want   string
	}{
		{func(s *truthSettings) { s.Seed = 1 << 63 }, "truth-x.settings.json: seed was 9223372036854775809 and is 9223372036854775808 now"},
		{func(s *truthSettings) { s.TreeSHA256 = "b" }, `tree_sha256 was "a" and is "b" now`},
		{func(s *truthSettings) { s.TreeSHA256 = "" }, `tree_sha256 was "a" and is null now`},
		{func(s *truthSettings) { s.ExplainerSettings = map[string]any{"n": 1} }, `explainer_settings was null and is {"n":1} now`},
	} {
		now := s
		tc.change(&now)
		if err := open(now); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "--restart") {
			t.Errorf("%v, want ...%s...", err, tc.want)
		}
	}
	path := filepath.Join(dir, "truth-x.settings.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ text, want string }{
		{strings.Replace(string(text), `"level"`, `"floor"`, 1), `unknown field "floor"`},
		{"", "EOF"},
		{"null", `format was "" and is`},
		{strings.Repeat(" ", maxSettingsBytes+1), "bytes or more"},
	} {
		if err := os.WriteFile(path, []byte(tc.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := open(s); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want ...%s...", err, tc.want)
		}
	}
}

// TestLeftovers: temporary files of runs that were killed go, also those of earlier releases;
// what is not theirs stays.
func TestLeftovers(t *testing.T) {
	_, images := smallImages(t, 4)
	for _, c := range commands(t, images) {
		settings := strings.TrimSuffix(c.journal, "jsonl") + "settings.json"
		if c.name == "evaluate" {
			settings = settingsFile
		}
		theirs := map[string]string{"." + settings + ".123": "", "." + c.journal + ".4": "", ".cwox-dead.tmp": ""}
		others := map[string]string{"." + settings: "", "." + settings + ".bak": "", ".other.123": "", settings + ".123": "", ".123": ""}
		for name := range others {
			theirs[name] = ""
		}
		dir := folder(t, theirs)
		if err := c.run(dir, false, silent); err != nil {
			t.Fatal(err)
		}
		got := files(t, dir)
		for name := range theirs {
			_, there := got[name]
			if _, stays := others[name]; there != stays {
				t.Errorf("%s: %s: there %t, want %t", c.name, name, there, stays)
			}
		}
	}
}

// TestForeignFolder: images and scenes do not share a folder.
func TestForeignFolder(t *testing.T) {
	_, images := smallImages(t, 4)
	all := commands(t, images)
	for _, tc := range []struct {
		file string
		run  command
		want string
	}{{"truth-gradcam.jsonl", all[1], "evaluation of drawn scenes"}, {ResultsFile, all[2], "evaluation of images"}} {
		if err := tc.run.run(folder(t, map[string]string{tc.file: ""}), true, silent); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want ...%s...", err, tc.want)
		}
	}
}

// TestArrange: order of keys, of equal ones as they came, and what is replaced is dropped.
func TestArrange(t *testing.T) {
	type line struct {
		K int
		V string
	}
	for _, tc := range []struct {
		in, all, last string
	}{
		{"", "", ""},
		{"1a", "1a", "1a"},
		{"1a 1b 2c", "1a 1b 2c", "1b 2c"},
		{"3a 1b 2c 1d", "1b 1d 2c 3a", "1d 2c 3a"},
		{"1a 2b 2c 1d 2e 2f", "1a 1d 2b 2c 2e 2f", "1d 2f"},
	} {
		for want, replaces := range map[string]func(old, next int) bool{
			tc.all + "!":  func(int, int) bool { return false },
			tc.last + "?": func(old, next int) bool { return old == next },
		} {
			dir, err := place.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			l, err := openLines(dir, "x.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range strings.Fields(tc.in) {
				text, err := encode(line{int(w[0] - '0'), w[1:]})
				if err == nil {
					err = l.append(text)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := arrange(l, func(l *line) int { return l.K }, cmp.Compare, replaces); err != nil {
				t.Fatal(err)
			}
			text, err := encode(line{9, "z"})
			if err == nil {
				err = l.append(text) // it goes on
			}
			var got []string
			if err == nil {
				err = eachOf(dir.Path("x.jsonl"), func(l *line, _ span) error {
					got = append(got, fmt.Sprint(l.K)+l.V)
					return nil
				})
			}
			if want := strings.Fields(want[:len(want)-1] + " 9z"); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v, want %v", tc.in, got, err, want)
			}
			if err := errors.Join(l.close(), dir.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}
