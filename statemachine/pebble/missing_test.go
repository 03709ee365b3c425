package pebble

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// TestAMissingTableIsDamage: what an operator removed by mistake is named, with what to do.
func TestAMissingTableIsDamage(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	e, err := s.Engine(1, 1)
	require.NoError(t, err)
	b := e.Begin()
	b.Advance()
	_, err = b.Put([]byte("k"), []byte("v"), 0)
	require.NoError(t, err)
	require.NoError(t, b.Commit(1))
	require.NoError(t, e.Flush())
	require.NoError(t, e.Close())
	require.NoError(t, s.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		require.NoError(t, os.Remove(table))
	}

	s, err = Open(dir, Options{})
	if err == nil {
		var v statemachine.View
		if e, err = s.Engine(1, 1); err == nil {
			if v, err = e.View(statemachine.Latest); err == nil {
				_, _, err = v.Get([]byte("k"))
			}
		}
		require.NoError(t, s.Close())
	}
	var damage *CorruptionError
	require.ErrorAs(t, err, &damage)
	require.ErrorIs(t, err, ErrFailed)
	require.True(t, errors.Is(err, os.ErrNotExist))
	require.Equal(t, dir, damage.Path)
	require.ErrorContains(t, err, "a file that belongs to it is missing")
	require.ErrorContains(t, err, "move the engine's directory away")
}
