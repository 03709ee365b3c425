package smtest

import (
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// Model is an engine that is simple rather than fast: the versions of each key in a sorted slice. It is a handle to content that
// outlives it, as a process's engine is to what is on the disk: Crash and Reopen give another handle, and the old one
// answers ErrClosed from then on.
type Model struct {
	content    *content
	generation uint64
}

// content is what a model holds.
type content struct {
	mu sync.RWMutex
	// Everything is guarded by mu.

	generation uint64 // of the only handle that is of use
	closed     bool

	keys     []string // sorted; those that have a version
	versions map[string][]statemachine.Event
	// history holds all changes above the compacted revision of boundaries[0], and perhaps some below it, in order.
	history []statemachine.Event
	// boundaries are the batches that a crash may fall back to, oldest first; the first is the durable one, the last the
	// newest.
	boundaries []boundary
	views      map[*modelView]struct{}
	batch      *modelBatch
}

// boundary is the state of the numbers after a batch.
type boundary struct {
	applied             statemachine.Index
	revision, compacted statemachine.Revision
}

// NewModel makes an empty model.
func NewModel() *Model {
	return &Model{content: &content{
		versions:   map[string][]statemachine.Event{},
		boundaries: make([]boundary, 1),
		views:      map[*modelView]struct{}{},
	}}
}

// lock takes the content for writing and says whether the handle may still be used.
func (m *Model) lock() (*content, error) {
	m.content.mu.Lock()
	return m.content, m.usable()
}

// rlock takes the content for reading and says whether the handle may still be used.
func (m *Model) rlock() (*content, error) {
	m.content.mu.RLock()
	return m.content, m.usable()
}

func (m *Model) usable() error {
	if m.generation != m.content.generation || m.content.closed {
		return statemachine.ErrClosed
	}
	return nil
}

func (c *content) newest() boundary { return c.boundaries[len(c.boundaries)-1] }

// Applied, Revision and Compacted are those of the last committed batch, of a dead handle 0.
func (m *Model) Applied() statemachine.Index { return m.newest().applied }

// Revision: see Applied.
func (m *Model) Revision() statemachine.Revision { return m.newest().revision }

// Compacted: see Applied.
func (m *Model) Compacted() statemachine.Revision { return m.newest().compacted }

func (m *Model) newest() boundary {
	c, err := m.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return boundary{}
	}
	return c.newest()
}

// Durable is the applied index below which Crash does not fall back.
func (m *Model) Durable() statemachine.Index {
	c, err := m.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return 0
	}
	return c.boundaries[0].applied
}

// Flush makes all that is committed durable.
func (m *Model) Flush() error {
	c, err := m.lock()
	defer c.mu.Unlock()
	if err == nil {
		c.settle(len(c.boundaries) - 1)
	}
	return err
}

// Settle makes a random part of what is committed durable, perhaps nothing, as an engine on disk does by itself.
func (m *Model) Settle(rng *rand.Rand) {
	c, err := m.lock()
	defer c.mu.Unlock()
	if err == nil {
		c.settle(rng.IntN(len(c.boundaries)))
	}
}

// Crash gives the model as a power cut leaves it: at any batch that is not older than the durable one. The old handle and its
// views, batches and images are dead.
func (m *Model) Crash(rng *rand.Rand) *Model {
	c, _ := m.lock()
	defer c.mu.Unlock()
	return c.fallBack(rng.IntN(len(c.boundaries)))
}

// Reopen gives the model as a clean end of the process leaves it: with all that is committed, durable.
func (m *Model) Reopen() *Model {
	c, _ := m.lock()
	defer c.mu.Unlock()
	return c.fallBack(len(c.boundaries) - 1)
}

// fallBackTo is Crash to the newest batch with an applied index, if there is one to fall back to.
func (m *Model) fallBackTo(applied statemachine.Index) (*Model, bool) {
	c, _ := m.lock()
	defer c.mu.Unlock()
	for i := len(c.boundaries) - 1; i >= 0; i-- {
		if c.boundaries[i].applied == applied {
			return c.fallBack(i), true
		}
	}
	return nil, false
}

// settle makes the batch of a boundary durable and drops what no crash and no view can bring back.
func (c *content) settle(to int) {
	c.boundaries = slices.Delete(c.boundaries, 0, to)
	c.prune()
}

