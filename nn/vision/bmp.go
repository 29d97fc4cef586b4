package vision

import "cwox/nn/vision/internal/bmp"

func openBMP(data []byte) (*source, error) {
	h, err := bmp.DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	return &source{width: h.Width, height: h.Height, memory: h.Memory, decode: func() (*Picture, error) {
		m, err := bmp.Decode(data)
		if err != nil {
			return nil, err
		}
		p := &Picture{Width: m.Width, Height: m.Height, Pix: m.Pix}
		if m.Damage != "" {
			p.note(NoteTruncated, "damaged file, part of the picture may be missing: %s", m.Damage)
		}
		if m.Alpha {
			p.note(NoteAlphaDropped, "transparency dropped, not composited")
		}
		return p, nil
	}}, nil
}
