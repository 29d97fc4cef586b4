package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func put(t *testing.T, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestListFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/z.JPEG", "a.png", "b/c/d.webp", "b.tif"} {
		put(t, dir, filepath.FromSlash(name))
	}
	skip := []string{put(t, dir, "b", "IMG_2.HEIC"), put(t, dir, "jpg"), put(t, dir, "notes.txt")}
	for _, hidden := range []string{".DS_Store", "._a.png", "b/._d.jpg"} {
		put(t, dir, filepath.FromSlash(hidden))
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.jpg"), 0o755); err != nil {
		t.Fatal(err)
	}
	// By name, folder by folder: a/ comes before a.png.
	want := []string{filepath.Join(dir, "a", "z.JPEG"), filepath.Join(dir, "a.png"), filepath.Join(dir, "b", "c", "d.webp"), filepath.Join(dir, "b.tif")}
	if got, skipped, err := List(dir); err != nil || !slices.Equal(got, want) || !slices.Equal(skipped, skip) {
		t.Errorf("%v, skipped %v, %v; want %v, %v", got, skipped, err, want, skip)
	}

	if runtime.GOOS == "windows" {
		return
	}
	link := filepath.Join(t.TempDir(), "link")
	other := put(t, t.TempDir(), "elsewhere")
	for from, to := range map[string]string{
		link:                          dir,
		filepath.Join(dir, "c.jpg"):   other,
		filepath.Join(dir, "d.jpg"):   filepath.Join(dir, "missing"),
		filepath.Join(dir, "e.jpg"):   dir, // a loop, were links to folders followed
		filepath.Join(dir, "f_later"): dir,
	} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	for i := range want {
		want[i] = strings.Replace(want[i], dir, link, 1)
	}
	want = append(want, filepath.Join(link, "c.jpg"), filepath.Join(link, "d.jpg"))
	if got, _, err := List(link); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestListFile(t *testing.T) {
	dir := t.TempDir()
	beside := put(t, dir, "beside.jpg")
	here := t.TempDir()
	put(t, here, "here.jpg")
	t.Chdir(here)
	list := filepath.Join(dir, "list.txt")
	text := "\ufeffhere.jpg\r\n\nbeside.jpg\nmissing.jpg\n" + beside + "\nwith space.jpg"
	if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := []string{"here.jpg", beside, "missing.jpg", beside, "with space.jpg"}
	if got, _, err := List(list); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestListErrors(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct{ name, text, want string }{
		{"empty.txt", "\n\n", "names no images"},
		{"photo.jpg", "\xff\xd8\xff\x00\x10JFIF", "neither a folder nor a text file"},
		{"long.txt", "a\n" + strings.Repeat("b", maxPathBytes+1), "line 2, which should name an image"},
	} {
		path := filepath.Join(dir, tc.name)
		if err := os.WriteFile(path, []byte(tc.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := List(path); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.name) {
			t.Errorf("%s: %v, want ...%s...", tc.name, err, tc.want)
		}
	}
	if _, _, err := List(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, _, err := List(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no images in this folder") {
		t.Error(err)
	}
}
