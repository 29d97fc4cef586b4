package train

// maxPool is max-pooling 3x3 with stride 2 and a border of 1 over activations that are
// not negative (they come from a ReLU). from records, for every output, which of the
// nine inputs was the largest (the first of equals).
func maxPool(x, y *tensor, from []uint8) {
	i := 0
	for blk := range blocks(x.c) {
		for image := range x.n {
			for oy := range y.h {
				out := y.line(blk, image, oy)
				for ox := range y.w {
					best := (*[lanes]float32)(out[ox*lanes:])
					arg := (*[lanes]uint8)(from[i:])
					i += lanes
					first := true
					for t := range 9 {
						iy, ix := 2*oy+t/3-1, 2*ox+t%3-1
						if iy < 0 || iy >= x.h || ix < 0 || ix >= x.w {
							continue
						}
						in := (*[lanes]float32)(x.data[x.at(blk, image, iy, ix):])
						if first {
							first = false
							*best = *in
							for j := range arg {
								arg[j] = uint8(t)
							}
							continue
						}
						for j, v := range in {
							if v > best[j] {
								best[j], arg[j] = v, uint8(t)
							}
						}
					}
				}
			}
		}
	}
}

// maxPoolGrad computes the gradient of maxPool's input, which has no border.
func maxPoolGrad(dy, dx *tensor, from []uint8) {
	i := 0
	for blk := range blocks(dx.c) {
		clear(dx.pixels(blk))
		for image := range dx.n {
			for oy := range dy.h {
				d := dy.line(blk, image, oy)
				for ox := range dy.w {
					corner := dx.at(blk, image, 2*oy-1, 2*ox-1)
					arg := (*[lanes]uint8)(from[i:])
					i += lanes
					for j, v := range (*[lanes]float32)(d[ox*lanes:]) {
						t := int(arg[j])
						dx.data[corner+t/3*dx.row()+t%3*lanes+j] += v
					}
				}
			}
		}
	}
}

// meanPool averages every map to one pixel.
func meanPool(x, y *tensor) {
	scale := 1 / float32(x.h*x.w)
	for blk := range blocks(x.c) {
		for image := range x.n {
			var sum [lanes]float32
			in := x.data[x.at(blk, image, 0, 0):][:x.plane()]
			for i := 0; i < len(in); i += lanes {
				for j, v := range (*[lanes]float32)(in[i:]) {
					sum[j] += v
				}
			}
			out := y.line(blk, image, 0)
			for j := range out {
				out[j] = sum[j] * scale
			}
		}
	}
}

// meanPoolGrad spreads the gradient over the map.
func meanPoolGrad(dy, dx *tensor) {
	scale := 1 / float32(dx.h*dx.w)
	for blk := range blocks(dx.c) {
		for image := range dx.n {
			d := dy.line(blk, image, 0)
			out := dx.data[dx.at(blk, image, 0, 0):][:dx.plane()]
			for i := range out {
				out[i] = d[i%lanes] * scale
			}
		}
	}
}
