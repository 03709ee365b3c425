package dragonboat

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/lni/dragonboat/v4/statemachine"

	"github.com/ledgerkv/ledgerkv/bench/peers/table"
)

// machine is the state machine of a group on a node, a statemachine.IConcurrentStateMachine: Update runs on one goroutine, the others beside it.
type machine struct {
	table   table.Table
	applied atomic.Uint64 // index of the last entry that was applied
	ignore  bool          // the log is all that is wanted
}

func (m *machine) Update(entries []statemachine.Entry) ([]statemachine.Entry, error) {
	if !m.ignore {
		if err := m.table.Apply(len(entries), func(i int) []byte { return entries[i].Cmd }); err != nil {
			return nil, err
		}
	}
	m.applied.Store(entries[len(entries)-1].Index)
	return entries, nil
}

func (m *machine) Lookup(key any) (any, error) {
	k, ok := key.([]byte)
	if !ok {
		return nil, fmt.Errorf("dragonboat: expected a key as bytes, got %T", key)
	}
	return m.table.Get(k), nil
}

// image is what the machine held at an index.
type image struct {
	applied uint64
	table.Frozen
}

func (m *machine) PrepareSnapshot() (any, error) {
	return image{m.applied.Load(), m.table.Freeze()}, nil
}

// SaveSnapshot writes the index, in 8 bytes, and the table.
func (m *machine) SaveSnapshot(of any, w io.Writer, _ statemachine.ISnapshotFileCollection, _ <-chan struct{}) error {
	frozen := of.(image)
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, frozen.applied)); err != nil {
		return err
	}
	_, err := frozen.WriteTo(w)
	return err
}

func (m *machine) RecoverFromSnapshot(r io.Reader, _ []statemachine.SnapshotFile, _ <-chan struct{}) error {
	var applied [8]byte
	if _, err := io.ReadFull(r, applied[:]); err != nil {
		return fmt.Errorf("dragonboat: expected the index of a snapshot: %w", err)
	}
	if err := m.table.Restore(r); err != nil {
		return err
	}
	m.applied.Store(binary.LittleEndian.Uint64(applied[:]))
	return nil
}

func (m *machine) Close() error { return nil }
