//go:build unix

package outside

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipe would hang if opening waited for a writer.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Skip(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrNotRegular) {
		t.Errorf("error %v", err)
	}
}
