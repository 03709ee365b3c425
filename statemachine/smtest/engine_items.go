package smtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

func testEmpty(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	require.Zero(t, d.e.Applied())
	require.Zero(t, d.e.Revision())
	require.Zero(t, d.e.Compacted())
	require.Zero(t, d.e.Durable())
	require.Empty(t, d.at(statemachine.Latest))
	v := d.view(statemachine.Latest)
	require.Zero(t, v.Revision())
	require.Zero(t, v.Applied())
	_, ok, err := v.Get([]byte("a"))
	require.NoError(t, err)
	require.False(t, ok)
	require.Empty(t, eventsOf(t, v, 1))
	require.NoError(t, v.Close())
	require.NoError(t, v.Close())
	_, err = d.e.View(1)
	require.ErrorIs(t, err, statemachine.ErrFutureRevision)
}

func testCreateModVersion(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	b := d.e.Begin()
	require.EqualValues(t, 1, b.Advance())
	item, err := b.Put([]byte("a"), []byte("x"), 7)
	require.NoError(t, err)
	require.Equal(t, `"a"="x"(1,1,1,7)`, itemText(item))
	require.EqualValues(t, 2, b.Advance())
	require.EqualValues(t, 3, b.Advance())
	item, err = b.Put([]byte("a"), []byte("y"), 0)
	require.NoError(t, err)
	require.Equal(t, `"a"="y"(1,3,2,0)`, itemText(item), "the lease is that of the last put")
	require.NoError(t, b.Commit(41))
	require.EqualValues(t, 41, d.e.Applied())
	require.EqualValues(t, 3, d.e.Revision())

	d.write(put("b", "1"), put("a", "z"))
	require.Equal(t, []string{`"a"="z"(1,4,3,0)`, `"b"="1"(4,4,1,0)`}, d.at(statemachine.Latest))
	v := d.view(statemachine.Latest)
	require.EqualValues(t, 4, v.Revision())
	require.EqualValues(t, 42, v.Applied())
	item, ok, err := v.Get([]byte("a"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, `"a"="z"(1,4,3,0)`, itemText(item))
	require.NoError(t, v.Close())

	// A batch without changes moves the applied index alone; it may also stay where it is.
	require.NoError(t, d.e.Begin().Commit(50))
	require.NoError(t, d.e.Begin().Commit(50))
	require.EqualValues(t, 50, d.e.Applied())
	require.EqualValues(t, 4, d.e.Revision())
	require.Error(t, d.e.Begin().Commit(49), "the applied index never goes back")
}

func testDeleteAndCreateAgain(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"))
	d.write(put("a", "2"))
	b := d.e.Begin()
	b.Advance()
	was, err := b.Delete([]byte("none"))
	require.NoError(t, err)
	require.False(t, was)
	was, err = b.Delete([]byte("a"))
	require.NoError(t, err)
	require.True(t, was)
	b.Advance()
	was, err = b.Delete([]byte("a"))
	require.NoError(t, err)
	require.False(t, was, "it was deleted in the revision before")
	require.NoError(t, b.Commit(d.e.Applied()+1))
	require.Empty(t, d.at(statemachine.Latest))

	require.EqualValues(t, 5, d.write(put("a", "3")))
	require.Equal(t, []string{`"a"="3"(5,5,1,0)`}, d.at(statemachine.Latest), "create and version begin anew")
	d.write(del("a"), put("b", "1"))
	d.write(put("b", "2"))
	d.write(put("a", "4"))
	require.Equal(t, []string{`"a"="4"(8,8,1,0)`, `"b"="2"(6,7,2,0)`}, d.at(statemachine.Latest))
	v := d.view(statemachine.Latest)
	require.Equal(t, []string{
		`1.0 put "a"="1"(1,1,1,0)`,
		`2.0 put "a"="2"(1,2,2,0)`,
		`3.0 delete "a"`,
		`5.0 put "a"="3"(5,5,1,0)`,
		`6.0 delete "a"`,
		`6.1 put "b"="1"(6,6,1,0)`,
		`7.0 put "b"="2"(6,7,2,0)`,
		`8.0 put "a"="4"(8,8,1,0)`,
	}, eventsOf(t, v, 1))
	require.NoError(t, v.Close())
}

// oddKeys are keys whose order or ends an engine may get wrong, in order.
var oddKeys = []string{"", "\x00", "\x00\x00", "\x00\x00\x01", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x00b",
	"a\x00\xff", "a\x01", "aa", "a\xff", "a\xff\x00", "a\xff\xff", "b", "\xfe", "\xff", "\xff\x00", "\xff\xff"}

func testKeysAndValues(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	require.True(t, slices.IsSorted(oddKeys))
	var steps []step
	for _, key := range oddKeys {
		steps = append(steps, put(key, "v"+key))
	}
	slices.Reverse(steps)
	d.write(steps...)
	d.write(put("a\x00", "new"))
	d.write(del("a"))
	v := d.view(statemachine.Latest)
	for i, key := range oddKeys {
		item, ok, err := v.Get([]byte(key))
		require.NoError(t, err)
		require.Equal(t, key != "a", ok, "%q", key)
		if ok && key != "a\x00" {
			require.Equal(t, "v"+key, string(item.Value), "%q", key)
		}
		// Bounds cut exactly at a key, from both sides.
		want := len(oddKeys) - i
		if key <= "a" {
			want--
		}
		require.Len(t, items(t, v, statemachine.RangeOptions{From: []byte(key)}), want, "%q", key)
		require.Len(t, items(t, v, statemachine.RangeOptions{To: []byte(key)}), len(oddKeys)-1-want, "%q", key)
		require.Len(t, items(t, v, statemachine.RangeOptions{To: []byte(key), Reverse: true}), len(oddKeys)-1-want, "%q", key)
	}
	require.NoError(t, v.Close())

	large := strings.Repeat("large", 1<<18)
	long := strings.Repeat("key", 1<<11)
	b := d.e.Begin()
	b.Advance()
	for key, value := range map[string][]byte{"nil": nil, "empty": {}, "large": []byte(large), long: []byte("long key")} {
		_, err := b.Put([]byte(key), value, 0)
		require.NoError(t, err)
	}
	require.NoError(t, b.Commit(d.e.Applied()+1))
	v = d.view(statemachine.Latest)
	for key, want := range map[string]string{"nil": "", "empty": "", "large": large, long: "long key"} {
		item, ok, err := v.Get([]byte(key))
		require.NoError(t, err)
		require.True(t, ok, "%.10q", key)
		require.True(t, want == string(item.Value), "%.10q", key)
	}
	require.NoError(t, v.Close())
}

func testCopiesWhatIsPut(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	key, value := []byte("key"), []byte("value")
	b := d.e.Begin()
	b.Advance()
	_, err := b.Put(key, value, 0)
	require.NoError(t, err)
	spoil(key)
	spoil(value)
	item, ok, err := b.Get([]byte("key"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "value", string(item.Value))
	b.Advance()
	key = []byte("key")
	_, err = b.Delete(key)
	require.NoError(t, err)
	spoil(key)
	require.NoError(t, b.Commit(1))
	v := d.view(statemachine.Latest)
	require.Equal(t, []string{`1.0 put "key"="value"(1,1,1,0)`, `2.0 delete "key"`}, eventsOf(t, v, 1))
	require.NoError(t, v.Close())
}

func testBatchReadsItsWrites(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"), put("c", "1"), put("e", "1"), put("g", "1"))
	b := d.e.Begin()
	get := func(key string) string {
		item, ok, err := b.Get([]byte(key))
		require.NoError(t, err)
		if !ok {
			return "none"
		}
		return itemText(item)
	}
	scan := func(from, to []byte, limit int) []string {
		got := []string{}
		require.NoError(t, b.Range(from, to, func(item statemachine.Item) bool {
			got = append(got, itemText(item))
			return len(got) < limit
		}))
		return got
	}
	require.Equal(t, `"a"="1"(1,1,1,0)`, get("a"))
	require.Len(t, scan(nil, nil, 9), 4)
	b.Advance()
	put("b", "2")(t, b)
	put("c", "2")(t, b)
	del("e")(t, b)
	b.Advance()
	put("d", "3")(t, b)
	put("b", "3")(t, b)
	put("e", "3")(t, b)
	del("g")(t, b)
	b.Advance()
	del("d")(t, b)
	require.Equal(t, `"b"="3"(2,3,2,0)`, get("b"))
	require.Equal(t, `"c"="2"(1,2,2,0)`, get("c"))
	require.Equal(t, "none", get("d"))
	require.Equal(t, `"e"="3"(3,3,1,0)`, get("e"))
	require.Equal(t, "none", get("g"))
	require.Equal(t, []string{`"a"="1"(1,1,1,0)`, `"b"="3"(2,3,2,0)`, `"c"="2"(1,2,2,0)`, `"e"="3"(3,3,1,0)`}, scan(nil, nil, 9))
	require.Equal(t, []string{`"b"="3"(2,3,2,0)`, `"c"="2"(1,2,2,0)`}, scan([]byte("b"), []byte("e"), 9))
	require.Equal(t, []string{`"c"="2"(1,2,2,0)`}, scan([]byte("c"), nil, 1))
	require.Empty(t, scan([]byte("c"), []byte("c"), 9))
	require.Empty(t, scan([]byte("c"), []byte("a"), 9))
	require.Empty(t, scan(nil, []byte{}, 9))
	require.NoError(t, b.Commit(2))
	require.Len(t, d.at(statemachine.Latest), 4)
}

func testVisibleAtCommit(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"))
	before := d.view(statemachine.Latest)
	b := d.e.Begin()
	b.Advance()
	put("a", "2")(t, b)
	put("b", "2")(t, b)
	b.Advance()
	del("a")(t, b)
	require.NoError(t, b.Compact(2))

	during := d.view(statemachine.Latest)
	for _, v := range []statemachine.View{before, during} {
		require.EqualValues(t, 1, v.Revision())
		require.EqualValues(t, 1, v.Applied())
		require.Equal(t, []string{`"a"="1"(1,1,1,0)`}, items(t, v, statemachine.RangeOptions{}))
		require.Equal(t, []string{`1.0 put "a"="1"(1,1,1,0)`}, eventsOf(t, v, 1))
	}
	require.EqualValues(t, 1, d.e.Revision())
	require.EqualValues(t, 1, d.e.Applied())
	require.Zero(t, d.e.Compacted())
	_, err := d.e.View(2)
	require.ErrorIs(t, err, statemachine.ErrFutureRevision)

	require.NoError(t, b.Commit(9))
	require.EqualValues(t, 3, d.e.Revision())
	require.EqualValues(t, 9, d.e.Applied())
	require.EqualValues(t, 2, d.e.Compacted())
	require.Equal(t, []string{`"b"="2"(2,2,1,0)`}, d.at(statemachine.Latest))
	require.Equal(t, []string{`"a"="2"(1,2,2,0)`, `"b"="2"(2,2,1,0)`}, d.at(2))
	for _, v := range []statemachine.View{before, during} {
		require.Equal(t, []string{`"a"="1"(1,1,1,0)`}, items(t, v, statemachine.RangeOptions{}))
		require.EqualValues(t, 1, v.Applied())
		require.NoError(t, v.Close())
	}
	_, err = b.Put([]byte("x"), nil, 0)
	require.Error(t, err, "the batch has been committed")
	require.Error(t, b.Commit(10))
}

func testRange(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"), put("b", "1"), put("c", "1"), put("d", "1"), put("e", "1"))
	d.write(del("c"), put("d", "2"))
	v := d.view(statemachine.Latest)
	defer v.Close()
	keys := func(opts statemachine.RangeOptions) string {
		var got []byte
		require.NoError(t, v.Range(opts, func(item statemachine.Item) bool {
			require.Equal(t, opts.KeysOnly, item.Value == nil)
			got = append(got, item.Key...)
			return true
		}))
		return string(got)
	}
	bound := func(s string) []byte { return []byte(s) }
	for _, c := range []struct {
		from, to []byte
		want     string
	}{
		{nil, nil, "abde"},
		{bound(""), nil, "abde"},
		{bound("b"), nil, "bde"},
		{bound("bb"), nil, "de"},
		{nil, bound("d"), "ab"},
		{bound("a"), bound("e"), "abd"},
		{bound("c"), bound("d"), ""},
		{bound("b"), bound("b"), ""},
		{bound("d"), bound("b"), ""},
		{nil, bound(""), ""},
		{bound("f"), nil, ""},
		{bound("a"), bound("a\x00"), "a"},
	} {
		name := fmt.Sprintf("[%q, %q)", c.from, c.to)
		require.Equal(t, c.want, keys(statemachine.RangeOptions{From: c.from, To: c.to}), name)
		require.Equal(t, c.want, keys(statemachine.RangeOptions{From: c.from, To: c.to, KeysOnly: true}), name)
		back := []byte(c.want)
		slices.Reverse(back)
		require.Equal(t, string(back), keys(statemachine.RangeOptions{From: c.from, To: c.to, Reverse: true}), name)
	}
	require.Equal(t, []string{`"e"="1"(1,1,1,0)`, `"d"="2"(1,2,2,0)`}, items(t, v, statemachine.RangeOptions{From: bound("c"), Reverse: true}))
	for _, reverse := range []bool{false, true} {
		visits := 0
		require.NoError(t, v.Range(statemachine.RangeOptions{Reverse: reverse}, func(statemachine.Item) bool {
			visits++
			return visits < 2
		}))
		require.Equal(t, 2, visits, "it stops when told so")
	}
}

// testLongRange walks more keys than any engine takes at once, with runs of deleted ones.
func testLongRange(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	const n = 3000
	key := func(i int) string { return fmt.Sprintf("%05d", i) }
	b := d.e.Begin()
	b.Advance()
	for i := range n {
		put(key(i*7%n), "x")(t, b)
	}
	b.Advance()
	want := [][]byte{}
	for i := range n {
		if i/500%2 == 1 || i%11 == 0 {
			del(key(i))(t, b)
		} else {
			want = append(want, []byte(key(i)))
		}
	}
	require.NoError(t, b.Commit(1))
	v := d.view(statemachine.Latest)
	defer v.Close()
	for _, reverse := range []bool{false, true} {
		var got [][]byte
		require.NoError(t, v.Range(statemachine.RangeOptions{Reverse: reverse}, func(item statemachine.Item) bool {
			got = append(got, bytes.Clone(item.Key))
			return true
		}))
		require.Equal(t, want, got)
		slices.Reverse(want)
	}
}
