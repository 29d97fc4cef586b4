package zoo

import (
	_ "embed"
	"strings"

	"cwox/weights"
)

// The ImageNet class names as torchvision (BSD-3-Clause) spells them, one a line.
//
//go:embed imagenet_labels.txt
var imagenetLabels string

// Labels names the classes of a model with that many of them: ImageNet's for 1000,
// else nil. Names are not unique ("crane" is both 134 and 517).
func Labels(classes int) []string {
	if classes != 1000 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(imagenetLabels, "\n"), "\n")
}

// FileLabels names the classes as a weight file does, one each: its own labels
// (weights.About), or those in its metadata under "classes", one a line; a single line there
// is a remark. A file that names none is given Labels'; one whose labels are another number of
// classes, nil.
func FileLabels(f *weights.File, classes int) []string {
	own := f.About().Labels
	if text, ok := f.Metadata()["classes"]; len(own) == 0 && ok && strings.Contains(text, "\n") {
		own = strings.Split(text, "\n")
	}
	switch len(own) {
	case classes:
		return own
	case 0:
		return Labels(classes)
	}
	return nil
}
