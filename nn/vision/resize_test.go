package vision

import (
	"bytes"
	"cwox/internal/testdata"
	"hash/crc32"
	"image"
	"math"
	"testing"
)

// made is a picture by a formula that is repeated elsewhere: every third column and every
// fourth row hold extremes.
func made(width, height int) *Picture {
	p := New(width, height)
	for y := range height {
		for x := range width {
			for c := range 3 {
				v := uint8(x*37 + y*101 + c*59 + x*y%251*13 + x*x*7)
				if x%3 == 0 || y%4 == 0 {
					v = uint8(int8(v) >> 7)
				}
				p.row(y)[3*x+c] = v
			}
		}
	}
	return p
}

// The bytes of Pillow 12.3.0's resize, as CRC-32 (IEEE).
func TestResizeAsPillow(t *testing.T) {
	sizes := []struct{ w, h, width, height int }{
		{7, 5, 3, 9}, {13, 17, 40, 31}, {40, 31, 13, 17}, {100, 3, 9, 9}, {3, 101, 9, 9}, {333, 1, 224, 2}, {448, 300, 224, 224},
		{64, 48, 64, 20}, {48, 64, 20, 64}, {1, 900, 4, 5}, {2000, 2, 3, 3}, {31, 29, 31, 29}, {57, 91, 333, 222},
	}
	for _, c := range []struct {
		by   Interpolation
		crcs []uint32
	}{
		{Nearest, []uint32{0x4e81bfd6, 0x06b707f6, 0x8f5ad699, 0x6919647e, 0x251c15e5, 0x1d94153f, 0x50f3c570, 0x580a2fd4, 0x964760c4, 0xbbabca21, 0xff184f41, 0x617882cb, 0x1cad7a31}},
		{Box, []uint32{0xf209c220, 0x06b707f6, 0x41d5fe48, 0x18a46145, 0xd4a0f8ad, 0x902d576e, 0xea84b5b2, 0x4696610c, 0xf90f4467, 0xbdc47f6f, 0x769475e3, 0x617882cb, 0x1cad7a31}},
		{Bilinear, []uint32{0xa50ba39f, 0x96e1a5aa, 0x723264ec, 0xedd30589, 0xfcac64dd, 0xcc13eeb0, 0x34ff3774, 0xc7b6cbd0, 0x799b58c4, 0x9819745e, 0x0f01fb08, 0x617882cb, 0xf8cbc1bc}},
		{Hamming, []uint32{0xedad99c5, 0x6c8f04b3, 0xce82bc8a, 0xcb236e17, 0xc3bba0cd, 0xbde2d4ac, 0x7d3d6701, 0xcd551b93, 0x16e45742, 0xb3555d9f, 0xd0130fef, 0x617882cb, 0x849ee75f}},
		{Bicubic, []uint32{0x83373440, 0x45ea5f9c, 0xe41bc5e4, 0x58a4d96f, 0x709fef65, 0x0bcb115e, 0x6605800b, 0xd150307d, 0xf3d4d761, 0xb146b3f1, 0x0f01fb08, 0x617882cb, 0x1f306062}},
		{Lanczos, []uint32{0x4ccf5bf1, 0xbab91044, 0x0acc8ddb, 0xeff2d68d, 0x5cbbc8c3, 0xd15f729e, 0x56fae129, 0x950a2e0d, 0x6b18dfae, 0x075cb2a3, 0xc7a1b317, 0x617882cb, 0xd817c909}},
	} {
		for i, s := range sizes {
			if got := crc32.ChecksumIEEE(made(s.w, s.h).ResizeAs(12, c.by, s.width, s.height).Pix); got != c.crcs[i] {
				t.Errorf("%s %dx%d to %dx%d: pixels have CRC %#08x, want %#08x", c.by, s.w, s.h, s.width, s.height, got, c.crcs[i])
			}
		}
	}
}

