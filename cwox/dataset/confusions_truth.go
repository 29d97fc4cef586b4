package dataset

import (
	"bufio"
	"cwox/cwox/classname"
	"cwox/internal/outside"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// TrueFolders are the true classes of images that lie in folders named after them, by name or
// number; -1 for folders that name no class. It is an error if none does.
func TrueFolders(images []string, names *classname.Names) ([]int, error) {
	of := map[string]int{}
	found := false
	out := make([]int, len(images))
	for i, path := range images {
		folder := filepath.Base(filepath.Dir(path))
		class, ok := of[folder]
		if !ok {
			var err error
			if class, err = names.Find(folder); err != nil {
				class = -1
			}
			of[folder] = class
		}
		out[i] = class
		found = found || class >= 0
	}
	if !found {
		return nil, fmt.Errorf("dataset: no folder of the images is named after a class, as %q is not: name a table of true classes", filepath.Base(filepath.Dir(images[0])))
	}
	return out, nil
}

// maxTruth bounds a table of true classes.
const maxTruth = 1 << 30

// TrueTable reads the true classes of images from a CSV file with the columns image and class
// (name or number), which its first line names; an image is found by its path or, where that is
// unique, by the name of its file. Images that it does not name have class -1.
func TrueTable(path string, images []string, names *classname.Names) ([]int, error) {
	f, err := outside.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	fail := func(line int, format string, args ...any) error {
		return fmt.Errorf("dataset: %s: line %d: %s", path, line, fmt.Sprintf(format, args...))
	}
	index := map[string]int{} // -1 where several images share a name
	for i, image := range images {
		index[image] = i
		if base := filepath.Base(image); base != image {
			if _, taken := index[base]; taken {
				index[base] = -1
			} else {
				index[base] = i
			}
		}
	}
	in := bufio.NewReader(io.LimitReader(f, maxTruth))
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		in.Discard(3)
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: want a first line with the columns image and class: %w", path, err)
	}
	column := func(name string) int {
		return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
	}
	image, class := column("image"), column("class")
	if image < 0 || class < 0 {
		return nil, fail(1, "columns %q: want image and class among them", header)
	}
	out := make([]int, len(images))
	for i := range out {
		out[i] = -1
	}
	found := 0
	for {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: %s: %w", path, err)
		}
		line, _ := r.FieldPos(0)
		if len(record) <= max(image, class) {
			return nil, fail(line, "%d columns, the first line has %d", len(record), len(header))
		}
		i, ok := index[record[image]]
		if !ok {
			continue // of another set
		}
		if i < 0 {
			return nil, fail(line, "%q is the name of several images: give the path", record[image])
		}
		c, err := names.Find(strings.TrimSpace(record[class]))
		if err != nil {
			return nil, fail(line, "%v", err)
		}
		if out[i] >= 0 && out[i] != c {
			return nil, fail(line, "%q again, with another class", record[image])
		}
		out[i] = c
		found++
	}
	if found == 0 {
		return nil, fmt.Errorf("dataset: %s: names none of the %d images", path, len(images))
	}
	return out, nil
}
