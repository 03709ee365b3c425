package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

func TestTruncateInMemory(t *testing.T) {
	r := newRig(t)
	r.append(1, 50, 2000) // with a filler
	for _, to := range []raft.Index{40, 33, 32, 31, 1, 0} {
		require.NoError(t, r.l.Truncate(to+1))
		require.Equal(t, to, r.l.Last().Index)
		r.check()
		r.append(raft.Term(50-to), 3, 100)
		r.check()
		require.NoError(t, r.l.Truncate(to+1))
	}
	r.append(51, 10, 10)
	tip := r.l.Tip()
	s := r.flush()
	require.Equal(t, 1, s.Flushes, "nothing was written before, so there is nothing to take back")
	r.reopen()
	require.Equal(t, tip, r.l.Tip())
	r.check()
}

// TestTruncateWritten takes back what was written, flushed or not, at every entry of a log of several segments.
func TestTruncateWritten(t *testing.T) {
	for _, how := range []string{"written", "flushed", "evicted", "sealed"} {
		t.Run(how, func(t *testing.T) {
			for to := raft.Index(0); to <= 50; to++ {
				r := newRig(t)
				r.append(1, 30, 3000)
				r.flush()
				r.append(1, 20, 5000)
				r.write(nil)
				switch how {
				case "flushed":
					r.flush()
				case "evicted":
					r.evict()
				case "sealed":
					r.flush()
					r.provision()
				}
				require.NoError(t, r.l.Truncate(to+1))
				require.NoError(t, r.l.Truncate(100), "above the end there is nothing to do")
				r.append(2, 9, 4000)
				r.check()
				r.flush()
				r.provision()
				tip := r.l.Tip()
				r.evict()
				r.check()
				r.reopen()
				require.Equal(t, tip, r.l.Tip())
				r.check()
				require.NoError(t, r.l.Close())
			}
		})
	}
}

// TestLateFlushOfTruncatedEntries: a flush of entries that were replaced meanwhile must not let their successors go from memory.
func TestLateFlushOfTruncatedEntries(t *testing.T) {
	r := newRig(t, func(o *Options) { o.TailBytes = 1 })
	r.append(1, 30, 500)
	w, _ := r.l.Cut(nil)
	require.NoError(t, r.l.Write(w))
	require.NoError(t, r.l.Truncate(11))
	r.append(2, 15, 500)
	tip := r.l.Tip()
	_, err := r.l.Flush() // makes the old entries durable
	require.NoError(t, err)
	require.NotZero(t, r.l.UnsyncedBytes())
	r.check() // the new ones are in memory only
	r.flush()
	r.check()
	r.reopen()
	require.Equal(t, tip, r.l.Tip())
}

func TestAppendRefuses(t *testing.T) {
	r := newRig(t)
	r.append(2, 3, 10)
	tip := r.l.Tip()
	largest := int(r.l.MaxRecordSize()) - headerSize
	for name, e := range map[string]raft.Entry{
		"index":  entryAt(5, 2, 10),
		"term":   entryAt(4, 1, 10),
		"size":   entryAt(4, 2, largest+1),
		"kind":   {ID: raft.EntryID{Index: 4, Term: 2}, Kind: raft.KindEmpty, Body: []byte("x")},
		"config": {ID: raft.EntryID{Index: 4, Term: 2}, Kind: raft.KindConfig, Body: []byte("x")},
	} {
		_, err := r.l.Append(e, BodyChecksum(e.Body), 0)
		require.Error(t, err, name)
		require.Equal(t, tip, r.l.Tip(), name)
	}
	_, err := r.l.Append(entryAt(4, 2, largest+1), 0, 0)
	require.ErrorIs(t, err, ErrTooLarge)
	r.append(2, 1, largest)
	rec, err := r.l.Record(4)
	require.NoError(t, err)
	require.Equal(t, int64(1015), rec.Time-5, "time does not go back")
	require.ErrorIs(t, r.l.AppendRecord(rec), ErrMismatch)
	require.ErrorIs(t, r.l.Truncate(0), ErrMismatch)
	r.check()
}

// TestReplicasAreEqual sends a leader's records to a follower: bytes, positions and checksums are the same, though the files differ.
func TestReplicasAreEqual(t *testing.T) {
	leader := newRig(t)
	over(leader)
	follower := newRig(t, func(o *Options) { o.Identity.Node, o.Identity.Directory = "n2", [16]byte{8} })
	prev := raft.EntryID{}
	for prev != leader.l.Last() {
		bufs, got, _, err := leader.l.Records(prev, leader.l.Last(), 20_000, nil)
		require.NoError(t, err)
		for _, b := range bufs {
			for len(b) > 0 {
				rec, n, err := DecodeRecord(b)
				require.NoError(t, err)
				require.NoError(t, follower.l.AppendRecord(rec))
				b = b[n:]
			}
		}
		follower.write(nil)
		if got.Index%2 == 0 {
			follower.flush()
		}
		prev = got
	}
	follower.flush()
	require.Equal(t, leader.l.Tip(), follower.l.Tip())
	follower.reopen()
	require.Equal(t, leader.l.Tip(), follower.l.Tip())
	follower.check()
}

