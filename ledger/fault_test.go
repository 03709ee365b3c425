package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestFailedFlushLatches: after a failed flush nothing is flushed or written again, and what was not durable is not taken for durable.
func TestFailedFlushLatches(t *testing.T) {
	for _, file := range []string{"*.seg", "GROUP"} {
		for _, evict := range []bool{false, true} {
			r := newRig(t)
			r.append(1, 10, 100)
			r.flush()
			durable := r.l.Tip()
			r.append(1, 10, 100)
			hs := raft.HardState{Term: 7, Vote: "n1"}
			r.write(&hs)
			r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Path: file, Count: 1, Evict: evict})
			_, err := r.l.Flush()
			var failed *FailedError
			require.ErrorAs(t, err, &failed)
			require.ErrorIs(t, err, disk.ErrIO)
			require.Equal(t, err, r.l.Failed())
			ops := r.disk.Ops()
			w, ok := r.l.Cut(&raft.HardState{Term: 8})
			require.True(t, ok)
			require.Equal(t, err, r.l.Write(w))
			_, again := r.l.Flush()
			require.Equal(t, err, again)
			require.Equal(t, err, r.l.Idle())
			_, _, again = r.l.Trim(5)
			require.Equal(t, err, again)
			_, again = r.l.Provision()
			require.Equal(t, err, again)
			require.Equal(t, err, r.l.CommitReset(&Reset{}, 2))
			require.Equal(t, ops, r.disk.Ops(), "nothing more is written")

			// The kernel lies from now on; a restart finds out what is there, and makes it durable.
			require.NoError(t, r.l.Close())
			r.onto(r.disk.KillProcess())
			r.open()
			tip, state := r.l.Tip(), r.l.Restart().State
			require.GreaterOrEqual(t, tip.ID.Index, durable.ID.Index)
			r.check()
			r.reopen()
			require.Equal(t, tip, r.l.Tip())
			require.Equal(t, state, r.l.Restart().State)
		}
	}
}

func TestFailedWriteLatches(t *testing.T) {
	r := newRig(t)
	r.append(1, 10, 100)
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpWrite}, Path: "*.seg", Count: 1})
	w, _ := r.l.Cut(nil)
	var failed *FailedError
	require.ErrorAs(t, r.l.Write(w), &failed)
	_, err := r.l.Flush()
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "write", failed.Op)
	r.check() // reads go on
}

// TestProvisionerFailureLatches: its flush of a segment file may have dropped what the syncer wrote there.
func TestProvisionerFailureLatches(t *testing.T) {
	r := newRig(t)
	r.append(1, 10, 1000)
	r.write(nil)
	r.append(1, 20, 1000)
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Path: "*.seg", Count: 1, Evict: true})
	var failed *FailedError
	var err error
	for more := true; more && err == nil; {
		more, err = r.l.Provision()
	}
	require.ErrorAs(t, err, &failed)
	_, err = r.l.Flush()
	require.ErrorAs(t, err, &failed)
}

// TestDiskFull: data is refused with a typed error before anything is done, other entries and hard states still go, and all
// resumes when space returns.
func TestDiskFull(t *testing.T) {
	r := newRig(t)
	r.append(1, 30, 500)
	r.flush()
	r.provision()
	require.Equal(t, uint64(math.MaxInt64), r.l.Room(1000))
	r.disk.SetCapacity(1)
	var err error
	for err == nil {
		r.append(1, 1, 500)
		_, err = r.l.Provision()
	}
	require.ErrorIs(t, err, ErrNoSpace)
	room := r.l.Room(1000)
	require.Less(t, room, r.l.size)
	accepted := uint64(0)
	for {
		e := r.entry(1, 500)
		_, err := r.l.Append(e, BodyChecksum(e.Body), 0)
		if err != nil {
			var full *NoSpaceError
			require.ErrorAs(t, err, &full)
			require.ErrorIs(t, err, ErrNoSpace)
			break
		}
		accepted += uint64(e.Size)
	}
	require.GreaterOrEqual(t, accepted+uint64(raft.RecordSize(500)), room, "room is what Append takes")
	require.LessOrEqual(t, accepted, room+uint64(raft.RecordSize(500)))
	r.appendKind(2, raft.KindEmpty, nil)
	hs := raft.HardState{Term: 2, Vote: "n1"}
	r.write(&hs)
	r.flush()
	r.check()
	tip := r.l.Tip()
	_, err = r.l.Provision()
	require.ErrorIs(t, err, ErrNoSpace)

	r.disk.SetCapacity(0)
	r.provision()
	require.Equal(t, uint64(math.MaxInt64), r.l.Room(1000))
	r.append(2, 100, 500)
	r.flush()
	r.check()
	r.reopen()
	require.Greater(t, r.l.Last().Index, tip.ID.Index)
}

