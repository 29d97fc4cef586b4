package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cwox/cwox/dataset"
	"cwox/cwox/report"
	"cwox/internal/place"
)

// outputFolders gives each image a folder in out, named after the image as far as a folder can
// be, numbered where two images share a name. A single image has none of its own: "".
func outputFolders(images []string) []string {
	if len(images) == 1 {
		return []string{""}
	}
	// The index lies beside them, and in a shard's folder its journal; some systems know no case.
	taken := map[string]bool{report.PageFile: true, report.IndexFile: true, dataset.ShardFile: true, dataset.ReportsFile: true, dataset.ReportsSettings: true}
	var names []string
	for _, image := range images {
		base := filepath.Base(image)
		name := place.Name(strings.TrimSuffix(base, filepath.Ext(base)))
		unique := name
		for n := 2; taken[strings.ToLower(unique)]; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		taken[strings.ToLower(unique)] = true
		names = append(names, unique)
	}
	return names
}

// claim makes sure that a folder for results holds none of another run, which would be mixed
// with them or hidden by their page: of one image where several are to be explained, of several
// where one is, of images that are not among these, or of another program. With overwrite the
// reports of that run go. The report of another image is replaced, and that is said.
func claim(out string, images, folders []string, overwrite bool) error {
	var held string
	var remove func() error
	single := len(folders) == 1
	one, errOne := report.ReadJSON(filepath.Join(out, report.JSONFile))
	many, errMany := report.ReadIndex(out)
	switch {
	case errMany == nil:
		var others []string
		for _, i := range many.Images {
			if i.Folder != "" && !slices.Contains(folders, i.Folder) {
				others = append(others, i.Folder)
			}
		}
		if len(others) == 0 && !single {
			return nil
		}
		held = fmt.Sprintf("the reports of %d images that are not among these (%s)", len(others), some(others))
		remove = func() error {
			for _, name := range others {
				if err := report.Remove(filepath.Join(out, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			return removeFiles(out, report.IndexFile, report.PageFile, dataset.ReportsFile, dataset.ReportsSettings)
		}
	case errOne == nil && single:
		if one.Image.File != images[0] {
			stderr.Printf("cwox: %s: the report of %s is replaced\n", out, one.Image.File)
		}
		return nil
	case errOne == nil:
		held = "the report of " + one.Image.File
		remove = func() error { return report.Remove(out) }
	case report.Unfinished(out) && single:
		return nil
	default:
		if err := refuseOthers(out, reports); err != nil {
			return err
		}
		pages := []string{report.PageFile, report.JSONFile, report.IndexFile}
		i := slices.IndexFunc(pages, func(name string) bool { _, err := os.Lstat(filepath.Join(out, name)); return err == nil })
		if i < 0 {
			return nil
		}
		held = "something else (" + pages[i] + ")"
		remove = func() error { return removeFiles(out, pages...) }
	}
	if !overwrite {
		return fmt.Errorf("%s: holds %s: choose another folder with -o, or replace that with --overwrite", out, held)
	}
	stderr.Printf("cwox: %s: held %s, which is replaced\n", out, held)
	return remove()
}

// results are what commands leave in a folder of their own: all have a page there.
type results struct {
	what  string
	marks []string // patterns of files that are there from the beginning, or as long as they are
}

var (
	reports     = &results{"reports", []string{report.JSONFile, report.IndexFile, dataset.ReportsSettings}}
	evaluation  = &results{"what evaluate has measured", []string{"settings.json", "truth-*.settings.json"}}
	confusedSet = &results{"what confusions has found", []string{dataset.ConfusionsFile, dataset.ConfusionsDocuments + ".settings.json"}}
)

// refuseOthers makes sure that a folder holds no results of another command, whose page would be
// replaced. What the same one has left there is its own matter.
func refuseOthers(out string, own *results) error {
	for _, r := range []*results{reports, evaluation, confusedSet} {
		for _, mark := range r.marks {
			if there, _ := fs.Glob(os.DirFS(out), mark); r != own && len(there) > 0 {
				return fmt.Errorf("%s: holds %s (%s): choose another folder with -o", out, r.what, there[0])
			}
		}
	}
	return nil
}

func removeFiles(dir string, names ...string) error {
	d, err := place.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Remove(names...)
}

// some lists the first of many names.
func some(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
