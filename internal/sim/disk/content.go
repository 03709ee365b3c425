package disk

import "slices"

// sector is immutable once it is part of a content, so that versions and clones can share it. A nil *sector is a hole: it
// reads as zeros and takes no space.
type sector = [SectorSize]byte

// version is a sector as one write left it.
type version struct {
	at   int // sector number
	data *sector
}

// content is a file's bytes and length: what the kernel shows (now), what the disk surely has (synced), and what was done
// in between. It is guarded by the disk's mutex.
type content struct {
	now  []*sector
	size int64
	// nowShared and syncedShared: the slice belongs to a clone too and is copied before it is changed.
	nowShared bool

	synced       []*sector
	syncedSize   int64
	syncedShared bool

	// dirty holds the versions written since the last Datasync, in order, sizes the lengths.
	dirty []version
	sizes []int64
	// lost holds what a failed Datasync left behind: it may be on the disk or not, and no later Datasync changes that,
	// unless the sector is written again. lostSizes likewise.
	lost      []version
	lostSizes []int64

	allocated uint64 // bytes of the sectors of now that are not holes
}

// sectors gives the number of sectors that hold size bytes.
func sectors(size int64) int { return int((size + SectorSize - 1) / SectorSize) }

// readAt copies from the file as the kernel shows it.
func (c *content) readAt(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	p = p[:min(int64(len(p)), c.size-off)]
	for done := 0; done < len(p); {
		at, in := int((off+int64(done))/SectorSize), int((off+int64(done))%SectorSize)
		n := min(len(p)-done, SectorSize-in)
		if s := c.at(at); s != nil {
			copy(p[done:done+n], s[in:])
		} else {
			clear(p[done : done+n])
		}
		done += n
	}
	return len(p)
}

func (c *content) at(i int) *sector {
	if i < len(c.now) {
		return c.now[i]
	}
	return nil
}

// missing gives the bytes of space that writing [off, off+n) would take.
func (c *content) missing(off, n int64) uint64 {
	free := 0
	for i := int(off / SectorSize); i < sectors(off+n); i++ {
		if c.at(i) == nil {
			free++
		}
	}
	return uint64(free) * SectorSize
}

// fits shortens a write of n bytes at off to what the space left allows.
func (c *content) fits(off, n int64, left uint64) int64 {
	for i := int(off / SectorSize); i < sectors(off+n); i++ {
		if c.at(i) != nil {
			continue
		}
		if left < SectorSize {
			return max(0, int64(i)*SectorSize-off)
		}
		left -= SectorSize
	}
	return n
}

// writeAt writes the first n bytes of the buffers, one after the other.
func (c *content) writeAt(bufs [][]byte, off, n int64) {
	c.fill(bufs, off, n)
	if n > 0 && off+n > c.size {
		c.setSize(off + n)
	}
}

// fill is writeAt without regard to the length.
func (c *content) fill(bufs [][]byte, off, n int64) {
	if n == 0 {
		return
	}
	first, end := int(off/SectorSize), sectors(off+n)
	c.own(end)
	block := make([]byte, (end-first)*SectorSize)
	c.keep(block, first, off, n)
	to := block[off-int64(first)*SectorSize:]
	for _, b := range bufs {
		b = b[:min(int64(len(b)), n)]
		n -= int64(copy(to, b))
		to = to[len(b):]
	}
	for i := first; i < end; i++ {
		c.put(i, (*sector)(block[(i-first)*SectorSize:]))
	}
}

// zeroed is what every sector that was zeroed shares.
var zeroed = new(sector)

// zeroAt writes n zeros.
func (c *content) zeroAt(off, n int64) {
	if n == 0 {
		return
	}
	end := off + n
	if head := min(n, -off&(SectorSize-1)); head > 0 {
		c.fill([][]byte{zeroed[:]}, off, head)
		off += head
	}
	c.own(sectors(end))
	for ; end-off >= SectorSize; off += SectorSize {
		c.put(int(off/SectorSize), zeroed)
	}
	c.fill([][]byte{zeroed[:]}, off, end-off)
	if end > c.size {
		c.setSize(end)
	}
}

// keep fills in the bytes around a write that its first and last sectors already hold.
func (c *content) keep(block []byte, first int, off, n int64) {
	if s := c.now[first]; s != nil {
		copy(block[:off-int64(first)*SectorSize], s[:])
	}
	last := int((off + n - 1) / SectorSize)
	if s, in := c.now[last], int((off+n)%SectorSize); s != nil && in != 0 {
		copy(block[(last-first)*SectorSize+in:], s[in:])
	}
}