// TestRoomIsKept: records of any sizes that are within the room by their bytes are within it at their places.
func TestRoomIsKept(t *testing.T) {
	const seed = 11
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 20_000 {
		tip := Tip{End: raft.Position(rng.Uint64N(3*minSegmentSize)) &^ 7}
		limit := pageCeil(uint64(tip.End) + rng.Uint64N(4*minSegmentSize))
		largest := raft.RecordSize(rng.IntN(minSegmentSize/4 - headerSize))
		left := room(tip, limit, largest, minSegmentSize)
		for left >= headerSize {
			size := raft.RecordSize(rng.IntN(int(min(uint64(largest), left)) - headerSize + 1))
			if uint64(size) > left || size > largest {
				break
			}
			left -= uint64(size)
			tip.End = place(tip.End, size, minSegmentSize) + raft.Position(size)
			require.LessOrEqual(t, uint64(tip.End)+spareBytes, limit)
		}
	}
}

// TestDiskFullInline: when the provisioner was outrun and the disk is full, the write is refused whole and is to be repeated.
func TestDiskFullInline(t *testing.T) {
	r := newRig(t)
	r.append(1, 5, 100)
	r.flush()
	r.append(1, 60, 3000) // more than is prepared
	r.disk.SetCapacity(1)
	w, ok := r.l.Cut(&raft.HardState{Term: 4})
	require.True(t, ok)
	require.Equal(t, r.l.Tip(), w.Tip())
	require.Greater(t, w.Bytes(), 60*3000)
	err := r.l.Write(w)
	var full *NoSpaceError
	require.ErrorAs(t, err, &full)
	require.Greater(t, full.Need, full.Room)
	require.NoError(t, r.l.Failed())
	s, err := r.l.Flush()
	require.NoError(t, err)
	require.Equal(t, raft.Index(5), s.Tip.ID.Index, "the hard state is durable, the entries are not")
	r.check()
	r.disk.SetCapacity(0)
	require.NoError(t, r.l.Write(w))
	require.NotZero(t, r.l.InlineProvisions())
	require.Equal(t, r.l.Tip(), r.flush().Tip)
	r.reopen()
	require.Equal(t, raft.Index(65), r.l.Last().Index)
	require.Equal(t, raft.Term(4), r.l.Restart().State.Term)
	r.check()
}

// TestDiskFullTruncate: a truncating write that is refused half way may be repeated.
func TestDiskFullTruncate(t *testing.T) {
	r := newRig(t)
	r.append(1, 20, 1000)
	r.flush()
	require.NoError(t, r.l.Truncate(11))
	r.append(2, 80, 2000)
	r.disk.SetCapacity(1)
	w, _ := r.l.Cut(nil)
	require.ErrorIs(t, r.l.Write(w), ErrNoSpace)
	s, err := r.l.Flush()
	require.NoError(t, err)
	require.Equal(t, raft.EntryID{Index: 10, Term: 1}, s.Tip.ID)
	r.disk.SetCapacity(0)
	require.NoError(t, r.l.Write(w))
	tip := r.flush().Tip
	r.reopen()
	require.Equal(t, tip, r.l.Tip())
	r.check()
}

