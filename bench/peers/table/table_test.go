package table_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/peers/table"
)

func TestASnapshotRestoresWhatWasApplied(t *testing.T) {
	t.Parallel()
	var from, to table.Table
	commands := [][]byte{table.Put([]byte("a"), []byte("1")), table.PutAll([][]byte{[]byte("b"), []byte("c")}, []byte("2")), table.Put([]byte("a"), nil)}
	require.NoError(t, from.Apply(len(commands), func(i int) []byte { return commands[i] }))
	frozen := from.Freeze()
	for i := range 1000 {
		command := table.Put(fmt.Appendf(nil, "later %d", i), []byte("3"))
		require.NoError(t, from.Apply(1, func(int) []byte { return command }))
	}
	require.Equal(t, []byte("3"), from.Get([]byte("later 999")))

	var stream bytes.Buffer
	written, err := frozen.WriteTo(&stream)
	require.NoError(t, err)
	require.EqualValues(t, stream.Len(), written)
	whole := stream.Bytes()
	require.NoError(t, to.Restore(bytes.NewReader(whole)))
	require.Equal(t, []byte("2"), to.Get([]byte("c")))
	require.NotNil(t, to.Get([]byte("a")))
	require.Empty(t, to.Get([]byte("a")))
	require.Nil(t, to.Get([]byte("later 0")))
	require.Error(t, to.Restore(bytes.NewReader(whole[:len(whole)-1])))
}

func TestApplyRefusesHalfACommand(t *testing.T) {
	t.Parallel()
	whole := table.Put([]byte("key"), []byte("value"))
	for length := 1; length < len(whole); length++ {
		var tab table.Table
		require.Error(t, tab.Apply(1, func(int) []byte { return whole[:length] }), "%d bytes of %d", length, len(whole))
	}
}
