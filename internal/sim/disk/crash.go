package disk

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Keep says how much of what was not synced survives a power cut.
type Keep uint8

const (
	// Any keeps a random subset. How much is kept on the whole differs from file to file, from nothing to everything.
	Any Keep = iota
	// Nothing keeps only what was synced.
	Nothing
	// Everything keeps all, as if there had been time to write it.
	Everything
)

// Cut says how the power is cut.
type Cut struct {
	Keep Keep
	// Seed chooses the subset. Another seed gives another outcome of the same power cut.
	Seed uint64
	// Garbage: where a file has grown and the new sectors have not arrived, there is garbage, half of it random and half
	// of it sectors of other files, instead of zeros.
	Garbage bool
	// Only, when not empty, is a path: nothing is worked out but what is at or below it, for who asks about that alone.
	Only string
}

// Crash gives the disk as a power cut at this moment would leave it. The Disk itself does not change, so that many outcomes
// can be drawn from one state. What it gives has no open files, locks, faults, hook or crash point, counts its operations
// from 0, and keeps the capacity. Everything on it is durable.
func (d *Disk) Crash(cut Cut) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := New(mix(d.seed, cut.Seed, uint64(d.ops)))
	after.lastID, after.capacity = d.lastID, d.capacity
	w := wreck{Cut: cut, from: d, seed: mix(d.seed, uint64(d.ops), cut.Seed), made: map[*inode]*inode{}}
	after.root = w.salvage(d.root, cut.Only)
	after.used = spaceUsed(after.root)
	return after
}

// wreck is a power cut being worked out.
type wreck struct {
	Cut
	from  *Disk
	seed  uint64
	made  map[*inode]*inode
	stale []*sector // what garbage may be taken from; filled when first needed
}

