package vision

import "cwox/nn/vision/internal/jpeg"

func openJPEG(data []byte) (*source, error) {
	h, err := jpeg.DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	return &source{h.Width, h.Height, h.Memory, orientation(h.Exif), func() (*Picture, error) {
		m, err := jpeg.Decode(data)
		if err != nil {
			return nil, err
		}
		p := &Picture{Width: m.Width, Height: m.Height, Pix: m.Pix}
		if m.Damage != "" {
			p.note(NoteTruncated, "damaged file, part of the picture may be missing: %s", m.Damage)
		}
		if m.Components == 4 {
			p.note(NoteCMYK, "CMYK converted without a colour profile")
		}
		return p, nil
	}}, nil
}
