package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"path"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Sizes in bytes.
const (
	pageSize   = 4096
	sectorSize = 512
	// minSegmentSize is the smallest S that docs/format.md allows.
	minSegmentSize = 64 << 10
	maxSegmentSize = 1 << 40
	// firstChunk is how much space a new ledger begins with, so that ten thousand groups fit a small disk.
	firstChunk = 32 << 10
	// spareBytes of provisioned space are kept for entries other than data when the device is full.
	spareBytes = 8 << 10
	// readBlock is how much a reader reads at once.
	readBlock = 128 << 10
	// waypointBytes is the distance of the waypoints of the index.
	waypointBytes = 64 << 10
)

// Default options.
const (
	DefaultSegmentSize = 64 << 20
	DefaultChunkBytes  = 1 << 20
	DefaultTailBytes   = 4 << 20
)

// FormatInitial is the format in force at the start of every log, before any entry of raft.KindFormat.
const FormatInitial = 1

// Identity says whose log a ledger is. All of it is in the group file, and Open refuses a directory that says otherwise.
type Identity struct {
	// Cluster is the first 16 bytes of the SHA-256 of the cluster's name.
	Cluster [16]byte
	Group   raft.GroupID
	// Incarnation is 1 for the first life of a group of this id. It seeds the checksum chain, with Cluster and Group.
	Incarnation uint64
	Node        raft.NodeID
	// Directory is the UUID of the node's directory.
	Directory [16]byte
}

// seed is what the first record of the log chains to (docs/format.md, "Record").
func (id Identity) seed() uint32 {
	var b [32]byte
	copy(b[:], id.Cluster[:])
	binary.LittleEndian.PutUint64(b[16:], uint64(id.Group))
	binary.LittleEndian.PutUint64(b[24:], id.Incarnation)
	return crc32.Checksum(b[:], castagnoli)
}

// check compares with what a file says.
func (id Identity) check(file string, found Identity) error {
	fields := []struct{ name, want, found string }{
		{"cluster", hex.EncodeToString(id.Cluster[:]), hex.EncodeToString(found.Cluster[:])},
		{"group", fmt.Sprint(id.Group), fmt.Sprint(found.Group)},
		{"incarnation", fmt.Sprint(id.Incarnation), fmt.Sprint(found.Incarnation)},
		{"node", string(id.Node), string(found.Node)},
		{"directory", hex.EncodeToString(id.Directory[:]), hex.EncodeToString(found.Directory[:])},
	}
	for _, f := range fields {
		if f.want != f.found {
			return &IdentityError{Path: file, Field: f.name, Want: f.want, Found: f.found}
		}
	}
	return nil
}

// Options say where a ledger is, whose it is and how it uses space. Zero values mean the defaults.
type Options struct {
	// FS is the file system. Default: the operating system's.
	FS fs.FS
	// Dir is the group's directory; required.
	Dir string
	// Identity is whose log it is; Group, Incarnation and Node are required.
	Identity Identity
	// SegmentSize is S, in bytes: a power of two from 64 KiB to 1 TiB. Default 64 MiB for Create; Open takes what the group
	// file says when it is 0, and refuses another value.
	SegmentSize uint64
	// Format is the highest format of entries that the caller knows: Open refuses, with a *FormatError, a log in which a higher one was put in force, be
	// the entry committed or not. Default FormatInitial.
	Format uint32
	// ChunkBytes is how much space is zero-filled at a time, in bytes; it is rounded to pages. Default 1 MiB, or a quarter of a smaller segment.
	ChunkBytes uint64
	// TailBytes is how much of what is already durable stays in memory for readers, in bytes. Default 4 MiB.
	TailBytes int
	// RecycleSegments is how many removed segment files are kept to be used again. Default 1; negative for none.
	RecycleSegments int
	// Logger gets what happens rarely: recovery, removal, a full disk. Default: nothing is logged.
	Logger *slog.Logger
}

// Validate reports every fault of the options at once.
func (o Options) Validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("ledger: options: "+format, args...)) }
	if o.Dir == "" {
		fault("Dir is missing")
	}
	if o.Identity.Group == 0 {
		fault("Identity.Group is 0, which is not a group")
	}
	if o.Identity.Incarnation == 0 {
		fault("Identity.Incarnation is 0, the first is 1")
	}
	if n := len(o.Identity.Node); n == 0 || n > maxNodeLen {
		fault("Identity.Node has %d bytes, expected 1 to %d", n, maxNodeLen)
	}
	if s := o.SegmentSize; s != 0 && !validSegmentSize(s) {
		fault("SegmentSize is %d, expected a power of two from %d to %d", s, minSegmentSize, uint64(maxSegmentSize))
	}
	if o.TailBytes < 0 {
		fault("TailBytes is %d, expected 0 or more", o.TailBytes)
	}
	return errors.Join(errs...)
}

func validSegmentSize(s uint64) bool {
	return s >= minSegmentSize && s <= maxSegmentSize && s&(s-1) == 0
}

// withFS fills in the file system.
func (o Options) withFS() Options {
	if o.FS == nil {
		o.FS = fs.OS
	}
	return o
}

// withDefaults fills in what is zero. SegmentSize must be known by now.
func (o Options) withDefaults() Options {
	if o.Format == 0 {
		o.Format = FormatInitial
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = min(DefaultChunkBytes, o.SegmentSize/4)
	}
	o.ChunkBytes = min(pageCeil(o.ChunkBytes), o.SegmentSize)
	if o.TailBytes == 0 {
		o.TailBytes = DefaultTailBytes
	}
	if o.RecycleSegments == 0 {
		o.RecycleSegments = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// names of the files of a group's directory (docs/format.md, "A replica's directory").
type layout struct{ dir string }

func (d layout) group() string { return path.Join(d.dir, "GROUP") }

func (d layout) base(epoch uint32) string { return path.Join(d.dir, fmt.Sprintf("base-%08x", epoch)) }

func (d layout) ledger(epoch uint32) string {
	return path.Join(d.dir, fmt.Sprintf("ledger-%08x", epoch))
}

func (d layout) segment(epoch uint32, number uint64) string {
	return path.Join(d.ledger(epoch), fmt.Sprintf("%016x.seg", number))
}

func (d layout) sidecar(epoch uint32, number uint64) string {
	return path.Join(d.ledger(epoch), fmt.Sprintf("%016x.idx", number))
}

func pageFloor[T ~uint64](n T) T { return n &^ (pageSize - 1) }

func pageCeil[T ~uint64](n T) T { return (n + pageSize - 1) &^ (pageSize - 1) }
