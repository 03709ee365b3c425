package ledger

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// benchLedger is a ledger on the real file system, of a size as in use.
func benchLedger(b *testing.B, segmentSize uint64) (*Ledger, Options) {
	o := Options{FS: fs.OS, Dir: b.TempDir() + "/group", Identity: testIdentity, SegmentSize: segmentSize}
	require.NoError(b, Create(o, testBoot))
	l, err := Open(o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, l.Close()) })
	return l, o
}

// provisionInBackground runs the provisioner as a node does, woken after each flush. stop waits for it.
func provisionInBackground(b *testing.B, l *Ledger) (wake func(), stop func()) {
	signal, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for range signal {
			for more := true; more; {
				var err error
				if more, err = l.Provision(); err != nil {
					b.Errorf("provision: %v", err)
					return
				}
			}
		}
	}()
	wake = func() {
		select {
		case signal <- struct{}{}:
		default:
		}
	}
	return wake, func() { close(signal); <-done }
}

// BenchmarkAppendFlush is encode + append + write + flush, per batch of entries.
func BenchmarkAppendFlush(b *testing.B) {
	for _, size := range []int{144, 1024} {
		for _, batch := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("body=%d/batch=%d", size, batch), func(b *testing.B) {
				l, _ := benchLedger(b, DefaultSegmentSize)
				wake, stop := provisionInBackground(b, l)
				wake()
				body := make([]byte, size)
				sum := BodyChecksum(body)
				b.SetBytes(int64(batch) * int64(raft.RecordSize(size)))
				b.ReportAllocs()
				next := raft.Index(1)
				for b.Loop() {
					for range batch {
						e := raft.Entry{ID: raft.EntryID{Index: next, Term: 1}, Kind: raft.KindData, Body: body}
						if _, err := l.Append(e, sum, 1); err != nil {
							b.Fatal(err)
						}
						next++
					}
					flushAll(b, l)
					wake()
				}
				b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "entries/s")
				b.ReportMetric(float64(l.InlineProvisions()), "inline-provisions")
				stop()
			})
		}
	}
}

func flushAll(b *testing.B, l *Ledger) {
	w, _ := l.Cut(nil)
	if err := l.Write(w); err != nil {
		b.Fatal(err)
	}
	if _, err := l.Flush(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppend is encode + append into the tail alone, without the disk.
func BenchmarkAppend(b *testing.B) {
	l, _ := benchLedger(b, DefaultSegmentSize)
	wake, stop := provisionInBackground(b, l)
	body := make([]byte, 144)
	sum := BodyChecksum(body)
	b.ReportAllocs()
	next := raft.Index(1)
	for b.Loop() {
		e := raft.Entry{ID: raft.EntryID{Index: next, Term: 1}, Kind: raft.KindData, Body: body}
		if _, err := l.Append(e, sum, 1); err != nil {
			b.Fatal(err)
		}
		if next++; next%4096 == 0 {
			b.StopTimer()
			flushAll(b, l)
			wake()
			b.StartTimer()
		}
	}
	stop()
}

// fill appends and flushes n entries with bodies of size bytes.
func fill(b *testing.B, l *Ledger, n, size int) {
	body := make([]byte, size)
	sum := BodyChecksum(body)
	for i := l.Last().Index + 1; n > 0; n, i = n-1, i+1 {
		_, err := l.Append(raft.Entry{ID: raft.EntryID{Index: i, Term: 1}, Kind: raft.KindData, Body: body}, sum, 1)
		require.NoError(b, err)
		if n%2048 == 1 {
			flushAll(b, l)
		}
	}
	flushAll(b, l)
}

// BenchmarkReaderSequential reads records in order in batches, from memory and from the disk.
func BenchmarkReaderSequential(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		b.Run(where, func(b *testing.B) {
			l, _ := benchLedger(b, 16<<20)
			fill(b, l, 15_000, 144)
			if where == "disk" {
				require.NoError(b, l.Idle())
			}
			b.SetBytes(int64(raft.RecordSize(144)))
			b.ReportAllocs()
			rd := l.Reader(1)
			defer rd.Close()
			var recs []Record
			n := 0
			for b.Loop() {
				if n == 0 {
					var err error
					recs, err = rd.Batch(l.Last().Index, 64<<10, recs[:0])
					if err == io.EOF {
						rd.Seek(1)
						recs, err = rd.Batch(l.Last().Index, 64<<10, recs[:0])
					}
					if err != nil {
						b.Fatal(err)
					}
					n = len(recs)
				}
				n--
			}
		})
	}
}

// BenchmarkRecords resolves what a sender sends: one call for each 64 KiB.
func BenchmarkRecords(b *testing.B) {
	l, _ := benchLedger(b, 16<<20)
	fill(b, l, 15_000, 144)
	prev, last := raft.EntryID{}, l.Last()
	var bufs [][]byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		var n int
		bufs, prev, n, err = l.Records(prev, last, 64<<10, bufs[:0])
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
		if prev == last {
			prev = raft.EntryID{}
		}
	}
}

// BenchmarkOpen opens a ledger of 16 segments of 4 MiB, a sixteenth of 1 GiB in 64 MiB segments, by its sidecars and without them.
func BenchmarkOpen(b *testing.B) {
	for _, sidecars := range []bool{true, false} {
		b.Run(fmt.Sprintf("sidecars=%v", sidecars), func(b *testing.B) {
			l, o := benchLedger(b, 4<<20)
			fill(b, l, 60_000, 1024)
			require.NoError(b, l.Idle())
			for more := true; more; {
				var err error
				more, err = l.Provision()
				require.NoError(b, err)
			}
			if !sidecars {
				for n := range uint64(32) {
					require.NoError(b, removeIfThere(fs.OS, l.names.sidecar(1, n)))
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				again, err := Open(o)
				if err != nil {
					b.Fatal(err)
				}
				if err := again.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
