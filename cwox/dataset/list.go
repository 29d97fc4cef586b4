package dataset

import (
	"bufio"
	"bytes"
	"cwox/internal/outside"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// suffixes are the endings, in lower case, of the files that are taken for images in a folder.
var suffixes = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm"}

// Bounds on a list of images.
const (
	maxListBytes = 1 << 30
	maxPathBytes = 4096
)

// List returns the images of a folder, or those that a text file names, one a line.
//
// A folder is searched with all folders below it, in order of name, for files with the endings
// of pictures; links to files count, links to folders are not followed. Files of other endings
// are skipped and returned too, but for hidden ones. In a text file the
// order is that of its lines, empty lines are skipped, and a relative path is looked for in
// the current directory and then in the list's own folder; whether the images exist is
// found out when they are read. It is an error if there are no images.
func List(path string) (images, skipped []string, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return Folder(path)
	}
	images, err = readList(path)
	return images, nil, err
}

func readList(path string) ([]string, error) {
	f, err := outside.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	var out []string
	read := &io.LimitedReader{R: f, N: maxListBytes + 1}
	lines := bufio.NewScanner(read)
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
	switch {
	case read.N == 0:
		return nil, fmt.Errorf("dataset: %s: more than %d bytes, the limit of a list of images", path, maxListBytes)
	case len(out) == 0:
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

// Folder returns the images below a folder, and the other files: see [List].
func Folder(path string) (images, skipped []string, err error) {
	// The separator behind it makes a link to a folder a folder.
	err = filepath.WalkDir(path+string(filepath.Separator), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("dataset: %w", err)
		case d.IsDir() || !isFile(name, d):
		case strings.HasPrefix(d.Name(), "._"): // what macOS keeps beside a file of that name
		case slices.Contains(suffixes, strings.ToLower(filepath.Ext(name))):
			images = append(images, name)
		case !strings.HasPrefix(d.Name(), "."):
			skipped = append(skipped, name)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if len(images) == 0 {
		return nil, nil, fmt.Errorf("dataset: %s: no images in this folder (looked for %s)", path, strings.Join(suffixes, " "))
	}
	return images, skipped, nil
}

// isFile says whether a directory entry is a file, or a link that does not lead to a folder.
func isFile(path string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular() // a broken link is an unreadable image
}