// Where versions 12 and 13 of Pillow take the passes in another order, and where in the same:
// the bytes of 12.3.0 and 13.0.0.
func TestPassOrderAsPillow(t *testing.T) {
	for _, c := range []struct {
		w, h, width, height int
		bilinear, bicubic   [2]uint32 // by 12 and 13
	}{
		{3, 101, 9, 9, [2]uint32{0xfcac64dd, 0xd1c40c36}, [2]uint32{0x709fef65, 0x2732e765}},
		{3, 400, 9, 9, [2]uint32{0xeba54ebb, 0xeba54ebb}, [2]uint32{0x6ed0b7b5, 0x6ed0b7b5}},
		{33, 50, 22, 22, [2]uint32{0xc8409f79, 0xbdcb3ec8}, [2]uint32{0x469ffd6c, 0xa09e6c25}},
		{37, 50, 22, 22, [2]uint32{0xdaf49736, 0xdaf49736}, [2]uint32{0xf4426f57, 0xf4426f57}},
		{228, 341, 160, 160, [2]uint32{0xc0c8a5b7, 0x3f33d942}, [2]uint32{0x9a062878, 0xe9b9826d}},
		{5, 700, 40, 699, [2]uint32{0xd6d377cc, 0xd6d377cc}, [2]uint32{0x3dc4261b, 0x3dc4261b}},
		{5, 700, 40, 700, [2]uint32{0x6d45775e, 0x6d45775e}, [2]uint32{0x393ea0f6, 0x393ea0f6}},
	} {
		for i, pillow := range []int{12, 13} {
			for by, want := range map[Interpolation]uint32{Bilinear: c.bilinear[i], Bicubic: c.bicubic[i]} {
				if got := crc32.ChecksumIEEE(made(c.w, c.h).ResizeAs(pillow, by, c.width, c.height).Pix); got != want {
					t.Errorf("Pillow %d, %s, %dx%d to %dx%d: pixels have CRC %#08x, want %#08x", pillow, by, c.w, c.h, c.width, c.height, got, want)
				}
			}
		}
	}
}

// A few values that can be read: one row of grey, from Pillow 12.3.0.
func TestResizeRow(t *testing.T) {
	p := New(6, 1)
	for i, v := range []uint8{0, 255, 255, 0, 10, 200} {
		p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = v, v, v
	}
	for _, c := range []struct {
		by   Interpolation
		want []uint8
	}{
		{Bicubic, []uint8{0, 120, 255, 255, 127, 0, 0, 111, 212}},
		{Bicubic, []uint8{90, 253, 8, 133}},
		{Lanczos, []uint8{0, 109, 255, 255, 125, 0, 0, 121, 217}},
		{Lanczos, []uint8{90, 255, 0, 133}},
	} {
		q := p.ResizeAs(12, c.by, len(c.want), 1)
		for i, want := range c.want {
			if q.Pix[3*i] != want || q.Pix[3*i+2] != want {
				t.Errorf("%s to %d: value %d is %d, want %d", c.by, len(c.want), i, q.Pix[3*i], want)
			}
		}
	}
}

// Pillow 12.3.0's convert("L").
func TestLuma(t *testing.T) {
	want := []uint8{0, 29, 179, 226, 0, 179, 76, 179, 177, 98, 29, 176, 62, 226, 76, 64, 148, 76, 102, 199, 29, 29, 178, 96, 179, 76, 138, 76, 226, 76, 179, 76, 179, 0, 226}
	p := made(7, 5)
	tr := Transform{Width: 7, Height: 5, Channels: Grey, Scale: 255, Mean: []float32{0}, Std: []float32{1}}
	q := tr.Input(p)
	for i, v := range want {
		if q.Pix[3*i] != v || q.Pix[3*i+1] != v || q.Pix[3*i+2] != v {
			t.Errorf("pixel %d is %v, want %d", i, q.Pix[3*i:3*i+3], v)
		}
	}
}

