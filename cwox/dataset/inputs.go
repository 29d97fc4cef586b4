package dataset

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"cwox/internal/outside"
	"cwox/nn/vision"
)

// PhaseCheck is the phase in which the images of an earlier run are compared with the hashes
// in their lines.
const PhaseCheck = "check"

// openImage is how all images are opened; tests let it fail.
var openImage = func(path string) (io.ReadCloser, error) { return outside.Open(path) }

// decodeImage reads and decodes an image. sum is the SHA-256 of its file, where that decides
// what comes of it; it is empty with the error of a file that cannot be read now, or that
// limits refuse: both may be otherwise another time.
func decodeImage(path string, o vision.Options) (pic *vision.Picture, sum string, err error) {
	var data bytes.Buffer
	if err := readImage(path, &data, o.FileLimit()+1); err != nil {
		return nil, "", err
	}
	pic, err = vision.Decode(path, data.Bytes(), o)
	switch {
	case err == nil:
		return pic, pic.SHA256, nil
	case errors.Is(err, vision.ErrLimit):
		return nil, "", err
	}
	hash := sha256.Sum256(data.Bytes())
	return nil, hex.EncodeToString(hash[:]), err
}

// readImage copies the file of an image, as far as to a limit.
func readImage(path string, to io.Writer, limit int64) error {
	f, err := openImage(path)
	if err == nil {
		_, err = io.Copy(to, io.LimitReader(f, limit))
		f.Close()
	}
	switch {
	case err == nil:
		return nil
	case ofTheMoment(err):
		return fmt.Errorf("dataset: %w: no fault of the image; what is done stays, the same command goes on", err)
	}
	return fmt.Errorf("dataset: %w", err)
}

// ofTheMoment tells that it is the system, not the file, that something failed for: too many
// files are open, a disk or a network does not answer, memory is short. It may well work later
// and would fail for every other image now. What may be wrong with a single file, that it is not
// there or must not be read, is none of these.
func ofTheMoment(err error) bool {
	for _, file := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, file) {
			return false
		}
	}
	return errors.As(err, new(syscall.Errno)) || errors.Is(err, os.ErrDeadlineExceeded)
}

// input is an image that has a line, with the hash in it.
type input struct {
	index     int
	path, sum string
}

// changed finds the inputs, in order, whose files are others than their lines are about. Files
// that cannot be read now cannot be compared: their lines stand, and are counted.
func changed(ctx context.Context, threads int, inputs []input, progress func(phase string, done, total int)) (indices []int, unread int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(cmp.Or(threads, runtime.GOMAXPROCS(0)), maxDecoders))
	var mu sync.Mutex
	done := 0
	for _, in := range inputs {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			hash := sha256.New()
			err := readImage(in.path, hash, math.MaxInt64)
			if err != nil && ofTheMoment(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				unread++
			} else if in.sum != hex.EncodeToString(hash.Sum(nil)) {
				indices = append(indices, in.index)
			}
			done++
			progress(PhaseCheck, done, len(inputs))
			return nil
		})
	}
	err = g.Wait()
	slices.Sort(indices)
	return indices, unread, err
}
