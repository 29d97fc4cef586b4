package place

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Name makes a file name of text from outside, the same on every system: one that stays in its
// folder, is seen in listings and can be typed. What no file name may hold, or no terminal may
// show, becomes "_"; so do a leading dot, which hides, and a leading dash, which commands take
// for a flag. It is never empty, at most 200 bytes long, and may be the same for two texts.
func Name(text string) string {
	var b strings.Builder
	for i, r := range text {
		size := utf8.RuneLen(r)
		if b.Len()+size > 200 {
			break
		}
		switch {
		case r == utf8.RuneError, !unicode.IsPrint(r), strings.ContainsRune(`/\:*?"<>|`, r), i == 0 && (r == '.' || r == '-'):
			r = '_'
		}
		b.WriteRune(r)
	}
	// Windows drops these at the end.
	name := strings.TrimRight(b.String(), ". ")
	if base, _, _ := strings.Cut(strings.ToUpper(name), "."); name == "" || reserved[strings.TrimSpace(base)] {
		name = "_" + name
	}
	return name
}

// reserved are names of devices on Windows, whatever follows a dot.
var reserved = func() map[string]bool {
	m := map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true}
	for _, digit := range "123456789" {
		m["COM"+string(digit)], m["LPT"+string(digit)] = true, true
	}
	return m
}()
