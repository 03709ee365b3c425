package snapshot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

// source gives an image's description and chunks, made elsewhere.
func source(t testing.TB) (snapshot.Meta, [][]byte) {
	t.Helper()
	data := chunks(9, 6, 300)
	return mustWrite(t, open(t, disk.New(99)), 9, data), data
}

func TestAReceivedImageIsTheOneThatWasSent(t *testing.T) {
	m, data := source(t)
	d := disk.New(1)
	s := open(t, d)
	r, err := s.Receive(m)
	require.NoError(t, err)
	require.Equal(t, m, r.Meta())
	require.NoError(t, put(r, data, 6))
	require.Empty(t, s.List(), "nobody sees it before Commit")
	require.NoError(t, r.Commit())
	require.Equal(t, []snapshot.Meta{m}, s.List())
	require.True(t, s.Has(m))
	requireImage(t, open(t, d.Crash(disk.Cut{Keep: disk.Nothing})), m, data)
	require.ErrorIs(t, r.Commit(), snapshot.ErrClosed)
	require.ErrorIs(t, r.Put(snapshot.NewChunk(0, nil)), snapshot.ErrClosed)
	r.Abort()
	require.NoError(t, r.Close())
	require.True(t, s.Has(m))
	require.Empty(t, files(t, d, ".part"))
}

func TestReceivingGoesOnAfterARestart(t *testing.T) {
	m, data := source(t)
	d := disk.New(1)
	s := open(t, d)
	r, err := s.Receive(m)
	require.NoError(t, err)
	require.NoError(t, put(r, data, 2))
	_, err = s.Receive(m)
	require.ErrorIs(t, err, snapshot.ErrBusy)
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.NoError(t, r.Close())

	r, err = s.Receive(m)
	require.NoError(t, err)
	require.Equal(t, uint32(2), r.Have())
	require.NoError(t, put(r, data, 4))

	d = d.KillProcess() // not closed
	s = open(t, d)
	require.Empty(t, s.List(), "a half-received image is none")
	r, err = s.Receive(m)
	require.NoError(t, err)
	require.Equal(t, uint32(4), r.Have())
	require.NoError(t, put(r, data, 6))
	require.NoError(t, r.Commit())
	requireImage(t, open(t, d.Crash(disk.Cut{Keep: disk.Nothing})), m, data)
}

func TestReceiverRefusesWhatDoesNotFit(t *testing.T) {
	m, data := source(t)
	s := open(t, disk.New(1))
	r, err := s.Receive(m)
	require.NoError(t, err)
	defer r.Close()
	require.ErrorIs(t, r.Put(snapshot.NewChunk(1, data[1])), snapshot.ErrOrder)
	require.ErrorIs(t, r.Put(snapshot.NewChunk(6, data[1])), snapshot.ErrOrder)
	damaged := snapshot.NewChunk(0, data[0])
	damaged.CRC++
	require.ErrorIs(t, r.Put(damaged), snapshot.ErrChecksum)
	require.ErrorIs(t, r.Put(snapshot.NewChunk(0, nil)), snapshot.ErrFrame)
	require.ErrorIs(t, r.Put(snapshot.NewChunk(0, make([]byte, m.Bytes+1))), snapshot.ErrFrame)
	require.ErrorIs(t, r.Commit(), snapshot.ErrOrder)
	require.Zero(t, r.Have())
	require.NoError(t, put(r, data, 6))
	require.ErrorIs(t, r.Put(snapshot.NewChunk(6, data[1])), snapshot.ErrOrder)
	require.NoError(t, r.Commit(), "refusals harm nothing")
}

func TestReceiveRefusesWhatIsNoImageOfTheGroup(t *testing.T) {
	m, _ := source(t)
	s := open(t, disk.New(1))
	other := m
	other.Identity.Group++
	_, err := s.Receive(other)
	require.ErrorIs(t, err, snapshot.ErrIdentity)
	_, err = s.Receive(snapshot.BaseOnly(group, base(9)))
	require.ErrorIs(t, err, snapshot.ErrFrame)
	lie := m
	lie.Bytes = 1 << 60
	_, err = s.Receive(lie)
	require.ErrorIs(t, err, snapshot.ErrFrame)
}

func TestBytesThatDoNotGiveTheDigestAreDropped(t *testing.T) {
	m, data := source(t)
	d := disk.New(1)
	s := open(t, d)
	r, err := s.Receive(m)
	require.NoError(t, err)
	forged := append([][]byte(nil), data...)
	forged[3] = append([]byte{forged[3][0] ^ 1}, forged[3][1:]...)
	require.NoError(t, put(r, forged, 6))
	var bad *snapshot.CorruptionError
	require.ErrorAs(t, r.Commit(), &bad)
	require.Empty(t, s.List())
	require.Empty(t, files(t, d, ""))
	r, err = s.Receive(m)
	require.NoError(t, err)
	require.Zero(t, r.Have(), "it begins anew")
	require.NoError(t, put(r, data, 6))
	require.NoError(t, r.Commit())
}

