package snapshot_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

func TestAnImageComesBackAsItWasWritten(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	_, ok := s.Newest()
	require.False(t, ok)
	data := chunks(9, 5, 1000)
	m := mustWrite(t, s, 9, data)
	require.Equal(t, uint32(5), m.Chunks)
	require.Equal(t, group, m.Identity)
	require.Equal(t, base(9), m.Base)
	require.True(t, m.HasImage())
	requireImage(t, s, m, data)

	for _, s := range []*snapshot.Store{s, open(t, d)} {
		newest, ok := s.Newest()
		require.True(t, ok)
		require.Equal(t, m, newest)
		require.Equal(t, []snapshot.Meta{m}, s.List())
		require.NoError(t, s.Verify(m))
		require.Empty(t, s.Problems())
		requireImage(t, s, m, data)
	}
	require.Equal(t, group, s.Identity())
	require.Equal(t, dir, s.Dir())
}

func TestAnEmptyStateHasAnImage(t *testing.T) {
	s := open(t, disk.New(1))
	m := mustWrite(t, s, 4, nil)
	require.True(t, m.HasImage())
	require.Zero(t, m.Chunks)
	requireImage(t, s, m, nil)
}

func TestOnTheRealFileSystem(t *testing.T) {
	s, err := snapshot.Open(fs.OS, t.TempDir(), group)
	require.NoError(t, err)
	data := chunks(9, 8, 300_000)
	m, err := write(s, 9, data)
	require.NoError(t, err)
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	again, err := snapshot.Open(fs.OS, s.Dir(), group)
	require.NoError(t, err)
	requireImage(t, again, m, data)
}

func TestTheSameStateGivesTheSameDigest(t *testing.T) {
	a, b := open(t, disk.New(1)), open(t, disk.New(2))
	data := chunks(9, 3, 100)
	require.Equal(t, mustWrite(t, a, 9, data), mustWrite(t, b, 9, data))
	other := mustWrite(t, b, 10, data)
	require.NotEqual(t, mustWrite(t, a, 9, data).Digest, other.Digest, "the base is part of it")
	// The same bytes cut up otherwise are another image: a transfer can't go on from one to the other.
	joined := append(append([]byte(nil), data[0]...), data[1]...)
	require.NotEqual(t, other.Digest, mustWrite(t, a, 10, [][]byte{joined, data[2]}).Digest)
}

func TestMakingAnImageTwiceKeepsOne(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	data := chunks(9, 3, 100)
	m := mustWrite(t, s, 9, data)
	require.Equal(t, m, mustWrite(t, s, 9, data))
	require.Len(t, s.List(), 1)
	require.Len(t, files(t, d, ""), 1)
	requireImage(t, s, m, data)
}

func TestABadImageIsMadeAnewUnderItsName(t *testing.T) {
	d := disk.New(1)
	data := chunks(9, 3, 100)
	m := mustWrite(t, open(t, d), 9, data)
	require.NoError(t, d.Flip(onlyFile(t, d, ".img"), 10, 1))
	s := open(t, d)
	require.Empty(t, s.List())
	require.Equal(t, m, mustWrite(t, s, 9, data))
	requireImage(t, s, m, data)
	require.Len(t, files(t, d, ".img"), 1)
}

func TestAnAbortedImageLeavesNothing(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	w, err := s.Create(base(9))
	require.NoError(t, err)
	require.NoError(t, w.Chunk([]byte("x")))
	require.Empty(t, s.List(), "nobody sees it before Commit")
	w.Abort()
	w.Abort()
	require.Empty(t, files(t, d, ""))
	require.ErrorIs(t, w.Chunk([]byte("x")), snapshot.ErrClosed)
	_, err = w.Commit()
	require.ErrorIs(t, err, snapshot.ErrClosed)
}

func TestWriterRefusesWhatItCannotWrite(t *testing.T) {
	s := open(t, disk.New(1))
	_, err := s.Create(raft.Base{})
	require.ErrorContains(t, err, "must be an entry")
	w, err := s.Create(base(9))
	require.NoError(t, err)
	defer w.Abort()
	require.ErrorContains(t, w.Chunk(nil), "1 to")
	require.ErrorContains(t, w.Chunk(make([]byte, snapshot.MaxChunkBytes+1)), "1 to")
	require.NoError(t, w.Chunk([]byte("x")), "a refusal harms nothing")
}

func TestLeftoversOfACrashGo(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	_, err := s.Create(base(9))
	require.NoError(t, err)
	require.Len(t, files(t, d, ".tmp"), 1)
	s = open(t, d.KillProcess())
	require.Empty(t, s.List())
	k := d.KillProcess()
	open(t, k)
	require.Empty(t, files(t, k, ""), "a temporary file is never taken for an image")
}

