package smtest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Opener opens engines of one kind.
type Opener interface {
	// Open gives a new, empty engine. It is closed by the kit or not at all; tb's Cleanup may close what it stands on.
	Open(tb testing.TB) statemachine.Engine
}

// Reopener is an Opener of engines that keep their state over a restart.
type Reopener interface {
	Opener
	// Reopen ends an engine as a process ends that is stopped cleanly, and opens what it left.
	Reopen(tb testing.TB, e statemachine.Engine) statemachine.Engine
	// Crash ends an engine as a power cut does, and opens what it left: no less than what was durable.
	Crash(tb testing.TB, e statemachine.Engine, rng *rand.Rand) statemachine.Engine
}

// RunEngine runs the conformance kit of engines. open is called once for each subtest; an Opener that is a Reopener is
// tested over restarts too. It takes some seconds.
func RunEngine(t *testing.T, open func(t *testing.T) Opener) {
	for _, test := range engineTests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// engineTests are the kit's tests of engines.
var engineTests = []struct {
	name string
	run  func(testing.TB, Opener)
}{
	{"Empty", testEmpty},
	{"CreateModVersion", testCreateModVersion},
	{"DeleteAndCreateAgain", testDeleteAndCreateAgain},
	{"KeysAndValues", testKeysAndValues},
	{"CopiesWhatIsPut", testCopiesWhatIsPut},
	{"BatchReadsItsWrites", testBatchReadsItsWrites},
	{"VisibleAtCommit", testVisibleAtCommit},
	{"Range", testRange},
	{"LongRange", testLongRange},
	{"PastRevisions", testPastRevisions},
	{"Events", testEvents},
	{"Compaction", testCompaction},
	{"CompactionNeverShows", testCompactionNeverShows},
	{"ViewsStayReadable", testViewsStayReadable},
	{"Image", testImage},
	{"ImageStaysWhileWriting", testImageStaysWhileWriting},
	{"ImageHidesLaziness", testImageHidesLaziness},
	{"RestoreRefusesDamage", testRestoreRefusesDamage},
	{"ReadersWhileWriting", testReadersWhileWriting},
	{"Metamorphic", testMetamorphic},
	{"Closed", testClosed},
	{"Reopen", testReopen},
}

// seeded gives a random source whose seed is logged, and set by LEDGERKV_SEED.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("LEDGERKV_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, "LEDGERKV_SEED")
	}
	t.Logf("LEDGERKV_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// driver writes to an engine and fails the test when that fails. Each revision is a function of its steps.
type driver struct {
	t testing.TB
	e statemachine.Engine
}

// step is one change.
type step func(t testing.TB, b statemachine.Batch)

func put(key, value string) step {
	return func(t testing.TB, b statemachine.Batch) {
		_, err := b.Put([]byte(key), []byte(value), 0)
		require.NoError(t, err)
	}
}

func del(key string) step {
	return func(t testing.TB, b statemachine.Batch) {
		_, err := b.Delete([]byte(key))
		require.NoError(t, err)
	}
}

// write commits one revision with the steps.
func (d driver) write(steps ...step) statemachine.Revision {
	b := d.e.Begin()
	rev := b.Advance()
	for _, s := range steps {
		s(d.t, b)
	}
	require.NoError(d.t, b.Commit(d.e.Applied()+1))
	return rev
}

// idle commits batches that write nothing, so that work left for later commits is done.
func (d driver) idle(commits int) {
	for range commits {
		require.NoError(d.t, d.e.Begin().Commit(d.e.Applied()+1))
	}
}

func (d driver) compact(rev statemachine.Revision) {
	b := d.e.Begin()
	require.NoError(d.t, b.Compact(rev))
	require.NoError(d.t, b.Commit(d.e.Applied()+1))
}

func (d driver) view(rev statemachine.Revision) statemachine.View {
	v, err := d.e.View(rev)
	require.NoError(d.t, err)
	return v
}

// items gives what a range visits, as text: key=value(create,mod,version,lease).
func items(t testing.TB, v statemachine.View, opts statemachine.RangeOptions) []string {
	got := []string{}
	require.NoError(t, v.Range(opts, func(item statemachine.Item) bool {
		got = append(got, itemText(item))
		return true
	}))
	return got
}

// at gives all items at a revision.
func (d driver) at(rev statemachine.Revision) []string {
	v := d.view(rev)
	defer func() { require.NoError(d.t, v.Close()) }()
	return items(d.t, v, statemachine.RangeOptions{})
}

// eventsOf gives a view's events, as text.
func eventsOf(t testing.TB, v statemachine.View, from statemachine.Revision) []string {
	got := []string{}
	require.NoError(t, v.Events(from, func(ev statemachine.Event) bool {
		got = append(got, eventText(ev))
		return true
	}))
	return got
}

func itemText(item statemachine.Item) string {
	value := fmt.Sprintf("%.40q", item.Value)
	if len(item.Value) > 40 {
		value += fmt.Sprintf("…%d", len(item.Value))
	}
	return fmt.Sprintf("%q=%s(%d,%d,%d,%d)", item.Key, value, item.Create, item.Mod, item.Version, item.Lease)
}

func eventText(ev statemachine.Event) string {
	if ev.Deleted {
		if ev.Item.Value != nil || ev.Item.Create != 0 || ev.Item.Version != 0 || ev.Item.Lease != 0 {
			return fmt.Sprintf("%d.%d a delete with more than key and revision: %s", ev.Item.Mod, ev.Sub, itemText(ev.Item))
		}
		return fmt.Sprintf("%d.%d delete %q", ev.Item.Mod, ev.Sub, ev.Item.Key)
	}
	return fmt.Sprintf("%d.%d put %s", ev.Item.Mod, ev.Sub, itemText(ev.Item))
}

// Chunks reads an image to its end, closes it, and gives copies of its chunks.
func Chunks(tb testing.TB, img statemachine.Image) [][]byte {
	var chunks [][]byte
	for {
		chunk, err := img.Next()
		if err == io.EOF {
			break
		}
		require.NoError(tb, err)
		chunks = append(chunks, bytes.Clone(chunk))
	}
	require.NoError(tb, img.Close())
	return chunks
}

// Source gives chunks one after the other. It hands out copies that it spoils with the following call, as a source may that
// uses its buffer again.
func Source(chunks [][]byte) statemachine.ChunkSource { return &source{chunks: chunks} }

type source struct {
	chunks [][]byte
	last   []byte
}

func (s *source) Next() ([]byte, error) {
	spoil(s.last)
	if len(s.chunks) == 0 {
		return nil, io.EOF
	}
	s.last, s.chunks = bytes.Clone(s.chunks[0]), s.chunks[1:]
	return s.last, nil
}

// spoil overwrites a buffer that nobody may look at any more.
func spoil(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// chunksOf gives the image of an engine.
func chunksOf(t testing.TB, e statemachine.Engine) [][]byte {
	img, err := e.Image()
	require.NoError(t, err)
	require.Equal(t, e.Applied(), img.Applied())
	return Chunks(t, img)
}
