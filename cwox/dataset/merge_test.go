package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/internal/place"
	"cwox/nn/vision"
)

// A shardCommand is one of the five kinds of work that have shards.
type shardCommand struct {
	name  string
	lines []string                                    // its journals
	rest  func(ctx context.Context, out string) error // what follows a merge; may be nil
	run   func(ctx context.Context, out string, s Shard, threads int, progress func(string, int, int)) error
}

// shardCommands are the five, over images, the first of which cannot be decoded.
func shardCommands(t *testing.T, images []string) []shardCommand {
	t.Helper()
	demo := demoClassifier(t)
	folders := make([]string, len(images))
	for i, image := range images {
		folders[i] = strings.TrimSuffix(filepath.Base(image), ".png")
	}
	gradcam := func(c *cwox.Classifier) saliency.Explainer {
		x, err := cwox.NewExplainer("gradcam", c, cwox.Paper)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	confusions := ConfusionsOptions{Title: "t", Examples: 4, Explain: cwox.Options{Tree: mod5(t), Explainer: &pattern{"gradcam", 0.7}}}
	truth := make([]int, len(images))
	for i := range truth {
		truth[i] = i%7 - 1
	}
	all := func(ctx context.Context, out string, o ConfusionsOptions) error {
		_, err := WriteConfusions(ctx, small(), images, truth, out, o)
		return err
	}
	return []shardCommand{
		{"documents", []string{"out.jsonl"}, nil, func(ctx context.Context, out string, s Shard, threads int, progress func(string, int, int)) error {
			_, err := WriteDocuments(ctx, small(), images, out, DocumentsOptions{Batch: threads, Threads: threads, Shard: s, Progress: progress})
			return err
		}},
		{"evaluate", []string{ImagesFile, ResultsFile}, nil, func(ctx context.Context, out string, s Shard, threads int, progress func(string, int, int)) error {
			o := EvaluateOptions{Explain: cwox.Options{Tree: mod5(t), Threads: threads}, Shard: s, Progress: progress,
				Explainers:   []saliency.Explainer{&pattern{"gradcam", 0.7}, &pattern{"rise", 1.3}},
				Faithfulness: faithfulness.Options{Definition: faithfulness.Reference, Step: 2, AUCSteps: 8}}
			_, err := Evaluate(ctx, small(), images, out, o)
			return err
		}},
		{"truth", []string{"truth-gradcam.jsonl"}, nil, func(ctx context.Context, out string, s Shard, threads int, progress func(string, int, int)) error {
			_, err := EvaluateTruth(ctx, demo, out, TruthOptions{Step: -1, Threads: threads, Shard: s, First: 3, Progress: progress, Methods: []cwox.Method{cwox.SWOX, cwox.CWOX2s},
				Explainers: []TruthExplainer{{"gradcam", 5, func() (saliency.Explainer, error) { return gradcam(demo), nil }}}})
			return err
		}},
		{"confusions", []string{ConfusionsDocuments + ".jsonl"}, func(ctx context.Context, out string) error { return all(ctx, out, confusions) },
			func(ctx context.Context, out string, s Shard, threads int, progress func(string, int, int)) error {
				o := confusions
				o.Documents, o.Progress = DocumentsOptions{Batch: threads, Threads: threads, Shard: s, Progress: progress}, progress
				if s.whole() {
					return all(ctx, out, o)
				}
				_, err := LabelConfusions(ctx, small(), images, out, o.Documents, []string{"--", "images"})
				return err
			}},
		{"explain", []string{ReportsFile}, nil, func(ctx context.Context, out string, s Shard, threads int, progress func(string, int, int)) error {
			return explainPart(ctx, demo, gradcam(demo), images, folders, out, s, threads, progress)
		}},
	}
}

// explainPart makes reports without times.
func explainPart(ctx context.Context, c *cwox.Classifier, x saliency.Explainer, images, folders []string, out string, s Shard, threads int, progress func(string, int, int)) error {
	p := cwox.New(c)
	defer p.Close()
	o := cwox.Options{Explainer: x, Tree: cwox.DefaultTree(c), Threads: threads, Method: cwox.CWOX2s}
	also := o
	also.Method = cwox.SWOX
	_, err := WriteReports(ctx, c, images, folders, out, ReportsOptions{Explain: o, Also: []cwox.Options{also}, Shard: s, Progress: progress, Run: func(image string, first bool) ([]*cwox.Explanation, error) {
		pic, err := vision.DecodeFile(image, vision.Options{})
		if err != nil {
			return nil, err
		}
		all, err := p.ExplainAll(ctx, pic, o, []cwox.Method{o.Method, also.Method})
		for _, e := range all {
			e.File, e.Seconds = image, nil
			if first {
				e.Warnings = append(e.Warnings, cwox.Warning{Code: "first", Message: "of all"})
			}
		}
		return all, err
	}})
	return err
}

// shardImages are few pictures, the first of which is broken.
func shardImages(t *testing.T, n int) []string {
	t.Helper()
	_, images := smallImages(t, n)
	if err := os.WriteFile(images[0], []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	return images
}

// tree reads all files below a folder but for what is in folders of shards.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasSuffix(name, shardsSuffix) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameTrees(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s: other bytes", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s: too much", what, name)
		}
	}
}

