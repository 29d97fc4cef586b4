package drawnworld

// rgb is a colour with channels 0..255.
type rgb struct{ r, g, b int32 }

func hex(v uint32) rgb { return rgb{int32(v >> 16), int32(v >> 8 & 255), int32(v & 255)} }

// mix goes from c (t = 0) to d (t = 256).
func (c rgb) mix(d rgb, t int32) rgb {
	return rgb{
		c.r + ((d.r-c.r)*t+128)>>8,
		c.g + ((d.g-c.g)*t+128)>>8,
		c.b + ((d.b-c.b)*t+128)>>8,
	}
}

func (c rgb) lighter(t int32) rgb { return c.mix(white, t) }
func (c rgb) darker(t int32) rgb  { return c.mix(shade, t) }

// far is the squared distance of two colours, green weighted as the eye does.
func (c rgb) far(d rgb) int32 {
	dr, dg, db := c.r-d.r, c.g-d.g, c.b-d.b
	return 2*dr*dr + 4*dg*dg + 3*db*db
}

func (c rgb) luma() int32 { return (2*c.r + 5*c.g + c.b) / 8 }

var (
	white = rgb{255, 255, 255}
	shade = hex(0x1d1833) // what shadows and dark lines are made of
	cream = hex(0xfbf6ea)
	steel = hex(0xb8c2cc)
	gold  = hex(0xf4c95d)
	wood  = hex(0xb98357)
)

// bodies are the colours of objects.
var bodies = []rgb{
	hex(0xe4572e), hex(0xf08a4b), hex(0xf2b134), hex(0xf3d75c), hex(0x8ab661), hex(0x4f9d69),
	hex(0x2a9d8f), hex(0x35b5c4), hex(0x4a90c2), hex(0x3d5fa5), hex(0x7a5ba8), hex(0xb25690),
	hex(0xe78fb3), hex(0xd9a98a), hex(0x9a6a52), hex(0xf3ebdd), hex(0x66788a), hex(0xb9cfae),
}

// grounds are background colours, top and bottom.
var grounds = [][2]rgb{
	{hex(0xfaf1e6), hex(0xe6d0b8)}, {hex(0xe2f1f5), hex(0xb5d3de)}, {hex(0xedf3e0), hex(0xc2d4a6)},
	{hex(0xfde6dc), hex(0xf1b9a5)}, {hex(0xeae5f5), hex(0xc1b5dd)}, {hex(0xfff5d2), hex(0xf1d386)},
	{hex(0xdce3eb), hex(0xa5b3c4)}, {hex(0x3a4c63), hex(0x1c2635)}, {hex(0x466055), hex(0x22312b)},
	{hex(0x6a5452), hex(0x382a2b)}, {hex(0xd6eee3), hex(0x8fc7ae)}, {hex(0xf7dce3), hex(0xdea1b2)},
	{hex(0x57587f), hex(0x2d2b4d)}, {hex(0xf2efe9), hex(0xcfc9c0)},
}

// pattern is a texture in a plane with 16 fractional bits, one period per unit.
type pattern int

const (
	noPattern pattern = iota
	stripes
	dots
	checks
	grain
	speckle
	patterns
)

// at is the amount of ink, 0..256, at (u, v). Edges are soft over a fifth of a period.
func (p pattern) at(u, v int64) int32 {
	switch p {
	case stripes:
		return edge(triangle(u))
	case checks:
		a, b := edge(triangle(u)), edge(triangle(v))
		return (a + b) / 2
	case dots:
		v += u >> 16 & 1 << 15 // every other column is shifted by half a period
		x, y := u&65535-32768, v&65535-32768
		d := (x*x + y*y) >> 14 // 2^16 at half a period
		return int32(min(max((22000-d)/40+128, 0), 256))
	case grain:
		// Wood: stripes bent by slow noise along them.
		bend := wave(v>>3) + wave(v)>>2
		return int32(triangle(u+bend)>>8)*160>>8 + int32(wave(v<<1+u<<4)>>10)
	case speckle:
		return int32(hash(uint64(u>>15)<<32^uint64(uint32(v>>15))) >> 56)
	}
	return 0
}

// triangle has period 65536, 0 at whole numbers and 32768 between them.
func triangle(u int64) int64 {
	u &= 65535
	if u > 32768 {
		return 65536 - u
	}
	return u
}

func edge(t int64) int32 { return int32(min(max((t-16384)/26+128, 0), 256)) }

// wave is value noise in -32768..32767 with one knot per unit.
func wave(v int64) int64 {
	a, b := int64(hash(uint64(v>>16))>>48), int64(hash(uint64(v>>16+1))>>48)
	t := v & 65535
	t = t * t >> 16 * (3*65536 - 2*t) >> 16
	return a + (b-a)*t>>16 - 32768
}