// slowFilters are the filters by their textbook formulas.
var slowFilters = map[Interpolation]struct {
	support float64
	weight  func(x float64) float64
}{
	Box: {0.5, func(x float64) float64 {
		if -0.5 < x && x <= 0.5 {
			return 1
		}
		return 0
	}},
	Bilinear: {1, func(x float64) float64 { return math.Max(0, 1-math.Abs(x)) }},
	Hamming: {1, func(x float64) float64 {
		if math.Abs(x) >= 1 {
			return 0
		}
		return slowSinc(x) * (float64(float32(0.54)) + float64(float32(0.46))*math.Cos(math.Pi*x))
	}},
	Bicubic: {2, func(x float64) float64 {
		x = math.Abs(x)
		if x < 1 {
			return 1.5*x*x*x - 2.5*x*x + 1
		}
		return math.Max(0, 2-x) / math.Max(1e-300, math.Abs(2-x)) * (-0.5*x*x*x + 2.5*x*x - 4*x + 2)
	}},
	Lanczos: {3, func(x float64) float64 {
		if x < -3 || x >= 3 {
			return 0
		}
		return slowSinc(x) * slowSinc(x/3)
	}},
}

func slowSinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func TestFilters(t *testing.T) {
	for by, slow := range slowFilters {
		for x := -3.5; x <= 3.5; x += 1. / 64 {
			if got, want := filters[by].weight(x), slow.weight(x); !(math.Abs(got-want) <= 1e-15) {
				t.Errorf("%s at %g: %g, want %g", by, x, got, want)
			}
		}
		if filters[by].support != slow.support {
			t.Errorf("%s: support %g", by, filters[by].support)
		}
	}
}

// resizeFloat resizes in float64 without rounding in between, except to 8 bits between the
// passes as Pillow does.
func resizeFloat(p *Picture, pillow int, by Interpolation, width, height int) *Picture {
	pass := func(n, m int, at func(int) float64, set func(int, uint8)) {
		f := slowFilters[by]
		s := float64(n) / float64(m)
		wide := math.Max(1, s)
		for i := range m {
			c := (float64(i) + 0.5) * s
			var sum, total float64
			for x := max(0, int(c-f.support*wide+0.5)); x < min(n, int(c+f.support*wide+0.5)); x++ {
				w := f.weight((float64(x) - c + 0.5) / wide)
				sum += w * at(x)
				total += w
			}
			set(i, uint8(math.Max(0, math.Min(255, math.Floor(sum/total+0.5)))))
		}
	}
	across := func(p *Picture) *Picture {
		if width == p.Width {
			return p
		}
		q := New(width, p.Height)
		for y := range p.Height {
			for c := range 3 {
				pass(p.Width, width, func(x int) float64 { return float64(p.row(y)[3*x+c]) }, func(x int, v uint8) { q.row(y)[3*x+c] = v })
			}
		}
		return q
	}
	down := func(p *Picture) *Picture {
		if height == p.Height {
			return p
		}
		q := New(p.Width, height)
		for i := range 3 * p.Width {
			pass(p.Height, height, func(y int) float64 { return float64(p.row(y)[i]) }, func(y int, v uint8) { q.row(y)[i] = v })
		}
		return q
	}
	tall := p.Height > 100*p.Width
	if pillow == 13 {
		tall = p.Height-height > 2*(p.Width-width)
	}
	if tall && height < p.Height {
		return across(down(p))
	}
	return down(across(p))
}