// Who joined has no members at first, and learns them from an entry: what is before that stays, as a base has to say who they are.
func TestTrimKeepsWhatTheMembersAreKnownFrom(t *testing.T) {
	r := newRig(t)
	r.opts.Dir = "joined"
	require.NoError(t, Create(r.opts, raft.Configuration{}))
	r.open()
	over(r)
	r.flush()
	_, done, err := r.l.Trim(250)
	require.NoError(t, err)
	require.False(t, done, "nobody could begin at a base without members")
	r.appendKind(9, raft.KindConfig, raft.AppendConfiguration(nil, testBoot))
	r.append(9, 300, 1000)
	r.flush()
	b, done, err := r.l.Trim(r.l.Last().Index)
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, testBoot, b.Configuration)
}

func TestTrim(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	r.provision()
	tip := r.l.Tip()
	_, done, err := r.l.Trim(2)
	require.NoError(t, err)
	require.False(t, done, "there is no whole segment below entry 2")
	rd := r.l.Reader(1)
	defer rd.Close()

	b, done, err := r.l.Trim(250)
	require.NoError(t, err)
	require.True(t, done)
	require.Equal(t, b, r.l.Base())
	require.Greater(t, b.ID.Index, raft.Index(100))
	require.Less(t, b.ID.Index, raft.Index(250))
	require.Zero(t, uint64(b.Position)%r.l.size)
	require.Equal(t, testBoot, b.Configuration)
	var compacted *CompactedError
	_, err = rd.Next(300)
	require.ErrorAs(t, err, &compacted)
	require.Equal(t, CompactedError{FirstIndex: b.ID.Index + 1, FirstPosition: b.Position}, *compacted)
	_, err = r.l.ReadAt(0, 8)
	require.ErrorAs(t, err, &compacted)
	_, _, _, err = r.l.Records(raft.EntryID{Index: 1, Term: 1}, tip.ID, 100, nil)
	require.ErrorAs(t, err, &compacted)
	_, _, _, err = r.l.Records(b.ID, tip.ID, 100, nil)
	require.NoError(t, err)
	_, err = r.l.BaseAt(b.ID.Index - 1)
	require.ErrorAs(t, err, &compacted)
	got, err := r.l.BaseAt(b.ID.Index)
	require.NoError(t, err)
	require.Equal(t, b, got)
	require.ErrorIs(t, r.l.Truncate(b.ID.Index), ErrMismatch)
	r.check()

	before := len(r.segments())
	r.provision()
	require.Less(t, len(r.segments()), before)
	r.check()
	r.reopen()
	require.Equal(t, b, r.l.Base())
	require.Equal(t, tip, r.l.Tip())
	r.check()
	r.append(4, 20, 3000)
	r.flush()
	r.reopen()
	r.check()
}

// TestTrimKeepsTheDurableEnd: the segment with the last durable entry stays, with its mark, whatever is asked for.
func TestTrimKeepsTheDurableEnd(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	r.append(4, 100, 4000)
	r.write(nil)
	durable := r.l.sync.established
	b, done, err := r.l.Trim(400)
	require.NoError(t, err)
	require.True(t, done)
	require.Less(t, b.ID.Index, durable.ID.Index)
	r.reopen()
	found, err := r.l.tipAt(durable.ID.Index)
	require.NoError(t, err)
	require.Equal(t, durable, found)
	r.check()
}

// TestTrimMovesTheMark: the mark of a truncation may stand in a segment that a trim removes, while segments behind it hold marks that were higher before.
func TestTrimMovesTheMark(t *testing.T) {
	r := newRig(t)
	r.append(1, 60, 3000)
	r.flush()
	require.NoError(t, r.l.Idle()) // the mark is in the third segment
	require.Equal(t, uint64(2), lastSegmentOf(r.l.sync.inForce.end, 0, r.l.size))
	require.NoError(t, r.l.Truncate(11))
	r.append(2, 45, 3100)
	tip := r.flush().Tip
	require.Zero(t, lastSegmentOf(r.l.sync.inForce.end, 0, r.l.size), "the flush wrote no mark, as none was earned since the barrier")
	_, done, err := r.l.Trim(50)
	require.NoError(t, err)
	require.True(t, done)
	r.provision()
	r.reopen()
	require.Equal(t, tip, r.l.Tip())
	r.check()
}

