package ledger

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// twoWays runs a test with the log in memory, with it on disk only, and half and half.
func twoWays(t *testing.T, build func(r *rig), test func(t *testing.T, r *rig)) {
	for name, prepare := range map[string]func(r *rig){
		"memory": func(*rig) {},
		"disk":   func(r *rig) { r.evict() },
		"both":   func(r *rig) { r.evict(); r.append(9, 40, 300); r.write(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.TailBytes = 8 << 20 })
			build(r)
			prepare(r)
			test(t, r)
		})
	}
}

// over builds a log of 300 entries in several segments.
func over(r *rig) {
	r.append(1, 100, 700)
	r.append(2, 1, 9000)
	r.append(3, 199, 1100)
	r.write(nil)
}

func TestRecordsInEveryRange(t *testing.T) {
	twoWays(t, over, func(t *testing.T, r *rig) {
		last := r.l.Last()
		for _, from := range []raft.Index{0, 1, 57, 100, 101, 150, 290} {
			for _, maxBytes := range []int{0, 1000, 10_000, 1 << 20} {
				prev := raft.EntryID{Index: from, Term: r.termOf(from)}
				for prev.Index < last.Index {
					bufs, got, size, err := r.l.Records(prev, last, maxBytes, nil)
					require.NoError(t, err)
					require.Greater(t, got.Index, prev.Index)
					n := r.splits(prev, bufs)
					require.Equal(t, size, n)
					if got.Index > prev.Index+1 {
						require.LessOrEqual(t, size, maxBytes)
					}
					prev = got
				}
				require.Equal(t, last, prev)
			}
		}
	})
}

func (r *rig) termOf(i raft.Index) raft.Term {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	t, ok := r.l.idx.termAt(i)
	require.True(r.t, ok)
	return t
}

// splits decodes pieces as a receiver would, checks that they follow prev, and counts their bytes.
func (r *rig) splits(prev raft.EntryID, bufs [][]byte) (size int) {
	tip, err := r.l.tipAt(prev.Index)
	require.NoError(r.t, err)
	for _, b := range bufs {
		size += len(b)
		for len(b) > 0 {
			rec, n, err := DecodeRecord(b)
			require.NoError(r.t, err)
			require.NoError(r.t, rec.Follows(tip, r.l.size))
			tip, b = rec.tip(), b[n:]
		}
	}
	return size
}

func TestRecordsChecksBothIDs(t *testing.T) {
	twoWays(t, over, func(t *testing.T, r *rig) {
		id := func(i raft.Index, term raft.Term) raft.EntryID { return raft.EntryID{Index: i, Term: term} }
		for _, c := range []struct{ prev, last raft.EntryID }{
			{id(5, 2), id(9, 1)}, {id(5, 1), id(9, 2)}, {id(9, 1), id(5, 1)}, {id(5, 1), id(1000, 3)}, {id(1000, 3), id(1001, 3)}, {id(0, 1), id(5, 1)},
		} {
			_, got, size, err := r.l.Records(c.prev, c.last, 1000, nil)
			require.ErrorIs(t, err, ErrMismatch, "%v", c)
			require.Equal(t, c.prev, got)
			require.Zero(t, size)
		}
		bufs, got, size, err := r.l.Records(id(7, 1), id(7, 1), 1000, nil)
		require.NoError(t, err)
		require.Empty(t, bufs)
		require.Equal(t, id(7, 1), got)
		require.Zero(t, size)
	})
}

func TestReaderInBatches(t *testing.T) {
	twoWays(t, over, func(t *testing.T, r *rig) {
		for _, maxBytes := range []int{0, 1500, 50_000, 1 << 20} {
			rd := r.l.Reader(1)
			var recs []Record
			tip := baseTip(r.l.Base())
			for _, limit := range []raft.Index{10, 10, 120, 300} {
				for {
					var err error
					recs, err = rd.Batch(limit, maxBytes, recs[:0])
					if err == io.EOF {
						break
					}
					require.NoError(t, err)
					for n := range recs {
						require.NoError(t, recs[n].Follows(tip, r.l.size))
						require.Equal(t, bodyFor(recs[n].ID, len(recs[n].Body)), recs[n].Body)
						tip = recs[n].tip()
					}
				}
				require.Equal(t, limit, tip.ID.Index)
				require.Equal(t, limit+1, rd.Index())
			}
			rd.Seek(77)
			rec, err := rd.Next(300)
			require.NoError(t, err)
			require.Equal(t, raft.Index(77), rec.ID.Index)
			require.NoError(t, rd.Close())
		}
	})
}

