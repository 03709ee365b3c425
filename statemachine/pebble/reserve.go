package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A store that starts on a full disk could not even write the files that a start takes, and Pebble tries for ever. So a start looks first
// whether there is room, and gives up a reserve that was put aside when there was plenty: a full node can be started to be mended.
const (
	reserveName  = "RESERVE"
	reserveBytes = 8 << 20
	// openBytes is what a start takes at most; plentyBytes is how much must be free for a reserve to be put aside.
	openBytes   = 2 << 20
	plentyBytes = 8 * reserveBytes
)

// makeRoom sees to it that a start finds space, or fails with ErrNoSpace. Where the file system can't say how much is free it does nothing.
func makeRoom(fs vfs.FS, dir string) error {
	if enough, _ := hasRoom(fs, dir); enough {
		return nil
	}
	if _, err := fs.Stat(fs.PathJoin(dir, reserveName)); err == nil {
		if err := fs.Remove(fs.PathJoin(dir, reserveName)); err != nil {
			return fmt.Errorf("statemachine/pebble: giving up the reserve of a full disk: %w", err)
		}
	}
	if enough, free := hasRoom(fs, dir); !enough {
		return fmt.Errorf("%w: %s has %d bytes free and a start takes %d; free some space and start again", ErrNoSpace, dir, free, openBytes)
	}
	return nil
}

// hasRoom reports whether a start finds space, as far as the file system can say.
func hasRoom(fs vfs.FS, dir string) (enough bool, free uint64) {
	usage, err := fs.GetDiskUsage(dir)
	return err != nil || usage.AvailBytes >= openBytes, usage.AvailBytes
}

// keepReserve puts the reserve aside, if it isn't there and there is plenty. That it fails is no harm.
func keepReserve(fs vfs.FS, dir string) {
	name := fs.PathJoin(dir, reserveName)
	usage, err := fs.GetDiskUsage(dir)
	if err != nil || usage.AvailBytes < plentyBytes {
		return
	}
	if _, err := fs.Stat(name); err == nil {
		return
	}
	if fillReserve(fs, name) != nil {
		fs.Remove(name) // half a reserve is none
	}
}

// fillReserve really writes: space that is merely promised is not there when it is needed.
func fillReserve(fs vfs.FS, name string) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	block := make([]byte, 256<<10)
	for n := 0; n < reserveBytes && err == nil; n += len(block) {
		_, err = f.Write(block)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
