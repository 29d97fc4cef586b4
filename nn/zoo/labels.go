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

// FileLabels names the classes as the metadata of a weight file do, under "classes", one a
// line; where they do not name that many, it is Labels.
func FileLabels(f *weights.File, classes int) []string {
	if names := strings.Split(f.Metadata()["classes"], "\n"); len(names) == classes {
		return names
	}
	return Labels(classes)
}
