package hashiraft

import (
	"errors"
	"io"

	"github.com/hashicorp/raft"

	"github.com/ledgerkv/ledgerkv/bench/peers/table"
)

// machine is the state machine, a raft.BatchingFSM. The library calls it from one goroutine, but for reads of the table.
type machine struct {
	table  table.Table
	ignore bool // the log is all that is wanted
}

func (m *machine) Apply(entry *raft.Log) any { return m.ApplyBatch([]*raft.Log{entry})[0] }

// ApplyBatch gives an error or nil for each entry: the library has no other place for errors.
func (m *machine) ApplyBatch(entries []*raft.Log) []any {
	responses := make([]any, len(entries))
	if m.ignore {
		return responses
	}
	err := m.table.Apply(len(entries), func(i int) []byte {
		if entries[i].Type != raft.LogCommand {
			return nil
		}
		return entries[i].Data
	})
	for i := range responses {
		if err != nil {
			responses[i] = err
		}
	}
	return responses
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return snapshot{m.table.Freeze()}, nil }

func (m *machine) Restore(from io.ReadCloser) error {
	return errors.Join(m.table.Restore(from), from.Close())
}

type snapshot struct{ table.Frozen }

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := s.WriteTo(sink); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (snapshot) Release() {}
