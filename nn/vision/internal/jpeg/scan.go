package jpeg

import (
	"errors"
	"fmt"
)

// A small file can ask for much time, since each scan visits every block of its
// components. Usual progressive files have about ten scans, which visit a block five
// times.
const (
	maxScans  = 100
	maxVisits = 32      // of a block on average
	freeVisit = 1 << 20 // in all, so that small pictures may have every scan
)

var (
	errEarly   = errors.New("picture data end")
	errRestart = errors.New("no restart marker")
)

// scan is one SOS segment's parameters (T.81 B.2.3).
type scan struct {
	comps    []*component
	from, to int  // spectral selection, zigzag order
	high     uint // successive approximation: bit position of the scan before, 0 for the first
	low      uint // and of this one
	eobRun   int  // blocks that are yet to be skipped
}

// readScans decodes from the first SOS marker to the end of the file. Once there is
// something to show, a defect only ends the decoding and goes to d.damage.
func (d *decoder) readScans() error {
	budget := freeVisit
	for i := range d.comps {
		budget += maxVisits * d.comps[i].blocks()
	}
	for n := 1; ; n++ {
		s, err := d.readScanHeader()
		if err == nil {
			for _, c := range s.comps {
				budget -= c.blocks()
			}
			if n > maxScans || budget < 0 {
				return fmt.Errorf("too many scans: %d or more", n)
			}
		}
		done := 0
		if err == nil {
			done, err = d.decodeScan(s)
		}
		if err != nil {
			err = fmt.Errorf("scan %d: %w", n, err)
			if n == 1 && done == 0 {
				return err
			}
			d.damage = err.Error()
			return nil
		}
		marker, err := d.readTables()
		switch {
		case err != nil:
			d.damage = err.Error()
			return nil
		case marker == 0:
			d.damage = "the end marker is missing"
		}
		if marker != markerSOS {
			d.noteMissing()
			return nil
		}
	}
}

// noteMissing sets damage if a component had no scan.
func (d *decoder) noteMissing() {
	for i := range d.comps {
		if c := &d.comps[i]; c.quant == nil && d.damage == "" {
			d.damage = fmt.Sprintf("component %d is missing", c.id)
		}
	}
}

