//go:build !purego

package asm

import (
	"encoding/binary"

	"github.com/klauspost/cpuid/v2"
)

// amx is avx512bf16 with GemmBF16 on the tile registers.
var amx = func() Kernels {
	k := avx512bf16
	k.Tier = "amx"
	k.GemmBF16 = GemmBF16{Name: "gemmBF16AMX", MaxVecs: 2, Run: gemmBF16AMX}
	for r := 2 * amxRows; r > 0; r-- {
		k.GemmBF16.Rows = append(k.GemmBF16.Rows, r)
	}
	k.PeakBF16 = Peak{Name: "peakBF16AMX", MACs: 4 * amxRows * amxRows * 2 * amxRows, Run: peakBF16AMX}
	return k
}()

// amxRows is the number of rows of a tile register, of 64 bytes each.
const amxRows = 16

// amxWork is memory of a kernel call: the shapes of the tiles as LDTILECFG takes them,
// and the sums of a tile of rows.
type amxWork struct {
	shapes [64]byte
	//lint:ignore U1000 the assembly uses it
	sums [2 * amxRows][2][Block]float32
}

// shape sets the rows of a tile register and the bytes of a row.
func (w *amxWork) shape(tile, rows, bytes int) {
	binary.LittleEndian.PutUint16(w.shapes[16+2*tile:], uint16(bytes))
	w.shapes[48+tile] = byte(rows)
}

// set sets the shapes for a product of so many rows, vectors and pairs of a tap. Tiles
// that are not needed keep no shape.
func (w *amxWork) set(rows, vecs, pairs int) {
	w.shapes[0] = 1 // the palette of eight tiles of 16 rows of 64 bytes
	for half := 0; half*amxRows < rows; half++ {
		n := min(amxRows, rows-half*amxRows)
		w.shape(4+half, n, 4*pairs)
		for v := range vecs {
			w.shape(2*half+v, n, 4*Block)
		}
	}
	for v := range vecs {
		w.shape(6+v, pairs, 4*Block)
	}
}

// gemmBF16AMX leaves what tiles cannot do to AVX-512: pairs apart from each other, and
// more of them to a tap than a tile register has rows.
func gemmBF16AMX(args *GemmBF16Args) {
	checkGemmBF16(args, 2*amxRows, 2)
	if args.AStep != 4 || args.K > amxRows {
		gemmBF16Rows(args)
		return
	}
	var w amxWork
	w.set(args.Rows, args.Vecs, args.K)
	switch {
	case args.Vecs == 1 && args.Rows <= amxRows:
		gemmBF16AMX_16x16(args, &w)
	case args.Vecs == 1:
		gemmBF16AMX_32x16(args, &w)
	case args.Rows <= amxRows:
		gemmBF16AMX_16x32(args, &w)
	default:
		gemmBF16AMX_32x32(args, &w)
	}
}

// gemmBF16Rows runs tiles of more rows than the AVX-512 kernels have, a part at a time.
// It changes args on the way: a copy would be an allocation.
func gemmBF16Rows(args *GemmBF16Args) {
	const most = 14
	whole := *args
	args.Tiles = 1
	for i := range whole.Tiles {
		for r := 0; r < whole.Rows; r += most {
			args.Rows = min(most, whole.Rows-r)
			args.A = (*uint16)(at16(whole.A, i*whole.ATile+r*whole.ARow))
			args.C = (*uint16)(at16(whole.C, i*whole.CTile+r*whole.CRow))
			if whole.Res != nil {
				args.Res = (*uint16)(at16(whole.Res, i*whole.CTile+r*whole.CRow))
			}
			gemmBF16AVX512(args)
		}
	}
	*args = whole
}

func peakBF16AMX(n int) {
	var w amxWork
	w.set(2*amxRows, 2, amxRows)
	peakBF16AMXLoop(n, &w)
}

// missingAMX names what keeps the amx tier from running: features, the permission of the
// operating system, or a wrong result of its kernel.
func missingAMX(features string) string {
	if features == "" {
		features = missing(cpuid.AMXTILE, cpuid.AMXBF16)
	}
	switch {
	case features != "":
		return features
	case !permitAMX():
		return "the operating system's permission for AMX tile data"
	case !worksAMX():
		return "AMX tiles that compute right (a self-test failed)"
	}
	return ""
}

// worksAMX multiplies small whole numbers, which every order of rounding gives exactly,
// with every shape of the kernel.
func worksAMX() bool {
	const taps, pairs, maxRows = 3, 8, 2 * amxRows
	var a [taps * maxRows * 2 * pairs]uint16
	var b [taps * pairs * 2 * 2 * Block]uint16
	for i := range a {
		a[i] = BF16(float32(i%7 - 3))
	}
	for i := range b {
		b[i] = BF16(float32(i%5 - 2))
	}
	offsets := [taps]int{0, 2 * 2 * pairs * maxRows, 4 * 2 * pairs * maxRows}
	for _, rows := range []int{1, 14, amxRows, 28, maxRows} {
		for vecs := 1; vecs <= 2; vecs++ {
			var got, want [maxRows * 2 * Block]uint16
			args := GemmBF16Args{
				A: &a[0], ARow: 4 * pairs, AStep: 4, Taps: &offsets[0], NTaps: taps, K: pairs,
				B: &b[0], BStep: vecs * 4 * Block, BVec: 4 * Block,
				C: &got[0], CRow: 4 * Block, CVec: 2 * Block, Rows: rows, Vecs: vecs, Tiles: 1,
			}
			gemmBF16AMX(&args)
			args.C = &want[0]
			gemmBF16Ref(&args)
			if got != want {
				return false
			}
		}
	}
	return true
}

//go:noescape
func gemmBF16AMX_16x16(args *GemmBF16Args, work *amxWork)

//go:noescape
func gemmBF16AMX_32x16(args *GemmBF16Args, work *amxWork)

//go:noescape
func gemmBF16AMX_16x32(args *GemmBF16Args, work *amxWork)

//go:noescape
func gemmBF16AMX_32x32(args *GemmBF16Args, work *amxWork)

//go:noescape
func peakBF16AMXLoop(n int, work *amxWork)

//lint:ignore U1000 its code is what encodingsAMXAddress points to
func encodingsAMX()

// encodingsAMXAddress is where the instructions are that a test compares.
func encodingsAMXAddress() uintptr
