package image_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// versions is a cursor over versions in memory. Like an engine's it may use its buffers again.
type versions struct {
	left       []statemachine.Event
	key, value []byte
	closed     int
	err        error // given at the end instead of io.EOF
}

func (v *versions) Next() (statemachine.Event, error) {
	if len(v.left) == 0 {
		if v.err != nil {
			return statemachine.Event{}, v.err
		}
		return statemachine.Event{}, io.EOF
	}
	ev := v.left[0]
	v.left = v.left[1:]
	clear(v.key)
	clear(v.value)
	v.key = append(v.key[:0], ev.Item.Key...)
	v.value = append(v.value[:0], ev.Item.Value...)
	ev.Item.Key, ev.Item.Value = v.key, v.value
	return ev, nil
}

func (v *versions) Close() error {
	v.closed++
	return nil
}

// put and del make versions; a put's value tells its revision.
func put(key string, create, mod statemachine.Revision, version uint64) statemachine.Event {
	item := statemachine.Item{Key: []byte(key), Value: fmt.Append(nil, mod), Create: create, Mod: mod, Version: version, Lease: 9}
	return statemachine.Event{Item: item, Sub: 3}
}

func del(key string, mod statemachine.Revision) statemachine.Event {
	return statemachine.Event{Item: statemachine.Item{Key: []byte(key), Mod: mod}, Sub: 4, Deleted: true}
}

// chunksOf reads an image to its end.
func chunksOf(t testing.TB, img statemachine.Image) [][]byte {
	var chunks [][]byte
	for {
		chunk, err := img.Next()
		if err == io.EOF {
			return chunks
		}
		require.NoError(t, err)
		chunks = append(chunks, bytes.Clone(chunk))
	}
}

// source gives chunks.
type source struct {
	chunks [][]byte
	err    error // given at the end instead of io.EOF
}

func (s *source) Next() ([]byte, error) {
	if len(s.chunks) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
	chunk := s.chunks[0]
	s.chunks = s.chunks[1:]
	return bytes.Clone(chunk), nil
}

// read gives what a reader gives, as text.
func read(chunks ...[]byte) ([]string, error) {
	r, err := image.NewReader(&source{chunks: chunks})
	if err != nil {
		return nil, err
	}
	var all []string
	for {
		ev, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			if _, again := r.Next(); again != err {
				return all, fmt.Errorf("Next failed with %v, and then with %v", err, again)
			}
			return all, err
		}
		all = append(all, text(ev))
	}
}

func text(ev statemachine.Event) string {
	return fmt.Sprintf("%s/%d.%d/%v/%d,%d,%d=%s", ev.Item.Key, ev.Item.Mod, ev.Sub, ev.Deleted, ev.Item.Create, ev.Item.Version, ev.Item.Lease, ev.Item.Value)
}

func texts(events ...statemachine.Event) []string {
	all := []string{}
	for _, ev := range events {
		all = append(all, text(ev))
	}
	return all
}

var head = image.Header{Applied: 77, Revision: 9, Compacted: 5}

// TestBytes holds the encoding to what docs/format.md draws.
func TestBytes(t *testing.T) {
	chunks := chunksOf(t, image.New(head, &versions{left: []statemachine.Event{put("k", 6, 6, 1), del("k", 8)}}))
	require.Len(t, chunks, 1)
	want := "4c4b56494d470001" + "4d00000000000000" + "0900000000000000" + "0500000000000000" + // header
		"01" + "01000000" + "6b" + // key
		"02" + "0600000000000000" + "03000000" + "0600000000000000" + "0100000000000000" + "0900000000000000" + "01000000" + "36" + // put
		"03" + "0800000000000000" + "04000000" + // delete
		"04" + "0100000000000000" + "0200000000000000" // end
	got := chunks[0][:len(chunks[0])-sha256.Size]
	require.Equal(t, want, hex.EncodeToString(got))
	sum := sha256.Sum256(got)
	require.Equal(t, sum[:], chunks[0][len(got):])

	hash, err := image.Hash(&source{chunks: chunks})
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(chunks[0]), hash)
}

