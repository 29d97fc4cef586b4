package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"cwox/cwox/classname"
	"cwox/cwox/dataset"
)

// readNames reads one class name a line, with its synonyms after commas.
func readNames(path string) (labels []string, synonyms [][]string, err error) {
	text, err := readLimited(path, 16<<20)
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
		images, err := dataset.Folder(arg)
		if err != nil {
			return nil, err
		}
		out = append(out, images...)
	}
	return out, nil
}

// printJSON writes v as one line of JSON on standard output.
func printJSON(v any) error {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// readLimited reads a file of at most that many bytes.
func readLimited(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", path)
	case info.Size() > most:
		return nil, fmt.Errorf("%s: %d bytes, at most %d are read", path, info.Size(), most)
	}
	return os.ReadFile(path)
}

// isUsage says that an error is a mistake in how the program was called.
func isUsage(err error) bool { return errors.As(err, new(usageError)) }
