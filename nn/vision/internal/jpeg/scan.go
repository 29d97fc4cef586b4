package jpeg

import (
	"errors"
	"fmt"
	"slices"
)

// A small file can ask for much time, since each scan visits every block of its
// components. Usual progressive files have about ten scans, which visit a block five
// times.
const (
	maxScans  = 100
	maxVisits = 32      // of a block on average
	freeVisit = 1 << 20 // in all, so that small pictures may have every scan
)

// scan is one SOS segment's parameters (T.81 B.2.3).
type scan struct {
	number   int // 1 for the first
	comps    []*component
	from, to int  // spectral selection, zigzag order
	high     uint // successive approximation: bit position of the scan before, 0 for the first
	low      uint // and of this one
	eobRun   int  // blocks that are yet to be skipped

	dry          bool // no data are left up to the next restart marker
	units, whole int  // units (MCUs) there are, and those whose data were there
}

// readScans decodes from the first SOS marker to the end of the file. Once there is
// something to show, a defect only goes to d.damage; one between scans ends the
// decoding.
func (d *decoder) readScans() error {
	budget := freeVisit
	for i := range d.comps {
		budget += maxVisits * d.comps[i].blocks()
	}
	for n := 1; ; n++ {
		s, err := d.readScanHeader()
		if err == nil {
			s.number, d.scans = n, n
			for _, c := range s.comps {
				budget -= c.blocks()
			}
			if n > maxScans || budget < 0 {
				return fmt.Errorf("too many scans: %d or more", n)
			}
			begin := d.pos
			d.decodeScan(s)
			if n == 1 && s.whole == 0 && (s.units > 1 || d.pos == begin) {
				return errors.New("picture data end at once")
			}
		} else if n == 1 {
			return fmt.Errorf("scan 1: %w", err)
		} else {
			d.damaged("scan %d: %v", n, err)
			break
		}
		marker, err := d.readTables()
		if err != nil {
			d.damaged("%v", err)
		} else if marker == 0 {
			d.damaged("the end marker is missing")
		}
		if marker != markerSOS {
			break
		}
		if !d.progressive && len(s.comps) == len(d.comps) {
			d.damaged("another scan follows the only one")
			break
		}
	}
	d.noteMissing()
	return nil
}

// damaged notes a defect, if it is the first.
func (d *decoder) damaged(format string, args ...any) {
	if d.damage == "" {
		d.damage = fmt.Sprintf(format, args...)
	}
}

