package smtest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// MachineKit says how machines of one kind are opened, and what they are fed with.
type MachineKit struct {
	// Open gives a new, empty machine.
	Open func(tb testing.TB) statemachine.Machine
	// Command gives the body of an entry, one that the machine understands; a few thousand of them should touch all it does.
	Command func(rng *rand.Rand) []byte
	// Crash, for a machine that keeps its state over a restart, ends a machine as a power cut does and opens what it left. Nil
	// for a machine in memory.
	Crash func(tb testing.TB, m statemachine.Machine, rng *rand.Rand) statemachine.Machine
}

// RunMachine runs the conformance kit of machines: that a machine's state is a function of the entries alone, that images
// carry it whole, and that a crash takes back whole batches. It takes a second or so.
func RunMachine(t *testing.T, kit MachineKit) {
	for _, test := range machineTests {
		t.Run(test.name, func(t *testing.T) { test.run(t, kit) })
	}
}

// machineTests are the kit's tests of machines.
var machineTests = []struct {
	name string
	run  func(testing.TB, MachineKit)
}{
	{"Indexes", testIndexes},
	{"BatchesDoNotMatter", testBatchesDoNotMatter},
	{"Rubbish", testRubbish},
	{"BodiesAreNotKept", testBodiesAreNotKept},
	{"ImageStaysWhileApplying", testImageWhileApplying},
	{"RestoreGoesOn", testRestoreGoesOn},
	{"RestoreRefusesDamage", testMachineRefusesDamage},
	{"Crash", testMachineCrash},
}

const machineEntries = 600

// entries gives entries with gaps between their indexes, as entries without a body for the machine leave them.
func (kit MachineKit) entries(rng *rand.Rand, n int) []statemachine.Entry {
	entries := make([]statemachine.Entry, n)
	e := statemachine.Entry{Index: 0, Term: 1, Time: 1_700_000_000_000_000_000}
	for i := range entries {
		e.Index += statemachine.Index(1 + rng.IntN(20)/19)
		e.Term += rng.Uint64N(50) / 49
		e.Time += rng.Int64N(2_000_000)
		e.Body = kit.Command(rng)
		entries[i] = e
	}
	return entries
}

// feed applies entries in random batches of at most max, with empty ones among them, and gives all results.
func feed(t testing.TB, m statemachine.Machine, entries []statemachine.Entry, rng *rand.Rand, most int) []statemachine.Result {
	var all []statemachine.Result
	for len(entries) > 0 {
		n := min(rng.IntN(most+1), len(entries))
		applied := m.Applied()
		if n > 0 {
			applied = entries[n-1].Index
		}
		results := make([]statemachine.Result, n)
		require.NoError(t, m.Apply(entries[:n], applied, results))
		require.Equal(t, applied, m.Applied())
		require.LessOrEqual(t, m.Durable(), m.Applied())
		all = append(all, results...)
		entries = entries[n:]
	}
	return all
}

func imageOf(t testing.TB, m statemachine.Machine) [][]byte {
	img, err := m.Image()
	require.NoError(t, err)
	require.Equal(t, m.Applied(), img.Applied())
	return Chunks(t, img)
}

func requireSameImage(t testing.TB, want, got [][]byte, why string) {
	require.True(t, slices.EqualFunc(want, got, bytes.Equal), "the images differ: %s", why)
}

func testIndexes(t testing.TB, kit MachineKit) {
	m := kit.Open(t)
	require.Zero(t, m.Applied())
	require.Zero(t, m.Durable())
	empty := imageOf(t, m)
	require.NoError(t, m.Apply(nil, 5, nil))
	require.EqualValues(t, 5, m.Applied(), "no entries move the applied index too")
	require.False(t, slices.EqualFunc(empty, imageOf(t, m), bytes.Equal), "the image tells the applied index")
	body := kit.Command(seeded(t))
	results := make([]statemachine.Result, 1)
	require.NoError(t, m.Apply([]statemachine.Entry{{Index: 8, Term: 2, Time: 1, Body: body}}, 9, results))
	require.EqualValues(t, 9, m.Applied(), "entries that are not for the machine may follow")
	durable := m.Durable()
	require.NoError(t, m.Flush())
	if kit.Crash != nil {
		require.EqualValues(t, 9, m.Durable())
	} else {
		require.Zero(t, m.Durable())
		require.Zero(t, durable)
	}
	restored := kit.Open(t)
	require.NoError(t, restored.Restore(Source(empty)))
	require.Zero(t, restored.Applied())
	require.NoError(t, restored.Close())
	require.NoError(t, m.Close())
}

func testBatchesDoNotMatter(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	entries := kit.entries(rng, machineEntries)
	first := kit.Open(t)
	want := feed(t, first, entries, rng, 1)
	image := imageOf(t, first)
	for _, most := range []int{2, 7, 64, machineEntries} {
		m := kit.Open(t)
		require.Equal(t, want, feed(t, m, entries, rng, most), "batches of up to %d", most)
		requireSameImage(t, image, imageOf(t, m), "other batches of the same entries")
		require.NoError(t, m.Close())
	}
	require.NoError(t, first.Close())
}

