package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"cwox/cwox"
	"cwox/internal/outside"
	"cwox/internal/place"
)

// truthFormat changes when lines mean something else.
const truthFormat = "cwox-truth/2"

// truthSettings are everything that the lines of a truth-*.jsonl file depend on.
type truthSettings struct {
	Format string `json:"format"`
	Model  string `json:"model"`
	EvaluatedModel
	First             uint64         `json:"first_scene"`
	Step              int            `json:"step"`
	Methods           []cwox.Method  `json:"methods"`
	Explainer         string         `json:"explainer"`
	ExplainerSettings map[string]any `json:"explainer_settings"`
	Variant           cwox.Variant   `json:"variant"`
	ReLU              cwox.ReLU      `json:"relu"`
	Level             int            `json:"level"`
	TopK              int            `json:"top"`
	Cumulative        float64        `json:"cumulative"`
	Delta             float64        `json:"delta"`
	Epsilon           float64        `json:"epsilon"`
	Seed              uint64         `json:"seed"`
}

// truthJournal is the journal of an explainer: a line for every scene, or for those of a
// shard, in order.
type truthJournal struct {
	*journal
	settings truthSettings
	shard    Shard
	scenes   []TruthScene
}

// openTruth opens the journal of an explainer in a folder as far as it has whole lines.
func openTruth(dir, explainer string, s truthSettings, shard Shard, restart bool) (*truthJournal, error) {
	d, err := place.Make(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j := &truthJournal{settings: s, shard: shard}
	j.journal, err = openJournal(d, truthSettingsFile(explainer), &s, nil, restart, func(files []*lines) error {
		end, err := each(files[0], func(scene *TruthScene, _ span) error {
			if len(j.scenes) == maxTruthScenes {
				return fmt.Errorf("more than %d scenes", maxTruthScenes)
			}
			if want := s.First + uint64(shard.unit(len(j.scenes))); scene.Scene != want {
				return fmt.Errorf("scene %d, want %d", scene.Scene, want)
			}
			j.scenes = append(j.scenes, *scene)
			return nil
		})
		if err != nil {
			return err
		}
		return files[0].cut(end)
	}, truthFile(explainer))
	return j, err
}

func truthFile(explainer string) string         { return "truth-" + explainer + ".jsonl" }
func truthSettingsFile(explainer string) string { return "truth-" + explainer + ".settings.json" }

// truthBefore is an explainer of earlier runs.
type truthBefore struct {
	shardScenes
	settings *truthSettings
	scenes   []TruthScene // not of a shard, which summarises nothing
}

// before are the explainers that earlier runs in a folder have come to the end of, or a shard's
// have begun with, but for those of now. All must have been evaluated in the same way.
func (o *TruthOptions) before(dir string, now *truthSettings) (all []truthBefore, err error) {
	if o.Restart {
		return nil, nil
	}
	var scenes []shardScenes
	if o.Shard.whole() {
		var s TruthSummary
		text, err := outside.Read(filepath.Join(dir, SummaryFile), maxSettingsBytes)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("dataset: %s: %w", filepath.Join(dir, SummaryFile), err)
		}
		for _, x := range s.Explainers {
			scenes = append(scenes, shardScenes{x.Explainer, x.Scenes})
		}
	} else if s, err := readShard(filepath.Join(dir, ShardFile)); err == nil {
		scenes = s.Scenes
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, refuse(err)
	}
	for _, x := range scenes {
		if slices.ContainsFunc(o.Explainers, func(own TruthExplainer) bool { return own.Name == x.Explainer }) {
			continue
		}
		if err := x.check(dir); err != nil {
			return nil, err
		}
		path := filepath.Join(dir, truthSettingsFile(x.Explainer))
		s, err := readSettings[truthSettings](path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody has removed it
		}
		if err != nil {
			return nil, err
		}
		if d, err := differ(s.common(), now.common()); d != nil || err != nil {
			return nil, refuse(errors.Join(err, d.changed(path)))
		}
		b := truthBefore{x, s, nil}
		if o.Shard.whole() {
			if b.scenes, err = readScenes(filepath.Join(dir, truthFile(x.Explainer)), s.First, x.Scenes); err != nil {
				return nil, refuse(err)
			}
		}
		all = append(all, b)
	}
	return all, nil
}

// common are the settings that all explainers of a folder share.
func (s truthSettings) common() truthSettings {
	s.Explainer, s.ExplainerSettings = "", nil
	return s
}

func (x *shardScenes) check(dir string) error {
	if x.Explainer != place.Name(x.Explainer) || x.Scenes < 1 || x.Scenes > maxTruthScenes {
		return fmt.Errorf("dataset: %s: %d scenes with %.100q", dir, x.Scenes, x.Explainer)
	}
	return nil
}

// readScenes reads the first n lines of an explainer's scenes.
func readScenes(path string, first uint64, n int) (scenes []TruthScene, err error) {
	err = eachOf(path, func(s *TruthScene, _ span) error {
		if k := len(scenes); k < n {
			if want := first + uint64(k); s.Scene != want {
				return fmt.Errorf("scene %d, want %d", s.Scene, want)
			}
			scenes = append(scenes, *s)
		}
		return nil
	})
	if err == nil && len(scenes) < n {
		err = fmt.Errorf("%s: %d scenes, want %d", path, len(scenes), n)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return scenes, nil
}

func (j *truthJournal) append(s *TruthScene) error {
	text, err := encode(*s)
	if err == nil {
		err = j.files[0].append(text)
	}
	if err == nil {
		j.scenes = append(j.scenes, *s)
	}
	return err
}
