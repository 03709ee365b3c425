package ledger

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// closed gives a rig with a log of 300 entries in several segments, closed, with an up to date mark.
func closed(t *testing.T) *rig {
	r := newRig(t)
	over(r)
	r.write(&raft.HardState{Term: 3, Vote: "n2"})
	r.evict()
	r.provision()
	require.NoError(t, r.l.Close())
	return r
}

// walk inspects and gives the indexes of the records seen.
func (r *rig) walk() (in *Inspection, seen []raft.Index, d Digest, faults []error) {
	r.t.Helper()
	ops := r.disk.Ops()
	in, err := Inspect(r.disk, testDir)
	require.NoError(r.t, err)
	d, faults, err = in.Walk(func(rec Record) error {
		require.Equal(r.t, bodyFor(rec.ID, len(rec.Body)), rec.Body)
		seen = append(seen, rec.ID.Index)
		return nil
	})
	require.NoError(r.t, err)
	require.Equal(r.t, ops, r.disk.Ops(), "nothing was written")
	return in, seen, d, faults
}

func TestInspectSoundLedger(t *testing.T) {
	r := closed(t)
	tip := r.l.Tip()
	in, seen, d, faults := r.walk()
	require.Empty(t, faults)
	require.Empty(t, in.Notes)
	require.Len(t, seen, 300)
	require.Equal(t, testIdentity, in.Identity)
	require.Equal(t, uint64(minSegmentSize), in.SegmentSize)
	require.Equal(t, raft.HardState{Term: 3, Vote: "n2"}, in.State)
	require.Equal(t, tip.ID, in.Durable)
	require.Equal(t, tip.End, in.DurableEnd)
	require.NotEmpty(t, in.Segments)
	require.Equal(t, Digest{First: raft.EntryID{Index: 1, Term: 1}, Last: tip.ID, End: tip.End, Checksum: tip.Checksum,
		Records: 300, Bytes: d.Bytes}, d)

	r.open()
	want, err := r.l.tipAt(150)
	require.NoError(t, err)
	got, err := in.DigestAt(150)
	require.NoError(t, err)
	require.Equal(t, want.ID, got.Last)
	require.Equal(t, want.Checksum, got.Checksum)
	require.Equal(t, want.End, got.End)
	all, err := in.DigestAt(0)
	require.NoError(t, err)
	require.Equal(t, d, all)
	_, err = in.DigestAt(301)
	require.ErrorIs(t, err, ErrMismatch)
	stop := errors.New("enough")
	_, _, err = in.Walk(func(Record) error { return stop })
	require.ErrorIs(t, err, stop)
}

func TestInspectTrimmedLedger(t *testing.T) {
	r := closed(t)
	r.open()
	b, done, err := r.l.Trim(200)
	require.NoError(t, err)
	require.True(t, done)
	r.append(4, 5, 100)
	r.write(nil) // above the mark, and there because nothing cuts the power
	require.NoError(t, r.l.Close())
	in, seen, d, faults := r.walk()
	require.Empty(t, faults)
	require.Equal(t, b, in.Base)
	require.Equal(t, b.ID.Index+1, seen[0])
	require.Equal(t, raft.Index(305), d.Last.Index)
	require.Equal(t, b.Position, d.Begin)
	at, err := in.DigestAt(b.ID.Index)
	require.NoError(t, err)
	require.Equal(t, b.Checksum, at.Checksum)
	var compacted *CompactedError
	_, err = in.DigestAt(b.ID.Index - 1)
	require.ErrorAs(t, err, &compacted)
}

// TestInspectDamage damages a ledger in many places: what is wrong is named, with path, offset and index, and all that is sound is still shown.
func TestInspectDamage(t *testing.T) {
	r := closed(t)
	r.open()
	rec, err := r.l.Record(120)
	require.NoError(t, err)
	require.NoError(t, r.l.Close())
	number := segmentOf(rec.Position, r.l.size)
	path := r.l.names.segment(1, number)
	intact := r.disk
	for _, off := range []int64{0, 9, 53, headerSize + 1, int64(len(rec.Raw)) - 1} {
		r.onto(intact.Clone())
		at := fileOffset(rec.Position, r.l.size)
		require.NoError(t, r.disk.Flip(path, at+off, 4))
		in, seen, d, faults := r.walk()
		require.Len(t, faults, 1, "%v", faults)
		var corrupt *CorruptionError
		require.ErrorAs(t, faults[0], &corrupt)
		require.Equal(t, CorruptionError{Path: path, Offset: at, Index: 120, Err: corrupt.Err}, *corrupt)
		require.Len(t, seen, 299, "only the damaged record is missing")
		require.NotContains(t, seen, raft.Index(120))
		require.Equal(t, raft.Index(300), d.Last.Index)
		_, err = in.DigestAt(0)
		require.ErrorAs(t, err, &corrupt)
		_, err = in.DigestAt(119)
		require.NoError(t, err)
	}
}

