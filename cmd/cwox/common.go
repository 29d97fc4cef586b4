package main

import (
	"errors"
	"os"
	"strings"

	"cwox/cwox/classname"
	"cwox/cwox/dataset"
	"cwox/internal/outside"
)

// readNames reads one class name a line, with its synonyms after commas.
func readNames(path string) (labels []string, synonyms [][]string, err error) {
	text, err := outside.Read(path, 16<<20)
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(string(text)) {
		label, others := classname.SplitSynonyms(strings.TrimSpace(line))
		labels, synonyms = append(labels, label), append(synonyms, others)
	}
	return labels, synonyms, nil
}

// findImages replaces each folder by the images in it, in order of name.
func findImages(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, arg)
			continue
		}
		images, err := listImages(arg)
		if err != nil {
			return nil, err
		}
		out = append(out, images...)
	}
	return out, nil
}

// listImages lists the images of a folder or of a text file, and says what else is there.
func listImages(path string) ([]string, error) {
	images, skipped, err := dataset.List(path)
	if n := len(skipped); n > 0 {
		stderr.Printf("cwox: %s: %d file%s left out that %s not named as images are: %s\n", path, n, plural(n),
			map[bool]string{true: "is", false: "are"}[n == 1], some(skipped))
	}
	return images, err
}

// isUsage says that an error is a mistake in how the program was called.
func isUsage(err error) bool { return errors.As(err, new(usageError)) }
