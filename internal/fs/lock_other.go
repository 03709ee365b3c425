//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package fs

import (
	"errors"
	"os"
)

func lock(*os.File) error { return errors.ErrUnsupported }
