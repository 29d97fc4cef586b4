package figure

import (
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Style is a cut of the font.
type Style int

// The styles.
const (
	Regular Style = iota
	Bold
	Italic
)

var ttf = [...][]byte{Regular: goregular.TTF, Bold: gobold.TTF, Italic: goitalic.TTF}

// parsed are the fonts, each read on first use.
var parsed = [...]func() *sfnt.Font{parseOnce(Regular), parseOnce(Bold), parseOnce(Italic)}

func parseOnce(s Style) func() *sfnt.Font {
	return sync.OnceValue(func() *sfnt.Font {
		f, err := opentype.Parse(ttf[s])
		if err != nil {
			panic("figure: a font that comes with the program cannot be read")
		}
		return f
	})
}

// face is a font at a size in pixels.
func face(s Style, pixels float64) font.Face {
	f, err := opentype.NewFace(parsed[s](), &opentype.FaceOptions{Size: pixels, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("figure: a font that comes with the program has no faces")
	}
	return f
}

// textWidth is how wide a text is.
func textWidth(s string, size float64, style Style) float64 {
	const scale = 1024 // units of the em: exact enough, and independent of the size
	var buf sfnt.Buffer
	f := parsed[style]()
	var sum fixed.Int26_6
	for _, r := range s {
		i, err := f.GlyphIndex(&buf, r)
		if err != nil {
			continue
		}
		if a, err := f.GlyphAdvance(&buf, i, fixed.I(scale), font.HintingNone); err == nil {
			sum += a
		}
	}
	return float64(sum) / 64 / scale * size
}

// fit shortens a text to a width.
func fit(s string, width, size float64, style Style) string {
	if textWidth(s, size, style) <= width {
		return s
	}
	r := []rune(s)
	for n := len(r) - 1; n > 0; n-- {
		if short := strings.TrimRight(string(r[:n]), " ,") + "\u2026"; textWidth(short, size, style) <= width {
			return short
		}
	}
	return ""
}

// wrap breaks a text into at most so many lines of a width, the last one shortened.
func wrap(s string, lines int, width, size float64, style Style) (out []string) {
	words := strings.Fields(s)
	for len(words) > 0 {
		n := 1
		for n < len(words) && textWidth(strings.Join(words[:n+1], " "), size, style) <= width {
			n++
		}
		if len(out) == lines-1 {
			n = len(words)
		}
		out = append(out, fit(strings.Join(words[:n], " "), width, size, style))
		words = words[n:]
	}
	return out
}
