package nn

import (
	"unsafe"

	"cwox/asm"
)

// block is the number of channels that lie together in the NCHW16c layout.
const block = asm.Block

// view is where a tensor lies in a session's memory: [images][blocks][h][w][16] with
// a border of zeros around every map. All numbers are in elements.
type view struct {
	off    int // of image 0, block 0, pixel (0,0)
	c      int // channels; those of the last block beyond c are zero
	h, w   int
	border int
	row    int // from one row to the next
	plane  int // from one block to the next
	image  int // from one image to the next
}

func blocks(c int) int { return (c + block - 1) / block }

// newView lays out n images of shape s with the given border, starting at element off,
// and returns it with its size.
func newView(s Shape, border, n, off int) (view, int) {
	v := view{c: s.C, h: s.H, w: s.W, border: border}
	v.row = (s.W + 2*border) * block
	v.plane = (s.H + 2*border) * v.row
	v.image = blocks(s.C) * v.plane
	v.off = off + border*v.row + border*block
	return v, n * v.image
}

// at is the offset of a pixel of a block.
func (v *view) at(image, blk, y, x int) int {
	return v.off + image*v.image + blk*v.plane + y*v.row + x*block
}

// line is a row of a block.
func (v *view) line(mem []float32, image, blk, y int) []float32 {
	return mem[v.at(image, blk, y, 0):][:v.w*block]
}

// channels is the part of v from channel c0 (a multiple of 16) on, c channels wide.
func (v *view) channels(c0, c int) view {
	p := *v
	p.off += c0 / block * v.plane
	p.c = c
	return p
}

// contiguous says that the pixels of a map follow each other without gaps.
func (v *view) contiguous() bool { return v.row == v.w*block }

// clearBorder writes zeros around rows y0..y1-1 of one map; the rows above the first
// and below the last belong to the first and last row.
func clearBorder[T float32 | uint16](v *view, mem []T, image, blk, y0, y1 int) {
	if v.border == 0 {
		return
	}
	b := v.border
	first := v.at(image, blk, 0, 0) - b*v.row - b*block
	if y0 == 0 {
		clear(mem[first : first+b*v.row])
	}
	for y := y0; y < y1; y++ {
		left := v.at(image, blk, y, 0)
		clear(mem[left-b*block : left])
		clear(mem[left+v.w*block : left+v.w*block+b*block])
	}
	if y1 == v.h {
		below := first + (v.h+b)*v.row
		clear(mem[below : below+b*v.row])
	}
}

// unpack copies one image of v to dst, [C][H][W].
func (v *view) unpack(mem []float32, image int, dst []float32) {
	for c := 0; c < v.c; c++ {
		for y := 0; y < v.h; y++ {
			src := mem[v.at(image, c/block, y, 0)+c%block:]
			out := dst[(c*v.h+y)*v.w:][:v.w]
			for x := range out {
				out[x] = src[x*block]
			}
		}
	}
}

// pack copies src, [C][H][W], to one image of v and clears its border.
func (v *view) pack(mem []float32, image int, src []float32) {
	for b := 0; b < blocks(v.c); b++ {
		clearBorder(v, mem, image, b, 0, v.h)
		for y := 0; y < v.h; y++ {
			out := mem[v.at(image, b, y, 0):][:v.w*block]
			for j := 0; j < block; j++ {
				c := b*block + j
				if c >= v.c {
					for x := 0; x < v.w; x++ {
						out[x*block+j] = 0
					}
					continue
				}
				in := src[(c*v.h+y)*v.w:][:v.w]
				for x, value := range in {
					out[x*block+j] = value
				}
			}
		}
	}
}

// alignedFloats allocates n float32 on a 64-byte boundary.
func alignedFloats(n int) []float32 {
	const align = 64
	raw := make([]float32, n+align/4)
	skip := 0
	if r := uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % align; r != 0 {
		skip = int(align-r) / 4
	}
	return raw[skip : skip+n : skip+n]
}
