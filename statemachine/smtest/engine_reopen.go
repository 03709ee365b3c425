package smtest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// testReopen checks what is left of an engine after its end. For an engine in memory it checks that it promises nothing.
func testReopen(t testing.TB, open Opener) {
	re, ok := open.(Reopener)
	if !ok {
		d := driver{t, open.Open(t)}
		story(d)
		require.NoError(t, d.e.Flush())
		require.Zero(t, d.e.Durable())
		return
	}
	rng := seeded(t)
	d, m := driver{t, open.Open(t)}, driver{t, NewModel()}
	both := func(f func(driver)) {
		f(d)
		f(m)
	}
	both(story)
	require.NoError(t, d.e.Flush())
	require.Equal(t, d.e.Applied(), d.e.Durable())
	d.e = re.Crash(t, d.e, rng)
	require.Equal(t, m.look(), d.look(), "what was flushed survives a crash, and nothing else was there")

	both(func(d driver) { d.write(put("base", "3"), del("back")) })
	require.LessOrEqual(t, d.e.Durable(), d.e.Applied())
	require.NoError(t, d.e.Flush())
	d.e = re.Reopen(t, d.e)
	require.Equal(t, m.look(), d.look())

	chunks := chunksOf(t, d.e)
	d.e = re.Crash(t, restored(t, open.Open(t), chunks), rng)
	require.Equal(t, m.look(), d.look(), "what was restored is durable")

	for i := range 30 {
		both(func(d driver) {
			d.write(put(fmt.Sprint("more", i), "x"), del(fmt.Sprint("more", i-2)), put("back", fmt.Sprint(i)))
		})
	}
	durable, known := d.e.Durable(), m.e.(*Model)
	d.e = re.Crash(t, d.e, rng)
	require.GreaterOrEqual(t, d.e.Applied(), durable)
	fallen, ok := known.fallBackTo(d.e.Applied())
	require.True(t, ok, "applied index %d is that of no batch", d.e.Applied())
	m.e = fallen
	require.Equal(t, m.look(), d.look(), "a batch survives whole or not at all")
	require.Equal(t, d.e.Applied(), d.e.Durable())
	both(func(d driver) { d.write(put("after", "1")) })
	require.Equal(t, m.look(), d.look())
	require.Equal(t, chunksOf(t, m.e), chunksOf(t, d.e))
}