// TestMerge: shards of any number, done in any order with any number of threads, killed and gone
// on with, make the bytes of one run; merged again they stay.
func TestMerge(t *testing.T) {
	images := shardImages(t, 13)
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range shardCommands(t, images) {
		dir := t.TempDir()
		if err := c.run(t.Context(), filepath.Join(dir, "out"), Shard{}, 2, nil); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		want := tree(t, dir)
		dir = t.TempDir() // one run, stopped as the shards are below
		for stop := 1; ; stop += 2 {
			ctx, cancel := context.WithCancel(t.Context())
			steps := 0
			err := c.run(ctx, filepath.Join(dir, "out"), Shard{}, 1, func(string, int, int) {
				if steps++; steps == stop {
					cancel()
				}
			})
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		sameTrees(t, c.name+", stopped", tree(t, dir), want)
		for _, n := range []int{1, 2, 3, 7, 20} { // the last has shards without an image
			dir := t.TempDir()
			out := filepath.Join(dir, "out")
			for _, i := range random.Perm(n) {
				s := Shard{i, n}
				what := fmt.Sprintf("%s, shard %v", c.name, s)
				for stop := 1 + random.IntN(4); random.IntN(3) > 0; stop = 1 + random.IntN(8) {
					ctx, cancel := context.WithCancel(t.Context())
					steps := 0
					err := c.run(ctx, out, s, 1, func(string, int, int) {
						if steps++; steps == stop {
							cancel()
						}
					})
					cancel()
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Fatalf("%s: %v", what, err)
					}
					if err != nil {
						if left := (*LeftError)(nil); !errors.As(Left(out), &left) || !slices.Contains(left.Left(), i) {
							t.Errorf("%s: not left after an interruption: %v", what, left)
						}
						for _, name := range c.lines { // a machine that stopped
							f, err := os.OpenFile(filepath.Join(s.dir(out), name), os.O_APPEND|os.O_WRONLY, 0)
							if err == nil {
								fmt.Fprint(f, []string{"", `{"id":`, "\x00\x00"}[random.IntN(3)])
								f.Close()
							}
						}
					}
				}
				if err := c.run(t.Context(), out, s, 1+i%3, nil); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			for range 2 {
				r, err := Merge(t.Context(), out)
				if err != nil {
					t.Fatalf("%s, %d shards: %v", c.name, n, err)
				}
				if r.Shards != n || (c.rest != nil) != (len(r.Rest) == 2) {
					t.Errorf("%s: %+v", c.name, r)
				}
				if c.rest != nil {
					if err := c.rest(t.Context(), out); err != nil {
						t.Fatalf("%s, %d shards: %v", c.name, n, err)
					}
				}
				sameTrees(t, fmt.Sprintf("%s, %d shards", c.name, n), tree(t, dir), want)
			}
			if err := c.run(t.Context(), out, Shard{0, n}, 1, nil); err == nil || !strings.Contains(err.Error(), "holds the whole already") {
				t.Errorf("%s: a shard of what is there: %v", c.name, err)
			}
		}
	}
}

// TestMergeLinked: a shard may lie elsewhere, as on scratch, with a link in its place.
func TestMergeLinked(t *testing.T) {
	images := shardImages(t, 6)
	c := shardCommands(t, images)[0]
	dir := t.TempDir()
	out, scratch := filepath.Join(dir, "out"), filepath.Join(t.TempDir(), "scratch")
	for i := range 2 {
		if err := c.run(t.Context(), out, Shard{i, 2}, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	place := Shard{1, 2}.dir(out)
	if err := os.Rename(place, scratch); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(scratch, place); err != nil {
		t.Skip(err)
	}
	if err := c.run(t.Context(), out, Shard{1, 2}, 1, nil); err != nil {
		t.Error(err)
	}
	if _, err := Merge(t.Context(), out); err != nil {
		t.Error(err)
	}
}

// TestMergeNothing: of images none of which qualifies there are no tables, as of one run.
func TestMergeNothing(t *testing.T) {
	_, images := smallImages(t, 7)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	for i := range 2 {
		o := evaluateOptions(t)
		o.Shard = Shard{i, 2}
		if _, err := Evaluate(t.Context(), small(), images[5:6], out, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Merge(t.Context(), out); !errors.Is(err, errNothing) || !strings.Contains(err.Error(), out+": no image was evaluated: small: 0 images with a single class, 0 without a cluster of two, 1 failed") {
		t.Error(err)
	}
	if left := tree(t, dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestMergeRefuses: what does not belong together makes nothing.
func TestMergeRefuses(t *testing.T) {
	images := shardImages(t, 9)
	for _, c := range shardCommands(t, images) {
		made := t.TempDir()
		for i := range 3 {
			if err := c.run(t.Context(), filepath.Join(made, "out"), Shard{i, 3}, 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		settings := map[string]string{"documents": "out.settings.json", "evaluate": settingsFile, "truth": "truth-gradcam.settings.json", "confusions": ConfusionsDocuments + ".settings.json", "explain": ReportsSettings}[c.name]
		replace := func(name, old, new string) func(dir string) error {
			return func(dir string) error {
				path := filepath.Join(dir, "out.shards", name)
				text, err := os.ReadFile(path)
				if err == nil && !strings.Contains(string(text), old) {
					err = fmt.Errorf("%s: no %s", path, old)
				}
				return errors.Join(err, os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644))
			}
		}
		lines := func(name string, change func(lines []string) []string) func(dir string) error {
			return func(dir string) error {
				path := filepath.Join(dir, "out.shards", name)
				text, err := os.ReadFile(path)
				return errors.Join(err, os.WriteFile(path, []byte(strings.Join(change(strings.SplitAfter(string(text), "\n")), "")), 0o644))
			}
		}
		remove := func(names ...string) func(dir string) error {
			return func(dir string) (err error) {
				for _, name := range names {
					err = errors.Join(err, os.RemoveAll(filepath.Join(dir, "out.shards", name)))
				}
				return err
			}
		}
		last := c.lines[len(c.lines)-1]
		rename := func(old, new string) func(dir string) error {
			return func(dir string) error {
				return os.Rename(filepath.Join(dir, "out.shards", old), filepath.Join(dir, "out.shards", new))
			}
		}
		cases := []struct {
			what   string
			change func(dir string) error
			says   string
		}{
			{"no shards", remove(""), "out.shards"},
			{"empty", remove("0-of-3", "1-of-3", "2-of-3"), "no shards"},
			{"a missing one", remove("1-of-3"), "of 3 shards 1 are missing and 0 not finished: run these: --array=1, each with --shard $SLURM_ARRAY_TASK_ID/3"},
			{"missing ones", remove("0-of-3", "2-of-3"), "--array=0,2"},
			{"one that has not begun", remove("2-of-3/" + ShardFile), "0 are missing and 1 not finished: run these: --array=2"},
			{"an unfinished one", replace("1-of-3/"+ShardFile, `"unfinished": []`, `"unfinished": ["x"]`), "--array=1"},
			{"another number", rename("1-of-3", "1-of-4"), "holds shards of 3 and of 4"},
			{"a renamed one", func(dir string) error {
				return errors.Join(remove("1-of-3")(dir), rename("0-of-3", "1-of-3")(dir))
			}, "was the folder renamed?"},
			{"a later release", replace("1-of-3/"+ShardFile, shardFormat, "cwox-shard/9"), `format "cwox-shard/9"`},
			{"no JSON", replace("1-of-3/"+ShardFile, "{", ""), ShardFile},
			{"another command", replace("1-of-3/"+ShardFile, `"command": "`, `"command": "x`), "command is "},
			{"another list", replace("2-of-3/"+ShardFile, `"images_sha256": "`, `"images_sha256": "0`), "shards 0 and 2 do not belong together: images_sha256 is "},
			{"other weights", replace("1-of-3/"+settings, `"weights_sha256": "`, `"weights_sha256": "0`), "shards 0 and 1 do not belong together: "},
			{"another kernel tier", replace("2-of-3/"+settings, `"kernel": "`, `"kernel": "other-`), `in the one and "other-`},
			{"a setting of a later release", replace("1-of-3/"+settings, "{", `{"more": 1,`), `unknown field "more"`},
			{"no settings", remove("1-of-3/" + settings), settings},
			{"no lines", remove("1-of-3/" + last), last},
			{"a line lost", lines("1-of-3/"+last, func(l []string) []string { return l[1:] }), ""},
			{"the last line lost", lines("1-of-3/"+c.lines[0], func(l []string) []string { return l[:len(l)-2] }), ""},
			{"lines twice", lines("1-of-3/"+c.lines[0], func(l []string) []string { return append(l, l...) }), ""},
			{"a torn line", lines("1-of-3/"+last, func(l []string) []string { return append(l, `{"id":`) }), "without a newline"},
			{"a line without an end", lines("1-of-3/"+last, func(l []string) []string { l[len(l)-2] = strings.TrimSpace(l[len(l)-2]); return l }), ""},
			{"lines out of order", lines("0-of-3/"+c.lines[0], func(l []string) []string { slices.Reverse(l[:2]); return l }), ""},
			{"something else there", func(dir string) error {
				return errors.Join(os.RemoveAll(filepath.Join(dir, "out")), func() error {
					if c.name == "documents" {
						return os.WriteFile(filepath.Join(dir, "out"), []byte("mine"), 0o644)
					}
					return errors.Join(os.Mkdir(filepath.Join(dir, "out"), 0o777), os.WriteFile(filepath.Join(dir, "out", "index.html"), []byte("mine"), 0o644))
				}())
			}, "holds something else"},
		}
		if c.name == "explain" {
			cases = append(cases, struct {
				what   string
				change func(dir string) error
				says   string
			}{"a report lost", remove("1-of-3/0001/" + report.JSONFile), report.JSONFile})
		}
		for _, tc := range cases {
			dir := t.TempDir()
			if err := errors.Join(os.CopyFS(dir, os.DirFS(made)), tc.change(dir)); err != nil {
				t.Fatalf("%s: %s: %v", c.name, tc.what, err)
			}
			before := tree(t, dir)
			_, err := Merge(t.Context(), filepath.Join(dir, "out"))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %s: %v, want ...%s...", c.name, tc.what, err, tc.says)
			}
			sameTrees(t, c.name+": "+tc.what, tree(t, dir), before)
		}
		// One that is at work.
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		d, err := place.Open(filepath.Join(dir, "out.shards", "2-of-3"))
		if err != nil {
			t.Fatal(err)
		}
		l, err := openLines(d, c.lines[0])
		if err != nil {
			t.Fatal(err)
		}
		if errors.Is(place.Lock(l.file), errors.ErrUnsupported) {
			t.Log("no locks here")
		} else if _, err := Merge(t.Context(), filepath.Join(dir, "out")); !errors.Is(err, place.ErrLocked) {
			t.Errorf("%s: a shard at work: %v", c.name, err)
		}
		l.close()
		d.Close()
		if _, err := Merge(t.Context(), filepath.Join(dir, "out")); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestShardRefuses: a shard that would belong to nothing.
func TestShardRefuses(t *testing.T) {
	images := shardImages(t, 9)
	for i, c := range shardCommands(t, images) {
		out := filepath.Join(t.TempDir(), "out")
		if err := c.run(t.Context(), out, Shard{1, 3}, 1, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.run(t.Context(), out, Shard{0, 2}, 1, nil); err == nil || !strings.Contains(err.Error(), "holds a shard of 3 (1-of-3), this is one of 2") {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name != "truth" {
			other := shardCommands(t, images[1:])[i]
			if err := other.run(t.Context(), out, Shard{1, 3}, 1, nil); err == nil || !strings.Contains(err.Error(), " was ") && !strings.Contains(err.Error(), "which is not of shard") && !strings.Contains(err.Error(), "want \"") {
				t.Errorf("%s: another list: %v", c.name, err)
			}
		}
		for _, s := range []Shard{{3, 3}, {-1, 3}, {0, -1}, {2, 1}, {0, maxShards + 1}} {
			if err := c.run(t.Context(), out, s, 1, nil); err == nil || !strings.Contains(err.Error(), "want ") {
				t.Errorf("%s: shard %v: %v", c.name, s, err)
			}
		}
	}
	o := evaluateOptions(t)
	o.Shard, o.MaxImages = Shard{0, 2}, 3
	if _, err := Evaluate(t.Context(), small(), images, filepath.Join(t.TempDir(), "out"), o); err == nil || !strings.Contains(err.Error(), "whole list") {
		t.Error(err)
	}
}

func TestParseShard(t *testing.T) {
	for text, want := range map[string]Shard{"0/1": {0, 1}, "2/3": {2, 3}, "65535/65536": {65535, 65536}} {
		if s, err := ParseShard(text); err != nil || s != want || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "1", "/", "3/3", "-1/3", "0/0", "+1/3", "01/3", "1/ 3", "1/3/5", "1/65537", "a/b", "0x1/3", "1.0/3", "99999999999999999999/3"} {
		if s, err := ParseShard(text); err == nil {
			t.Errorf("%q: %v", text, s)
		}
	}
}

func TestShardFrom(t *testing.T) {
	for _, tc := range []struct {
		env  string
		want string // a shard, or what the error says
	}{
		{"SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=3", "0/3"},
		{"SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=10 SLURM_ARRAY_TASK_COUNT=10", "4/10"},
		{"SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_MAX=17 SLURM_ARRAY_TASK_COUNT=2", "array with gaps"},
		{"SLURM_ARRAY_TASK_ID=17 SLURM_ARRAY_TASK_MIN=3 SLURM_ARRAY_TASK_COUNT=2", "these make no shard"},
		{"SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=2", "these make no shard"},
		{"SLURM_ARRAY_TASK_ID=x SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=2", "these make no shard"},
		{"JOB_COMPLETION_INDEX=2 JOB_COMPLETIONS=3", "2/3"},
		{"JOB_COMPLETION_INDEX=2", "JOB_COMPLETIONS is for the manifest to set"},
		{"JOB_COMPLETION_INDEX=3 JOB_COMPLETIONS=3", "these make no shard"},
		{"JOB_COMPLETION_INDEX=0 JOB_COMPLETIONS=1 SLURM_ARRAY_TASK_ID=0", "both "},
		{"", "neither "},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(tc.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		s, from, err := ShardFrom(func(name string) string { return env[name] })
		if err != nil {
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want ...%s...", tc.env, err, tc.want)
			}
		} else if s.String() != tc.want || from == "" {
			t.Errorf("%s: %v, want %s", tc.env, s, tc.want)
		}
	}
}

// TestShardParts: every unit is one shard's.
func TestShardParts(t *testing.T) {
	for n := range 12 {
		for _, of := range []int{1, 2, 3, 7, 20} {
			var all []int
			for i := range of {
				s := Shard{i, of}
				for k := range s.count(n) {
					if u := s.unit(k); !s.has(u) || u%of != i {
						t.Errorf("shard %v: unit %d", s, u)
					}
					all = append(all, s.unit(k))
				}
			}
			slices.Sort(all)
			if len(all) != n || len(slices.Compact(all)) != n {
				t.Errorf("%d units in %d shards: %v", n, of, all)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "3": {3}, "3,17": {3, 17}, "0,1": {0, 1}, "0-2": {0, 1, 2}, "3,17,20-25,30": {3, 17, 20, 21, 22, 23, 24, 25, 30}} {
		if got := Ranges(numbers); got != want {
			t.Errorf("%v: %s, want %s", numbers, got, want)
		}
	}
}
