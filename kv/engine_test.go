package kv_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

func factory(t *testing.T, kind kv.EngineKind, dir string) *kv.Factory {
	f, err := kv.NewFactory(kind, kv.EngineOptions{Dir: dir})
	require.NoError(t, err)
	return f
}

func TestFactoryRefusesWhatItCannotMake(t *testing.T) {
	_, err := kv.NewFactory("rocks", kv.EngineOptions{Dir: t.TempDir()})
	require.ErrorContains(t, err, `unknown engine "rocks"`)
	_, err = kv.NewFactory(kv.Pebble, kv.EngineOptions{})
	require.ErrorContains(t, err, "Dir is required")
}

func TestPebbleMachinesSurviveARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "engines")
	f := factory(t, kv.Pebble, dir)
	require.NoDirExists(t, dir, "nothing is touched before it is needed")
	here, there := statemachine.Place{Group: 1, Epoch: 1}, statemachine.Place{Group: 2, Epoch: 1}
	for i, at := range []statemachine.Place{here, there} {
		m, err := f.Open(at)
		require.NoError(t, err)
		for range i + 1 {
			apply(t, m.(*kv.Machine), kv.AppendPut(nil, b("a"), b("1")))
		}
		require.NoError(t, m.Flush())
		require.Equal(t, m.Applied(), m.Durable())
		require.NoError(t, m.Close())
	}
	require.NoError(t, f.Close())

	f = factory(t, kv.Pebble, dir)
	m, err := f.Open(there)
	require.NoError(t, err)
	require.Equal(t, statemachine.Index(2), m.Applied())
	got, err := m.(*kv.Machine).Get(b("a"), model.Latest)
	require.NoError(t, err)
	require.Equal(t, uint64(2), got.Item.Version, "groups don't see each other")
	require.NoError(t, m.Close())

	require.NoError(t, f.Drop(there))
	epochs, err := f.Epochs(2, "")
	require.NoError(t, err)
	require.Empty(t, epochs)
	epochs, err = f.Epochs(1, "")
	require.NoError(t, err)
	require.Equal(t, []uint64{1}, epochs)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "closing again does nothing")
	_, err = f.Open(here)
	require.ErrorIs(t, err, statemachine.ErrClosed)
	_, err = f.Epochs(1, "")
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.ErrorIs(t, f.Drop(here), statemachine.ErrClosed)
}

func TestBTreeMachinesKeepNothingOnDisk(t *testing.T) {
	dir := t.TempDir()
	f := factory(t, kv.BTree, dir)
	m, err := f.Open(statemachine.Place{Group: 1, Epoch: 1, Dir: dir})
	require.NoError(t, err)
	apply(t, m.(*kv.Machine), kv.AppendPut(nil, b("a"), b("1")))
	require.NoError(t, m.Flush())
	require.Equal(t, statemachine.Index(0), m.Durable())
	epochs, err := f.Epochs(1, dir)
	require.NoError(t, err)
	require.Empty(t, epochs)
	require.NoError(t, m.Close())
	require.NoError(t, f.Drop(statemachine.Place{Group: 1, Epoch: 1, Dir: dir}))
	require.NoError(t, f.Close())
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestPebbleDirectoryThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	f := factory(t, kv.Pebble, filepath.Join(file, "engines"))
	_, err := f.Open(statemachine.Place{Group: 1, Epoch: 1})
	require.Error(t, err)
	_, err = f.Epochs(1, "")
	require.Error(t, err)
	require.Error(t, f.Drop(statemachine.Place{Group: 1, Epoch: 1}))
	require.NoError(t, f.Close())
}
