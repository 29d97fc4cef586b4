package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"cwox/cwox"
	"cwox/cwox/saliency"
)

// TruthOptions steer [EvaluateTruth]. The zero value compares all methods with the default
// explainer on DefaultTruthScenes scenes.
type TruthOptions struct {
	Methods    []cwox.Method // nil means all; the tables have them in this order
	Explainers []TruthExplainer

	// Explain says which classes are explained and how. Its Method, Explainer, Progress,
	// Clusters, Classes and Threads must be left alone.
	Explain cwox.Options

	// First is the number of the first scene. The demo network was trained on scenes from
	// 2^40 on, its tree on scenes from 2^36 on.
	First uint64
	// Step is the number of pixels between evaluations of the contrastive score, for CAUC
	// and CDROP; 0 means DefaultTruthStep, a negative number leaves them out.
	Step int
	// Threads is the number of scenes that are worked on at the same time (GOMAXPROCS).
	// Results do not depend on it.
	Threads int
	// Shard, if it is not the whole, is the part of the scenes to do: see [Shard].
	Shard Shard
	// Restart throws away what earlier runs have left in the folder.
	Restart bool
	// Progress, if not nil, is told how many scenes of all are done with an explainer.
	Progress func(explainer string, done, total int)
}

// TruthExplainer is a base explainer under test.
type TruthExplainer struct {
	Name   string // names its file, too
	Scenes int    // 0 means DefaultTruthScenes
	// New makes one for every goroutine.
	New func() (saliency.Explainer, error)
}

// Defaults of [TruthOptions].
const (
	DefaultTruthScenes = 1000
	DefaultTruthStep   = 128
)

// maxTruthScenes bounds what is kept in memory.
const maxTruthScenes = 1 << 20

// EvaluateTruth measures whether heatmaps point at what they should, on drawn scenes for
// which that is known: a class's map at the object that the class stands for, and at the
// part that tells it from its siblings among the explained classes; a cluster's map at the
// cluster's objects. c must classify the drawn world, as cwox.Demo does.
//
// Scenes with a single explained class are skipped: nothing is contrasted there. The maps
// that count are those of classes that are in the scene, if only as a rival: a sibling whose
// part is drawn on the same body.
//
// The folder dir gets two files for every explainer, truth-<name>.jsonl (a line of TruthScene
// each) and truth-<name>.settings.json, and at the end summary.json, tables.txt, tables.md,
// tables.csv and index.html. More scenes and other explainers can be added later; other
// settings are an error that names the difference. After an end of any kind the same call goes
// on where the last one stopped and comes to the same bytes.
//
// A shard has the two files alone, in its own folder, and its summary tells the number of its
// scenes alone.
func EvaluateTruth(ctx context.Context, c *cwox.Classifier, dir string, o TruthOptions) (_ *TruthSummary, err error) {
	if o, err = o.withDefaults(c); err != nil {
		return nil, err
	}
	if dir, err = o.Shard.claim(dir, dir); err != nil {
		return nil, err
	}
	for _, name := range []string{ImagesFile, ResultsFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return nil, fmt.Errorf("dataset: %s: holds an evaluation of images: write to another folder", dir)
		}
	}
	work := shardWork{Command: commandTruth}
	var runs []string
	var journals []*truthJournal // all are open before work begins: nothing is refused after hours
	for _, x := range o.Explainers {
		j, err := o.open(c, dir, x)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, j.close()) }()
		journals = append(journals, j)
		work.Scenes = append(work.Scenes, shardScenes{x.Name, x.Scenes})
		runs = append(runs, x.Name)
	}
	before, err := o.before(dir, &journals[0].settings)
	if err != nil {
		return nil, err
	}
	for _, x := range before {
		work.Scenes = append(work.Scenes, x.shardScenes)
	}
	state, err := o.Shard.begin(journals[0].dir, work, o.Restart, runs...)
	if err != nil {
		return nil, err
	}
	s := newTruthSummary(&journals[0].settings)
	for i, x := range o.Explainers {
		j := journals[i]
		if err := o.scenes(ctx, c, x, j); err != nil {
			return nil, err
		}
		if o.Shard.whole() {
			err = s.add(x.Name, j.settings.ExplainerSettings, j.scenes[:x.Scenes]) // an earlier run may have wanted more
		} else {
			err = j.files[0].sync()
			s.Explainers = append(s.Explainers, TruthResult{Explainer: x.Name, Scenes: o.Shard.count(x.Scenes)})
		}
		if err != nil {
			return nil, err
		}
	}
	if !o.Shard.whole() {
		return s, state.end(journals[0].dir, runs...)
	}
	for _, x := range before {
		if err := s.add(x.Explainer, x.settings.ExplainerSettings, x.scenes); err != nil {
			return nil, err
		}
	}
	return s, s.write(dir)
}