func (d *decoder) readScanHeader() (*scan, error) {
	b, err := d.segment()
	if err != nil {
		return nil, err
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || b[0] > 4 {
		return nil, fmt.Errorf("scan header of %d bytes does not fit its number of components", len(b))
	}
	s := &scan{to: 63}
	if t := b[len(b)-3:]; d.progressive {
		s.from, s.to, s.high, s.low = int(t[0]), int(t[1]), uint(t[2]>>4), uint(t[2]&15)
		if s.from > s.to || s.to > 63 || s.low > 13 || s.from == 0 && s.to != 0 ||
			s.from > 0 && b[0] != 1 || s.high != 0 && s.high != s.low+1 {
			return nil, fmt.Errorf("bad scan parameters: coefficients %d to %d, bits %d to %d", s.from, s.to, s.high, s.low)
		}
	}
	blocks := 0
	for i := range int(b[0]) {
		id, tables := b[1+2*i], b[2+2*i]
		c := d.component(id)
		if c == nil {
			return nil, fmt.Errorf("scan of component %d, which the frame does not have", id)
		}
		for _, other := range s.comps {
			if other == c {
				return nil, fmt.Errorf("component %d occurs twice in a scan", id)
			}
		}
		if tables>>4 > 3 || tables&15 > 3 {
			return nil, fmt.Errorf("component %d: Huffman tables %d and %d, want 0 to 3", id, tables>>4, tables&15)
		}
		c.dc, c.ac = d.dcs[tables>>4], d.acs[tables&15]
		if c.dc == nil && s.from == 0 && s.high == 0 || c.ac == nil && s.to > 0 {
			return nil, fmt.Errorf("component %d: Huffman table is missing", id)
		}
		if c.quant == nil {
			if c.quant = d.quants[c.tq]; c.quant == nil {
				return nil, fmt.Errorf("component %d: quantisation table %d is missing", id, c.tq)
			}
		}
		blocks += c.h * c.v
		s.comps = append(s.comps, c)
	}
	if len(s.comps) > 1 && blocks > 10 {
		return nil, fmt.Errorf("%d blocks in a unit of the scan, at most 10 are allowed", blocks)
	}
	return s, nil
}

func (d *decoder) component(id uint8) *component {
	for i := range d.comps {
		if d.comps[i].id == id {
			return &d.comps[i]
		}
	}
	return nil
}

// allocate makes room for the samples (grey at first) and coefficients of c.
func (d *decoder) allocate(c *component) {
	if d.progressive {
		c.coefs = make([]int16, 64*c.blocks())
		c.last = make([]uint8, c.blocks())
		return
	}
	c.plane = make([]uint8, 64*c.blocks())
	for i := range c.plane {
		c.plane[i] = 128
	}
}

// decodeScan decodes the entropy-coded data at pos and returns the number of units
// (MCUs) that it could decode.
func (d *decoder) decodeScan(s *scan) (done int, err error) {
	for _, c := range s.comps {
		c.pred = 0
		if c.plane == nil && c.coefs == nil {
			d.allocate(c)
		}
	}
	// A scan of several components interleaves h x v blocks of each; one of a
	// single component has its blocks alone and without padding (T.81 A.2).
	unitsX, unitsY := d.mcusX, d.mcusY
	single := len(s.comps) == 1
	if single {
		unitsX, unitsY = ceilDiv(s.comps[0].width, 8), ceilDiv(s.comps[0].height, 8)
	}
	r := &bits{data: d.data, pos: d.pos}
	defer func() {
		d.pos = r.pos
		if err != nil {
			err = fmt.Errorf("%w after %d %% of the picture", err, 100*done/(unitsX*unitsY))
		}
	}()
	var block [64]int16
	for uy := range unitsY {
		for ux := range unitsX {
			if d.restart > 0 && done > 0 && done%d.restart == 0 {
				if err := d.nextInterval(s, r, done/d.restart-1); err != nil {
					return done, err
				}
			}
			if single {
				err = d.decodeBlock(s, r, s.comps[0], ux, uy, &block)
			} else {
				for _, c := range s.comps {
					for i := 0; i < c.h*c.v && err == nil; i++ {
						err = d.decodeBlock(s, r, c, ux*c.h+i%c.h, uy*c.v+i/c.h, &block)
					}
				}
			}
			if err != nil {
				return done, err
			}
			done++
		}
	}
	return done, nil
}

// nextInterval goes behind restart marker n (modulo 8) and starts afresh.
func (d *decoder) nextInterval(s *scan, r *bits, n int) error {
	d.pos = r.pos
	want := uint8(markerRST0 + n&7)
	if m := d.nextMarker(); m != want {
		if m != 0 {
			d.pos -= 2
		}
		r.pos = d.pos
		return errRestart
	}
	*r = bits{data: d.data, pos: d.pos}
	for _, c := range s.comps {
		c.pred = 0
	}
	s.eobRun = 0
	return nil
}

// decodeBlock decodes block (bx, by) of c. block is scratch, zero between calls.
func (d *decoder) decodeBlock(s *scan, r *bits, c *component, bx, by int, block *[64]int16) error {
	if !d.progressive {
		last, err := r.baseline(c, block)
		if err != nil {
			*block = [64]int16{}
			return err
		}
		c.reconstruct(block, last, bx, by)
		if last == 0 {
			block[0] = 0
		} else {
			*block = [64]int16{}
		}
		return nil
	}
	at := by*c.blocksX + bx
	b, last := (*[64]int16)(c.coefs[64*at:]), &c.last[at]
	var err error
	switch {
	case s.from == 0 && s.high == 0:
		err = r.firstDC(s, c, b)
	case s.from == 0:
		if r.bit() {
			b[0] |= 1 << s.low
		}
	case s.high == 0:
		err = r.firstAC(s, c, b, last)
	default:
		err = r.refineAC(s, c, b, last)
	}
	if err == nil && r.overrun() {
		err = errEarly
	}
	return err
}

// baseline decodes a whole block (T.81 F.2.2) into b, which is zero, and returns the
// last zigzag index used.
func (r *bits) baseline(c *component, b *[64]int16) (last int, err error) {
	r.need()
	size, ok := r.symbol(c.dc)
	if !ok || size > 15 {
		return 0, r.broken()
	}
	if size > 0 {
		c.pred += r.signed(int(size))
	}
	b[0] = int16(c.pred)
	for k := 1; k < 64; k++ {
		r.need()
		rs, ok := r.symbol(c.ac)
		if !ok {
			return 0, r.broken()
		}
		size := int(rs & 15)
		if size == 0 {
			if rs != 0xf0 {
				break // end of block
			}
			k += 15
			continue
		}
		k += int(rs >> 4)
		if k > 63 {
			return 0, r.broken()
		}
		b[zigzag[k]] = int16(r.signed(size))
		last = k
	}
	if r.overrun() {
		return 0, errEarly
	}
	return last, nil
}

// broken says why a symbol does not make sense: zero bits behind the end of the
// data, or corrupt data.
func (r *bits) broken() error {
	if r.end && r.n-r.pad < 16 {
		return errEarly
	}
	return errCode
}

// firstDC decodes the high bits of a DC coefficient (T.81 G.1.2.1).
func (r *bits) firstDC(s *scan, c *component, b *[64]int16) error {
	r.need()
	size, ok := r.symbol(c.dc)
	if !ok || size > 15 {
		return r.broken()
	}
	if size > 0 {
		c.pred += r.signed(int(size))
	}
	b[0] = int16(c.pred << s.low)
	return nil
}

// firstAC decodes the high bits of a band (T.81 G.1.2.2). last is the last zigzag
// index of the block that may be other than zero.
func (r *bits) firstAC(s *scan, c *component, b *[64]int16, last *uint8) error {
	if s.eobRun > 0 {
		s.eobRun--
		return nil
	}
	for k := s.from; k <= s.to; k++ {
		r.need()
		rs, ok := r.symbol(c.ac)
		if !ok {
			return r.broken()
		}
		run, size := int(rs>>4), int(rs&15)
		if size == 0 {
			if run < 15 { // this block and so many others have nothing more
				s.eobRun = 1<<run + int(r.value(run)) - 1
				return nil
			}
			k += 15
			continue
		}
		k += run
		if k > s.to {
			return r.broken()
		}
		b[zigzag[k]] = int16(r.signed(size) << s.low)
		*last = max(*last, uint8(k))
	}
	return nil
}

// refineAC decodes one more bit of a band (T.81 G.1.2.3): a correction bit for
// every coefficient that is not zero, and new coefficients of magnitude one.
func (r *bits) refineAC(s *scan, c *component, b *[64]int16, last *uint8) error {
	one := int16(1) << s.low
	k := s.from
	for ; s.eobRun == 0 && k <= s.to; k++ {
		r.need()
		rs, ok := r.symbol(c.ac)
		if !ok {
			return r.broken()
		}
		zeros, size := int(rs>>4), int(rs&15)
		fresh := int16(0)
		if size > 1 {
			return errCode
		} else if size == 1 {
			fresh = -one
			if r.bit() {
				fresh = one
			}
		} else if zeros < 15 {
			s.eobRun = 1<<zeros + int(r.value(zeros))
			break
		}
		if k = r.correct(b, k, s.to, one, zeros); k > s.to {
			if fresh != 0 {
				return r.broken()
			}
			break
		}
		if fresh != 0 {
			b[zigzag[k]] = fresh
			*last = max(*last, uint8(k))
		}
	}
	if s.eobRun > 0 {
		r.correct(b, k, min(s.to, int(*last)), one, 64)
		s.eobRun--
	}
	return nil
}

// correct reads the correction bits of the coefficients from k on and stops at the
// one after so many zero coefficients, or behind to.
func (r *bits) correct(b *[64]int16, k, to int, one int16, zeros int) int {
	for ; k <= to; k++ {
		p := &b[zigzag[k]]
		switch {
		case *p == 0:
			if zeros == 0 {
				return k
			}
			zeros--
		case r.bit() && *p&one == 0:
			if *p > 0 {
				*p += one
			} else {
				*p -= one
			}
		}
	}
	return k
}
