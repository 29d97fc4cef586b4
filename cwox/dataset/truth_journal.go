package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"cwox/cwox"
	"cwox/nn/vision"
)

// truthFormat changes when lines mean something else.
const truthFormat = "cwox-truth/1"

// truthSettings are everything that the lines of a truth-*.jsonl file depend on: its first
// line.
type truthSettings struct {
	Format        string            `json:"format"`
	Model         string            `json:"model"`
	WeightsSHA256 string            `json:"weights_sha256"`
	Precision     string            `json:"precision"`
	Kernel        string            `json:"kernel"`
	Transform     *vision.Transform `json:"transform"`
	First         uint64            `json:"first_scene"`
	Step          int               `json:"step"`
	Methods       []cwox.Method     `json:"methods"`
	Explainer     string            `json:"explainer"`
	Settings      map[string]any    `json:"settings"`
	Variant       cwox.Variant      `json:"variant"`
	ReLU          cwox.ReLU         `json:"relu"`
	Level         int               `json:"level"`
	TopK          int               `json:"top"`
	Cumulative    float64           `json:"cumulative"`
	Delta         float64           `json:"delta"`
	Epsilon       float64           `json:"epsilon"`
	Seed          uint64            `json:"seed"`
}

// truthJournal is a file that grows by a line for every scene, in order.
type truthJournal struct {
	file   *os.File
	scenes []TruthScene
}

// openTruth opens the file as far as it has whole lines, or begins it.
func openTruth(path string, s truthSettings, restart bool) (_ *truthJournal, err error) {
	mode := os.O_RDWR | os.O_CREATE | os.O_APPEND
	if restart {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	j := &truthJournal{file: f}
	defer func() {
		if err != nil {
			f.Close()
			err = fmt.Errorf("dataset: %s: %w", path, err)
		}
	}()
	header, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	size, err := j.read(header, s.First)
	if errors.Is(err, errNotWhole) {
		if err := f.Truncate(0); err != nil {
			return nil, err
		}
		_, err = f.Write(append(header, '\n'))
		return j, err
	}
	if err != nil {
		return nil, fmt.Errorf("cannot go on with what is there: %w; restart, or write to another folder", err)
	}
	return j, f.Truncate(size)
}

// read takes over the scenes of an earlier run, and says where their lines end.
func (j *truthJournal) read(header []byte, first uint64) (size int64, err error) {
	lines := bufio.NewScanner(j.file)
	lines.Buffer(make([]byte, 1<<16), maxLineBytes)
	lines.Split(wholeLines)
	for n := 0; lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 0 {
			if was := line[:len(line)-1]; !slices.Equal(was, header) {
				at := 0
				for at < min(len(was), len(header)) && was[at] == header[at] {
					at++
				}
				from := max(0, at-20)
				return 0, fmt.Errorf("its settings were ...%.60s..., they are ...%.60s... now", was[from:], header[from:])
			}
		} else {
			if len(j.scenes) == maxTruthScenes {
				return 0, fmt.Errorf("more than %d scenes", maxTruthScenes)
			}
			var s TruthScene
			if err := json.Unmarshal(line, &s); err != nil {
				return 0, fmt.Errorf("line %d: %w", n+1, err)
			}
			if want := first + uint64(n-1); s.Scene != want {
				return 0, fmt.Errorf("line %d is about scene %d, want %d", n+1, s.Scene, want)
			}
			j.scenes = append(j.scenes, s)
		}
		size += int64(len(line))
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, errNotWhole
	}
	_, err = j.file.Seek(0, io.SeekEnd)
	return size, err
}

func (j *truthJournal) append(s *TruthScene) error {
	text, err := json.Marshal(s)
	if err == nil {
		_, err = j.file.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("dataset: scene %d: %w", s.Scene, err)
	}
	j.scenes = append(j.scenes, *s)
	return nil
}

func (j *truthJournal) close() { j.file.Close() }

var errNotWhole = errors.New("no whole line of settings")