// TestReaderFollowsTheTail reads with one reader while the log grows, is evicted, and enters new segments.
func TestReaderFollowsTheTail(t *testing.T) {
	r := newRig(t)
	rd := r.l.Reader(1)
	defer rd.Close()
	next := raft.Index(1)
	for round := range 40 {
		r.append(1, 7, 1000)
		if round%3 > 0 {
			r.evict()
		}
		for limit := r.l.Last().Index - raft.Index(round%4); ; next++ {
			rec, err := rd.Next(limit)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			require.Equal(t, next, rec.ID.Index)
			require.Equal(t, bodyFor(rec.ID, 1000), rec.Body)
		}
	}
	require.Greater(t, next, raft.Index(270))
}

func TestRecordAndReadAt(t *testing.T) {
	twoWays(t, over, func(t *testing.T, r *rig) {
		last := r.l.Last().Index
		var prev Record
		for i := raft.Index(1); i <= last; i += 13 {
			rec, err := r.l.Record(i)
			require.NoError(t, err)
			require.Equal(t, i, rec.ID.Index)
			at, err := r.l.RecordAt(rec.Position)
			require.NoError(t, err)
			require.Equal(t, rec, at)
			body, err := r.l.ReadAt(rec.Position+headerSize, len(rec.Body))
			require.NoError(t, err)
			require.Equal(t, rec.Body, body)
			_, err = r.l.RecordAt(rec.Position + 8)
			require.ErrorIs(t, err, ErrMismatch)
			prev = rec
		}
		require.NotZero(t, prev.ID.Index)
		_, err := r.l.Record(last + 1)
		require.ErrorIs(t, err, ErrMismatch)
		var compacted *CompactedError
		_, err = r.l.Record(0)
		require.ErrorAs(t, err, &compacted)
		_, err = r.l.RecordAt(r.l.End())
		require.ErrorIs(t, err, ErrMismatch)
		_, err = r.l.ReadAt(r.l.End()-8, 16)
		require.ErrorIs(t, err, ErrMismatch)
		_, err = r.l.ReadAt(0, -1)
		require.ErrorIs(t, err, ErrMismatch)
		// Over several records, and within one.
		a, err := r.l.Record(1)
		require.NoError(t, err)
		b, err := r.l.Record(2)
		require.NoError(t, err)
		both, err := r.l.ReadAt(a.Position+10, len(a.Raw)+20)
		require.NoError(t, err)
		require.Equal(t, append(append([]byte(nil), a.Raw[10:]...), b.Raw[:30]...), both)
	})
}

func TestReadAtKnowsFillers(t *testing.T) {
	twoWays(t, over, func(t *testing.T, r *rig) {
		var end raft.Position
		for i := raft.Index(1); i <= r.l.Last().Index; i++ {
			rec, err := r.l.Record(i)
			require.NoError(t, err)
			if i > 1 && rec.Position != end {
				_, err := r.l.ReadAt(end, 8)
				require.ErrorIs(t, err, ErrMismatch)
				_, err = r.l.ReadAt(end-8, int(rec.Position-end)+16)
				require.ErrorIs(t, err, ErrMismatch)
				return
			}
			end = rec.End()
		}
		require.Fail(t, "the log has no filler")
	})
}

