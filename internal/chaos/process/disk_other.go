//go:build !linux

package process

import (
	"errors"
	"fmt"
)

// Disk is a small file system of its own. There is none on this system.
type Disk struct{}

// NewDisk fails with errors.ErrUnsupported.
func NewDisk(dir string, _ int64) (*Disk, error) {
	return nil, fmt.Errorf("process: a small disk at %s: %w", dir, errors.ErrUnsupported)
}

// Fill does nothing.
func (d *Disk) Fill(int64) error { return nil }

// Free does nothing.
func (d *Disk) Free() error { return nil }

// Close does nothing.
func (d *Disk) Close() error { return nil }
