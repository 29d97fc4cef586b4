package vision

import (
	"path/filepath"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

func TestIdentify(t *testing.T) {
	ftyp := func(major string, compatible ...string) string {
		brands := strings.Join(compatible, "")
		return "\x00\x00\x00" + string(rune(16+len(brands))) + "ftyp" + major + "\x00\x00\x00\x00" + brands + "\x00\x00\x00\x08avif"
	}
	for _, c := range []struct{ data, want string }{
		{ftyp("heic", "mif1", "heic"), "HEIC (HEIF)"},
		{ftyp("mif1", "miaf", "heix"), "HEIC (HEIF)"},
		{ftyp("avif", "mif1", "miaf"), "AVIF"},
		{ftyp("mif1", "avif", "miaf"), "AVIF"}, // by a compatible brand only
		{ftyp("crx ", "crx ", "isom"), "camera RAW (Canon CR3)"},
		{ftyp("isom", "mp42"), "video (MP4 or QuickTime)"},
		{ftyp("qt  "), "video (MP4 or QuickTime)"},
		{"\xff\xff\xff\xffftypheic", "HEIC (HEIF)"}, // cut
		{"\xff\x0a\xfa\x7f", "JPEG XL"},
		{"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"},
		{"\xff\x4f\xff\x51\x00", "JPEG 2000"},
		{"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"},
		{strings.Repeat("\x00", 128) + "DICM\x02\x00", "DICOM"},
		{"8BPS\x00\x01", "Photoshop (PSD)"},
		{"\x00\x00\x01\x00\x01\x00", "Windows icon (ICO)"},
		{"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<SVG>", "SVG"},
		{"<svg xmlns=", "SVG"},
		{"%PDF-1.7", "PDF"},
		{"\n<!DOCTYPE html><title>404", "a web page (HTML)"},
		{"<head></head><html>", "a web page (HTML)"},
		{"FUJIFILMCCD-RAW 0201", "camera RAW (Fujifilm)"},
		{"IIU\x00\x18\x00\x00\x00", "camera RAW (Panasonic)"},
		{"RIFF\x00\x00\x00\x00AVI LIST", "video (AVI)"},
		{"\x1a\x45\xdf\xa3", "video (Matroska or WebM)"},
		{"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "macOS (AppleDouble)"},
		{"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
		{"PK\x03\x04", "unpack it first"},
		{"RIFF\x00\x00\x00\x00WAVE", "it begins with"},
		{"<note>", "it begins with"},
		{strings.Repeat("\x00", 128), "it begins with"},
		{"\x00\x00\x00\x08ftyp", "it begins with"},
	} {
		_, err := Decode("x.jpg", []byte(c.data), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(c.want, "(") && strings.Contains(err.Error(), "it begins") {
			t.Errorf("%q: error %v, want %q", c.data, err, c.want)
		}
	}
	for _, f := range foreign { // none hides a format that is read, each tells what to do
		if f.advice == "" || sniff([]byte(strings.Repeat("\x00", f.at)+f.magic+strings.Repeat("\x00", 40))) != nil {
			t.Errorf("%s: no advice, or its magic is that of a format that is read", f.name)
		}
	}
}

func TestFieldForeign(t *testing.T) {
	folder := testdata.Path(t, "..", "field", "cases", "images")
	for name, want := range map[string]string{
		"head.heic": "heif-convert", "head_renamed_heic.jpg": "heif-convert", "head.jp2": "opj_decompress", "head.psd": "magick",
	} {
		if _, err := DecodeFile(filepath.Join(folder, name), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}