// TestTrimBesideTruncation: a trim looks at what is durable, not at what the owner has put in its place in memory since.
func TestTrimBesideTruncation(t *testing.T) {
	r := newRig(t)
	r.append(1, 20, 3000)
	r.append(1, 10, 300) // up to entry 30, in the first segment
	r.flush()
	durable := r.l.Tip()
	require.Zero(t, segmentOf(durable.End, r.l.size))
	require.NoError(t, r.l.Truncate(21))
	r.append(2, 3, 9000) // entry 21 is in the second segment now, and in memory only
	r.l.mu.Lock()
	require.Len(t, r.l.idx.segs, 2)
	r.l.mu.Unlock()
	_, done, err := r.l.Trim(22)
	require.NoError(t, err)
	require.False(t, done)
	r.reopen()
	require.Equal(t, durable, r.l.Tip())
	r.check()
}

// segments names the segment files on the disk.
func (r *rig) segments() (names []string) {
	r.t.Helper()
	all, err := r.disk.List(r.l.names.ledger(r.l.idx.epoch))
	require.NoError(r.t, err)
	for _, n := range all {
		if isSegment(n) {
			names = append(names, n)
		}
	}
	return names
}

// TestRecycle: a removed segment file becomes that of a later segment, and its old records are never taken for new ones.
func TestRecycle(t *testing.T) {
	r := newRig(t, func(o *Options) { o.RecycleSegments = 2 })
	for round := range raft.Term(30) {
		r.append(round+1, 30, 3000)
		r.flush()
		r.provision()
		_, _, err := r.l.Trim(r.l.Last().Index)
		require.NoError(t, err)
		r.provision()
		require.LessOrEqual(t, len(r.segments()), 6)
		r.check()
		tip := r.l.Tip()
		if round%4 == 3 {
			r.reopen()
			require.Equal(t, tip, r.l.Tip())
			r.check()
		}
	}
}

// TestPinnedSegmentIsNotRecycled: a reader in a removed segment goes on reading right bytes or gets a typed error.
func TestPinnedSegmentIsNotRecycled(t *testing.T) {
	r := newRig(t)
	over(r)
	r.evict()
	rd := r.l.Reader(1)
	_, err := rd.Next(300)
	require.NoError(t, err)
	_, done, err := r.l.Trim(300)
	require.NoError(t, err)
	require.True(t, done)
	r.append(5, 60, 5000)
	r.flush()
	r.provision()
	rec, _, err := rd.disk.scan.next(baseTip(raft.Base{Checksum: testIdentity.seed()}), true, true)
	require.NoError(t, err, "the file that the reader holds is what it was")
	require.Equal(t, raft.Index(1), rec.ID.Index)
	require.NoError(t, rd.Close())
	r.check()
}

func TestReset(t *testing.T) {
	for _, pos := range []raft.Position{0, 8, 5000 &^ 7, minSegmentSize - 8, minSegmentSize, 7*minSegmentSize + 40000} {
		r := newRig(t)
		over(r)
		r.flush()
		b := raft.Base{ID: raft.EntryID{Index: 1000, Term: 8}, Position: pos, Checksum: 0xabc, Format: 3, LogTime: 77, Configuration: testBoot}
		reset, err := r.l.PrepareReset(b)
		require.NoError(t, err)
		require.Equal(t, b, reset.Base())
		hs := raft.HardState{Term: 9, Vote: "n2"}
		late, ok := r.l.Cut(&hs)
		require.True(t, ok)
		rd := r.l.Reader(1)
		require.NoError(t, r.l.CommitReset(reset, 5))
		require.NoError(t, r.l.Write(late), "a write of the old log counts for its hard state")
		var compacted *CompactedError
		_, err = rd.Next(300)
		require.ErrorAs(t, err, &compacted)
		require.NoError(t, rd.Close())
		require.Equal(t, uint64(5), r.l.EngineEpoch())
		require.Equal(t, b, r.l.Base())
		require.Equal(t, baseTip(b), r.l.Tip())
		e := entryAt(1001, 9, 100)
		p, err := r.l.Append(e, BodyChecksum(e.Body), 0)
		require.NoError(t, err)
		require.Equal(t, place(pos, p.Length, minSegmentSize), p.Position)
		r.append(9, 40, 3000)
		r.flush()
		r.check()
		r.provision()
		entries, err := r.disk.List(testDir)
		require.NoError(t, err)
		require.Equal(t, []string{"GROUP", "base-00000002", "ledger-00000002"}, entries)
		tip := r.l.Tip()
		r.reopen()
		require.Equal(t, tip, r.l.Tip())
		require.Equal(t, hs, r.l.Restart().State)
		require.Equal(t, b, r.l.Base())
		require.Equal(t, uint64(5), r.l.EngineEpoch())
		r.check()
		got, err := r.l.BaseAt(1001)
		require.NoError(t, err)
		require.Equal(t, uint32(3), got.Format)
	}
}

