package vision

import "cwox/nn/vision/internal/tiff"

func openTIFF(data []byte) (*source, error) {
	h, err := tiff.DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	s := &source{width: h.Width, height: h.Height, memory: h.Memory}
	s.describe(metadata{xmp: func() []byte { return h.XMP }, profile: func() []byte { return h.Profile }})
	if h.Orientation > 0 {
		s.orientation = h.Orientation
	}
	s.decode = func() (*Picture, error) {
		m, err := tiff.Decode(data)
		if err != nil {
			return nil, err
		}
		p := &Picture{Width: m.Width, Height: m.Height, Pix: m.Pix}
		if m.Damage != "" {
			p.note(NoteTruncated, "damaged file, part of the picture may be missing: %s", m.Damage)
		}
		if m.Pages > 1 {
			p.note(NoteFirstFrame, "%d pictures in the file: only the first was read", m.Pages)
		}
		if m.CMYK {
			p.note(NoteCMYK, "CMYK converted without a colour profile")
		}
		if m.Alpha {
			p.note(NoteAlphaDropped, "transparency dropped, not composited")
		}
		if m.Extra > 0 {
			p.note(NoteAlphaDropped, "samples that are neither colour nor alpha were dropped: %d a pixel", m.Extra)
		}
		if m.Depth != "" {
			p.note(NoteDepthReduced, "%s", m.Depth)
		}
		return p, nil
	}
	return s, nil
}
