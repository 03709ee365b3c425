package smtest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

func testPastRevisions(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"))
	d.write(put("b", "2"), put("c", "2"))
	d.write(del("a"), put("b", "3"))
	d.write(put("a", "4"))
	want := [][]string{
		1: {`"a"="1"(1,1,1,0)`},
		2: {`"a"="1"(1,1,1,0)`, `"b"="2"(2,2,1,0)`, `"c"="2"(2,2,1,0)`},
		3: {`"b"="3"(2,3,2,0)`, `"c"="2"(2,2,1,0)`},
		4: {`"a"="4"(4,4,1,0)`, `"b"="3"(2,3,2,0)`, `"c"="2"(2,2,1,0)`},
	}
	for rev := statemachine.Revision(1); rev <= 4; rev++ {
		require.Equal(t, want[rev], d.at(rev), "revision %d", rev)
		v := d.view(rev)
		require.Equal(t, rev, v.Revision())
		require.Equal(t, d.e.Applied(), v.Applied())
		_, ok, err := v.Get([]byte("a"))
		require.NoError(t, err)
		require.Equal(t, rev != 3, ok)
		require.NoError(t, v.Close())
	}
	require.Equal(t, want[4], d.at(statemachine.Latest))
	_, err := d.e.View(5)
	require.ErrorIs(t, err, statemachine.ErrFutureRevision)
}

func testEvents(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("b", "1"), put("a", "1"), put("c", "1"))
	d.write() // a revision without a change
	d.write(del("none"), put("c", "3"), del("b"))
	d.write(put("b", "4"))
	all := []string{
		`1.0 put "b"="1"(1,1,1,0)`,
		`1.1 put "a"="1"(1,1,1,0)`,
		`1.2 put "c"="1"(1,1,1,0)`,
		`3.0 put "c"="3"(1,3,2,0)`,
		`3.1 delete "b"`,
		`4.0 put "b"="4"(4,4,1,0)`,
	}
	v := d.view(statemachine.Latest)
	for from, want := range map[statemachine.Revision][]string{1: all, 2: all[3:], 3: all[3:], 4: all[5:], 5: {}, 99: {}} {
		require.Equal(t, want, eventsOf(t, v, from), "from %d", from)
	}
	require.ErrorIs(t, v.Events(0, nil), statemachine.ErrCompacted, "revision 0 holds no events")
	stopped := 0
	require.NoError(t, v.Events(1, func(statemachine.Event) bool {
		stopped++
		return stopped < 2
	}))
	require.Equal(t, 2, stopped)
	require.NoError(t, v.Close())

	past := d.view(3)
	require.Equal(t, all[:5], eventsOf(t, past, 1), "a view of the past has no later events")
	require.NoError(t, past.Close())

	// More events in one revision than an engine keeps together.
	b := d.e.Begin()
	rev := b.Advance()
	const n = 1000
	for i := range n {
		put(fmt.Sprintf("k%04d", n-i), "x")(t, b)
	}
	require.NoError(t, b.Commit(d.e.Applied()+1))
	v = d.view(statemachine.Latest)
	i := 0
	require.NoError(t, v.Events(rev, func(ev statemachine.Event) bool {
		require.EqualValues(t, i, ev.Sub)
		require.Equal(t, fmt.Sprintf("k%04d", n-i), string(ev.Item.Key))
		i++
		return true
	}))
	require.Equal(t, n, i)
	require.NoError(t, v.Close())
}