func TestResetIsRefusedOrDropped(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	_, err := r.l.PrepareReset(raft.Base{ID: raft.EntryID{Index: 5, Term: 1}, Position: 3, Configuration: testBoot})
	require.Error(t, err)
	_, err = r.l.PrepareReset(raft.Base{ID: raft.EntryID{Index: 5}, Configuration: testBoot})
	require.Error(t, err)
	_, err = r.l.PrepareReset(raft.Base{ID: raft.EntryID{Index: 5, Term: 1}})
	require.Error(t, err)
	b := raft.Base{ID: raft.EntryID{Index: 1000, Term: 8}, Position: 8, Configuration: testBoot}
	reset, err := r.l.PrepareReset(b)
	require.NoError(t, err)
	require.Error(t, r.l.CommitReset(reset, 1<<40))
	r.l.DropReset(reset)
	r.provision()
	entries, err := r.disk.List(testDir)
	require.NoError(t, err)
	require.Equal(t, []string{"GROUP", "base-00000001", "ledger-00000001"}, entries)
	again, err := r.l.PrepareReset(b)
	require.NoError(t, err)
	require.NotEqual(t, reset.ledgerEpoch, again.ledgerEpoch)
	r.check()
}

func TestCreateIsForNewDirectories(t *testing.T) {
	r := newRig(t)
	require.ErrorIs(t, Create(r.opts, testBoot), ErrExists)
	ok, err := Exists(r.opts)
	require.NoError(t, err)
	require.True(t, ok)
	other := r.opts
	other.Dir = "elsewhere"
	ok, err = Exists(other)
	require.NoError(t, err)
	require.False(t, ok)
	_, err = Open(other)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Error(t, Create(other, raft.Configuration{Members: []raft.Member{{ID: "n1"}}}), "nobody votes")
	require.Error(t, Create(Options{}, testBoot))
}

// TestCreateTakesNoUsedDirectory: a ledger whose group file has gone is not begun anew, as its votes would be forgotten; what an
// interrupted Create leaves is.
func TestCreateTakesNoUsedDirectory(t *testing.T) {
	uses := map[string]func(*rig){
		"records": func(r *rig) { r.append(1, 1, 10); r.write(nil) },
		"a mark":  func(r *rig) { r.append(1, 1, 10); r.flush(); require.NoError(t, r.l.Idle()) },
		"a trim": func(r *rig) {
			r.append(1, 2000, 100)
			r.provision()
			r.flush()
			_, _, err := r.l.Trim(1500)
			require.NoError(t, err)
		},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			use(r)
			require.NoError(t, r.disk.Remove(testDir+"/GROUP"))
			before, err := r.disk.List(testDir)
			require.NoError(t, err)
			var corruption *CorruptionError
			require.ErrorAs(t, Create(r.opts, testBoot), &corruption)
			require.Equal(t, testDir+"/GROUP", corruption.Path)
			require.ErrorContains(t, corruption, "the group file is missing")
			after, err := r.disk.List(testDir)
			require.NoError(t, err)
			require.Equal(t, before, after, "nothing is removed")
		})
	}
	r := newRig(t)
	require.NoError(t, r.disk.Remove(testDir+"/GROUP"))
	require.NoError(t, Create(r.opts, testBoot))
}

func TestOptionsReportAllFaults(t *testing.T) {
	err := Options{SegmentSize: 3, TailBytes: -1}.Validate()
	for _, want := range []string{"Dir", "Group", "Incarnation", "Node", "SegmentSize", "TailBytes"} {
		require.ErrorContains(t, err, want)
	}
	_, err = Open(Options{})
	require.Error(t, err)
}

// TestSmallFootprint: a new group takes little of the disk, an idle one little memory.
func TestSmallFootprint(t *testing.T) {
	r := newRig(t, func(o *Options) { o.SegmentSize = DefaultSegmentSize; o.TailBytes = 0 })
	r.provision()
	require.LessOrEqual(t, r.disk.Used(), uint64(64<<10))
	r.append(1, 20_000, 144)
	r.flush()
	r.provision()
	require.NoError(t, r.l.Idle())
	require.Zero(t, r.l.idx.tail.capacity)
	require.Less(t, r.disk.Used(), uint64(20_000*208+9<<20))
}
