package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options are a store's settings. Zero values mean the defaults.
type Options struct {
	// CacheBytes is the memory for blocks read from disk. Default 32 MiB; at least 1 MiB.
	CacheBytes int64
	// MemTableBytes is the memory that commits gather in before they are flushed. About four times as much is held while
	// the disk is behind. Default 16 MiB; 64 KiB to 1 GiB.
	MemTableBytes int64
	// Logger gets faults and, at debug level, what Pebble does. Default: nothing is logged.
	Logger *slog.Logger
	// FS is the file system, for tests that cut the power or fill the disk. Default: the operating system's.
	FS vfs.FS
	// NoCompactions leaves the tables as they are flushed; for tests.
	NoCompactions bool
}

const (
	// retryInterval is the pause after a failure for want of space.
	retryInterval = 100 * time.Millisecond
	// stopMemTables is how many memory tables of commits may wait for the disk before commits block.
	stopMemTables = 3
	// stopSublevels is how many layers of flushed tables may wait for compaction before commits block. Pebble's own limit
	// is set out of reach, see health.admit.
	stopSublevels = 24
	outOfReach    = 1000
)

// Validate reports every setting that is out of range.
func (o Options) Validate() error {
	var faults []error
	if o.CacheBytes != 0 && o.CacheBytes < 1<<20 {
		faults = append(faults, fmt.Errorf("CacheBytes is %d, expected at least %d", o.CacheBytes, 1<<20))
	}
	if o.MemTableBytes != 0 && (o.MemTableBytes < 64<<10 || o.MemTableBytes > 1<<30) {
		faults = append(faults, fmt.Errorf("MemTableBytes is %d, expected %d to %d", o.MemTableBytes, 64<<10, 1<<30))
	}
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = 32 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	return o
}

// pebbleOptions translates o, which has its defaults.
func (o Options) pebbleOptions(fs vfs.FS, logger pebble.Logger, listener *pebble.EventListener) *pebble.Options {
	p := &pebble.Options{
		FS:         fs,
		Logger:     logger,
		Comparer:   comparer,
		DisableWAL: true,
		// Pebble takes the memory of memory tables out of the cache: without an allowance for them a busy writer leaves
		// no cache at all, and every read of an index or filter block goes to the file (three times slower puts).
		CacheSize:                   o.CacheBytes + (stopMemTables+1)*o.MemTableBytes,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: outOfReach,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       outOfReach,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		EventListener:               listener,
		DisableAutomaticCompactions: o.NoCompactions,
	}
	p.Experimental.EnableColumnarBlocks = func() bool { return true }
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return p
}