// Any part of a resized picture is that part of the whole, whatever is skipped to get it, and
// the whole is within two levels of exact arithmetic: a tie in the first pass is a level, which
// negative weights can make more of, and the second pass has ties, too.
func FuzzResample(f *testing.F) {
	f.Add(uint64(1), 7, 5, 3, 9, 0, uint16(0), uint16(0), uint16(2), uint16(3))
	f.Add(uint64(2), 100, 1, 1, 100, 4, uint16(0), uint16(50), uint16(1), uint16(7))
	f.Add(uint64(3), 1, 90, 40, 9, 5, uint16(7), uint16(2), uint16(30), uint16(4))
	f.Add(uint64(4), 30, 120, 20, 30, 1, uint16(0), uint16(0), uint16(20), uint16(20))
	f.Add(uint64(6), 30, 120, 20, 30, 1, uint16(0), uint16(0), uint16(20), uint16(20))
	f.Add(uint64(42), 24, 6, 30, 61, 2, uint16(2), uint16(0), uint16(125), uint16(3))
	f.Add(uint64(3), 2, 61, 40, 200, 1, uint16(7), uint16(20), uint16(30), uint16(140))
	f.Fuzz(func(t *testing.T, seed uint64, w, h, width, height, by int, x, y, dx, dy uint16) {
		for _, n := range []*int{&w, &h, &width, &height} {
			*n = int(uint(*n)%131) + 1
		}
		kind := Interpolations()[uint(by)%uint(len(Interpolations()))]
		pillow := 12 + int(seed/2%2)
		p := noise(seed, w, h)
		whole := p.ResizeAs(pillow, kind, width, height)
		if kind != Nearest {
			want := resizeFloat(p, pillow, kind, width, height)
			for i, v := range whole.Pix {
				if d := int(v) - int(want.Pix[i]); d < -2 || d > 2 {
					t.Fatalf("%s %dx%d to %dx%d: byte %d is %d, want %d", kind, w, h, width, height, i, v, want.Pix[i])
				}
			}
		}
		part := image.Rect(int(x)%width, int(y)%height, int(x)%width+1+int(dx)%width, int(y)%height+1+int(dy)%height).Intersect(image.Rect(0, 0, width, height))
		q := New(part.Dx()+2, part.Dy()+1)
		r := resampler{src: p, pillow: pillow, filter: filters[kind], width: width, height: height}
		r.draw(q, image.Pt(2, 1), part)
		for y := range part.Dy() {
			got := q.row(y + 1)[6:]
			if want := whole.row(part.Min.Y + y)[3*part.Min.X:][:3*part.Dx()]; !bytes.Equal(got, want) {
				t.Fatalf("%s %dx%d to %dx%d: row %d of the part %v differs from the whole", kind, w, h, width, height, y, part)
			}
		}
	})
}

// Pictures of extreme shapes, as a file of a few kilobytes can hold, take bounded memory.
func TestInputMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	shorter := torchvision(224, 224)
	lanczos := shorter
	lanczos.Interpolation = Lanczos
	squash := Paper
	squash.Interpolation = Lanczos
	for _, c := range []struct {
		width, height int
		t             Transform
	}{
		{1, 1000000, Paper}, {1, 1000000, shorter}, {1000000, 1, Paper}, {1000000, 1, shorter},
		{100, 500000, Paper}, {100, 500000, shorter}, {500000, 100, Paper}, {500000, 100, shorter},
		{2, 25000000, Paper}, {2, 25000000, shorter}, {1, 50000000, Paper}, {1, 50000000, shorter}, {50000000, 1, Paper}, {50000000, 1, shorter}, {1, 50000000, lanczos}, {50000000, 1, lanczos}, {5000000, 1, squash},
	} {
		p := New(c.width, c.height)
		for i := range p.Pix {
			p.Pix[i] = 77
		}
		var q *Picture
		allocated := testdata.Allocated(func() { q = c.t.Input(p) })
		t.Logf("%dx%d %s: %d bytes", c.width, c.height, c.t, allocated)
		if allocated > 80<<20 {
			t.Errorf("%dx%d, %s: %d bytes allocated", c.width, c.height, c.t, allocated)
		}
		if at := 3 * (q.Width*112 + 112); c.height < 10000000 && c.width < 10000000 && q.Pix[at] != 77 {
			t.Errorf("%dx%d, %s: a constant picture becomes %d", c.width, c.height, c.t, q.Pix[at])
		}
	}
}
