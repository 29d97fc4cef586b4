package jpeg

// DecodeSamples decodes a whole file as Decode does, but leaves the components as they
// are stored: Pix is [Height][Width][Components], at full size, not converted to RGB.
// Samples of components with fewer rows or columns are interpolated, or repeated.
func DecodeSamples(data []byte, interpolate bool) (*Image, error) {
	var d decoder
	if err := d.readHeader(data); err != nil {
		return nil, err
	}
	if err := d.readScans(); err != nil {
		return nil, err
	}
	m := &Image{Header: d.header(), Damage: d.damage}
	n := len(d.comps)
	m.Pix = make([]uint8, n*d.width*d.height)
	for k := range d.comps {
		c := &d.comps[k]
		if c.plane == nil {
			d.reconstructAll(c)
		}
		buffer := make([]uint8, d.width+d.maxH)
		fx, fy := d.maxH/c.h, d.maxV/c.v
		for y := range d.height {
			dst := m.Pix[n*d.width*y:]
			if interpolate {
				for x, v := range d.line(c, y, buffer)[:d.width] {
					dst[n*x+k] = v
				}
				continue
			}
			src := c.plane[8*c.blocksX*(y/fy):]
			for x := range d.width {
				dst[n*x+k] = src[x/fx]
			}
		}
	}
	return m, nil
}
