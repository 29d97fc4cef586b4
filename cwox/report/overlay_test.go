package report

import (
	"image"
	"math"
	"testing"

	"cwox/cwox/saliency"
	"cwox/internal/testdata"
	"cwox/nn/vision"
)

func TestOverlay(t *testing.T) {
	pic := &vision.Picture{Width: 2, Height: 1, Pix: []uint8{100, 100, 100, 10, 200, 30}}
	nan := float32(math.NaN())
	red := &Colormap{Name: "red"}
	for i := range red.RGB {
		red.RGB[i] = [3]uint8{uint8(i), 0, 0}
	}
	// Rec. 709 luma of (10, 200, 30) is 147.3.
	for _, c := range []struct {
		name string
		data []float32
		o    OverlayOptions
		want []uint8
	}{
		{"opaque", []float32{0, 4}, OverlayOptions{Colormap: red, Opacity: 1}, []uint8{100, 100, 100, 255, 0, 0}},
		{"half", []float32{4, 4}, OverlayOptions{Colormap: red, Opacity: 0.5}, []uint8{178, 50, 50, 201, 74, 74}},
		{"coloured photograph", []float32{4, 0}, OverlayOptions{Colormap: red, Opacity: 1, InColour: true}, []uint8{255, 0, 0, 10, 200, 30}},
		{"given maximum", []float32{1, 4}, OverlayOptions{Colormap: red, Opacity: 1, Max: 2}, []uint8{128, 0, 0, 255, 0, 0}},
		{"fades below 0.3", []float32{0.15, 1}, OverlayOptions{Colormap: red, Opacity: 1}, []uint8{69, 50, 50, 255, 0, 0}},
		{"blank", []float32{0, -3}, OverlayOptions{Colormap: red, Opacity: 1}, []uint8{100, 100, 100, 147, 147, 147}},
		{"nan", []float32{nan, nan}, OverlayOptions{Colormap: red, Opacity: 1}, []uint8{100, 100, 100, 147, 147, 147}},
		{"no data", nil, OverlayOptions{Colormap: red, Opacity: 1}, []uint8{100, 100, 100, 147, 147, 147}},
	} {
		m := saliency.Map{Height: 1, Width: 2, Data: c.data}
		img := Overlay(pic, m, c.o)
		for i, want := range c.want {
			if got := img.Pix[i/3*4+i%3]; got != want {
				t.Errorf("%s: channel %d of pixel %d is %d, want %d", c.name, i%3, i/3, got, want)
			}
		}
		if !img.Opaque() {
			t.Errorf("%s: not opaque", c.name)
		}
	}
}

func TestOverlaySize(t *testing.T) {
	for _, c := range []struct{ w, h, side, wantW, wantH int }{
		{120, 90, 0, 120, 90}, {120, 90, 500, 120, 90}, {120, 90, 60, 60, 45},
		{90, 120, 60, 45, 60}, {1000, 1, 50, 50, 1}, {1, 1, 9, 1, 1},
	} {
		img := Overlay(gradient(c.w, c.h), bump(1, 8, 1), OverlayOptions{MaxSide: c.side})
		if got, want := img.Bounds(), image.Rect(0, 0, c.wantW, c.wantH); got != want {
			t.Errorf("%d x %d, side %d: %v, want %v", c.w, c.h, c.side, got, want)
		}
	}
}

// TestResizeGolden compares the resize with PyTorch's (bilinear, align_corners=false).
// Its values agree to 1e-6 of the maximum, so a level may differ by one where the
// value lies on the border of two.
func TestResizeGolden(t *testing.T) {
	low := tensors(t, testdata.Path(t, "golden", "gradcam_lowres.safetensors"))
	up := tensors(t, testdata.Path(t, "golden", "gradcam_upsampled.safetensors"))
	checked := 0
	for name, maps := range up {
		pivot := name[len("resnet50/cello_guitar.jpg@top5/"):]
		src, ok := low["resnet50/cello_guitar.jpg@top5/"+pivot[:6]+"/class"]
		if !ok {
			t.Fatalf("no low-resolution map for %s", name)
		}
		top := measure(maps[0]).max
		off := 0
		for i, got := range levels(src[0], 224, 224, top, whole) {
			switch want := level(maps[0].Data[i] / top); {
			case int(got)-int(want) > 1 || int(want)-int(got) > 1:
				t.Fatalf("%s: pixel %d has level %d, want %d", name, i, got, want)
			case got != want:
				off++
			}
		}
		if off > 50 {
			t.Errorf("%s: %d of 50176 pixels are a level off", name, off)
		}
		checked++
	}
	if checked != 2 {
		t.Errorf("%d maps checked, want 2", checked)
	}
}

func TestMeasure(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		data []float32 // [2][2]
		want measurement
	}{
		{nil, measurement{}},
		{[]float32{0, 0, -1, 0}, measurement{}},
		{[]float32{0, 4, 2, 1}, measurement{max: 4, positive: 0.75, strong: 0.5, row: 0.25, col: 0.75}},
		{[]float32{nan, 0, 3, 0}, measurement{max: 3, positive: 0.25, strong: 0.25, row: 0.75, col: 0.25, nan: true}},
		{[]float32{inf, 0, 0, 2}, measurement{max: 2, positive: 0.25, strong: 0.25, row: 0.75, col: 0.75, nan: true}},
		{[]float32{nan, nan, nan, nan}, measurement{nan: true}},
	} {
		if got := measure(saliency.Map{Height: 2, Width: 2, Data: c.data}); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.data, got, c.want)
		}
	}
}
