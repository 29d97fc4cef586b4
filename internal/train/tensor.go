package train

import "unsafe"

// lanes is the number of channels in a block.
const lanes = 16

// tensor holds a group of activation maps, [block][image][y][x][16], each map with a
// border of zeros.
type tensor struct {
	c, n, h, w int
	border     int
	data       []float32
	origin     int // index of block 0, image 0, pixel (0, 0), channel 0
}

// newTensor makes a tensor of zeros. There is room before and after it, since weight
// gradients also read (and multiply by zero) what lies a few rows outside.
func newTensor(c, n, h, w, border int) *tensor {
	t := &tensor{c: c, n: n, h: h, w: w, border: border}
	margin := (4*(w+2*border) + 16) * lanes
	t.data = aligned(blocks(c)*t.block() + 2*margin)
	t.origin = margin + border*t.row() + border*lanes
	return t
}

func blocks(c int) int { return (c + lanes - 1) / lanes }

// row, plane and block are the distances, in elements, from one row, map and block to
// the next.
func (t *tensor) row() int   { return (t.w + 2*t.border) * lanes }
func (t *tensor) plane() int { return (t.h + 2*t.border) * t.row() }
func (t *tensor) block() int { return t.n * t.plane() }

// at is the index of a pixel, which may lie in or near the border.
func (t *tensor) at(blk, image, y, x int) int {
	return t.origin + blk*t.block() + image*t.plane() + y*t.row() + x*lanes
}

// pixels is a block of a tensor without border: all its images' pixels in a row.
func (t *tensor) pixels(blk int) []float32 {
	if t.border != 0 {
		panic("train: a tensor with a border is not contiguous")
	}
	return t.data[t.at(blk, 0, 0, 0):][:t.block()]
}

// line is one row of pixels of a map.
func (t *tensor) line(blk, image, y int) []float32 {
	return t.data[t.at(blk, image, y, 0):][:t.w*lanes]
}

// aligned allocates zeros on a 64-byte boundary.
func aligned(n int) []float32 {
	raw := make([]float32, n+lanes)
	skip := 0
	if r := uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % 64; r != 0 {
		skip = int(64-r) / 4
	}
	return raw[skip : skip+n : skip+n]
}

// add moves a pointer by a number of bytes within its slice.
func add(p *float32, bytes int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}

// newPictures makes a tensor of interleaved pictures [image][y][x][channels] with a border.
func newPictures(channels, n, h, w, border int) *tensor {
	t := &tensor{c: channels, n: n, h: h, w: w, border: border}
	t.data = aligned(n*(h+2*border)*(w+2*border)*channels + lanes)
	return t
}

// imageAt is the index of a pixel of an interleaved picture.
func (t *tensor) imageAt(channels, image, y, x int) int {
	return ((image*(t.h+2*t.border)+y+t.border)*(t.w+2*t.border) + x + t.border) * channels
}