func (o TruthOptions) withDefaults(c *cwox.Classifier) (TruthOptions, error) {
	if len(o.Methods) == 0 {
		o.Methods = cwox.Methods()
	}
	if len(o.Explainers) == 0 {
		name := cwox.ExplainerNames()[0]
		o.Explainers = []TruthExplainer{{Name: name, New: func() (saliency.Explainer, error) {
			return cwox.NewExplainer(name, c, o.Explain.Variant)
		}}}
	}
	o.Explainers = slices.Clone(o.Explainers)
	if o.Step == 0 {
		o.Step = DefaultTruthStep
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if c.Net.Classes() != len(drawnClasses) {
		return o, fmt.Errorf("dataset: %s has %d classes, the drawn world has %d: its scenes are for --model demo", c.Arch.Name, c.Net.Classes(), len(drawnClasses))
	}
	if shape := c.Net.Input(); shape.H != shape.W {
		return o, fmt.Errorf("dataset: an input of %d x %d: want a square", shape.H, shape.W)
	}
	if err := checkMethods(o.Methods); err != nil {
		return o, err
	}
	for i := range o.Explainers {
		x := &o.Explainers[i]
		if x.Scenes == 0 {
			x.Scenes = DefaultTruthScenes
		}
		if x.Scenes < 1 || x.Scenes > maxTruthScenes {
			return o, fmt.Errorf("dataset: %d scenes: want 1 to %d", x.Scenes, maxTruthScenes)
		}
		if x.Name == "" || strings.Trim(x.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return o, fmt.Errorf("dataset: explainer %q: want a name of small letters, digits and hyphens, which names a file", x.Name)
		}
		for _, other := range o.Explainers[:i] {
			if other.Name == x.Name {
				return o, fmt.Errorf("dataset: explainer %s is given twice", x.Name)
			}
		}
	}
	if o.Threads < 1 || o.Threads > 1024 {
		return o, fmt.Errorf("dataset: threads %d: want 1 to 1024", o.Threads)
	}
	return o, nil
}

// open opens the journal of an explainer.
func (o *TruthOptions) open(c *cwox.Classifier, dir string, x TruthExplainer) (*truthJournal, error) {
	w, err := newTruthWorker(c, o, x)
	if err != nil {
		return nil, err
	}
	defer w.close()
	settings, err := w.settings()
	if err != nil {
		return nil, err
	}
	return openTruth(dir, x.Name, settings, o.Shard, o.Restart)
}

// scenes evaluates an explainer on its scenes, but for those that are done.
func (o *TruthOptions) scenes(ctx context.Context, c *cwox.Classifier, x TruthExplainer, j *truthJournal) error {
	todo := make(chan int) // of the shard
	all := o.Shard.count(x.Scenes)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		for i := len(j.scenes); i < all; i++ {
			select {
			case todo <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	var mu sync.Mutex
	waiting := map[int]*TruthScene{} // done, but for one before them
	report := func() { o.Progress(x.Name, len(j.scenes)+len(waiting), all) }
	report()
	for range max(1, min(o.Threads, all-len(j.scenes))) {
		g.Go(func() error {
			w, err := newTruthWorker(c, o, x)
			if err != nil {
				return err
			}
			defer w.close()
			for i := range todo {
				number := o.First + uint64(o.Shard.unit(i))
				scene, err := w.scene(ctx, number)
				if err != nil {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					return fmt.Errorf("dataset: scene %d with %s: %w", number, x.Name, err)
				}
				mu.Lock()
				waiting[i] = scene
				for next := waiting[len(j.scenes)]; next != nil && err == nil; next = waiting[len(j.scenes)] {
					delete(waiting, len(j.scenes))
					err = j.append(next)
				}
				report()
				mu.Unlock()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