// TestTrimOnFullDisk: removing the head of the log is what makes space again, so it makes the little that it needs itself.
func TestTrimOnFullDisk(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	r.provision()
	full := func() { r.disk.SetCapacity(r.disk.Used()) }
	full()
	_, done, err := r.l.Trim(90) // the sidecar of the segment that goes makes room
	require.NoError(t, err)
	require.True(t, done)
	r.provision() // the file is kept, to be used again
	require.Len(t, r.l.space.spare, 1)
	r.disk.SetCapacity(1)
	_, done, err = r.l.Trim(200)
	require.ErrorIs(t, err, ErrNoSpace)
	require.False(t, done)
	require.NoError(t, r.l.Failed())
	require.Empty(t, r.l.space.spare, "it was given up")
	r.disk.SetCapacity(r.disk.Used() + minSegmentSize)
	_, done, err = r.l.Trim(200)
	require.NoError(t, err)
	require.True(t, done)
	r.provision()
	r.append(4, 30, 1000)
	r.flush()
	r.check()
}

func TestOpenRefusesStrangers(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	require.NoError(t, r.l.Close())
	ops := r.disk.Ops()
	for field, change := range map[string]func(o *Options){
		"cluster":      func(o *Options) { o.Identity.Cluster[3]++ },
		"group":        func(o *Options) { o.Identity.Group++ },
		"incarnation":  func(o *Options) { o.Identity.Incarnation++ },
		"node":         func(o *Options) { o.Identity.Node = "n2" },
		"directory":    func(o *Options) { o.Identity.Directory[0]++ },
		"segment size": func(o *Options) { o.SegmentSize *= 2 },
	} {
		o := r.opts
		change(&o)
		_, err := Open(o)
		var identity *IdentityError
		require.ErrorAs(t, err, &identity)
		require.Equal(t, field, identity.Field)
		require.NotEqual(t, identity.Want, identity.Found)
	}
	require.Equal(t, ops, r.disk.Ops(), "nothing was written")
	o := r.opts
	o.SegmentSize = 0
	l, err := Open(o)
	require.NoError(t, err)
	require.Equal(t, uint64(minSegmentSize), l.SegmentSize())
	require.NoError(t, l.Close())
}

// patch changes bytes of a file of a closed ledger, then seals n bytes from off on with a CRC at their end.
func (r *rig) patch(name string, off, n int, change func(b []byte)) {
	r.t.Helper()
	f, err := r.disk.Open(name)
	require.NoError(r.t, err)
	b := make([]byte, n)
	require.NoError(r.t, readFull(f, b, int64(off)))
	change(b)
	binary.LittleEndian.PutUint32(b[n-4:], crc32.Checksum(b[:n-4], castagnoli))
	_, err = f.WriteAt(b, int64(off))
	require.NoError(r.t, err)
	require.NoError(r.t, f.Datasync())
	require.NoError(r.t, f.Close())
}

func TestOpenRefusesTheFuture(t *testing.T) {
	bump := func(b []byte) { b[7]++ }
	record := func(change func(b []byte)) func(r *rig) {
		return func(r *rig) {
			name := r.l.names.segment(1, 0)
			f, err := r.disk.Open(name)
			require.NoError(r.t, err)
			b := make([]byte, headerSize)
			require.NoError(r.t, readFull(f, b, pageSize))
			change(b)
			_, err = f.WriteAt(seal(b), pageSize)
			require.NoError(r.t, err)
			require.NoError(r.t, f.Close())
		}
	}
	for name, change := range map[string]func(r *rig){
		"group":          func(r *rig) { r.patch(r.l.names.group(), 2*pageSize, groupCRCAt+4, bump) },
		"base":           func(r *rig) { r.patch(r.l.names.base(1), 0, len(encodeBase(r.l.Base())), bump) },
		"segment":        func(r *rig) { r.patch(r.l.names.segment(1, 0), 0, segmentCRCAt+4, bump) },
		"record version": record(func(b []byte) { b[offVersion]++ }),
		"record kind":    record(func(b []byte) { b[offKind] = 9 }),
		"record flags":   record(func(b []byte) { b[offFlags] = 9 }),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.append(1, 1, 10) // above the mark, where anything bad would end the log
			r.flush()
			require.NoError(t, r.l.Close())
			if name == "group" {
				r.open() // brings generation 1 into slots 1 and 3; slot 2 gets generation 2 with the next hard state
				hs := raft.HardState{Term: 3}
				r.write(&hs)
				r.flush()
				require.NoError(t, r.l.Close())
			}
			change(r)
			ops := r.disk.Ops()
			_, err := Open(r.opts)
			var future *FormatError
			require.ErrorAs(t, err, &future)
			require.NotEmpty(t, future.Path)
			require.Equal(t, ops, r.disk.Ops(), "nothing was written")
		})
	}
}

