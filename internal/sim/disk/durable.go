package disk

import (
	"bytes"
	"strings"
)

// Durable gives bytes of a file as every power cut at this moment would leave them. ok is false when some power cut could leave something
// else there: because the bytes, the length, or a name on the way to the file has not been synced. It is not an operation, and can be
// asked of a stopped disk. The caller owns the result.
func (d *Disk) Durable(name string, off, n int64) (b []byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.root
	for part := range strings.SplitSeq(clean(name), "/") {
		next := at.durable[part]
		if next == nil || at.entries[part] != next || at.unsettled(part) {
			return nil, false
		}
		at = next
	}
	if at.isDir() {
		return nil, false
	}
	return at.content.durable(off, n)
}

// unsettled says that a pending change is about a name of the directory.
func (n *inode) unsettled(name string) bool {
	for _, c := range n.pending {
		if c.set == name || c.unset == name {
			return true
		}
	}
	return false
}

// durable is Disk.Durable for a file.
func (c *content) durable(off, n int64) ([]byte, bool) {
	least := c.syncedSize
	for _, sizes := range [...][]int64{c.sizes, c.lostSizes} {
		for _, size := range sizes {
			least = min(least, size)
		}
	}
	if off < 0 || n < 0 || off+n > least {
		return nil, false
	}
	b := make([]byte, n)
	first, end := int(off/SectorSize), sectors(off+n)
	for i := first; i < end && i < len(c.synced); i++ {
		if s := c.synced[i]; s != nil {
			from, to, at := overlap(i, off, n)
			copy(b[at:], s[from:to])
		}
	}
	for _, versions := range [...][]version{c.dirty, c.lost} {
		for _, v := range versions {
			if v.at < first || v.at >= end {
				continue
			}
			from, to, at := overlap(v.at, off, n)
			data := zeroed
			if v.data != nil {
				data = v.data
			}
			if !bytes.Equal(data[from:to], b[at:at+to-from]) {
				return nil, false
			}
		}
	}
	return b, true
}

// overlap gives the part of a sector that [off, off+n) covers, and where in that range it begins.
func overlap(sector int, off, n int64) (from, to, at int64) {
	begin := int64(sector) * SectorSize
	from, to = max(off-begin, 0), min(off+n-begin, SectorSize)
	return from, to, begin + from - off
}
