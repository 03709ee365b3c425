package kv

import (
	"fmt"
	"sync"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Machine is the key-value store as a replicated state machine over an engine. It implements statemachine.Machine: one
// goroutine at a time calls those methods. Get, Range, Revision and Compacted may be called from any goroutine besides.
//
// What applying an entry gives, as a statemachine.Result:
//
//	put, compact       Value: the store's revision
//	delete (range)     Value: the store's revision; Data: nil when nothing was there, otherwise Deleted, or DeletedPart of a range that holds more
//	transaction        Value: the store's revision; Data: *model.TxnResult, owned by the receiver
//	refused            Value: the store's revision; Data: error, an *model.InvalidError or *model.RevisionError
type Machine struct {
	engine statemachine.Engine
	// failed is the first error of the engine, after which nothing more is applied. Applier goroutine.
	failed error

	// open is held for reading by a read, by a long one for a step at a time, and for writing by Close, which so waits for
	// the steps that are under way. An engine lets views be closed after it.
	open   sync.RWMutex
	closed bool
}

// Deleted, as Result.Data, is the number of keys that a delete removed.
type Deleted uint64

// DeletedPart, as Result.Data, says that a delete of a range has removed Keys keys, model.MaxDeleteKeys, and that the rest of the range, which is from
// Next on, was left: it takes another delete.
type DeletedPart struct {
	Keys uint64
	Next []byte
}

// NewMachine makes the machine whose state is in engine, which it closes when it is closed itself.
func NewMachine(engine statemachine.Engine) *Machine { return &Machine{engine: engine} }

// Apply applies entries in order and as one engine batch; see statemachine.Machine. It neither keeps nor changes the entries'
// bodies. An error is the engine's, or says that the entries do not follow what has been applied; it is returned
// from every later call as well.
func (m *Machine) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	if m.failed != nil {
		return m.failed
	}
	if err := m.follows(entries, applied, results); err != nil {
		return err
	}
	if err := m.apply(entries, applied, results); err != nil {
		m.failed = fmt.Errorf("kv: applying up to entry %d: %w", applied, err)
	}
	return m.failed
}

func (m *Machine) apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	s := step{batch: m.engine.Begin(), revision: m.engine.Revision(), compacted: m.engine.Compacted()}
	for i := range entries {
		if err := s.apply(entries[i].Body, &results[i]); err != nil {
			return err
		}
	}
	return s.batch.Commit(applied)
}

// follows checks that no entry is applied twice or out of order: law 4 of docs/architecture.md.
func (m *Machine) follows(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	if len(results) != len(entries) {
		return fmt.Errorf("kv: expected a result for each of %d entries, found room for %d", len(entries), len(results))
	}
	last := m.engine.Applied()
	for i := range entries {
		if entries[i].Index <= last {
			return fmt.Errorf("kv: expected an entry above %d, found %d; it would be applied twice or out of order", last, entries[i].Index)
		}
		last = entries[i].Index
	}
	if applied < last {
		return fmt.Errorf("kv: expected an applied index of at least %d, found %d", last, applied)
	}
	return nil
}

// Applied is the index up to which entries are in the state.
func (m *Machine) Applied() statemachine.Index { return m.engine.Applied() }

// Durable is the index that survives a crash now. Safe from any goroutine.
func (m *Machine) Durable() statemachine.Index { return m.engine.Durable() }

// Flush makes the state durable as far as the engine can.
func (m *Machine) Flush() error { return m.engine.Flush() }

// Image gives a stable image of the state. It has to be closed before the machine is.
func (m *Machine) Image() (statemachine.Image, error) { return m.engine.Image() }

// Restore fills the empty machine from an image.
func (m *Machine) Restore(chunks statemachine.ChunkSource) error { return m.engine.Restore(chunks) }

// Close waits for the steps of reads that have begun, refuses further ones, and closes the engine.
func (m *Machine) Close() error {
	m.open.Lock()
	defer m.open.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return m.engine.Close()
}

// Revision is the newest revision. Safe from any goroutine.
func (m *Machine) Revision() model.Revision { return model.Revision(m.engine.Revision()) }

// Compacted is the oldest revision that can be read, 0 before the first compaction. Safe from any goroutine.
func (m *Machine) Compacted() model.Revision { return model.Revision(m.engine.Compacted()) }
