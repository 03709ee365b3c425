package limits

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// zeroedBytes is the size of the files that are written into: a small segment.
const zeroedBytes = 16 << 20

// zeroed makes a file that is filled with zeros and flushed, as the ledger does ahead of need.
func zeroed(path string) (fs.File, error) {
	f, err := fs.OS.Create(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Zero(0, zeroedBytes), f.Datasync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// flushes writes and flushes blocks one after the other, round and round in a file, and gives how long each took.
func flushes(ctx context.Context, f fs.File, block int, d time.Duration) ([]time.Duration, error) {
	data := make([]byte, block)
	var took []time.Duration
	for began := time.Now(); time.Since(began) < d && ctx.Err() == nil; {
		data[0]++
		start := time.Now()
		if _, err := f.WriteAt(data, int64(len(took))*int64(block)%zeroedBytes); err != nil {
			return took, err
		}
		if err := f.Datasync(); err != nil {
			return took, err
		}
		took = append(took, time.Since(start))
	}
	if len(took) == 0 {
		return nil, ctx.Err()
	}
	return took, nil
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2]) / float64(time.Microsecond)
}

func flushMicros(block int) func(context.Context, string, time.Duration) (float64, error) {
	return func(ctx context.Context, dir string, d time.Duration) (float64, error) {
		f, err := zeroed(filepath.Join(dir, "file"))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		took, err := flushes(ctx, f, block, d)
		if err != nil {
			return 0, err
		}
		return median(took), nil
	}
}

// flushThree gives what each of three files takes that are flushed side by side: what three replicas on one device can't exceed.
func flushThree(ctx context.Context, dir string, d time.Duration) (float64, error) {
	const block = 64 << 10
	var counts [3]int
	var errs [3]error
	var all sync.WaitGroup
	for i := range counts {
		f, err := zeroed(filepath.Join(dir, string('a'+rune(i))))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		all.Go(func() {
			took, err := flushes(ctx, f, block, d)
			counts[i], errs[i] = len(took), err
		})
	}
	all.Wait()
	return float64(counts[0]+counts[1]+counts[2]) / 3 * block / 1e6 / d.Seconds(), errors.Join(errs[:]...)
}

func sequentialWrite(ctx context.Context, dir string, d time.Duration) (float64, error) {
	f, err := fs.OS.Create(filepath.Join(dir, "file"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	const most = 2 << 30 // so that it can't fill the disk
	began, at := time.Now(), int64(0)
	for time.Since(began) < d && at < most && ctx.Err() == nil {
		if _, err := f.WriteAt(block, at); err != nil {
			return 0, err
		}
		at += int64(len(block))
	}
	if err := f.Datasync(); err != nil {
		return 0, err
	}
	return float64(at) / 1e6 / time.Since(began).Seconds(), ctx.Err()
}

// cachedRead reads a file that was just written, again and again, and checksums it.
func cachedRead(ctx context.Context, dir string, d time.Duration) (float64, error) {
	f, err := zeroed(filepath.Join(dir, "file"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	table, block := crc32.MakeTable(crc32.Castagnoli), make([]byte, 1<<20)
	began, read := time.Now(), int64(0)
	for time.Since(began) < d && ctx.Err() == nil {
		n, err := f.ReadAt(block, read%zeroedBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		crc32.Checksum(block[:n], table)
		read += int64(n)
	}
	return float64(read) / 1e6 / time.Since(began).Seconds(), ctx.Err()
}