// mix makes one well spread number of several (the finaliser of splitmix64).
func mix(xs ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, x := range xs {
		h += x + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// share draws how many in eight of the unsynced things of one file or directory survive.
func share(draw uint64) uint64 { return [...]uint64{0, 1, 4, 4, 4, 7, 8, 4}[draw%8] }

// salvage gives an inode as it is after the power cut, with all that it leads to at or below the path only.
func (w *wreck) salvage(n *inode, only string) *inode {
	if m := w.made[n]; m != nil {
		return m
	}
	m := &inode{id: n.id}
	w.made[n] = m
	if !n.isDir() {
		m.content = w.contents(n)
		return m
	}
	left := maps.Clone(n.durable)
	for _, c := range n.pending {
		if w.keeps(n, c) {
			c.apply(left)
		}
	}
	m.entries = make(map[string]*inode, len(left))
	first, rest, _ := strings.Cut(only, "/")
	for _, name := range slices.Sorted(maps.Keys(left)) {
		if first != "" && name != first {
			continue
		}
		child := w.salvage(left[name], rest)
		child.names++
		m.entries[name] = child
	}
	m.durable = maps.Clone(m.entries)
	return m
}

// renameBefore is the pending rename that gave a file the name which the change c takes from it. Without it, c would give the file a second
// name, which nobody has asked for.
func (n *inode) renameBefore(c *change) *change {
	if c.set == "" || c.unset == "" {
		return nil
	}
	for i := slices.Index(n.pending, c) - 1; i >= 0; i-- {
		if p := n.pending[i]; p.set == c.unset && p.node == c.node {
			if p.unset == "" {
				return nil // it was made under that name
			}
			return p
		}
	}
	return nil
}

// keeps decides whether a pending change of a directory survives.
func (w *wreck) keeps(dir *inode, c *change) bool {
	other := c.needs != nil && slices.Contains(c.dir.pending, c.needs)
	if other && c.needs.neededBy != nil {
		return w.keeps(c.dir, c.needs)
	}
	if other && !w.keeps(c.dir, c.needs) {
		return false
	}
	if before := dir.renameBefore(c); before != nil && !w.keeps(dir, before) {
		return false
	}
	switch w.Keep {
	case Nothing:
		return false
	case Everything:
		return true
	}
	return mix(w.seed, dir.id, uint64(c.seq))%8 < share(mix(w.seed, dir.id))
}

// contents draws what is left of a file.
func (w *wreck) contents(n *inode) *content {
	c := n.content
	switch {
	case w.Keep == Everything:
		return settled(c.shareNow(), c.size)
	case w.Keep == Nothing || len(c.dirty)+len(c.lost)+len(c.sizes)+len(c.lostSizes) == 0:
		return settled(c.shareSynced(), c.syncedSize)
	}
	random := rand.New(rand.NewPCG(w.seed, n.id))
	odds := share(random.Uint64())
	size := c.syncedSize
	if sizes := slices.Concat(c.lostSizes, c.sizes); len(sizes) > 0 && random.Uint64N(8) < odds {
		size = sizes[random.IntN(len(sizes))]
	}
	left := make([]*sector, sectors(size))
	copy(left, c.synced)
	versions := slices.Concat(c.lost, c.dirty)
	slices.SortStableFunc(versions, func(a, b version) int { return a.at - b.at })
	for i, end := 0, 0; i < len(versions); i = end {
		at := versions[i].at
		for end = i; end < len(versions) && versions[end].at == at; end++ {
		}
		switch {
		case at >= len(left):
		case random.Uint64N(8) < odds:
			left[at] = versions[i+random.IntN(end-i)].data
		case w.Garbage && at >= sectors(c.syncedSize):
			left[at] = w.garbage(random)
		}
	}
	return settled(left, size)
}

// shareNow and shareSynced give a slice to another content, after which neither changes it in place.
func (c *content) shareNow() []*sector {
	c.nowShared = true
	return c.now
}

func (c *content) shareSynced() []*sector {
	c.syncedShared = true
	return c.synced
}

// settled gives a content that is wholly durable.
func settled(sectorsLeft []*sector, size int64) *content {
	n := min(len(sectorsLeft), sectors(size))
	c := &content{now: sectorsLeft[:n:n], size: size, nowShared: true, syncedSize: size, syncedShared: true}
	c.trimTail()
	c.nowShared = true
	c.synced = c.now
	c.recount()
	return c
}

// garbage draws a sector that was never written where it is found.
func (w *wreck) garbage(random *rand.Rand) *sector {
	if w.stale == nil {
		w.stale = append(w.stale, nil)
		w.collect(w.from.root)
	}
	if s := w.stale[random.IntN(len(w.stale))]; s != nil && random.IntN(2) == 0 {
		return s
	}
	s := new(sector)
	for i := 0; i < SectorSize; i += 8 {
		binary.LittleEndian.PutUint64(s[i:], random.Uint64())
	}
	return s
}

// maxStale bounds the sectors that garbage is taken from.
const maxStale = 4096

func (w *wreck) collect(n *inode) {
	if !n.isDir() {
		for _, s := range n.content.now[:min(len(n.content.now), maxStale-min(maxStale, len(w.stale)))] {
			if s != nil {
				w.stale = append(w.stale, s)
			}
		}
		return
	}
	for _, name := range n.sorted() {
		w.collect(n.entries[name])
	}
}

// spaceUsed adds up the space of all files below n, each once.
func spaceUsed(n *inode) uint64 {
	seen := map[*inode]bool{}
	var walk func(*inode) uint64
	walk = func(n *inode) (sum uint64) {
		if seen[n] {
			return 0
		}
		seen[n] = true
		if !n.isDir() {
			return n.content.allocated
		}
		for _, child := range n.entries {
			sum += walk(child)
		}
		return sum
	}
	return walk(n)
}

// KillProcess gives the disk as a killed process leaves it to the next one: everything it wrote is there, and what was not
// synced still is not (assumption 5 of docs/format.md), so that a power cut may take it later. As with Crash the Disk itself
// does not change, and the new one starts without open files, locks, faults, hook and crash point, counting from 0.
func (d *Disk) KillProcess() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.copy()
}

// Clone is KillProcess for branching a test: the clone also has the count of operations and the faults. Sectors are shared
// until one side writes them.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	twin := d.copy()
	twin.ops = d.ops
	for _, f := range d.faults {
		g := *f
		twin.faults = append(twin.faults, &g)
	}
	return twin
}

func (d *Disk) copy() *Disk {
	twin := New(d.seed)
	twin.lastID, twin.capacity = d.lastID, d.capacity
	t := twins{inodes: map[*inode]*inode{}, changes: map[*change]*change{}}
	twin.root = t.inode(d.root)
	twin.used = spaceUsed(twin.root)
	return twin
}

// twins remembers what has been copied, as files and changes are led to from several places.
type twins struct {
	inodes  map[*inode]*inode
	changes map[*change]*change
}

func (t *twins) inode(n *inode) *inode {
	if n == nil {
		return nil
	}
	if m := t.inodes[n]; m != nil {
		return m
	}
	m := &inode{id: n.id, names: n.names}
	t.inodes[n] = m
	if !n.isDir() {
		m.content = n.content.clone()
		return m
	}
	m.entries, m.durable = t.entries(n.entries), t.entries(n.durable)
	for _, c := range n.pending {
		m.pending = append(m.pending, t.change(c))
	}
	return m
}

func (t *twins) entries(entries map[string]*inode) map[string]*inode {
	copied := make(map[string]*inode, len(entries))
	for name, n := range entries {
		copied[name] = t.inode(n)
	}
	return copied
}

func (t *twins) change(c *change) *change {
	if c == nil {
		return nil
	}
	if m := t.changes[c]; m != nil {
		return m
	}
	m := new(change)
	t.changes[c] = m
	*m = *c
	m.node, m.gone, m.dir, m.from = t.inode(c.node), t.inode(c.gone), t.inode(c.dir), t.inode(c.from)
	m.needs, m.neededBy = t.change(c.needs), t.change(c.neededBy)
	return m
}