func TestAnImageOfAnotherGroupIsPassedOver(t *testing.T) {
	d := disk.New(1)
	mustWrite(t, open(t, d), 9, chunks(9, 3, 100))
	other := group
	other.Incarnation++
	s, err := snapshot.Open(d, dir, other)
	require.NoError(t, err)
	require.Empty(t, s.List())
	require.Len(t, s.Problems(), 1)
	require.ErrorIs(t, s.Problems()[0], snapshot.ErrIdentity)
	require.Len(t, files(t, d, ".img"), 1, "and left alone")
}

func TestAnImageUnderAnotherNameIsPassedOver(t *testing.T) {
	d := disk.New(1)
	mustWrite(t, open(t, d), 9, chunks(9, 3, 100))
	require.NoError(t, d.Rename(onlyFile(t, d, ".img"), dir+"/zz.img"))
	s := open(t, d)
	require.Empty(t, s.List())
	var bad *snapshot.CorruptionError
	require.ErrorAs(t, s.Problems()[0], &bad)
	require.Contains(t, bad.Error(), "zz.img")
}

func TestRetainKeepsByCount(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	var metas []snapshot.Meta
	for i := raft.Index(1); i <= 5; i++ {
		metas = append(metas, mustWrite(t, s, i, chunks(i, 2, 50)))
	}
	require.NoError(t, s.Retain(9, ^raft.Index(0)))
	require.Equal(t, metas, s.List())
	require.NoError(t, s.Retain(2, ^raft.Index(0)))
	require.Equal(t, metas[3:], s.List())
	require.Len(t, files(t, d, ".img"), 2)
	require.NoError(t, s.Retain(0, ^raft.Index(0)))
	require.Equal(t, metas[4:], s.List(), "one is always kept")
	after := open(t, d.Crash(disk.Cut{Keep: disk.Nothing}))
	require.Equal(t, metas[4:], after.List(), "removals are durable")
	_, err := s.Open(metas[0])
	require.ErrorIs(t, err, snapshot.ErrNotFound)
}

func TestRetainLeavesWhatIsRead(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	old, data := mustWrite(t, s, 1, chunks(1, 3, 50)), chunks(1, 3, 50)
	r, err := s.Open(old)
	require.NoError(t, err)
	mustWrite(t, s, 2, chunks(2, 3, 50))
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.Len(t, s.List(), 2)
	c, err := r.Chunk(2)
	require.NoError(t, err)
	require.Equal(t, data[2], c.Data)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.Len(t, s.List(), 1)
	_, err = r.Next()
	require.ErrorIs(t, err, snapshot.ErrClosed)
	_, err = r.Chunk(0)
	require.ErrorIs(t, err, snapshot.ErrClosed)
}

func TestBadImagesGoOnlyWhenSuperfluous(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	mustWrite(t, s, 1, chunks(1, 2, 50))
	require.NoError(t, d.Flip(onlyFile(t, d, ".img"), 3, 1))
	s = open(t, d)
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.Len(t, files(t, d, ".img"), 1, "with no good image nothing goes")
	mustWrite(t, s, 2, chunks(2, 2, 50))
	require.NoError(t, s.Retain(2, ^raft.Index(0)))
	require.Len(t, files(t, d, ".img"), 2, "with fewer good images than asked for nothing goes")
	mustWrite(t, s, 3, chunks(3, 2, 50))
	require.NoError(t, s.Retain(2, ^raft.Index(0)))
	require.Len(t, files(t, d, ".img"), 2)
	require.Len(t, s.List(), 2)
}

func TestRetainReportsWhatItCouldNotRemove(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	mustWrite(t, s, 1, chunks(1, 2, 50))
	mustWrite(t, s, 2, chunks(2, 2, 50))
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRemove, disk.OpSyncDir}})
	require.ErrorIs(t, s.Retain(1, ^raft.Index(0)), disk.ErrIO)
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpList}})
	require.ErrorIs(t, s.Retain(1, ^raft.Index(0)), disk.ErrIO)
}

// A flip of any bit of an image is noticed, never read as data, and costs nothing but that image.
func TestEveryByteIsChecked(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	oldData, newData := chunks(1, 2, 20), chunks(2, 3, 40)
	older := mustWrite(t, s, 1, oldData)
	newer := mustWrite(t, s, 2, newData)
	name := files(t, d, ".img")[1]
	size, err := d.Stat(name)
	require.NoError(t, err)
	for off := range size {
		for _, mask := range []byte{1, 0x80, 0xff} {
			k := d.Clone()
			require.NoError(t, k.Flip(name, off, mask))
			s := open(t, k)
			if err := s.Verify(newer); err == nil {
				t.Fatalf("flip of %02x at %d went unnoticed", mask, off)
			}
			require.NotEmpty(t, s.Problems())
			newest, ok := s.Newest()
			require.True(t, ok)
			require.Equal(t, older, newest, "an older image takes its place")
			requireImage(t, s, older, oldData)
			require.Len(t, files(t, k, ".img"), 2, "nothing is removed for being bad")
		}
	}
}