func TestWhatIsRetained(t *testing.T) {
	kept := []statemachine.Event{
		put("base", 2, 4, 2),
		put("both", 5, 5, 1), put("both", 5, 7, 2), del("both", 8), put("both", 9, 9, 1),
		put("new", 6, 6, 1), del("new", 7),
		put("old", 1, 1, 1),
		put("reborn", 7, 7, 1),
		put("then gone", 3, 3, 1), del("then gone", 6),
	}
	all := []statemachine.Event{
		put("base", 2, 2, 1), put("base", 2, 4, 2),
		put("both", 1, 1, 1), del("both", 2), put("both", 5, 5, 1), put("both", 5, 7, 2), del("both", 8), put("both", 9, 9, 1), put("both", 9, 10, 2),
		put("gone", 1, 1, 1), del("gone", 5),
		put("gone before", 1, 1, 1), put("gone before", 1, 2, 2), del("gone before", 3),
		put("new", 6, 6, 1), del("new", 7), put("new", 11, 11, 1),
		put("not yet", 10, 10, 1),
		put("old", 1, 1, 1),
		put("reborn", 1, 1, 1), del("reborn", 2), put("reborn", 7, 7, 1),
		put("then gone", 3, 3, 1), del("then gone", 6),
		put("zz", 1, 1, 1), del("zz", 4),
	}
	lazy := chunksOf(t, image.New(head, &versions{left: all}))
	eager := chunksOf(t, image.New(head, &versions{left: kept}))
	require.Equal(t, eager, lazy, "what compaction left behind does not show")
	got, err := read(lazy...)
	require.NoError(t, err)
	require.Equal(t, texts(kept...), got)
}

func TestChunks(t *testing.T) {
	var all []statemachine.Event
	for i := range 2000 {
		ev := put(fmt.Sprintf("%05d", i), 6, 6, 1)
		ev.Item.Value = bytes.Repeat([]byte{byte(i)}, i%701)
		all = append(all, ev)
	}
	large := put("large", 6, 6, 1)
	large.Item.Value = bytes.Repeat([]byte("x"), 2*statemachine.ImageChunkBytes)
	after := put("large", 6, 7, 2)
	all = append(all, large, after, del("large", 9))
	cursor := &versions{left: all}
	img := image.New(head, cursor)
	require.EqualValues(t, 77, img.Applied())
	chunks := chunksOf(t, img)
	require.NoError(t, img.Close())
	require.NoError(t, img.Close())
	require.Equal(t, 1, cursor.closed)
	_, err := img.Next()
	require.Error(t, err)
	require.NotEqual(t, io.EOF, err)
	require.Greater(t, len(chunks), 3)
	for i, chunk := range chunks[:len(chunks)-1] {
		require.GreaterOrEqual(t, len(chunk), statemachine.ImageChunkBytes, "chunk %d", i)
	}
	got, err := read(chunks...)
	require.NoError(t, err)
	require.Equal(t, texts(all...), got)

	// Chunks may be cut between any two items.
	whole := bytes.Join(chunks, nil)
	_, err = read(whole)
	require.NoError(t, err)
	r, err := image.NewReader(&source{chunks: chunks})
	require.NoError(t, err)
	require.Equal(t, head, r.Header())
}

func TestErrorsOfTheEnds(t *testing.T) {
	broken := errors.New("broken")
	img := image.New(head, &versions{err: broken})
	for range 2 {
		_, err := img.Next()
		require.ErrorIs(t, err, broken)
	}
	_, err := image.Hash(img)
	require.ErrorIs(t, err, broken)
	_, err = image.NewReader(&source{err: broken})
	require.ErrorIs(t, err, broken)
	chunks := chunksOf(t, image.New(head, &versions{}))
	for _, chunks := range [][][]byte{chunks, {chunks[0][:32]}} {
		r, err := image.NewReader(&source{chunks: chunks, err: broken})
		require.NoError(t, err)
		_, err = r.Next()
		require.ErrorIs(t, err, broken)
	}
}