func TestPartsOfOlderImagesGo(t *testing.T) {
	m, data := source(t)
	d := disk.New(1)
	s := open(t, d)
	r, err := s.Receive(m)
	require.NoError(t, err)
	require.NoError(t, put(r, data, 2))
	mustWrite(t, s, 8, chunks(8, 1, 10))
	require.NoError(t, r.Close())
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.Len(t, files(t, d, ".part"), 1, "it is newer than what is here")
	r, err = s.Receive(m)
	require.NoError(t, err)
	mustWrite(t, s, 9, chunks(8, 1, 10))
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.Len(t, files(t, d, ".part"), 1, "it is being received")
	require.NoError(t, r.Close())
	require.NoError(t, s.Retain(1, ^raft.Index(0)))
	require.Empty(t, files(t, d, ".part"))

	r, err = s.Receive(m)
	require.NoError(t, err)
	r.Abort()
	require.Empty(t, files(t, d, ".part"))
}

func TestOnePartIsKept(t *testing.T) {
	m, data := source(t)
	d := disk.New(1)
	s := open(t, d)
	r, err := s.Receive(m)
	require.NoError(t, err)
	require.NoError(t, put(r, data, 2))
	require.NoError(t, r.Close())
	newer := mustWrite(t, open(t, disk.New(98)), 10, data)
	r, err = s.Receive(newer)
	require.NoError(t, err)
	require.Contains(t, onlyFile(t, d, ".part"), "000a-")
	require.NoError(t, r.Close())
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpList}, Count: 1})
	_, err = s.Receive(newer)
	require.ErrorIs(t, err, disk.ErrIO)
	r, err = s.Receive(newer)
	require.NoError(t, err, "a failure does not leave it busy")
	require.NoError(t, r.Close())
}

// Whatever has become of a part file, what is taken over from it is right, and the image can be completed.
func TestEveryByteOfAPartIsChecked(t *testing.T) {
	data := chunks(9, 4, 30)
	m := mustWrite(t, open(t, disk.New(99)), 9, data)
	d := disk.New(1)
	r, err := open(t, d).Receive(m)
	require.NoError(t, err)
	require.NoError(t, put(r, data, 3))
	name := onlyFile(t, d, ".part")
	size, err := d.Stat(name)
	require.NoError(t, err)
	fewer := 0
	for off := range size {
		k := d.KillProcess()
		require.NoError(t, k.Flip(name, off, 0x10))
		s := open(t, k)
		r, err := s.Receive(m)
		require.NoError(t, err)
		if r.Have() < 3 {
			fewer++
		}
		require.NoError(t, put(r, data, 4))
		require.NoError(t, r.Commit(), "flip at %d", off)
		requireImage(t, s, m, data)
	}
	require.Equal(t, int(size), fewer, "each flip must cost the chunk that it hit")
}

func TestAFullDiskOnlyDelaysAnImage(t *testing.T) {
	m, data := source(t)
	d := disk.New(1)
	s := open(t, d)
	kept := mustWrite(t, s, 3, chunks(3, 2, 300))
	d.SetCapacity(d.Used() + 1600)
	r, err := s.Receive(m)
	require.NoError(t, err)
	err = put(r, data, 6)
	require.ErrorIs(t, err, snapshot.ErrNoSpace)
	have := r.Have()
	require.Positive(t, have)
	require.ErrorIs(t, put(r, data, 6), snapshot.ErrNoSpace)

	_, err = write(s, 10, chunks(10, 8, 300))
	require.ErrorIs(t, err, snapshot.ErrNoSpace)
	require.Empty(t, files(t, d, ".tmp"), "what can't be finished takes no space")
	require.Equal(t, []snapshot.Meta{kept}, s.List())
	require.NoError(t, s.Verify(kept))

	d.SetCapacity(1 << 30)
	require.Equal(t, have, r.Have())
	require.NoError(t, put(r, data, 6), "it goes on where it was")
	require.NoError(t, r.Commit())
	requireImage(t, s, m, data)
	mustWrite(t, s, 10, chunks(10, 8, 300))
}

