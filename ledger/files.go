package ledger

import (
	"errors"
	"sync"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// idleReadFiles is how many segment files stay open for readers although nobody reads them now.
const idleReadFiles = 4

// readFile is a segment file that is open for reading.
type readFile struct {
	discard
	f    fs.File
	path string
	// pins counts those who read it now. Guarded by the cache's mutex.
	pins int
}

// fileCache holds the segment files that are open for reading. A pinned file is not recycled: its bytes stay what they were.
type fileCache struct {
	fs    fs.FS
	names layout

	mu     sync.Mutex
	open   []*readFile // the most recently used last
	closed bool
}

// get opens a segment file, or finds it open, and pins it. It fails with fs.ErrNotExist when the file has been removed.
func (c *fileCache) get(epoch uint32, number uint64) (*readFile, error) {
	key := discard{epoch: epoch, number: number}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	for n, rf := range c.open {
		if rf.discard == key {
			c.open = append(append(c.open[:n], c.open[n+1:]...), rf)
			rf.pins++
			return rf, nil
		}
	}
	path := c.names.segment(epoch, number)
	f, err := c.fs.Open(path)
	if err != nil {
		return nil, err
	}
	rf := &readFile{discard: key, f: f, path: path, pins: 1}
	c.open = append(c.open, rf)
	return rf, nil
}

// release gives a pin back.
func (c *fileCache) release(rf *readFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rf.pins--
	keep := idleReadFiles
	if c.closed {
		keep = 0
	}
	c.trim(keep)
}

// trim closes the least recently used files that nobody reads, down to keep. A file that is only read loses nothing by a failed close.
func (c *fileCache) trim(keep int) {
	idle := 0
	for n := len(c.open) - 1; n >= 0; n-- {
		if rf := c.open[n]; rf.pins == 0 {
			if idle++; idle > keep {
				_ = rf.f.Close()
				c.open = append(c.open[:n], c.open[n+1:]...)
			}
		}
	}
}

// idle closes what nobody reads.
func (c *fileCache) idle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trim(0)
}

// retire closes a file for good, so that it may be recycled; it reports false while somebody reads it.
func (c *fileCache) retire(d discard) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, rf := range c.open {
		if rf.discard == d {
			if rf.pins > 0 {
				return false
			}
			_ = rf.f.Close()
			c.open = append(c.open[:n], c.open[n+1:]...)
			break
		}
	}
	return true
}

// close closes everything that nobody reads; what is being read is closed when it is released.
func (c *fileCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var errs []error
	for n := len(c.open) - 1; n >= 0; n-- {
		if rf := c.open[n]; rf.pins == 0 {
			errs = append(errs, rf.f.Close())
			c.open = append(c.open[:n], c.open[n+1:]...)
		}
	}
	return errors.Join(errs...)
}
