package ledger

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

const testDir = "node/groups/0000000000000007"

var testIdentity = Identity{Cluster: [16]byte{1, 2, 3}, Group: 7, Incarnation: 1, Node: "n1", Directory: [16]byte{9}}

var testBoot = raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "a:1", Voter: true}, {ID: "n2", Address: "b:1", Voter: true}}}

func testOptions(fsys fs.FS) Options {
	return Options{FS: fsys, Dir: testDir, Identity: testIdentity, SegmentSize: minSegmentSize, TailBytes: 16 << 10, Format: 9}
}

// rig is a ledger whose loops all run on the test's goroutine.
type rig struct {
	t    testing.TB
	disk *disk.Disk
	opts Options
	l    *Ledger
	now  int64
}

func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	d := disk.New(1)
	r := &rig{t: t, disk: d, opts: testOptions(d), now: 1000}
	for _, c := range change {
		c(&r.opts)
	}
	require.NoError(t, Create(r.opts, testBoot))
	r.open()
	return r
}

func (r *rig) open() {
	r.t.Helper()
	l, err := Open(r.opts)
	require.NoError(r.t, err)
	r.l = l
	r.t.Cleanup(func() { require.NoError(r.t, l.Close()) })
}

// reopen closes the ledger and opens it on what a power cut leaves when nothing unsynced survives.
func (r *rig) reopen() {
	r.t.Helper()
	require.NoError(r.t, r.l.Close())
	r.onto(r.disk.Crash(disk.Cut{Keep: disk.Nothing}))
	r.open()
}

func (r *rig) onto(d *disk.Disk) { r.disk, r.opts.FS = d, d }

func (r *rig) entry(term raft.Term, size int) raft.Entry {
	return entryAt(r.l.Last().Index+1, term, size)
}

// bodyFor is the content of the entries that tests append: it depends on the id, so that a wrong body is noticed.
func bodyFor(id raft.EntryID, size int) []byte {
	seed := fmt.Sprintf("%d.%d.", id.Index, id.Term)
	return bytes.Repeat([]byte(seed), size/len(seed)+1)[:size]
}

func entryAt(i raft.Index, term raft.Term, size int) raft.Entry {
	id := raft.EntryID{Index: i, Term: term}
	b := bodyFor(id, size)
	return raft.Entry{ID: id, Kind: raft.KindData, Size: raft.RecordSize(len(b)), Body: b}
}

// append appends n entries of a term with bodies of size bytes.
func (r *rig) append(term raft.Term, n, size int) {
	r.t.Helper()
	for range n {
		e := r.entry(term, size)
		r.now += 5
		p, err := r.l.Append(e, BodyChecksum(e.Body), r.now)
		require.NoError(r.t, err)
		require.Equal(r.t, e.Size, p.Length)
		require.Equal(r.t, r.l.End(), p.Position+raft.Position(p.Length))
	}
}

// write cuts and writes, without a flush.
func (r *rig) write(hs *raft.HardState) {
	r.t.Helper()
	if w, ok := r.l.Cut(hs); ok {
		require.NoError(r.t, r.l.Write(w))
	}
}

func (r *rig) flush() Synced {
	r.t.Helper()
	r.write(nil)
	s, err := r.l.Flush()
	require.NoError(r.t, err)
	require.Equal(r.t, r.l.Tip(), s.Tip)
	return s
}

// provision runs the provisioner until it has nothing to do.
func (r *rig) provision() {
	r.t.Helper()
	for {
		more, err := r.l.Provision()
		require.NoError(r.t, err)
		if !more {
			return
		}
	}
}

// evict lets go of everything in memory that is durable, so that reads go to the disk.
func (r *rig) evict() {
	r.t.Helper()
	r.flush()
	require.NoError(r.t, r.l.Idle())
	require.Zero(r.t, r.l.idx.tail.capacity)
}

// check reads the whole log in all ways and compares it with what the ids say.
func (r *rig) check() {
	r.t.Helper()
	require.NoError(r.t, checkLog(r.l))
}

// checkLog reads a ledger from its base to its tip and verifies ids, chain, positions and bodies.
func checkLog(l *Ledger) error {
	base, tip := l.Base(), l.Tip()
	prev := baseTip(base)
	rd := l.Reader(base.ID.Index + 1)
	defer rd.Close()
	for {
		rec, err := rd.Next(tip.ID.Index)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading behind %v: %w", prev.ID, err)
		}
		if err := rec.Follows(prev, l.size); err != nil {
			return err
		}
		if rec.Kind == raft.KindData && !bytes.Equal(rec.Body, bodyFor(rec.ID, len(rec.Body))) {
			return fmt.Errorf("entry %v has a wrong body", rec.ID)
		}
		prev = rec.tip()
	}
	if prev != tip {
		return fmt.Errorf("the log was read up to %+v, its tip is %+v", prev, tip)
	}
	return nil
}
