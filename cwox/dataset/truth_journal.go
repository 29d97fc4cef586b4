package dataset

import (
	"fmt"

	"cwox/cwox"
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
	name := "truth-" + explainer
	j.journal, err = openJournal(d, name+".settings.json", &s, nil, restart, func(files []*lines) error {
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
	}, name+".jsonl")
	return j, err
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
