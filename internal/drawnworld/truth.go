package drawnworld

import (
	"cwox/internal/outside"
	"cwox/internal/place"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"regexp"
	"slices"
)

// The files of a scene: its picture, and what is in it.
const (
	SceneFile = "scene.png"
	TruthFile = "truth.json"
)

// Truth is the content of truth.json. Masks are 8-bit grey PNG files in the same folder,
// of the picture's size, 255 where a pixel is covered whole.
type Truth struct {
	Seed    uint64        `json:"seed"`
	Size    int           `json:"size"`
	Objects []TruthObject `json:"objects"` // back to front
}

// TruthObject is one object of a Truth.
type TruthObject struct {
	Class  int        `json:"class"`
	Label  string     `json:"label"`
	Rival  *int       `json:"rival,omitempty"` // a sibling whose part is drawn as well
	Family string     `json:"family"`
	Part   string     `json:"part"`
	Box    [4]float64 `json:"box"`    // x0, y0, x1, y1 in shares of the picture
	Weight float64    `json:"weight"` // share of the label
	Hidden float64    `json:"hidden"` // share of the telling part that something covers
	Body   string     `json:"body_mask"`
	// Places is, for every class of the family, the mask of the place of its telling
	// part on this object; what tells a from b is the union of the masks of a and b.
	Places []TruthPlace `json:"places"`
}

// TruthPlace is the place of a class's telling part.
type TruthPlace struct {
	Class int    `json:"class"`
	Label string `json:"label"`
	Part  string `json:"part"`
	Mask  string `json:"mask"`
}

// WritePNG writes the scene as a picture of size x size pixels.
func (s *Scene) WritePNG(w io.Writer, size int) error {
	pic := s.Picture(size)
	scene := image.NewNRGBA(image.Rect(0, 0, size, size))
	for i := range size * size {
		copy(scene.Pix[4*i:], pic.Pix[3*i:3*i+3])
		scene.Pix[4*i+3] = 255
	}
	return png.Encode(w, scene)
}

// WriteTruth writes scene.png, truth.json and the masks it names into dir, which it
// makes if need be. Each file appears whole or not at all.
func (s *Scene) WriteTruth(dir string, size int) error {
	d, err := place.Make(dir)
	if err != nil {
		return fmt.Errorf("drawnworld: %w", err)
	}
	if err := errors.Join(s.writeTruth(d, size), d.Close()); err != nil {
		return fmt.Errorf("drawnworld: %w", err)
	}
	return nil
}

func (s *Scene) writeTruth(dir *place.Dir, size int) error {
	if err := dir.Write(SceneFile, func(w io.Writer) error { return s.WritePNG(w, size) }); err != nil {
		return err
	}
	old := masksOf(dir) // those of another scene go
	mask := func(name string, a []float32) (string, error) {
		m := image.NewGray(image.Rect(0, 0, size, size))
		for i, v := range a {
			m.SetGray(i%size, i/size, color.Gray{Y: uint8(float32(v*255) + 0.5)})
		}
		delete(old, name)
		return name, writePNG(dir, name, m)
	}
	t := Truth{Seed: s.Seed, Size: size}
	for i := range s.Objects {
		o := &s.Objects[i]
		c := classes[o.Class]
		to := TruthObject{Class: o.Class, Label: c.Name, Family: families[c.Family].Name, Part: c.Part,
			Box: o.Box, Weight: o.Weight, Hidden: o.Hidden}
		if o.Rival >= 0 {
			to.Rival = &o.Rival
		}
		var err error
		if to.Body, err = mask(fmt.Sprintf("mask-%d-body.png", i), s.BodyMask(i, size)); err != nil {
			return err
		}
		for _, k := range families[c.Family].Classes {
			name, err := mask(fmt.Sprintf("mask-%d-class-%d.png", i, k), s.PartMask(i, k, size))
			if err != nil {
				return err
			}
			to.Places = append(to.Places, TruthPlace{Class: k, Label: classes[k].Name, Part: classes[k].Part, Mask: name})
		}
		t.Objects = append(t.Objects, to)
	}
	if err := dir.Remove(slices.Sorted(maps.Keys(old))...); err != nil {
		return err
	}
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return fmt.Errorf("truth.json: %w", err)
	}
	return dir.Write(TruthFile, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

func writePNG(dir *place.Dir, name string, m image.Image) error {
	return dir.Write(name, func(w io.Writer) error { return png.Encode(w, m) })
}

// masksOf are the masks that a folder's truth.json names, as far as there is one.
func masksOf(dir *place.Dir) map[string]bool {
	masks := map[string]bool{}
	t, err := ReadTruth(dir.Path(TruthFile))
	if err != nil {
		return masks
	}
	for _, o := range t.Objects {
		masks[o.Body] = true
		for _, p := range o.Places {
			masks[p.Mask] = true
		}
	}
	maps.DeleteFunc(masks, func(name string, _ bool) bool { return !maskName.MatchString(name) })
	return masks
}

var maskName = regexp.MustCompile(`^mask-[0-9]+-(body|class-[0-9]+)\.png$`)

// ReadTruth reads a truth.json. Errors name the file.
func ReadTruth(path string) (*Truth, error) {
	text, err := outside.Read(path, 1<<20)
	if err != nil {
		return nil, err
	}
	t := new(Truth)
	if err := outside.JSON(text, t, 1<<16); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Scene draws the scene of a Truth again; nil if it is of none that this release draws.
func (t *Truth) Scene() *Scene {
	var listed []int
	for _, o := range t.Objects {
		listed = append(listed, o.Class)
	}
	if len(listed) > MaxObjects || slices.ContainsFunc(listed, func(c int) bool { return c < 0 || c >= len(classes) }) {
		return nil
	}
	for _, o := range []Options{{}, {Classes: listed}} { // chosen by the seed, or by hand
		s := New(t.Seed, o)
		if slices.EqualFunc(s.Objects, t.Objects, func(a Object, b TruthObject) bool { return a.Class == b.Class && a.Box == b.Box }) {
			return s
		}
	}
	return nil
}