// put replaces a sector in what the kernel shows. REQUIRES: own.
func (c *content) put(i int, s *sector) {
	if c.now[i] == nil && s != nil {
		c.allocated += SectorSize
	}
	if c.now[i] != nil && s == nil {
		c.allocated -= SectorSize
	}
	c.now[i] = s
	c.dirty = append(c.dirty, version{i, s})
}

// own makes now changeable and at least n sectors long.
func (c *content) own(n int) {
	if c.nowShared {
		c.now = slices.Clone(c.now)
		c.nowShared = false
	}
	if n > len(c.now) {
		c.now = append(c.now, make([]*sector, n-len(c.now))...)
	}
}

func (c *content) setSize(size int64) {
	c.size = size
	c.sizes = append(c.sizes, size)
}

// truncate sets the length. What is cut off is gone at once for the kernel, and may be gone on the disk whatever length
// a power cut leaves.
func (c *content) truncate(size int64) {
	if size == c.size {
		return
	}
	if size < c.size {
		keep := sectors(size)
		c.own(keep)
		if in := int(size % SectorSize); in != 0 && c.at(keep-1) != nil {
			s := new(sector)
			copy(s[:in], c.now[keep-1][:])
			c.put(keep-1, s)
		}
		for i := keep; i < len(c.now); i++ {
			c.put(i, nil)
		}
		c.now = c.now[:keep:keep]
	}
	c.setSize(size)
	c.own(sectors(size))
}

// datasync makes what was written since the last one durable.
func (c *content) datasync() {
	if len(c.dirty) > 0 {
		c.ownSynced(sectors(c.size))
		for _, v := range c.dirty {
			if v.at < len(c.synced) {
				c.synced[v.at] = v.data
			}
		}
		c.settle()
	}
	if len(c.sizes) > 0 {
		c.syncedSize, c.lostSizes = c.size, nil
		keep := min(len(c.synced), sectors(c.size))
		c.synced = c.synced[:keep:keep]
	}
	c.dirty, c.sizes = nil, nil
}

// settle forgets lost versions of sectors that have been written again and are durable now.
func (c *content) settle() {
	if len(c.lost) == 0 {
		return
	}
	again := make(map[int]bool, len(c.dirty))
	for _, v := range c.dirty {
		again[v.at] = true
	}
	c.lost = slices.DeleteFunc(slices.Clone(c.lost), func(v version) bool { return again[v.at] })
}

func (c *content) ownSynced(n int) {
	if c.syncedShared {
		c.synced = slices.Clone(c.synced)
		c.syncedShared = false
	}
	if n > len(c.synced) {
		c.synced = append(c.synced, make([]*sector, n-len(c.synced))...)
	}
}

// lose is a failed Datasync: what was dirty is no longer, and may be on the disk or not. With evict the kernel has dropped it
// from its cache as well, and shows what the disk has; nothing of it has arrived then.
func (c *content) lose(evict bool) {
	if evict {
		c.own(0)
		for _, v := range c.dirty {
			if v.at >= len(c.now) {
				continue
			}
			c.now[v.at] = nil
			if v.at < len(c.synced) {
				c.now[v.at] = c.synced[v.at]
			}
		}
		c.trimTail()
		c.recount()
	} else {
		c.lost = append(slices.Clip(c.lost), c.dirty...)
	}
	c.lostSizes = append(slices.Clip(c.lostSizes), c.sizes...)
	c.dirty, c.sizes = nil, nil
}

// trimTail zeros what the last sector of now holds beyond the length.
func (c *content) trimTail() {
	in, last := int(c.size%SectorSize), sectors(c.size)-1
	if in == 0 || c.at(last) == nil {
		return
	}
	s := *c.now[last]
	clear(s[in:])
	if s != *c.now[last] {
		c.own(0)
		c.now[last] = &s
	}
}

func (c *content) recount() {
	c.allocated = 0
	for _, s := range c.now {
		if s != nil {
			c.allocated += SectorSize
		}
	}
}

// clone gives a content of its own that shares all sectors.
func (c *content) clone() *content {
	c.nowShared, c.syncedShared = true, true
	twin := *c
	twin.dirty, twin.sizes = slices.Clip(c.dirty), slices.Clip(c.sizes)
	twin.lost, twin.lostSizes = slices.Clip(c.lost), slices.Clip(c.lostSizes)
	return &twin
}
