package smtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// story writes a history with all that an image has to keep apart: keys that were deleted before and after the
// compacted revision, created again, and never touched since; and enough of it for several chunks.
func story(d driver) {
	large := string(bytes.Repeat([]byte("large "), 10<<10))
	var wide []step
	for i := range 40 {
		wide = append(wide, put(fmt.Sprintf("wide/%02d", i), large+fmt.Sprint(i)))
	}
	d.write(wide...)
	d.write(put("base", "1"), put("gone", "1"), put("back", "1"), put("later", "1"), put("", "empty key"))
	d.write(put("base", "2"), del("gone"), del("back"), put("often", "1"))
	d.write(put("back", "2"), put("often", "2"), put("wide/07", "short"))
	d.write(del("later"), put("often", "3"), put("brief", "1"))
	b := d.e.Begin()
	require.NoError(d.t, b.Compact(4))
	b.Advance()
	_, err := b.Put([]byte("leased"), nil, 77)
	require.NoError(d.t, err)
	require.NoError(d.t, b.Commit(100))
	d.write(del("brief"), put("later", "2"), put("often", "4"), put("wide/39", large))
}

// look gives all answers of an engine, as text.
func (d driver) look() []string {
	all := []string{fmt.Sprint(d.e.Applied(), d.e.Revision(), d.e.Compacted())}
	for rev := d.e.Compacted(); rev <= d.e.Revision(); rev++ {
		v := d.view(max(rev, 1))
		all = append(all, items(d.t, v, statemachine.RangeOptions{})...)
		all = append(all, eventsOf(d.t, v, d.e.Compacted()+1)...)
		require.NoError(d.t, v.Close())
	}
	return all
}

func restored(t testing.TB, e statemachine.Engine, chunks [][]byte) statemachine.Engine {
	require.NoError(t, e.Restore(Source(chunks)))
	return e
}

func testImage(t testing.TB, open Opener) {
	empty := chunksOf(t, open.Open(t))
	require.Equal(t, chunksOf(t, NewModel()), empty, "an empty engine has an image too")
	require.Zero(t, restored(t, open.Open(t), empty).Revision())

	d, m := driver{t, open.Open(t)}, driver{t, NewModel()}
	story(d)
	story(m)
	require.Equal(t, m.look(), d.look())
	chunks := chunksOf(t, d.e)
	require.Greater(t, len(chunks), 5)
	for i, chunk := range chunks {
		if i < len(chunks)-1 {
			require.GreaterOrEqual(t, len(chunk), statemachine.ImageChunkBytes)
		}
	}
	require.True(t, slices.EqualFunc(chunksOf(t, m.e), chunks, bytes.Equal), "the same bytes as the model's")
	img, err := d.e.Image()
	require.NoError(t, err)
	hash, err := image.Hash(img)
	require.NoError(t, err)
	require.NoError(t, img.Close())
	require.NoError(t, img.Close())
	_, err = img.Next()
	require.Error(t, err)
	require.NotEqual(t, io.EOF, err)

	// Into every kind from every kind, and on from there.
	engines := []driver{
		{t, restored(t, open.Open(t), chunks)},
		{t, restored(t, open.Open(t), chunksOf(t, m.e))},
		{t, restored(t, NewModel(), chunks)},
		d, m,
	}
	for round := range 3 {
		for _, o := range engines[:4] {
			require.Equal(t, m.look(), o.look())
			require.True(t, slices.EqualFunc(chunksOf(t, m.e), chunksOf(t, o.e), bytes.Equal))
		}
		sum, err := image.Hash(Source(chunksOf(t, engines[0].e)))
		require.NoError(t, err)
		require.Equal(t, round == 0, hash == sum)
		for _, o := range engines {
			o.write(del("often"), put("gone", "again"), put("leased", "7"))
			o.write(put("often", "again"), del("gone"), del("base"))
			o.compact(o.e.Revision() - 3)
			o.idle(3)
		}
	}
	require.Error(t, d.e.Restore(Source(chunks)), "it is not empty")
}