func TestEveryCutOffImageIsNoticed(t *testing.T) {
	d := disk.New(1)
	mustWrite(t, open(t, d), 2, chunks(2, 3, 40))
	name := onlyFile(t, d, ".img")
	size, err := d.Stat(name)
	require.NoError(t, err)
	for n := range size {
		k := d.Clone()
		f, err := k.Open(name)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(n))
		require.NoError(t, f.Close())
		s := open(t, k)
		require.Empty(t, s.List(), "cut at %d", n)
		var bad *snapshot.CorruptionError
		require.ErrorAs(t, s.Problems()[0], &bad)
	}
}

func TestDamageUnderAnOpenStoreIsFoundWhenRead(t *testing.T) {
	d := disk.New(1)
	s := open(t, d)
	m := mustWrite(t, s, 2, chunks(2, 3, 400))
	r, err := s.Open(m)
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, d.Flip(onlyFile(t, d, ".img"), 500, 4))
	_, err = r.Chunk(0)
	if err == nil {
		_, err = r.Chunk(1)
	}
	var bad *snapshot.CorruptionError
	require.ErrorAs(t, err, &bad)
	require.NotZero(t, bad.Offset)
	require.Empty(t, s.List())
	require.Len(t, s.Problems(), 1)
	_, err = s.Open(m)
	require.ErrorIs(t, err, snapshot.ErrNotFound)

	s = open(t, d.Clone())
	require.NoError(t, d.Flip(onlyFile(t, d, ".img"), 0, 4))
	s2 := open(t, disk.New(3))
	require.ErrorIs(t, s2.Verify(m), snapshot.ErrNotFound)
	require.Error(t, s.Verify(m))
}

func TestAnUnreadableImageIsPassedOver(t *testing.T) {
	d := disk.New(1)
	m := mustWrite(t, open(t, d), 2, chunks(2, 3, 400))
	remove := d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead}})
	s := open(t, d)
	require.Empty(t, s.List())
	require.ErrorIs(t, s.Problems()[0], disk.ErrIO)
	remove()
	s = open(t, d)
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpOpen}, Count: 1})
	_, err := s.Open(m)
	require.ErrorIs(t, err, disk.ErrIO)
	require.NoError(t, s.Verify(m), "a file that could not be opened for once is no bad image")
	require.NoError(t, d.Remove(onlyFile(t, d, ".img")))
	_, err = s.Open(m)
	require.ErrorIs(t, err, snapshot.ErrNotFound)
	require.Empty(t, s.List())
}

func TestReaderKnowsItsChunks(t *testing.T) {
	s := open(t, disk.New(1))
	data := chunks(2, 3, 40)
	m := mustWrite(t, s, 2, data)
	r, err := s.Open(m)
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, m, r.Meta())
	c, err := r.Chunk(1)
	require.NoError(t, err)
	require.Equal(t, snapshot.NewChunk(1, data[1]), c)
	_, err = r.Chunk(3)
	require.ErrorContains(t, err, "chunks 0 to 2, not 3")
	require.NoError(t, s.Verify(m), "asking too far is not the image's fault")
	for range data {
		_, err = r.Next()
		require.NoError(t, err)
	}
	for range 2 {
		_, err = r.Next()
		require.Equal(t, io.EOF, err)
	}
}

func TestOpenFailsOnlyForTheDirectory(t *testing.T) {
	for _, kind := range []disk.OpKind{disk.OpMkdir, disk.OpList, disk.OpSyncDir, disk.OpRemove} {
		d := disk.New(1)
		if kind != disk.OpMkdir {
			s := open(t, d)
			_, err := s.Create(base(1))
			require.NoError(t, err)
		}
		d.Inject(disk.Fault{Ops: []disk.OpKind{kind}})
		_, err := snapshot.Open(d, dir, group)
		require.ErrorIs(t, err, disk.ErrIO, kind.String())
	}
}

func TestMetaSaysWhatItIs(t *testing.T) {
	m := mustWrite(t, open(t, disk.New(1)), 2, chunks(2, 3, 40))
	require.Contains(t, m.String(), "image 2(t3) (3 chunks")
	b := snapshot.BaseOnly(group, base(2))
	require.False(t, b.HasImage())
	require.Contains(t, b.String(), "base 2(t3) of group")
	require.True(t, errors.Is(snapshot.ErrNoSpace, fs.ErrNoSpace))
}