// TestVersionsThatMakeNoSense: neither end takes versions that no engine can have.
func TestVersionsThatMakeNoSense(t *testing.T) {
	for name, all := range map[string][]statemachine.Event{
		"keys in disorder":                    {put("b", 6, 6, 1), put("a", 6, 6, 1)},
		"revisions in disorder":               {put("a", 6, 7, 2), put("a", 6, 6, 1)},
		"one revision twice":                  {put("a", 6, 6, 1), put("a", 6, 6, 2)},
		"revision 0":                          {put("a", 0, 0, 1)},
		"a delete of nothing":                 {del("a", 6)},
		"a delete twice":                      {put("a", 6, 6, 1), del("a", 7), del("a", 8)},
		"a first version that is not 1":       {put("a", 6, 6, 2)},
		"a first version with another create": {put("a", 4, 6, 1)},
		"a version left out":                  {put("a", 6, 6, 1), put("a", 6, 7, 3)},
		"another create":                      {put("a", 6, 6, 1), put("a", 7, 7, 2)},
		"a version that goes on over delete":  {put("a", 6, 6, 1), del("a", 7), put("a", 6, 8, 2)},
		"version 0":                           {put("a", 4, 4, 0)},
		"create after mod":                    {put("a", 5, 4, 2)},
		"version 1 of an older key":           {put("a", 3, 4, 1)},
		"a later version of a new key":        {put("a", 4, 4, 2)},
		"create 0":                            {put("a", 0, 4, 2)},
	} {
		_, err := readTo(image.New(head, &versions{left: all}))
		require.Error(t, err, name)
	}
}

func readTo(src statemachine.ChunkSource) (n int, err error) {
	for {
		chunk, err := src.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += len(chunk)
	}
}

// forged encodes versions without looking at them, with counts and a hash that fit.
func forged(head image.Header, items ...string) []byte {
	chunk := []byte("LKVIMG\x00\x01")
	for _, n := range []uint64{uint64(head.Applied), uint64(head.Revision), uint64(head.Compacted)} {
		chunk = binary.LittleEndian.AppendUint64(chunk, n)
	}
	keys, count := 0, 0
	for _, item := range items {
		switch item[0] {
		case 1:
			keys++
		case 2, 3:
			count++
		}
		chunk = append(chunk, item...)
	}
	chunk = append(chunk, 4, byte(keys), 0, 0, 0, 0, 0, 0, 0, byte(count), 0, 0, 0, 0, 0, 0, 0)
	sum := sha256.Sum256(chunk)
	return append(chunk, sum[:]...)
}

func key(k string) string { return "\x01" + string([]byte{byte(len(k)), 0, 0, 0}) + k }

func version(mod, create, count byte) string {
	u64 := func(b byte) string { return string([]byte{b, 0, 0, 0, 0, 0, 0, 0}) }
	return "\x02" + u64(mod) + "\x00\x00\x00\x00" + u64(create) + u64(count) + u64(0) + "\x01\x00\x00\x00v"
}

func deletion(mod byte) string {
	return "\x03" + string([]byte{mod, 0, 0, 0, 0, 0, 0, 0}) + "\x00\x00\x00\x00"
}

