package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// cropped is an explanation of a picture of 120 x 90 pixels of which the network saw 80 x 80,
// from (20, 5) on: its shorter side to 36, the middle 32 x 32 of 48 x 36.
func cropped(t *testing.T, channels int) *cwox.Explanation {
	t.Helper()
	tr, err := vision.Preset("torchvision", channels, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	e := synthetic(2, 1)
	e.Input.Transform = &tr
	e.Input.Seen, e.Input.Unseen = tr.Region(120, 90)
	if want := (vision.Region{X: 20, Y: 5, Width: 80, Height: 80}); e.Input.Seen != want {
		t.Fatalf("seen %+v, want %+v", e.Input.Seen, want)
	}
	return e
}

// The heatmap lies on what the network saw, the rest of the photograph is darker.
func TestOverlayCropped(t *testing.T) {
	e := cropped(t, 3)
	red := &Colormap{Name: "red"}
	for i := range red.RGB {
		red.RGB[i] = [3]uint8{uint8(i), 0, 0}
	}
	// One hot element of 32 x 32: 2.5 pixels of the photograph each way.
	m := saliency.Map{Height: 32, Width: 32, Data: make([]float32, 32*32)}
	m.Data[4*32+10] = 1
	for i := range e.Picture.Pix {
		e.Picture.Pix[i] = 100
	}
	o := OverlayOptions{Colormap: red, Opacity: 1, Seen: e.Input.Seen}
	img := Overlay(e.Picture, m, o)
	bare, dim := [3]uint8{100, 100, 100}, [3]uint8{35, 35, 35}
	for _, c := range []struct {
		name string
		x, y int
		want [3]uint8
	}{
		{"bare, seen", 60, 60, bare}, {"first seen", 20, 5, bare}, {"left of it", 19, 5, dim}, {"above it", 20, 4, dim},
		{"last seen", 99, 84, bare}, {"right of it", 100, 84, dim}, {"below it", 99, 85, dim},
		// 0.1 elements from the middle of the hot one, both ways.
		{"hot", 20 + 26, 5 + 11, [3]uint8{207, 0, 0}}, // 0.9 x 0.9 of the maximum
	} {
		if got := [3]uint8(img.Pix[img.PixOffset(c.x, c.y):]); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	hot := 0
	for y := range 90 {
		for x := range 120 {
			if p := img.Pix[img.PixOffset(x, y):]; p[0] > p[1] {
				hot++
				if x < 44 || x > 48 || y < 14 || y > 18 { // one element to each side
					t.Errorf("hot at %d, %d", x, y)
				}
			}
		}
	}
	if hot == 0 {
		t.Error("nothing is hot")
	}
	// What is seen of a stretched picture is all of it: nothing changes.
	o.Seen = vision.Region{}
	whole := Overlay(e.Picture, m, o)
	o.Seen, _ = vision.Paper.Region(120, 90)
	if !bytes.Equal(Overlay(e.Picture, m, o).Pix, whole.Pix) {
		t.Error("an overlay on the whole picture depends on how that is said")
	}
}

// report.json, maps.safetensors and the page say what the network saw.
func TestWriteCropped(t *testing.T) {
	for _, channels := range []int{3, 1} {
		e := cropped(t, channels)
		dir := t.TempDir()
		if err := Write(dir, e); err != nil {
			t.Fatal(err)
		}
		r, err := ReadJSON(filepath.Join(dir, JSONFile))
		if err != nil {
			t.Fatal(err)
		}
		want, err := New(e)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := mustJSON(t, r), mustJSON(t, want); a != b {
			t.Errorf("read back\n%s\nwant\n%s", a, b)
		}
		for _, s := range []string{
			`"input":{"transform":{"name":"torchvision","size":[32,32],"resize":36,"crop":"center","interpolation":"bilinear","pillow":13,`,
			`"seen":{"x":20,"y":5,"width":80,"height":80},"unseen":0.407`,
		} {
			if !strings.Contains(mustJSON(t, r), s) {
				t.Errorf("report.json lacks %s:\n%s", s, mustJSON(t, r))
			}
		}
		var again vision.Transform
		if err := json.Unmarshal([]byte(metadata(t, filepath.Join(dir, MapsFile))["transform"]), &again); err != nil {
			t.Fatal(err)
		}
		if a, b := mustJSON(t, again), mustJSON(t, r.Input.Transform); a != b {
			t.Errorf("maps.safetensors says %s, want %s", a, b)
		}
		page, err := os.ReadFile(filepath.Join(dir, PageFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{
			`d="M0 0H120V90H0ZM20.00 5.00H100.00V85.00H20.00Z"`,
			`style="left:16.6667%;top:5.5556%;width:66.6667%;height:88.8889%"`,
			"of what the network saw.",
			"80 \u00d7 80 of 120 \u00d7 90 pixels, from 20, 5 on (59.3\u00a0%)",
			"torchvision: shorter side to 36, middle 32x32, bilinear",
		} {
			if !bytes.Contains(page, []byte(s)) {
				t.Errorf("the page lacks %q", s)
			}
		}
		checkPage(t, page)
		photo := photographOf(e, photoSide)
		if grey := photo.Pix[401] == photo.Pix[400] && photo.Pix[4*5000] == photo.Pix[4*5000+2]; grey != (channels == 1) {
			t.Errorf("%d channels: the photograph is grey: %v", channels, grey)
		}
	}
}

// A report without "input", as older releases wrote, and one that was given a tensor.
func TestInputElse(t *testing.T) {
	e := synthetic(2, 1)
	r, err := New(e)
	if err != nil || r.Input != nil {
		t.Errorf("an explanation that does not say: %+v, error %v", r.Input, err)
	}
	e.Input.Seen = vision.Region{Width: 120, Height: 90}
	if r, err = New(e); err != nil || r.Input == nil || r.Input.Transform != nil || !strings.Contains(mustJSON(t, r), `"input":{"seen":{"x":0,"y":0,"width":120,"height":90},"unseen":0}`) {
		t.Errorf("a tensor: %+v, error %v", r.Input, err)
	}
	text := mustJSON(t, r)
	for _, bad := range []string{`"width":-1`, `"width":0`, `"width":1e300`} {
		if _, err := decode([]byte(strings.Replace(text, `"width":120,"height":90},"unseen"`, bad+`,"height":90},"unseen"`, 1))); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	e.Input.Seen.Width = -3
	if _, err := New(e); err == nil {
		t.Error("a part of negative width: no error")
	}
}

// metadata is that of a safetensors file.
func metadata(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		Metadata map[string]string `json:"__metadata__"`
	}
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	return head.Metadata
}