func testImageStaysWhileWriting(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	story(d)
	want := chunksOf(t, d.e)
	img, err := d.e.Image()
	require.NoError(t, err)
	var got [][]byte
	for i := 0; ; i++ {
		chunk, err := img.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		got = append(got, bytes.Clone(chunk))
		rev := d.write(del("wide/39"), put("zz", "new"), del("often"), del(fmt.Sprintf("wide/%02d", i)), put("wide/385", "new"))
		d.compact(rev)
		d.idle(3)
	}
	require.NoError(t, img.Close())
	require.True(t, slices.EqualFunc(want, got, bytes.Equal))
}

// testImageHidesLaziness takes the image of one state over and over while the engine gives back what was compacted.
func testImageHidesLaziness(t testing.TB, open Opener) {
	d, m := driver{t, open.Open(t)}, driver{t, NewModel()}
	for _, o := range []driver{d, m} {
		for i := range 400 {
			o.write(put(fmt.Sprint(i%7), fmt.Sprint(i)), del(fmt.Sprint((i+3)%7)), put(fmt.Sprint("once", i), ""))
		}
		for i := range 400 {
			o.write(del(fmt.Sprint("once", i)))
		}
		o.compact(790)
	}
	for range 30 {
		require.True(t, slices.EqualFunc(chunksOf(t, m.e), chunksOf(t, d.e), bytes.Equal))
		d.idle(1)
		m.idle(1)
	}
}

func testRestoreRefusesDamage(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	story(d)
	chunks := chunksOf(t, d.e)
	refuse := func(name string, chunks [][]byte) {
		e := open.Open(t)
		err := e.Restore(Source(chunks))
		require.Error(t, err, name)
		var corrupt *image.CorruptError
		require.True(t, errors.As(err, &corrupt) || errors.Is(err, image.ErrFormat), "%s: %v", name, err)
		require.NoError(t, e.Close(), name)
	}
	last := len(chunks) - 1
	refuse("nothing", nil)
	refuse("the last chunk is missing", chunks[:last])
	refuse("the first chunk is missing", chunks[1:])
	refuse("a chunk is missing", append(slices.Clone(chunks[:2]), chunks[3:]...))
	refuse("two chunks changed places", append(slices.Clone(chunks[:2]), chunks[3], chunks[2]))
	refuse("a chunk comes twice", append(slices.Clone(chunks[:2]), chunks[1:]...))
	refuse("a chunk too many", append(slices.Clone(chunks), chunks[last]))
	refuse("an empty chunk", append(slices.Clone(chunks[:1]), append([][]byte{{}}, chunks[1:]...)...))
	for _, at := range []struct{ chunk, offset int }{{0, 0}, {0, 7}, {0, 9}, {0, 30}, {0, 33}, {0, 40}, {1, 1000}, {last, 0}, {last, len(chunks[last]) - 1}} {
		damaged := slices.Clone(chunks)
		damaged[at.chunk] = bytes.Clone(damaged[at.chunk])
		damaged[at.chunk][at.offset] ^= 0x20
		refuse(fmt.Sprintf("a flipped bit at %v", at), damaged)
		damaged[at.chunk] = chunks[at.chunk][:at.offset]
		refuse(fmt.Sprintf("cut at %v", at), damaged)
	}
	failing := open.Open(t)
	require.ErrorIs(t, failing.Restore(&failingSource{Source(chunks), 2}), errSource)
	require.NoError(t, failing.Close())
}

// failingSource fails after some chunks.
type failingSource struct {
	statemachine.ChunkSource
	left int
}

var errSource = errors.New("smtest: the source fails")

func (s *failingSource) Next() ([]byte, error) {
	if s.left == 0 {
		return nil, errSource
	}
	s.left--
	return s.ChunkSource.Next()
}
