package statemachine

// Index is the index of a log entry.
type Index uint64

// Entry is a committed entry with a body for the machine.
type Entry struct {
	Index Index
	Term  uint64
	// Time is when the leader appended the entry, in nanoseconds since the Unix epoch, never below its predecessor's. It is
	// the only time a machine may use.
	Time int64
	// Body is valid during the call only and must not be changed.
	Body []byte
}

// Result is what applying an entry gave, for the caller who proposed it.
type Result struct {
	// Value is a number whose meaning is the machine's (a revision, a count).
	Value uint64
	// Data is anything more, owned by the caller who proposed; nil for the common case, so that it costs nothing.
	Data any
}

// Machine is a deterministic state machine: its state is a function of the entries alone (no clock, random source, map order or
// environment). All methods but Durable and Flush are called from one goroutine at a time.
type Machine interface {
	// Apply applies entries in order, as one atomic step, and advances the applied index to applied, which is at or above
	// the last entry's index (entries without a body for the machine are left out; entries may be empty). results has the
	// length of entries and is filled in. An error means that the machine's storage failed: the replica stops. A command
	// that can't be understood or carried out is not an error but a result, the same on every replica.
	Apply(entries []Entry, applied Index, results []Result) error
	// Applied is the index up to which entries are in the state.
	Applied() Index
	// Durable is the index that survives a crash now, at most Applied. It may be called from any goroutine.
	Durable() Index
	// Flush makes the state durable up to at least the index applied when it was called. It may be called from any goroutine, while
	// Apply goes on, and blocks on the device; an error of a full device may be followed by another Flush. A machine in memory alone has
	// nothing to flush and returns nil; its Durable stays 0, and images carry it over a restart.
	Flush() error
	// Image gives a stable image of the state at Applied. Its Next may be called from another goroutine while Apply goes on.
	Image() (Image, error)
	// Restore fills an empty machine from an image's chunks and leaves it durable as far as a machine of its kind can be.
	// After an error the machine is useless and its place must be dropped.
	Restore(chunks ChunkSource) error
	// Close gives back what the machine holds. It does not flush.
	Close() error
}

// Image is a stable, engine-neutral stream of a machine's state: the same state gives the same chunks, byte for byte, on
// every replica and engine.
type Image interface {
	// Applied is the index whose state this is.
	Applied() Index
	// Next gives the next chunk, or io.EOF. The chunk is valid until the following call. Chunks are about ImageChunkBytes
	// long; the boundaries depend on the state alone.
	Next() ([]byte, error)
	// Close releases the state that was held for the image.
	Close() error
}

// ImageChunkBytes is the size at which a chunk of an image is closed, in bytes. An item is not split, so a chunk is at most
// this long plus one item.
const ImageChunkBytes = 256 << 10

// ChunkSource gives the chunks of an image in order.
type ChunkSource interface {
	// Next gives the next chunk, or io.EOF after the last. The chunk is valid until the following call.
	Next() ([]byte, error)
}

// Place is where a machine may keep its state. A new epoch is a new, empty place; the one that the group file names is in
// force, others are rubbish.
type Place struct {
	Group uint64
	Epoch uint64
	// Dir is a directory of the group's own for this epoch; it need not exist. A machine whose engine is shared by many
	// groups may use a namespace named by Group and Epoch instead.
	Dir string
}

// Factory opens machines. It is called by the node runtime at start and for each installed image, from any goroutine.
type Factory interface {
	// Open opens the machine at a place, empty if there is none.
	Open(Place) (Machine, error)
	// Drop removes what is at a place. It is no error when there is nothing.
	Drop(Place) error
	// Epochs names the epochs of a group at which something is kept, so that leftovers of a crash can be dropped. dir is
	// the directory that holds the group's Place.Dir directories.
	Epochs(group uint64, dir string) ([]uint64, error)
}