// fallBack takes back all batches above a boundary and gives the new handle.
func (c *content) fallBack(to int) *Model {
	c.boundaries = []boundary{c.boundaries[to]}
	above := func(ev statemachine.Event) bool { return ev.Item.Mod > c.boundaries[0].revision }
	c.history = slices.DeleteFunc(slices.Clone(c.history), above)
	c.keys = slices.DeleteFunc(c.keys, func(key string) bool {
		c.versions[key] = slices.DeleteFunc(c.versions[key], above)
		return c.dropEmpty(key)
	})
	c.generation++
	c.closed = false
	c.batch = nil
	clear(c.views)
	c.prune()
	return &Model{content: c, generation: c.generation}
}

// dropEmpty forgets a key that has no version left.
func (c *content) dropEmpty(key string) bool {
	if len(c.versions[key]) > 0 {
		return false
	}
	delete(c.versions, key)
	return true
}

// prune drops the versions that are hidden by compaction, also from the views that are open and after any crash.
func (c *content) prune() {
	floor := c.boundaries[0].compacted
	for v := range c.views {
		floor = min(floor, v.at.compacted)
	}
	gone := 0
	for gone < len(c.history) && c.history[gone].Item.Mod <= floor {
		gone++
	}
	if gone == 0 {
		return
	}
	c.history = slices.Clone(c.history[gone:])
	c.keys = slices.DeleteFunc(c.keys, func(key string) bool {
		versions := c.versions[key]
		first := max(0, newestAt(versions, floor))
		if versions[first].Deleted && versions[first].Item.Mod <= floor {
			first++
		}
		c.versions[key] = slices.Clone(versions[first:])
		return c.dropEmpty(key)
	})
}

// newestAt gives the place of the newest of a key's versions at or below a revision, -1 if there is none.
func newestAt(versions []statemachine.Event, rev statemachine.Revision) int {
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].Item.Mod <= rev {
			return i
		}
	}
	return -1
}

// liveAt gives the item of a key at a revision.
func (c *content) liveAt(key string, rev statemachine.Revision) (statemachine.Item, bool) {
	versions := c.versions[key]
	if i := newestAt(versions, rev); i >= 0 && !versions[i].Deleted {
		return versions[i].Item, true
	}
	return statemachine.Item{}, false
}

// add appends a version.
func (c *content) add(ev statemachine.Event) {
	key := string(ev.Item.Key)
	if c.versions[key] == nil {
		at, _ := slices.BinarySearch(c.keys, key)
		c.keys = slices.Insert(c.keys, at, key)
	}
	c.versions[key] = append(c.versions[key], ev)
}

// Image gives an image of all versions, as they are now; image.New leaves out what is compacted.
func (m *Model) Image() (statemachine.Image, error) {
	c, err := m.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	at := c.newest()
	var all versionList
	for _, key := range c.keys {
		all = append(all, c.versions[key]...)
	}
	return image.New(image.Header{Applied: at.applied, Revision: at.revision, Compacted: at.compacted}, &all), nil
}

// versionList is a cursor over versions in memory.
type versionList []statemachine.Event

func (l *versionList) Next() (statemachine.Event, error) {
	if len(*l) == 0 {
		return statemachine.Event{}, io.EOF
	}
	ev := (*l)[0]
	*l = (*l)[1:]
	return ev, nil
}

func (l *versionList) Close() error { return nil }

// Restore fills an empty model and makes it durable.
func (m *Model) Restore(src statemachine.ChunkSource) error {
	c, err := m.lock()
	defer c.mu.Unlock()
	if err != nil {
		return err
	}
	if c.newest() != (boundary{}) || c.batch != nil || len(c.keys) > 0 {
		return errNotEmpty
	}
	r, err := image.NewReader(src)
	if err != nil {
		return err
	}
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			c.closed = true
			return err
		}
		ev.Item.Key = slices.Clone(ev.Item.Key)
		ev.Item.Value = slices.Clone(ev.Item.Value)
		c.add(ev)
		c.history = append(c.history, ev)
	}
	slices.SortFunc(c.history, byRevision)
	head := r.Header()
	c.boundaries = []boundary{{applied: head.Applied, revision: head.Revision, compacted: head.Compacted}}
	c.prune()
	return nil
}

// Close ends the handle. Reopen and Crash still work.
func (m *Model) Close() error {
	c, err := m.lock()
	defer c.mu.Unlock()
	if err == nil {
		c.closed = true
	}
	return nil
}

// known names the applied indexes of the batches that a crash may fall back to.
func (m *Model) known() (applied []statemachine.Index) {
	c, _ := m.rlock()
	defer c.mu.RUnlock()
	for _, b := range c.boundaries {
		applied = append(applied, b.applied)
	}
	return applied
}