func testCompaction(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"), put("x", "1"))
	d.write(put("a", "2"), del("x"))
	d.write(put("b", "3"))
	d.write(del("a"))
	want := d.at(3)
	d.compact(3)
	require.EqualValues(t, 3, d.e.Compacted())
	require.EqualValues(t, 4, d.e.Revision())
	for rev := statemachine.Revision(1); rev < 3; rev++ {
		_, err := d.e.View(rev)
		require.ErrorIs(t, err, statemachine.ErrCompacted)
	}
	require.Equal(t, want, d.at(3), "the compacted revision itself stays readable")
	require.Equal(t, []string{`"b"="3"(3,3,1,0)`}, d.at(4))
	v := d.view(statemachine.Latest)
	for from := statemachine.Revision(0); from <= 3; from++ {
		require.ErrorIs(t, v.Events(from, nil), statemachine.ErrCompacted)
	}
	require.Equal(t, []string{`4.0 delete "a"`}, eventsOf(t, v, 4))
	require.NoError(t, v.Close())

	b := d.e.Begin()
	require.ErrorIs(t, b.Compact(2), statemachine.ErrCompacted)
	require.ErrorIs(t, b.Compact(5), statemachine.ErrFutureRevision)
	require.NoError(t, b.Compact(3))
	rev := b.Advance()
	put("a", "5")(t, b)
	require.NoError(t, b.Compact(rev), "a revision of the batch itself")
	require.ErrorIs(t, b.Compact(rev-1), statemachine.ErrCompacted)
	require.NoError(t, b.Commit(d.e.Applied()+1))
	require.Equal(t, []string{`"a"="5"(5,5,1,0)`, `"b"="3"(3,3,1,0)`}, d.at(statemachine.Latest))
	d.idle(3)
	require.Equal(t, []string{`"a"="5"(5,5,1,0)`, `"b"="3"(3,3,1,0)`}, d.at(rev))
	require.EqualValues(t, 6, d.write(put("b", "6")), "the count goes on")
	require.Equal(t, []string{`"a"="5"(5,5,1,0)`, `"b"="6"(3,6,2,0)`}, d.at(6))
}

// testCompactionNeverShows compares an engine that has just been told to compact with itself after it had time to do it.
func testCompactionNeverShows(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	const keys, rounds = 300, 8
	key := func(i int) string { return fmt.Sprintf("%04d", i) }
	for round := range rounds {
		b := d.e.Begin()
		b.Advance()
		for i := range keys {
			switch (i + round) % 5 {
			case 0:
				del(key(i))(t, b)
			case 1: // left alone
			default:
				put(key(i), fmt.Sprint(round))(t, b)
			}
		}
		require.NoError(t, b.Commit(d.e.Applied()+1))
	}
	revs := []statemachine.Revision{5, 6, 7, 8}
	look := func() (all [][]string) {
		for _, rev := range revs {
			all = append(all, d.at(rev))
		}
		v := d.view(statemachine.Latest)
		defer v.Close()
		require.ErrorIs(t, v.Events(5, nil), statemachine.ErrCompacted)
		return append(all, eventsOf(t, v, 6))
	}
	d.compact(5)
	want := look()
	for range 20 {
		d.idle(10)
		require.Equal(t, want, look())
	}
	// Keys that are gone for good are gone from every walk.
	b := d.e.Begin()
	b.Advance()
	for i := range keys {
		del(key(i))(t, b)
	}
	require.NoError(t, b.Commit(d.e.Applied()+1))
	d.compact(9)
	for range 20 {
		d.idle(10)
		require.Empty(t, d.at(statemachine.Latest))
	}
	d.write(put(key(3), "back"))
	require.Equal(t, []string{`"0003"="back"(10,10,1,0)`}, d.at(statemachine.Latest))
}

func testViewsStayReadable(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"), put("b", "1"), put("c", "1"))
	d.write(put("a", "2"), del("b"))
	type look struct{ items, events []string }
	see := func(v statemachine.View) look {
		return look{items(t, v, statemachine.RangeOptions{}), eventsOf(t, v, 1)}
	}
	var views []statemachine.View
	var want []look
	for rev := statemachine.Revision(1); rev <= 2; rev++ {
		v := d.view(rev)
		views, want = append(views, v), append(want, see(v))
	}
	for i := range 10 {
		rev := d.write(del("a"), put("b", fmt.Sprint(i)), del("c"))
		d.write(put("a", fmt.Sprint(i)), del("b"))
		d.compact(rev)
		d.idle(5)
		for j, v := range views {
			require.Equal(t, want[j], see(v))
			item, ok, err := v.Get([]byte("a"))
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want[j].items[0], itemText(item))
		}
	}
	for _, v := range views {
		require.NoError(t, v.Close())
	}
	d.compact(d.e.Revision())
	d.idle(5)
	require.Equal(t, []string{`"a"="9"(22,22,1,0)`}, d.at(statemachine.Latest))
}

func testClosed(t testing.TB, open Opener) {
	d := driver{t, open.Open(t)}
	d.write(put("a", "1"))
	v, err := d.e.View(statemachine.Latest)
	require.NoError(t, err)
	require.NoError(t, d.e.Close())
	_, _, err = v.Get([]byte("a"))
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.NoError(t, v.Close(), "a view may be closed after its engine")
	_, err = d.e.View(statemachine.Latest)
	require.ErrorIs(t, err, statemachine.ErrClosed)
	_, err = d.e.Image()
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.NoError(t, d.e.Close(), "closing again does nothing")
}