// TestMissingFiles: a file that has gone is corruption, not a shorter log.
func TestMissingFiles(t *testing.T) {
	build := func(t *testing.T) *rig {
		r := newRig(t)
		over(r)
		r.evict()
		r.provision()
		require.NoError(t, r.l.Close())
		return r
	}
	r := build(t)
	last := lastSegmentOf(r.l.End(), 0, r.l.size)
	require.Greater(t, last, uint64(3))
	files := []string{r.l.names.group(), r.l.names.base(1)}
	for n := range last + 1 {
		files = append(files, r.l.names.segment(1, n))
	}
	for _, name := range files {
		r := build(t)
		require.NoError(t, r.disk.Remove(name))
		_, err := Open(r.opts)
		var corrupt *CorruptionError
		if name == r.l.names.group() {
			require.ErrorIs(t, err, fs.ErrNotExist)
			continue
		}
		require.ErrorAs(t, err, &corrupt, name)
		require.Equal(t, name, corrupt.Path)
		require.NotEmpty(t, corrupt.Error())
	}
	r = build(t)
	require.NoError(t, r.disk.RemoveAll(r.l.names.ledger(1)))
	_, err := Open(r.opts)
	var corrupt *CorruptionError
	require.ErrorAs(t, err, &corrupt)
}

// TestMissingFileBehindAFullSegment: a segment that is full to its last byte has no filler to say that another one follows. The next file may alone hold the
// mark, and its loss is noticed all the same; a log that ends at the boundary is no loss.
func TestMissingFileBehindAFullSegment(t *testing.T) {
	const records = 16
	build := func(t *testing.T) *rig {
		r := newRig(t)
		r.append(1, records, minSegmentSize/records-headerSize)
		r.flush()
		require.Equal(t, raft.Position(minSegmentSize), r.l.End())
		return r
	}
	r := build(t)
	r.reopen()
	require.Equal(t, raft.Index(records), r.l.Last().Index)
	r.append(1, 1, 100)
	r.flush()
	r.check()

	for _, behind := range []int{3, 1, 0} {
		r := build(t)
		r.append(1, behind, 100)
		r.evict()
		require.NoError(t, r.l.Close())
		next := r.l.names.segment(1, 1)
		require.NoError(t, r.disk.Remove(next))
		in, err := Inspect(r.disk, testDir)
		require.NoError(t, err)
		_, faults, err := in.Walk(func(Record) error { return nil })
		require.NoError(t, err)
		require.Len(t, faults, 1)
		_, err = Open(r.opts)
		for _, err := range []error{err, faults[0]} {
			var corrupt *CorruptionError
			require.ErrorAs(t, err, &corrupt, "%d entries behind the boundary", behind)
			require.Equal(t, next, corrupt.Path)
			require.Equal(t, raft.Index(records+1), corrupt.Index)
		}
	}
}

