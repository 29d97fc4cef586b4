package dataset

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"cwox/internal/outside"
)

// maxExampleLines bounds the journal that examples are taken from: far more than there are images
// of any data set with labels.
const maxExampleLines = 1 << 26

// ClearExamples reads the journal of [WriteDocuments] (FILE.jsonl, or FILE itself) and returns
// for each class the image that shows it most clearly: of those whose most probable class it is
// the one with the highest probability, of equals the first.
func ClearExamples(path string) (map[int]string, error) {
	if !strings.HasSuffix(path, ".jsonl") {
		path += ".jsonl"
	}
	f, err := outside.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	best := map[int]Label{}
	images := map[int]string{}
	lines := json.NewDecoder(bufio.NewReader(f))
	for n := 1; n <= maxExampleLines; n++ {
		var line ImageLabels
		if err := lines.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("dataset: %s: line %d: %w", path, n, err)
		}
		if line.Error != "" || len(line.Top) == 0 {
			continue
		}
		top := line.Top[0]
		if was, ok := best[top.Class]; !ok || top.Probability > was.Probability {
			best[top.Class], images[top.Class] = top, line.Image
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("dataset: %s: names no image with a label", path)
	}
	return images, nil
}