func TestInspectMissingFiles(t *testing.T) {
	r := closed(t)
	intact := r.disk
	var corrupt *CorruptionError

	r.onto(intact.Clone())
	require.NoError(t, r.disk.Remove(r.l.names.segment(1, 1)))
	_, seen, d, faults := r.walk()
	require.Len(t, faults, 1)
	require.ErrorAs(t, faults[0], &corrupt)
	require.Equal(t, r.l.names.segment(1, 1), corrupt.Path)
	require.Less(t, len(seen), 300)
	require.Equal(t, raft.Index(300), d.Last.Index)

	r.onto(intact.Clone())
	require.NoError(t, r.disk.Remove(r.l.names.base(1)))
	_, seen, _, faults = r.walk()
	require.Len(t, faults, 1)
	require.Len(t, seen, 300)

	r.onto(intact.Clone())
	last := lastSegmentOf(r.l.End(), 0, r.l.size)
	require.NoError(t, r.disk.Remove(r.l.names.segment(1, last)))
	_, _, _, faults = r.walk()
	require.Len(t, faults, 1)
	require.ErrorAs(t, faults[0], &corrupt)
	require.Equal(t, r.l.names.segment(1, last), corrupt.Path)

	r.onto(intact.Clone())
	require.NoError(t, r.disk.RemoveAll(r.l.names.ledger(1)))
	_, seen, _, faults = r.walk()
	require.NotEmpty(t, faults)
	require.Empty(t, seen)

	r.onto(intact.Clone())
	require.NoError(t, r.disk.Remove(r.l.names.group()))
	_, err := Inspect(r.disk, testDir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestInspectNotes(t *testing.T) {
	r := closed(t)
	require.NoError(t, r.disk.Flip(r.l.names.sidecar(1, 0), 20, 1))
	in, seen, _, faults := r.walk()
	require.Empty(t, faults)
	require.Len(t, seen, 300)
	require.Len(t, in.Notes, 1)

	slot := slotsOf(r.l.group.generation)[0]
	require.NoError(t, r.disk.Flip(r.l.names.group(), slot*pageSize+100, 1))
	in, _, _, _ = r.walk()
	require.Len(t, in.Notes, 2)
	require.Equal(t, raft.HardState{Term: 3, Vote: "n2"}, in.State)
	require.NoError(t, r.disk.Flip(r.l.names.group(), (slot+2)*pageSize+100, 1))
	var corrupt *CorruptionError
	_, err := Open(r.opts)
	require.ErrorAs(t, err, &corrupt, "an older generation is all that is left, and it would forget a vote")
	for n := range int64(groupSlots) {
		f, err := r.disk.Open(r.l.names.group())
		require.NoError(t, err)
		_, err = f.WriteAt(make([]byte, pageSize), n*pageSize)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	_, err = Inspect(r.disk, testDir)
	require.ErrorAs(t, err, &corrupt)
	_, err = Open(r.opts)
	require.ErrorAs(t, err, &corrupt)
}

// TestInspectLeftovers: what stands behind the log's end is no fault, and is named.
func TestInspectLeftovers(t *testing.T) {
	r := newRig(t)
	r.append(1, 10, 1000)
	r.evict()
	mark := r.l.Tip()
	r.append(1, 80, 1000) // into the next segment
	r.write(nil)
	tip := r.l.Tip()
	require.NoError(t, r.l.Close())
	in, _, d, faults := r.walk()
	require.Empty(t, faults)
	require.Equal(t, tip.ID, d.Last)
	require.Empty(t, in.Leftovers, "the log goes on above the mark, and nothing is behind it")

	first, second := r.l.names.segment(1, 0), r.l.names.segment(1, 1)
	require.NoError(t, r.disk.Flip(first, fileOffset(mark.End, r.l.size)+70, 1))
	in, _, d, faults = r.walk()
	require.Empty(t, faults, "above the mark a bad record is the end of the log")
	require.Equal(t, mark.ID, d.Last)
	require.Len(t, in.Leftovers, 2)
	require.Equal(t, Leftover{Path: first, Offset: fileOffset(mark.End, r.l.size), Bytes: in.Leftovers[0].Bytes}, in.Leftovers[0])
	require.Less(t, int64(40_000), in.Leftovers[0].Bytes)
	require.Equal(t, Leftover{Path: second, Offset: pageSize, Bytes: in.Leftovers[1].Bytes}, in.Leftovers[1])
	require.InDelta(t, uint64(tip.End)-minSegmentSize, in.Leftovers[1].Bytes, 8, "but for the padding")

	in, err := Inspect(r.disk, testDir)
	require.NoError(t, err)
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead}, Path: "0000000000000001.seg"})
	_, faults, err = in.Walk(func(Record) error { return nil })
	require.NoError(t, err)
	require.Len(t, faults, 1)
	require.ErrorIs(t, faults[0], disk.ErrIO)
}

// TestInspectUnreadable: places that can't be read are named.
func TestInspectUnreadable(t *testing.T) {
	r := closed(t)
	in, err := Inspect(r.disk, testDir)
	require.NoError(t, err)
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead}, Path: "0000000000000001.seg"})
	_, faults, err := in.Walk(func(Record) error { return nil })
	require.NoError(t, err)
	require.NotEmpty(t, faults)
	require.ErrorIs(t, faults[0], disk.ErrIO)
	in, err = Inspect(r.disk, testDir)
	require.NoError(t, err)
	require.Len(t, in.Faults, 1)
	require.ErrorIs(t, in.Faults[0], disk.ErrIO)
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpOpen}, Path: "0000000000000002.seg"})
	_, faults, err = in.Walk(func(Record) error { return nil })
	require.NoError(t, err)
	require.Greater(t, len(faults), 2)
}
