package jpeg

// DecodeSamples decodes a whole file as Decode does, but leaves the components as they
// are stored: Pix is [Height][Width][Components], at full size, not converted to RGB.
func DecodeSamples(data []byte) (*Image, error) {
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
		for y := range d.height {
			row := m.Pix[n*d.width*y:]
			for x, v := range d.line(c, y, buffer)[:d.width] {
				row[n*x+k] = v
			}
		}
	}
	return m, nil
}