// noteMissing notes what no scan told of a component.
func (d *decoder) noteMissing() {
	for i := range d.comps {
		c := &d.comps[i]
		if c.quant == nil {
			d.damaged("component %d is missing", c.id)
		} else if d.progressive {
			if k := slices.Index(c.accuracy[:], -1); k >= 0 {
				d.damaged("scans are missing: component %d has no coefficient %d (of 0 to 63)", c.id, k)
			} else if k := slices.IndexFunc(c.accuracy[:], func(bits int8) bool { return bits > 0 }); k >= 0 {
				d.damaged("scans are missing: component %d lacks low bits of coefficient %d (of 0 to 63)", c.id, k)
			}
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
		c, err := d.component(id, s.comps)
		if err != nil {
			return nil, err
		}
		dc, ac := tables>>4, tables&15
		usesDC, usesAC := s.from == 0 && s.high == 0, s.to > 0
		if usesDC && dc > 3 || usesAC && ac > 3 {
			return nil, fmt.Errorf("component %d: Huffman tables %d and %d, want 0 to 3", id, dc, ac)
		}
		c.dc, c.ac = d.dcs[dc&3], d.acs[ac&3]
		if !d.progressive {
			if c.dc == nil {
				c.dc = standardDC[dc]
			}
			if c.ac == nil {
				c.ac = standardAC[ac]
			}
		}
		if usesDC && c.dc == nil || usesAC && c.ac == nil {
			return nil, fmt.Errorf("component %d: Huffman table is missing", id)
		}
		if usesDC && c.dc.wide {
			return nil, fmt.Errorf("component %d: Huffman table has a symbol above 15", id)
		}
		if c.quant == nil {
			q := d.quants[c.tq]
			if q == nil {
				return nil, fmt.Errorf("component %d: quantisation table %d is missing", id, c.tq)
			}
			copied := *q // the file may change it later
			c.quant = &copied
		}
		blocks += c.h * c.v
		s.comps = append(s.comps, c)
	}
	if len(s.comps) > 1 && blocks > 10 {
		return nil, fmt.Errorf("%d blocks in a unit of the scan, at most 10 are allowed", blocks)
	}
	return s, nil
}

// component returns the first component of that name that is not among others: names
// should differ, but some writers' do not.
func (d *decoder) component(id uint8, others []*component) (*component, error) {
	err := fmt.Errorf("scan of component %d, which the frame does not have", id)
	for i := range d.comps {
		if c := &d.comps[i]; c.id == id {
			if !slices.Contains(others, c) {
				return c, nil
			}
			err = fmt.Errorf("component %d occurs twice in a scan", id)
		}
	}
	return nil, err
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

// decodeScan decodes the entropy-coded data at pos. Damaged data give what they give,
// as with libjpeg: undefined codes are zero, where data are missing the block at hand
// gets zero bits and those behind it, up to the next restart marker, nothing.
func (d *decoder) decodeScan(s *scan) {
	for _, c := range s.comps {
		c.pred = 0
		if c.plane == nil && c.coefs == nil {
			d.allocate(c)
		}
		c.tell(s)
	}
	// A scan of several components interleaves h x v blocks of each; one of a
	// single component has its blocks alone and without padding (T.81 A.2).
	unitsX, unitsY, rows := d.mcusX, d.mcusY, 1
	single := len(s.comps) == 1
	if single {
		c := s.comps[0]
		unitsX, unitsY, rows = ceilDiv(c.width, 8), ceilDiv(c.height, 8), c.v
	}
	s.units = unitsX * unitsY
	r := &bits{data: d.data, pos: d.pos}
	var block [64]int16
	for i := range s.units {
		ux, uy := i%unitsX, i/unitsX
		if !s.dry {
			d.lastRow = uy / rows
		}
		if d.restart > 0 && i > 0 && i%d.restart == 0 {
			d.nextInterval(s, r, i, i/d.restart-1)
		}
		if s.dry {
			if d.restart == 0 {
				break
			}
			continue
		}
		if single {
			d.decodeBlock(s, r, s.comps[0], ux, uy, &block)
		} else {
			for _, c := range s.comps {
				for b := range c.h * c.v {
					d.decodeBlock(s, r, c, ux*c.h+b%c.h, uy*c.v+b/c.h, &block)
				}
			}
		}
		if r.odd {
			r.odd = false
			d.damagedAt(s, i, "undefined code")
		}
		if s.dry = r.overrun(); s.dry {
			d.damagedAt(s, i, "picture data end")
		} else {
			s.whole++
		}
	}
	if d.pos = r.pos; !s.dry && !r.atEnd() { // some writers put bytes behind the end
		d.nextMarker()
		if r.leftOver(d.pos - 2) {
			d.damaged("scan %d: data are left over", s.number)
		}
		d.pos = r.pos
	}
	if lost := s.units - s.whole; lost > 0 {
		d.lost = max(d.lost, float64(lost)/float64(s.units))
	}
}

// damagedAt notes a defect in unit i of a scan.
func (d *decoder) damagedAt(s *scan, i int, what string) {
	if d.damage == "" {
		d.damaged("scan %d: %s after %d %% of the picture", s.number, what, 100*i/s.units)
	}
}

// nextInterval goes behind restart marker n (modulo 8), before unit i, and starts
// afresh. Where another marker is found it decides as libjpeg does: one of the two
// before that one, or an undefined one, is skipped; one of the next two, or any that
// ends the scan, shows that the marker was lost, and stays; a restart marker farther
// away is taken for the right one.
func (d *decoder) nextInterval(s *scan, r *bits, i, n int) {
	d.pos = r.pos
	for first := true; ; first = false {
		m := d.nextMarker()
		restart := markerRST0 <= m && m <= markerRST7
		ahead := (int(m) - markerRST0 - n) & 7
		if first && (!restart || ahead != 0) {
			d.damagedAt(s, i, "a restart marker is missing")
		}
		switch {
		case restart && ahead >= 6, 0 < m && m < markerSOF0:
			continue
		case restart && ahead != 1 && ahead != 2:
			if first && r.leftOver(d.pos-2) {
				d.damagedAt(s, i, "data are left over")
			}
			s.dry = false
		case m != 0:
			d.pos -= 2
		}
		break
	}
	*r = bits{data: d.data, pos: d.pos}
	for _, c := range s.comps {
		c.pred = 0
	}
	s.eobRun = 0
}

// decodeBlock decodes block (bx, by) of c. block is scratch, zero between calls.
func (d *decoder) decodeBlock(s *scan, r *bits, c *component, bx, by int, block *[64]int16) {
	if !d.progressive {
		last := r.baseline(c, block)
		c.reconstruct(block, last, bx, by)
		if last == 0 {
			block[0] = 0
		} else {
			*block = [64]int16{}
		}
		return
	}
	at := by*c.blocksX + bx
	b, last := (*[64]int16)(c.coefs[64*at:]), &c.last[at]
	switch {
	case s.from == 0 && s.high == 0:
		b[0] = int16(r.difference(c) << s.low)
	case s.from == 0:
		if r.bit() {
			b[0] |= 1 << s.low
		}
	case s.high == 0:
		r.firstAC(s, c, b, last)
	default:
		r.refineAC(s, c, b, last)
	}
}

// baseline decodes a whole block (T.81 F.2.2) into b, which is zero, and returns the
// last zigzag index used.
func (r *bits) baseline(c *component, b *[64]int16) (last int) {
	b[0] = int16(r.difference(c))
	for k := 1; k < 64; k++ {
		r.need()
		rs := r.symbol(c.ac)
		size := int(rs & 15)
		if size == 0 {
			if rs != 0xf0 {
				break // end of block
			}
			k += 15
			continue
		}
		k = r.within(k + int(rs>>4))
		b[zigzag[k]] = int16(r.signed(size))
		last = k
	}
	return last
}

// within is the zigzag index k; beyond the block it means the last.
func (r *bits) within(k int) int {
	if k > 63 {
		r.odd = true
		return 63
	}
	return k
}

// difference decodes a DC coefficient, which is told by its difference from the one
// before (T.81 F.2.2.1; its high bits, G.1.2.1).
func (r *bits) difference(c *component) int32 {
	r.need()
	if size := r.symbol(c.dc); size > 0 {
		c.pred += r.signed(int(size))
	}
	return c.pred
}

// firstAC decodes the high bits of a band (T.81 G.1.2.2). last is the last zigzag
// index of the block that may be other than zero.
func (r *bits) firstAC(s *scan, c *component, b *[64]int16, last *uint8) {
	if s.eobRun > 0 {
		s.eobRun--
		return
	}
	for k := s.from; k <= s.to; k++ {
		r.need()
		rs := r.symbol(c.ac)
		run, size := int(rs>>4), int(rs&15)
		if size == 0 {
			if run < 15 { // this block and so many others have nothing more
				s.eobRun = 1<<run + int(r.value(run)) - 1
				return
			}
			k += 15
			continue
		}
		k = r.within(k + run)
		b[zigzag[k]] = int16(r.signed(size) << s.low)
		*last = max(*last, uint8(k))
	}
}

// refineAC decodes one more bit of a band (T.81 G.1.2.3): a correction bit for
// every coefficient that is not zero, and new coefficients of magnitude one.
func (r *bits) refineAC(s *scan, c *component, b *[64]int16, last *uint8) {
	one := int16(1) << s.low
	k := s.from
	for ; s.eobRun == 0 && k <= s.to; k++ {
		r.need()
		rs := r.symbol(c.ac)
		zeros, size := int(rs>>4), int(rs&15)
		fresh := int16(0)
		if size > 0 {
			r.odd = r.odd || size > 1
			fresh = -one
			if r.bit() {
				fresh = one
			}
		} else if zeros < 15 {
			s.eobRun = 1<<zeros + int(r.value(zeros))
			break
		}
		k = r.correct(b, k, s.to, one, zeros)
		if fresh != 0 {
			k = r.within(k)
			b[zigzag[k]] = fresh
			*last = max(*last, uint8(k))
		}
	}
	if s.eobRun > 0 {
		r.correct(b, k, min(s.to, int(*last)), one, 64)
		s.eobRun--
	}
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
