//go:build !windows && (!unix || solaris || aix || illumos)

package place

import (
	"errors"
	"os"
)

func lock(*os.File) error { return errors.ErrUnsupported }