// With any amount of free space, writing and receiving either succeed or fail with ErrNoSpace, and lose nothing.
func TestEveryShortageOfSpace(t *testing.T) {
	m, data := source(t)
	full := 0
	for free := uint64(0); free < 8<<10; free += 512 {
		d := disk.New(1)
		s := open(t, d)
		kept := mustWrite(t, s, 3, chunks(3, 2, 300))
		d.SetCapacity(d.Used() + free)
		receive := func() error {
			r, err := s.Receive(m)
			if err != nil {
				return err
			}
			defer r.Close()
			if err := put(r, data, 6); err != nil {
				return err
			}
			return r.Commit()
		}
		if err := receive(); err != nil {
			full++
			require.ErrorIs(t, err, snapshot.ErrNoSpace)
			_, err := write(s, 9, data)
			require.ErrorIs(t, err, snapshot.ErrNoSpace)
			d.SetCapacity(1 << 30)
			require.NoError(t, receive(), "with %d bytes free", free)
		}
		requireImage(t, s, m, data)
		require.NoError(t, s.Verify(kept))
		require.Empty(t, s.Problems())
	}
	require.Positive(t, full)
	require.Less(t, full, 16)
}

// After a failed flush nothing that was written may be believed, whatever the kernel shows.
func TestAFailedFlushIsNotTriedAgain(t *testing.T) {
	m, data := source(t)
	for _, evict := range []bool{true, false} {
		d := disk.New(1)
		s := open(t, d)
		d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Count: 1, Evict: evict})
		_, err := write(s, 3, chunks(3, 2, 300))
		require.ErrorIs(t, err, disk.ErrIO)
		require.Empty(t, s.List())
		require.Empty(t, files(t, d, ""))

		d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Count: 1, Evict: evict})
		r, err := s.Receive(m)
		require.NoError(t, err)
		require.NoError(t, put(r, data, 6))
		require.ErrorIs(t, r.Commit(), disk.ErrIO)
		require.Empty(t, files(t, d, ""))
		r, err = s.Receive(m)
		require.NoError(t, err)
		require.Zero(t, r.Have())
		require.NoError(t, put(r, data, 6))
		require.NoError(t, r.Commit())
		requireImage(t, open(t, d.Crash(disk.Cut{Keep: disk.Nothing})), m, data)
	}
}

// A flush that fails while a large image is coming in stops the receiver.
func TestAFailedFlushMidwayStopsTheReceiver(t *testing.T) {
	data := make([][]byte, 5)
	for i := range data {
		data[i] = make([]byte, 4<<20)
		data[i][0] = byte(i)
	}
	m := mustWrite(t, open(t, disk.New(99)), 9, data)
	d := disk.New(1)
	s := open(t, d)
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Count: 1})
	r, err := s.Receive(m)
	require.NoError(t, err)
	require.ErrorIs(t, put(r, data, 5), disk.ErrIO)
	require.ErrorIs(t, r.Put(snapshot.NewChunk(r.Have(), data[r.Have()])), disk.ErrIO)
	require.NoError(t, r.Close())
	require.Empty(t, files(t, d, ""), "what was there can't be believed")

	r, err = s.Receive(m)
	require.NoError(t, err)
	require.NoError(t, put(r, data, 4))
	after := open(t, d.Crash(disk.Cut{Keep: disk.Nothing}))
	r, err = after.Receive(m)
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Have(), uint32(4), "what was flushed midway outlives a power cut")
}

// Each single fault of the device gives an error, and leaves a store that can receive the image when the fault is over.
func TestEverySingleFault(t *testing.T) {
	m, data := source(t)
	hit := map[disk.OpKind]bool{}
	for _, kind := range []disk.OpKind{disk.OpOpen, disk.OpRead, disk.OpWrite, disk.OpTruncate, disk.OpDatasync, disk.OpCreate,
		disk.OpRename, disk.OpRemove, disk.OpSyncDir} {
		for skip := range 12 {
			d := disk.New(1)
			s := open(t, d)
			r, err := s.Receive(m)
			require.NoError(t, err)
			require.NoError(t, put(r, data, 3))
			require.NoError(t, r.Close())
			remove := d.Inject(disk.Fault{Ops: []disk.OpKind{kind}, Skip: skip, Count: 1})
			err = receiveAll(s, m, data)
			remove()
			if err != nil {
				hit[kind] = true
				require.ErrorIs(t, err, disk.ErrIO, "%v %d", kind, skip)
				require.NoError(t, receiveAll(s, m, data), "%v %d", kind, skip)
			}
			requireImage(t, s, m, data)
			requireImage(t, open(t, d.Crash(disk.Cut{Keep: disk.Nothing})), m, data)
		}
	}
	for _, kind := range []disk.OpKind{disk.OpOpen, disk.OpWrite, disk.OpTruncate, disk.OpDatasync, disk.OpRename, disk.OpSyncDir} {
		require.True(t, hit[kind], "no fault of %v was felt", kind)
	}
}

func receiveAll(s *snapshot.Store, m snapshot.Meta, data [][]byte) error {
	r, err := s.Receive(m)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := put(r, data, len(data)); err != nil {
		return err
	}
	return r.Commit()
}
