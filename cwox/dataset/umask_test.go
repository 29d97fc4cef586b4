//go:build unix

package dataset

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
)

// TestUmask: no file of any command has permissions that the user takes away.
func TestUmask(t *testing.T) {
	_, images := smallImages(t, 8)
	defer syscall.Umask(syscall.Umask(0o077))
	for _, c := range commands(t, images) {
		dir := filepath.Join(t.TempDir(), "out")
		if c.name == "documents" {
			dir = filepath.Dir(dir)
		}
		if err := c.run(dir, false, silent); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == dir && c.name == "documents" { // made by the test
				return err
			}
			if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 || d.Type().IsRegular() && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s: %v, %v", c.name, path, info.Mode(), err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