func TestBaseAt(t *testing.T) {
	other := raft.Configuration{Members: []raft.Member{{ID: "n9", Address: "z:1", Voter: true}}}
	twoWays(t, func(r *rig) {
		r.append(1, 10, 100)
		r.appendKind(1, raft.KindConfig, raft.AppendConfiguration(nil, other)) // 11
		r.append(2, 10, 100)
		r.appendKind(2, raft.KindFormat, []byte{2, 0, 0, 0}) // 22
		r.append(2, 10, 100)
		r.write(nil)
	}, func(t *testing.T, r *rig) {
		for _, c := range []struct {
			at     raft.Index
			config raft.Configuration
			format uint32
		}{{0, testBoot, 1}, {10, testBoot, 1}, {11, other, 1}, {21, other, 1}, {22, other, 2}, {32, other, 2}} {
			b, err := r.l.BaseAt(c.at)
			require.NoError(t, err)
			require.Equal(t, c.config, b.Configuration, "at %d", c.at)
			require.Equal(t, c.format, b.Format, "at %d", c.at)
			if c.at > 0 {
				rec, err := r.l.Record(c.at)
				require.NoError(t, err)
				require.Equal(t, raft.Base{ID: rec.ID, Position: rec.End(), Checksum: rec.Checksum, LogTime: rec.Time,
					Format: c.format, Configuration: c.config}, b)
			}
		}
		_, err := r.l.BaseAt(100)
		require.ErrorIs(t, err, ErrMismatch)
		restart := r.l.Restart()
		require.Len(t, restart.Configurations, 1)
		require.Equal(t, raft.Index(11), restart.Configurations[0].ID.Index)
	})
}

// appendKind appends an entry of another kind than data.
func (r *rig) appendKind(term raft.Term, k raft.Kind, body []byte) {
	r.t.Helper()
	e := raft.Entry{ID: raft.EntryID{Index: r.l.Last().Index + 1, Term: term}, Kind: k, Body: body}
	_, err := r.l.Append(e, BodyChecksum(body), r.now)
	require.NoError(r.t, err)
}

func TestChecksumAt(t *testing.T) {
	r := newRig(t)
	sum, ok := r.l.ChecksumAt(raft.EntryID{})
	require.True(t, ok)
	require.Equal(t, testIdentity.seed(), sum)
	r.append(1, 20, 100)
	for i := raft.Index(1); i <= 20; i++ {
		rec, err := r.l.Record(i)
		require.NoError(t, err)
		sum, ok := r.l.ChecksumAt(rec.ID)
		require.True(t, ok)
		require.Equal(t, rec.Checksum, sum)
		_, ok = r.l.ChecksumAt(raft.EntryID{Index: i, Term: 2})
		require.False(t, ok)
	}
	r.evict()
	_, ok = r.l.ChecksumAt(raft.EntryID{Index: 5, Term: 1})
	require.False(t, ok, "it is not in memory")
	_, ok = r.l.ChecksumAt(raft.EntryID{Index: 20, Term: 1})
	require.True(t, ok)
}

// TestReadsVerify flips bytes behind the back of an open ledger: a reader gets an error or the right bytes.
func TestReadsVerify(t *testing.T) {
	r := newRig(t)
	over(r)
	r.evict()
	rec, err := r.l.Record(50)
	require.NoError(t, err)
	path := r.l.names.segment(1, segmentOf(rec.Position, r.l.size))
	for off := range len(rec.Raw) {
		at := fileOffset(rec.Position, r.l.size) + int64(off)
		require.NoError(t, r.disk.Flip(path, at, 0x10))
		var corrupt *CorruptionError
		_, err := r.l.Record(50)
		require.ErrorAs(t, err, &corrupt, "offset %d", off)
		require.Equal(t, path, corrupt.Path)
		require.Equal(t, raft.Index(50), corrupt.Index)
		require.Equal(t, fileOffset(rec.Position, r.l.size), corrupt.Offset)
		_, _, _, err = r.l.Records(raft.EntryID{Index: 49, Term: 1}, raft.EntryID{Index: 51, Term: 1}, 1<<20, nil)
		require.ErrorAs(t, err, &corrupt)
		_, err = r.l.RecordAt(rec.Position)
		require.ErrorAs(t, err, &corrupt)
		require.NoError(t, r.disk.Flip(path, at, 0x10))
	}
	_, err = r.l.Record(50)
	require.NoError(t, err)
}

func TestReaderIsClosedWithTheLedger(t *testing.T) {
	r := newRig(t)
	over(r)
	r.evict()
	rd := r.l.Reader(1)
	_, err := rd.Next(300)
	require.NoError(t, err)
	require.NoError(t, r.l.Close())
	_, err = r.l.Record(200)
	require.ErrorIs(t, err, ErrClosed)
	_, err = r.l.Flush()
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, rd.Close())
	require.NoError(t, r.l.Close())
}
