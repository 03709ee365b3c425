package statemachine

import "errors"

// Revision numbers the states of an engine. The empty engine is at revision 0; each writing batch step is one more.
type Revision uint64

// Latest asks for the newest revision.
const Latest Revision = 0

// ErrCompacted: the revision asked for is below the compacted one. ErrFutureRevision: it has not been reached yet.
// ErrClosed: the engine, view or image has been closed, or the batch committed.
var (
	ErrCompacted      = errors.New("statemachine: the revision has been compacted")
	ErrFutureRevision = errors.New("statemachine: the revision has not been reached yet")
	ErrClosed         = errors.New("statemachine: closed")
)

// Item is a key's value at a revision. A key is any bytes, none included; the order of keys is that of bytes.Compare. No
// difference is made between a nil value and an empty one.
type Item struct {
	Key   []byte
	Value []byte
	// Create is the revision at which the key came into being, Mod that of its last change, and Version counts its changes
	// since Create, starting at 1.
	Create  Revision
	Mod     Revision
	Version uint64
	// Lease is the lease the key is bound to, 0 for none.
	Lease uint64
}

// Event is one change: a put, or, with Deleted set, a delete, in which case Item holds only Key and Mod.
type Event struct {
	Item Item
	// Sub orders the changes of one revision, from 0. A delete of a key that is not there is no change.
	Sub     uint32
	Deleted bool
}

// Engine is a versioned ordered map from keys to values (bytes to bytes). One goroutine writes (Begin … Commit, Compact,
// Restore); any number read through views.
type Engine interface {
	// Begin starts a batch. One batch is open at a time.
	Begin() Batch
	// View opens a view at a revision (Latest for the newest committed one). It fails with ErrCompacted or
	// ErrFutureRevision. The revision, the applied index and the data of a view belong together. Safe from any goroutine.
	View(Revision) (View, error)
	// Applied, Revision and Compacted are those of the last committed batch. Safe from any goroutine.
	Applied() Index
	Revision() Revision
	Compacted() Revision
	// Durable is the applied index that survives a crash now. Safe from any goroutine.
	Durable() Index
	// Flush makes the state durable up to at least Applied at the time of the call; an engine in memory does nothing.
	Flush() error
	// Image gives a stable image at the last committed batch: package image says what is in it. It is called by the writing
	// goroutine; the image may be read from another while writing goes on.
	Image() (Image, error)
	// Restore fills an empty engine from an image; one that is not empty refuses. After an error the engine is useless.
	Restore(ChunkSource) error
	// Close gives back what the engine holds; views, images and batches of it are useless afterwards. They may still be closed.
	Close() error
}

// Batch is a set of writes that becomes visible and, when the engine next becomes durable, durable as one, together with
// the applied index.
type Batch interface {
	// Advance starts the next revision and returns it. A batch may hold many revisions (one for each transaction of an
	// apply batch). Put and Delete need one.
	Advance() Revision
	// Get sees the writes of this batch. The item is valid until Commit and must not be changed.
	Get(key []byte) (Item, bool, error)
	// Put sets a key at the current revision and returns the item as it now is. The engine copies key and value.
	// REQUIRES: a key is put or deleted at most once in a revision; the machine above refuses what would do it twice.
	Put(key, value []byte, lease uint64) (Item, error)
	// Delete removes a key at the current revision and reports whether it was there.
	Delete(key []byte) (bool, error)
	// Range calls fn for the live keys in [from, to) in ascending order, seeing the writes of this batch, until fn returns
	// false. A nil to means no upper bound. fn must not write to the batch.
	Range(from, to []byte, fn func(Item) bool) error
	// Compact makes everything below revision rev unreadable when the batch commits: rev at least Compacted (ErrCompacted
	// if not) and at most the batch's current revision (ErrFutureRevision if not). Space is given back by and by, not
	// necessarily in this call, and nothing that can be read depends on how far that has got.
	Compact(rev Revision) error
	// Commit makes the batch visible, with the applied index, which is at or above the engine's. After an error the engine
	// must not be used any more.
	Commit(applied Index) error
}

// RangeOptions say what View.Range visits.
type RangeOptions struct {
	// From and To bound the keys: [From, To). A nil To means no upper bound.
	From, To []byte
	// Reverse visits in descending order.
	Reverse bool
	// KeysOnly leaves Item.Value nil.
	KeysOnly bool
}

// View reads one revision. It stays readable until closed, even when its revision is compacted meanwhile, and its events with
// it: what is compacted is for a view what was compacted when it was opened. It may be used by one goroutine at a time. An
// open view keeps the engine from giving back space.
type View interface {
	// Revision is the one that is read.
	Revision() Revision
	// Applied is that of the last committed batch when the view was opened.
	Applied() Index
	// Get returns the item of a key. The item is valid until the view is closed and must not be changed.
	Get(key []byte) (Item, bool, error)
	// Range calls fn for the live keys in order until it returns false. Items are valid during the call of fn only.
	Range(opts RangeOptions, fn func(Item) bool) error
	// Events calls fn for every change from revision from (inclusive, above Compacted) up to the view's revision, in order
	// of revision and sub-revision, until it returns false. It fails with ErrCompacted. Events are valid during the call of
	// fn only.
	Events(from Revision, fn func(Event) bool) error
	// Close ends the view. Closing it again does nothing.
	Close() error
}