// testRubbish feeds bodies that no client sent: they give the same results everywhere, and no error.
func testRubbish(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	entries := kit.entries(rng, machineEntries)
	for i := range entries {
		body := bytes.Clone(entries[i].Body)
		switch rng.IntN(5) {
		case 0:
			body = body[:rng.IntN(len(body)+1)]
		case 1:
			body = append(body, byte(rng.IntN(256)))
		case 2:
			if len(body) > 0 {
				body[rng.IntN(len(body))] ^= 1 << rng.IntN(8)
			}
		case 3:
			body = make([]byte, rng.IntN(40))
			for j := range body {
				body[j] = byte(rng.IntN(256))
			}
		}
		entries[i].Body = body
	}
	a, b := kit.Open(t), kit.Open(t)
	require.Equal(t, feed(t, a, entries, rng, 1), feed(t, b, entries, rng, 30))
	requireSameImage(t, imageOf(t, a), imageOf(t, b), "rubbish")
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func testBodiesAreNotKept(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	entries := kit.entries(rng, machineEntries)
	a, b := kit.Open(t), kit.Open(t)
	want := feed(t, a, entries, rng, 10)
	var got []statemachine.Result
	buf := make([]byte, 0, 1<<20)
	for i := 0; i < len(entries); {
		n := min(10, len(entries)-i)
		batch := slices.Clone(entries[i : i+n])
		buf = buf[:0]
		for j := range batch {
			at := len(buf)
			buf = append(buf, batch[j].Body...)
			batch[j].Body = buf[at:len(buf):len(buf)]
		}
		results := make([]statemachine.Result, n)
		require.NoError(t, b.Apply(batch, batch[n-1].Index, results))
		spoil(buf)
		spoil(buf[:cap(buf)])
		got = append(got, results...)
		i += n
	}
	require.Equal(t, want, got)
	requireSameImage(t, imageOf(t, a), imageOf(t, b), "the bodies were overwritten after Apply")
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func testImageWhileApplying(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	entries := kit.entries(rng, 2*machineEntries)
	m := kit.Open(t)
	feed(t, m, entries[:machineEntries], rng, 50)
	want := imageOf(t, m)
	img, err := m.Image()
	require.NoError(t, err)
	first, err := img.Next()
	require.NoError(t, err)
	got := [][]byte{bytes.Clone(first)}
	done := make(chan error)
	go func() {
		rest, err := readAll(img)
		got = append(got, rest...)
		done <- err
	}()
	feed(t, m, entries[machineEntries:], rng, 3)
	require.NoError(t, <-done)
	requireSameImage(t, want, got, "entries were applied meanwhile")
	_, err = img.Next()
	require.Error(t, err)
	require.NotEqual(t, io.EOF, err, "the image is closed")
	require.NoError(t, m.Close())
}

func testRestoreGoesOn(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	entries := kit.entries(rng, 2*machineEntries)
	whole := kit.Open(t)
	feed(t, whole, entries[:machineEntries], rng, 50)
	chunks := imageOf(t, whole)
	m := kit.Open(t)
	require.NoError(t, m.Restore(Source(chunks)))
	require.Equal(t, whole.Applied(), m.Applied())
	if kit.Crash != nil {
		require.Equal(t, whole.Applied(), m.Durable())
	}
	requireSameImage(t, chunks, imageOf(t, m), "restored")
	rest := entries[machineEntries:]
	require.Equal(t, feed(t, whole, rest, rng, 50), feed(t, m, rest, rng, 50), "results after a restore")
	requireSameImage(t, imageOf(t, whole), imageOf(t, m), "restored, and then fed")
	require.NoError(t, m.Close())
	require.NoError(t, whole.Close())
}

func testMachineRefusesDamage(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	m := kit.Open(t)
	feed(t, m, kit.entries(rng, machineEntries), rng, 50)
	chunks := imageOf(t, m)
	refuse := func(name string, chunks [][]byte) {
		m := kit.Open(t)
		require.Error(t, m.Restore(Source(chunks)), name)
		require.NoError(t, m.Close())
	}
	last := len(chunks) - 1
	refuse("nothing", nil)
	refuse("the end is missing", append(slices.Clone(chunks[:last]), chunks[last][:len(chunks[last])-1]))
	refuse("a chunk too many", append(slices.Clone(chunks), chunks[0]))
	for range 40 {
		damaged := slices.Clone(chunks)
		i := rng.IntN(len(chunks))
		damaged[i] = bytes.Clone(chunks[i])
		damaged[i][rng.IntN(len(damaged[i]))] ^= 1 << rng.IntN(8)
		refuse("a flipped bit", damaged)
	}
	require.NoError(t, m.Close())
}

// testMachineCrash ends a machine again and again, feeds it what it lost, and compares it with one that lived.
func testMachineCrash(t testing.TB, kit MachineKit) {
	rng := seeded(t)
	entries := kit.entries(rng, machineEntries)
	whole, m := kit.Open(t), kit.Open(t)
	feed(t, whole, entries, rng, 50)
	if kit.Crash == nil {
		feed(t, m, entries, rng, 50)
		require.NoError(t, m.Flush())
		require.Zero(t, m.Durable(), "nothing in memory survives a crash")
		require.NoError(t, m.Close())
		require.NoError(t, whole.Close())
		return
	}
	next := func(applied statemachine.Index) int {
		i, _ := slices.BinarySearchFunc(entries, applied+1, func(e statemachine.Entry, index statemachine.Index) int {
			return int(e.Index) - int(index)
		})
		return i
	}
	for range 20 {
		from := next(m.Applied())
		to := from + rng.IntN(len(entries)-from+1)/2
		feed(t, m, entries[from:to], rng, 10)
		if rng.IntN(3) == 0 {
			require.NoError(t, m.Flush())
			require.Equal(t, m.Applied(), m.Durable())
		}
		durable := m.Durable()
		m = kit.Crash(t, m, rng)
		require.GreaterOrEqual(t, m.Applied(), durable, "what was durable is there after a crash")
	}
	feed(t, m, entries[next(m.Applied()):], rng, 50)
	requireSameImage(t, imageOf(t, whole), imageOf(t, m), "crashes on the way")
	require.NoError(t, m.Close())
	require.NoError(t, whole.Close())
}