// TestSidecarsAreMadeAgain: a missing, damaged or stale sidecar costs time, and nothing else.
func TestSidecarsAreMadeAgain(t *testing.T) {
	r := newRig(t)
	over(r)
	r.appendKind(4, raft.KindConfig, raft.AppendConfiguration(nil, testBoot))
	r.append(4, 60, 3000)
	r.evict()
	r.provision()
	tip := r.l.Tip()
	require.NoError(t, r.l.Close())
	sidecar := func(n uint64) string { return r.l.names.sidecar(1, n) }
	stale, err := fs.ReadFile(r.disk, sidecar(1))
	require.NoError(t, err)
	require.NoError(t, r.disk.Remove(sidecar(0)))
	require.NoError(t, r.disk.Flip(sidecar(2), 30, 1))
	require.NoError(t, fs.WriteFileAtomic(r.disk, r.l.names.ledger(1), sidecar(3), stale))
	r.open()
	require.Equal(t, tip, r.l.Tip())
	require.Len(t, r.l.Restart().Configurations, 1)
	r.check()
	r.provision()
	require.NoError(t, r.l.Close())
	for n := range uint64(4) {
		b, err := fs.ReadFile(r.disk, sidecar(n))
		require.NoError(t, err)
		s, err := decodeSidecar(b)
		require.NoError(t, err)
		require.Equal(t, n, s.number)
	}
	reads := r.readsOfOpen()
	require.Less(t, reads, tip.End/2, "sealed segments are not read")
	require.Len(t, r.l.Restart().Configurations, 1)
	r.check()
}

// readsOfOpen opens the ledger and gives the bytes it asked for.
func (r *rig) readsOfOpen() (bytes raft.Position) {
	r.disk.Before = func(op disk.Op) error {
		if op.Kind == disk.OpRead {
			bytes += raft.Position(op.Len)
		}
		return nil
	}
	r.open()
	r.disk.Before = nil
	return bytes
}

// TestReadErrorsAreNotTornTails: a sector that can't be read says nothing about where the log ends.
func TestReadErrorsAreNotTornTails(t *testing.T) {
	r := newRig(t)
	r.append(1, 10, 100)
	r.flush()
	require.NoError(t, r.l.Close())
	remove := r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead}, Path: "*.seg"})
	_, err := Open(r.opts)
	var corrupt *CorruptionError
	require.ErrorAs(t, err, &corrupt)
	require.ErrorIs(t, err, disk.ErrIO)
	remove()
	r.open()
	require.Equal(t, raft.Index(10), r.l.Last().Index)
}

// TestOpenFailsCleanly lets each operation of an Open fail in turn; the next Open finds everything.
func TestOpenFailsCleanly(t *testing.T) {
	r := newRig(t)
	over(r)
	r.write(&raft.HardState{Term: 3, Vote: "n2"})
	r.flush()
	tip := r.l.Tip()
	require.NoError(t, r.l.Close())
	for n := 0; ; n++ {
		d := r.disk.Clone()
		remove := d.Inject(disk.Fault{Skip: n, Count: 1})
		o := r.opts
		o.FS = d
		l, err := Open(o)
		remove()
		if err == nil {
			require.NoError(t, l.Close())
			if n > 60 {
				return
			}
		} else {
			require.True(t, errors.Is(err, disk.ErrIO), "%v", err)
		}
		l, err = Open(o)
		require.NoError(t, err)
		require.Equal(t, tip, l.Tip())
		require.Equal(t, raft.HardState{Term: 3, Vote: "n2"}, l.Restart().State)
		require.NoError(t, l.Close())
	}
}

// TestErrorsSayWhatToDo: each message names what was expected and found, or where, and what to do.
func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []string
	}{
		{&CorruptionError{Path: "p", Offset: 12, Index: 3, Err: disk.ErrIO}, []string{"p", "12", "3", "input/output", "keep the directory", "ledger verify", "docs/operations.md"}},
		{&CompactedError{FirstIndex: 7, FirstPosition: 640}, []string{"7", "640"}},
		{&IdentityError{Path: "p", Field: "node", Want: "a", Found: "b"}, []string{"p", "node", "a", "b", "check"}},
		{&FormatError{Path: "p", Offset: 4, What: "version 9"}, []string{"p", "4", "version 9", "use the version"}},
		{&FailedError{Op: "datasync", Path: "p", Err: disk.ErrIO}, []string{"datasync", "p", "stop"}},
		{&NoSpaceError{Need: 10, Room: 5, Err: ErrNoSpace}, []string{"10", "5", "free"}},
		{&badRecord{pos: 8, err: disk.ErrIO}, []string{"8", "input/output"}},
		{&unknownFormat{what: "kind 9"}, []string{"kind 9"}},
	} {
		for _, w := range c.want {
			require.ErrorContains(t, c.err, w)
		}
	}
}
