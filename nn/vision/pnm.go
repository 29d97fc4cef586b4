package vision

import "cwox/nn/vision/internal/pnm"

func openPNM(data []byte) (*source, error) {
	h, err := pnm.DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	return &source{width: h.Width, height: h.Height, memory: h.Memory, decode: func() (*Picture, error) {
		m, err := pnm.Decode(data)
		if err != nil {
			return nil, err
		}
		p := &Picture{Width: m.Width, Height: m.Height, Pix: m.Pix}
		if m.Damage != "" {
			p.note(NoteTruncated, "damaged file, part of the picture may be missing: %s", m.Damage)
		}
		if m.More {
			p.note(NoteFirstFrame, "several pictures in the file: only the first was read")
		}
		if m.Alpha {
			p.note(NoteAlphaDropped, "transparency dropped, not composited")
		}
		if m.Depth != "" {
			p.note(NoteDepthReduced, "%s", m.Depth)
		}
		return p, nil
	}}, nil
}
