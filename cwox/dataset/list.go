package dataset

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Suffixes are the endings, in lower case, of the files that are taken for images in a folder.
var Suffixes = []string{".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"}

// Bounds on a list of images.
const (
	maxListBytes = 1 << 30
	maxPathBytes = 4096
)

// List returns the images of a folder, or those that a text file names, one a line.
//
// A folder is searched with all folders below it, in order of name, for the endings of
// [Suffixes]; links to files count, links to folders are not followed. In a text file the
// order is that of its lines, empty lines are skipped, and a relative path is looked for in
// the current directory and then in the list's own folder; whether the images exist is
// found out when they are read. It is an error if there are no images.
func List(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if info.IsDir() {
		return Folder(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	if info.Size() > maxListBytes {
		return nil, fmt.Errorf("dataset: %s: %d bytes, a list of images may have %d", path, info.Size(), maxListBytes)
	}
	var out []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxPathBytes)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, fmt.Errorf("dataset: %s: neither a folder nor a text file that names images: there is a zero byte in line %d", path, number)
		}
		if len(line) > 0 {
			out = append(out, locate(string(line), filepath.Dir(path)))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("dataset: %s: line %d, which should name an image: %w", path, number+1, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("dataset: %s: names no images", path)
	}
	return out, nil
}

// locate is where the path of a list is: as it stands, or else in the list's folder.
func locate(path, folder string) string {
	if filepath.IsAbs(path) {
		return path
	}
	if _, err := os.Stat(path); err != nil {
		if beside := filepath.Join(folder, path); exists(beside) {
			return beside
		}
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Folder returns the images below a folder: see [List].
func Folder(path string) ([]string, error) {
	var out []string
	// The separator behind it makes a link to a folder a folder.
	err := filepath.WalkDir(path+string(filepath.Separator), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		if !d.IsDir() && slices.Contains(Suffixes, strings.ToLower(filepath.Ext(name))) && isFile(name, d) {
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("dataset: %s: no images in this folder (looked for %s)", path, strings.Join(Suffixes, " "))
	}
	return out, nil
}

// isFile says whether a directory entry is a file, or a link that does not lead to a folder.
func isFile(path string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() // a broken link is an unreadable image
}
