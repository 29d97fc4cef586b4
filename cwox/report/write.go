package report

import (
	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/place"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"golang.org/x/sync/errgroup"
)

// The files that Write puts into its folder, beside the overlays cluster-<i>.png
// and class-<index>.png.
const (
	JSONFile = "report.json"
	MapsFile = "maps.safetensors"
	PageFile = "index.html"
)

// Write writes the report of an explanation, and of others of the same answer beside it, into
// dir, which it makes where it is missing: the overlays, maps.safetensors, index.html and, last,
// report.json.
func Write(dir string, e *cwox.Explanation, also ...*cwox.Explanation) error {
	r, err := New(e, also...)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("report: %s: %w", JSONFile, err)
	}
	d, err := place.Make(dir)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := errors.Join(write(d, append([]*cwox.Explanation{e}, also...), r, append(text, '\n')), d.Close()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// write writes the files of a report. As long as there is no report.json the others are those
// of a run that did not end.
func write(d folder, all []*cwox.Explanation, r *Report, text []byte) error {
	old := map[string]bool{} // overlays that were there before
	if r, err := ReadJSON(d.Path(JSONFile)); err == nil {
		for _, name := range r.overlays() {
			old[name] = true
		}
	}
	if err := d.Remove(JSONFile); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(4)
	e := all[0]
	photo := photographOf(e, photoSide)
	file := func(name string, fill func(io.Writer) error) {
		if name != "" {
			delete(old, name)
			g.Go(func() error { return d.Write(name, fill) })
		}
	}
	overlayOf := func(name string, m saliency.Map) {
		file(name, func(w io.Writer) error {
			return encodePNG(w, overlay(photo, m, OverlayOptions{}, shareSeen(e)))
		})
	}
	file(PageFile, func(w io.Writer) error { return writePage(w, all, r, photo) })
	file(MapsFile, func(w io.Writer) error { return writeMaps(w, all, r) })
	for k, one := range r.Each() {
		for i, c := range all[k].Clusters {
			overlayOf(one.Clusters[i].Overlay, c.Map)
		}
		for i, c := range all[k].Classes {
			overlayOf(one.Classes[i].Overlay, c.Map)
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := d.Remove(slices.Sorted(maps.Keys(old))...); err != nil {
		return err
	}
	return d.Write(JSONFile, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// overlays are the overlays that a report names; one from outside may name anything.
func (r *Report) overlays() (names []string) {
	add := func(name string) {
		if overlayName.MatchString(name) {
			names = append(names, name)
		}
	}
	for _, one := range r.Each() {
		for _, c := range one.Clusters {
			add(c.Overlay)
		}
		for _, c := range one.Classes {
			add(c.Overlay)
		}
	}
	return names
}

var overlayName = regexp.MustCompile(`^([a-z0-9]+-[a-z]+-)?(cluster|class)-[0-9]+\.png$`)

// Remove removes the report in a folder: the files that Write has made, and the folder if it
// holds nothing else.
func Remove(dir string) error {
	r, err := ReadJSON(filepath.Join(dir, JSONFile))
	if err != nil {
		return err
	}
	d, err := place.Open(dir)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = d.Remove(append(r.overlays(), PageFile, MapsFile, JSONFile)...)
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	os.Remove(dir) // fails where it is not empty
	return nil
}

func encodePNG(w io.Writer, img image.Image) error {
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	return enc.Encode(w, img)
}
