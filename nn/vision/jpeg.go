package vision

import (
	"bytes"

	"cwox/nn/vision/internal/jpeg"
)

func openJPEG(data []byte) (*source, error) {
	h, err := jpeg.DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	s := &source{width: h.Width, height: h.Height, memory: h.Memory}
	about := metadata{exif: h.Exif}
	if h.XMP != nil {
		about.xmp = func() []byte { return h.XMP }
	}
	if h.Profile != nil {
		about.profile = func() []byte { return h.Profile }
	}
	s.describe(about)
	s.decode = func() (*Picture, error) {
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
		// A gain map, which XMP announces, is no picture of its own.
		if n := firstIFD(h.Pictures)[tagPictures]; n > 1 && !bytes.Contains(h.XMP, []byte(`hdrgm:Version="`)) {
			p.note(NoteFirstFrame, "%d pictures: only the first was read", n)
		}
		return p, nil
	}
	return s, nil
}
