package disk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

func TestDurableAsksForBytesLengthAndName(t *testing.T) {
	d := New(1)
	f, err := d.Create("a")
	require.NoError(t, err)
	old, fresh := bytes.Repeat([]byte("o"), 1000), bytes.Repeat([]byte("n"), 600)
	_, err = f.WriteAt(old, 0)
	require.NoError(t, err)
	durable := func(off, n int64) bool {
		_, ok := d.Durable("a", off, n)
		return ok
	}
	require.False(t, durable(0, 1), "neither is the name")
	require.NoError(t, d.SyncDir("."))
	require.False(t, durable(0, 1), "nor the bytes")
	require.NoError(t, f.Datasync())
	got, ok := d.Durable("a", 100, 900)
	require.True(t, ok)
	require.Equal(t, old[100:], got)
	require.False(t, durable(100, 901), "beyond the end")

	_, err = f.WriteAt(fresh, 512)
	require.NoError(t, err)
	require.True(t, durable(0, 512), "sectors that are not written again")
	require.False(t, durable(500, 13), "a sector that is")
	_, err = f.WriteAt(old[:488], 512)
	require.NoError(t, err)
	require.False(t, durable(512, 1), "what was written in between may still be what is left")
	require.NoError(t, f.Datasync())
	require.True(t, durable(512, 488))

	require.NoError(t, f.Truncate(10))
	require.False(t, durable(0, 11), "it may be shorter")
	require.True(t, durable(0, 10))
	require.NoError(t, d.Remove("a"))
	require.False(t, durable(0, 10), "the name may be gone")
}

// TestDurableIsWhatEveryPowerCutLeaves: whatever Durable gives is there after each of many power cuts, and what it does not give differs after one.
func TestDurableIsWhatEveryPowerCutLeaves(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	d := New(seed)
	f, err := d.Create("a")
	require.NoError(t, err)
	require.NoError(t, d.SyncDir("."))
	for step := range 200 {
		switch r.IntN(5) {
		case 0:
			require.NoError(t, f.Datasync())
		case 1:
			require.NoError(t, f.Truncate(r.Int64N(4096)))
		default:
			_, err = f.WriteAt(bytes.Repeat([]byte{byte('a' + step%26)}, 1+r.IntN(1500)), r.Int64N(3000))
			require.NoError(t, err)
		}
		off, n := r.Int64N(3000), 1+r.Int64N(600)
		want, ok := d.Durable("a", off, n)
		outcomes := map[string]bool{}
		for cut := range uint64(40) {
			outcomes[string(readBytes(t, d.Crash(Cut{Seed: cut}), off, n))] = true
		}
		if ok {
			require.Equal(t, map[string]bool{string(want): true}, outcomes, "step %d: [%d, +%d)", step, off, n)
		}
	}
}

func readBytes(t *testing.T, d *Disk, off, n int64) []byte {
	b, err := fs.ReadFile(d, "a")
	require.NoError(t, err)
	if off >= int64(len(b)) {
		return nil
	}
	return b[off:min(off+n, int64(len(b)))]
}

func TestMisplacedWrite(t *testing.T) {
	for _, c := range []struct {
		m    Misplacement
		want string
	}{
		{Misplacement{Path: "*.seg", Lose: true}, "old.old."},
		{Misplacement{Path: "*.seg", Shift: 4}, "old.new."},
		{Misplacement{Path: "*.seg", Shift: 40}, "new.old."},
		{Misplacement{Path: "*.idx", Lose: true}, "new.old."},
		{Misplacement{Path: "*.seg", Lose: true, Skip: 1}, "new.old."},
	} {
		d := New(1)
		f, err := d.Create("x.seg")
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("old.old."), 0)
		require.NoError(t, err)
		d.Misplace(c.m)
		n, err := f.WriteAt([]byte("new."), 0)
		require.NoError(t, err, "the disk says that it was done")
		require.Equal(t, 4, n)
		b, err := fs.ReadFile(d, "x.seg")
		require.NoError(t, err)
		require.Equal(t, c.want, string(b), "%+v", c.m)
	}
}

func TestPeekAndMend(t *testing.T) {
	d := New(1)
	f, err := d.Create("a")
	require.NoError(t, err)
	calls := 0
	d.Before = func(Op) error {
		calls++
		return fmt.Errorf("not now")
	}
	d.Inject(Fault{Ops: []OpKind{OpStat}})
	d.Peek(func() { _, err = d.Stat("a") })
	require.NoError(t, err, "no hook and no fault")
	require.Zero(t, calls)
	d.Before = nil
	_, err = d.Stat("a")
	require.ErrorIs(t, err, ErrIO)
	d.CrashAt(d.Ops() + 1)
	d.Mend()
	_, err = d.Stat("a")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	require.NoError(t, err)
}

func TestAPeekDoesNotEndTheDiskWhoseLastOperationIsUnderWay(t *testing.T) {
	d := New(1)
	f, err := d.Create("a")
	require.NoError(t, err)
	var seen error
	d.Before = func(op Op) error {
		d.Peek(func() { _, seen = d.Stat("a") })
		require.False(t, d.Crashed())
		return nil
	}
	d.CrashAt(d.Ops() + 1)
	_, err = f.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, ErrCrashed)
	require.NoError(t, seen)
	require.True(t, d.Crashed())
}