// TestForged: a right hash does not make sense of what has none.
func TestForged(t *testing.T) {
	got, err := read(forged(head, key("a"), version(4, 4, 1), deletion(6), key("b"), version(7, 7, 1)))
	require.NoError(t, err)
	require.Len(t, got, 3)
	for name, chunk := range map[string][]byte{
		"keys in disorder":          forged(head, key("b"), version(6, 6, 1), key("a"), version(6, 6, 1)),
		"a key twice":               forged(head, key("a"), version(6, 6, 1), key("a"), version(7, 6, 2)),
		"a key without a version":   forged(head, key("a"), key("b"), version(6, 6, 1)),
		"a last key without":        forged(head, key("b"), version(6, 6, 1), key("c")),
		"a version without a key":   forged(head, version(6, 6, 1)),
		"a compacted delete":        forged(head, key("a"), deletion(4)),
		"two compacted versions":    forged(head, key("a"), version(3, 3, 1), version(4, 3, 2)),
		"a delete of nothing":       forged(head, key("a"), deletion(7)),
		"a version in the future":   forged(head, key("a"), version(10, 10, 1)),
		"an unknown item":           forged(head, "\x05"),
		"compacted above revision":  forged(image.Header{Revision: 5, Compacted: 6}),
		"a length beyond the chunk": forged(head, "\x01\xff\xff\xff\xff"),
		"a value beyond the chunk":  forged(head, key("a"), strings.Replace(version(6, 6, 1), "\x01\x00\x00\x00v", "\xff\xff\xff\xffv", 1)),
		"something after the end":   append(forged(head), 4),
	} {
		_, err := read(chunk)
		var corrupt *image.CorruptError
		require.ErrorAs(t, err, &corrupt, name)
		require.NotEmpty(t, corrupt.Error())
	}
	_, err = read([]byte("LKVIMG\x00\x02 an image of the future, longer than a header"))
	require.ErrorIs(t, err, image.ErrFormat)
	_, err = read()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = read(forged(head), []byte("more"))
	require.Error(t, err)
}

// TestDamage flips every byte of an image, and cuts it everywhere.
func TestDamage(t *testing.T) {
	chunk := chunksOf(t, image.New(head, &versions{left: []statemachine.Event{
		put("a", 2, 4, 2), put("a", 2, 6, 3), del("a", 7), put("bb", 6, 6, 1), put("bb", 6, 8, 2), put("c", 1, 1, 1),
	}}))[0]
	var corrupt *image.CorruptError
	for i := range chunk {
		for _, bits := range []byte{1, 0x80, 0xff} {
			damaged := bytes.Clone(chunk)
			damaged[i] ^= bits
			_, err := read(damaged)
			require.True(t, errors.As(err, &corrupt) || i < 8 && errors.Is(err, image.ErrFormat), "byte %d: %v", i, err)
		}
		_, err := read(chunk[:i])
		require.True(t, errors.As(err, &corrupt) || i < 32 && errors.Is(err, image.ErrFormat), "cut at %d: %v", i, err)
		if i > 32 {
			_, err = read(chunk[:i], chunk[i:])
			require.True(t, err == nil || errors.As(err, &corrupt), "split at %d: %v", i, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	whole := chunksOf(f, image.New(head, &versions{left: []statemachine.Event{put("a", 2, 4, 2), del("a", 7), put("b", 6, 6, 1)}}))[0]
	f.Add(whole, 40)
	f.Add(forged(head, key("a"), deletion(4)), 0)
	f.Add(whole[:50], 10)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		readsWhatIsWritten(t, data, cut)
		if body := len(data) - sha256.Size; body > 0 {
			sum := sha256.Sum256(data[:body])
			readsWhatIsWritten(t, append(data[:body:body], sum[:]...), cut)
		}
	})
}

// readsWhatIsWritten reads an image in two chunks, cut at an offset. What is accepted is what the writer writes.
func readsWhatIsWritten(t *testing.T, data []byte, cut int) {
	chunks := [][]byte{data}
	if cut > 0 && cut < len(data) {
		chunks = [][]byte{data[:cut], data[cut:]}
	}
	r, err := image.NewReader(&source{chunks: chunks})
	if err != nil {
		return
	}
	var all []statemachine.Event
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return
		}
		ev.Item.Key, ev.Item.Value = bytes.Clone(ev.Item.Key), bytes.Clone(ev.Item.Value)
		all = append(all, ev)
	}
	again := chunksOf(t, image.New(r.Header(), &versions{left: all}))
	require.True(t, bytes.Equal(bytes.Join(again, nil), data))
	require.True(t, slices.IsSortedFunc(all, func(a, b statemachine.Event) int { return bytes.Compare(a.Item.Key, b.Item.Key) }))
}
