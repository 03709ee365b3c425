package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

const firstEpoch = 1

// Create makes a new, empty ledger in o.Dir, with boot as the group's first configuration; one without members is for a replica that learns from the leader who they are. The group file comes last: until it is there, which
// Exists tells, Create may be interrupted and called again. It fails with ErrExists when there is one, and with a *CorruptionError when only the
// group file of a ledger in use is missing: a new one would have forgotten its vote. It blocks on the device.
func Create(o Options, boot raft.Configuration) error {
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if err := o.Validate(); err != nil {
		return err
	}
	if err := boot.Validate(); err != nil && len(boot.Members) > 0 {
		return fmt.Errorf("ledger: the first configuration: %w", err)
	}
	o = o.withFS()
	exists, err := Exists(o)
	if err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("%w: %s", ErrExists, o.Dir)
	}
	o = o.withDefaults()
	names := layout{o.Dir}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return fmt.Errorf("ledger: create: %w", err)
	}
	if err := unused(o.FS, names); err != nil {
		return err
	}
	for _, leftover := range []string{names.ledger(firstEpoch), names.base(firstEpoch)} {
		if err := o.FS.RemoveAll(leftover); err != nil {
			return fmt.Errorf("ledger: create: %w", err)
		}
	}
	base := raft.Base{Checksum: o.Identity.seed(), Format: FormatInitial, Configuration: boot}
	if err := makeLedger(o, firstEpoch, firstEpoch, base); err != nil {
		return fmt.Errorf("ledger: create: %w", err)
	}
	g := groupState{generation: 1, id: o.Identity, segmentSize: o.SegmentSize,
		ledgerEpoch: firstEpoch, baseEpoch: firstEpoch, engineEpoch: firstEpoch}
	if err := fs.WriteFileAtomic(o.FS, o.Dir, names.group(), newGroupFile(&g)); err != nil {
		return fmt.Errorf("ledger: create: %w", err)
	}
	return nil
}

// Exists reports whether o.Dir holds a group file, so that the ledger can be opened. Only FS and Dir of o are used.
func Exists(o Options) (bool, error) {
	_, err := o.withFS().FS.Stat(layout{o.Dir}.group())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// makeLedger makes a ledger directory with its first segment, and the base file, all durable.
func makeLedger(o Options, ledgerEpoch, baseEpoch uint32, base raft.Base) error {
	names := layout{o.Dir}
	if err := o.FS.MkdirAll(names.ledger(ledgerEpoch)); err != nil {
		return err
	}
	number := segmentOf(base.Position, o.SegmentSize)
	from := uint64(pageFloor(base.Position)) % o.SegmentSize
	n := min(firstChunk, o.SegmentSize-from, o.ChunkBytes)
	id := o.Identity
	h := segmentHeader{cluster: id.Cluster, group: id.Group, incarnation: id.Incarnation, number: number, size: o.SegmentSize}
	if err := makeSegment(o.FS, names, ledgerEpoch, h, from, n); err != nil {
		return err
	}
	return fs.WriteFileAtomic(o.FS, o.Dir, names.base(baseEpoch), encodeBase(base))
}

// unused checks that what stands in a directory without a group file is at most what an interrupted Create leaves: things of the first
// epoch, and a first segment with nothing in it. Nobody writes a record or a mark before the group file is durable.
func unused(fsys fs.FS, names layout) error {
	entries, err := fsys.List(names.dir)
	if err != nil {
		return fmt.Errorf("ledger: create: %w", err)
	}
	for _, name := range entries {
		var epoch uint32
		if (scanName(name, "ledger-%08x", &epoch) || scanName(name, "base-%08x", &epoch)) && epoch != firstEpoch {
			return missingGroup(names, name)
		}
	}
	segments, err := fsys.List(names.ledger(firstEpoch))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ledger: create: %w", err)
	}
	for _, name := range segments {
		var number uint64
		if !scanName(name, "%016x.seg", &number) {
			continue
		}
		used, err := writtenTo(fsys, names.segment(firstEpoch, number))
		if err != nil {
			return fmt.Errorf("ledger: create: %w", err)
		}
		if number != 0 || used {
			return missingGroup(names, name)
		}
	}
	return nil
}

func missingGroup(names layout, found string) error {
	return &CorruptionError{Path: names.group(), Err: fmt.Errorf("the group file is missing, though %s shows that the ledger was in use", found)}
}

// writtenTo reports whether a segment file holds a mark or the beginning of a record.
func writtenTo(fsys fs.FS, path string) (bool, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return false, err
	}
	b := make([]byte, pageSize+headerSize)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	return len(bytes.Trim(b[min(n, firstMarkSlot):n], "\x00")) > 0, nil
}
