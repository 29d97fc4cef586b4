//go:build !unix

package weights

import (
	"io"
	"os"
)

// mapFile reads size > 0 bytes of a file into memory.
func mapFile(file *os.File, size int) ([]byte, func() error, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, nil, err
	}
	return data, func() error { return nil }, nil
}
