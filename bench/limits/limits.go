package limits

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Limit is what was measured.
type Limit struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Unit is of Value: "µs" or "/s" or "MB/s", with MB a million bytes.
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

// The names of the limits.
const (
	Flush4K       = "flush-4k"
	Flush64K      = "flush-64k"
	Flush64KThree = "flush-64k-three"
	SeqWrite      = "sequential-write"
	RoundTrip     = "loopback-round-trip"
	CachedRead    = "cached-read"
	EngineBTree   = "engine-btree"
	EnginePebble  = "engine-pebble"
)

// probe measures one limit in about the time it is given.
type probe struct {
	name, title, unit string
	measure           func(ctx context.Context, dir string, d time.Duration) (float64, error)
}

var probes = []probe{
	{Flush4K, "write and fdatasync of 4 KiB in a zero-filled file, median", "µs", flushMicros(4 << 10)},
	{Flush64K, "write and fdatasync of 64 KiB in a zero-filled file, median", "µs", flushMicros(64 << 10)},
	{Flush64KThree, "three files side by side, fdatasync after each 64 KiB, each", "MB/s", flushThree},
	{SeqWrite, "sequential write of 1 MiB blocks, one fdatasync at the end", "MB/s", sequentialWrite},
	{RoundTrip, "round trip of 64 bytes over TCP on loopback, median", "µs", roundTrip},
	{CachedRead, "read of 1 MiB blocks from the page cache, with CRC-32C", "MB/s", cachedRead},
	{EngineBTree, "the engine in memory alone: puts of 16 + 128 bytes applied in batches of 256, one goroutine", "/s", engine("btree")},
	{EnginePebble, "the engine on disk alone: puts of 16 + 128 bytes applied in batches of 256, one goroutine", "/s", engine("pebble")},
}

// Measure measures all limits, for about each long apiece, in a directory below dir that it removes again. When ctx is done it gives those that it has, and ctx's
// error.
func Measure(ctx context.Context, dir string, each time.Duration) (all []Limit, err error) {
	at, err := os.MkdirTemp(dir, "limits-")
	if err != nil {
		return nil, fmt.Errorf("limits: a directory to measure in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(at)) }()
	for _, p := range probes {
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		own := filepath.Join(at, p.name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return all, fmt.Errorf("limits: %w", err)
		}
		v, err := p.measure(ctx, own, each)
		if err != nil {
			return all, fmt.Errorf("limits: %s: %w", p.title, err)
		}
		all = append(all, Limit{p.name, p.title, p.unit, v})
	}
	return all, nil
}
