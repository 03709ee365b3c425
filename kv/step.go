package kv

import (
	"bytes"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// deleteChunk is how many keys of an interval are collected before they are deleted: a batch may not be written to while it is
// ranged over, and the interval may be the whole store.
const deleteChunk = 256

// step applies the entries of one engine batch. It lives for one call of Machine.Apply.
type step struct {
	batch statemachine.Batch
	// revision and compacted are the store's as of the last entry applied, this batch's included.
	revision  statemachine.Revision
	compacted statemachine.Revision
	// advanced says that the command at hand has begun its revision.
	advanced bool
	// command is the command at hand.
	command command
}

// apply carries one entry out. An error is the engine's. A command that is refused has its reason in the result and has changed
// nothing.
func (s *step) apply(body []byte, result *statemachine.Result) error {
	*result = statemachine.Result{}
	s.advanced = false
	data, err := s.carryOut(body)
	if err != nil {
		return err
	}
	result.Value, result.Data = uint64(s.revision), data
	return nil
}

func (s *step) carryOut(body []byte) (data any, err error) {
	c := &s.command
	if refusal := c.decode(body); refusal != nil {
		return refusal, nil
	}
	switch c.kind {
	case commandCompact:
		return s.compact(statemachine.Revision(c.revision))
	case commandTxn:
		return s.txn(&c.txn)
	case commandPut:
		return nil, s.put(&c.op)
	}
	deleted, next, err := s.delete(&c.op, model.MaxDeleteKeys)
	switch {
	case deleted == 0 || err != nil:
		return nil, err
	case next != nil:
		return DeletedPart{Keys: deleted, Next: next}, nil
	}
	return Deleted(deleted), nil
}

// write begins the command's revision, unless it has begun: a command that changes nothing has none.
func (s *step) write() {
	if !s.advanced {
		s.advanced = true
		s.revision = s.batch.Advance()
	}
}

func (s *step) put(op *model.Op) error {
	s.write()
	_, err := s.batch.Put(op.Key, op.Value, uint64(op.Lease))
	return err
}

// delete carries out a delete or delete range, of most keys at most, and gives the number of keys removed and where the rest begins, nil when there
// can be none.
func (s *step) delete(op *model.Op, most uint64) (deleted uint64, next []byte, err error) {
	if op.Kind == model.OpDeleteRange {
		from, to := op.Range.Bounds()
		return s.deleteRange(from, to, most)
	}
	if _, found, err := s.batch.Get(op.Key); !found || err != nil {
		return 0, nil, err
	}
	s.write()
	_, err = s.batch.Delete(op.Key)
	return 1, nil, err
}

// deleteRange deletes what is in [from, to), until that are most keys: a multiple of deleteChunk.
func (s *step) deleteRange(from, to []byte, most uint64) (deleted uint64, next []byte, err error) {
	for deleted < most {
		keys, err := s.keys(from, to)
		if err != nil {
			return deleted, nil, err
		}
		for _, key := range keys {
			s.write()
			if _, err := s.batch.Delete(key); err != nil {
				return deleted, nil, err
			}
		}
		deleted += uint64(len(keys))
		if len(keys) < deleteChunk {
			return deleted, nil, nil
		}
		from = append(keys[len(keys)-1], 0)
	}
	return deleted, from, nil
}

// keys gives the first keys in [from, to), at most deleteChunk of them.
func (s *step) keys(from, to []byte) ([][]byte, error) {
	if emptyInterval(from, to) {
		return nil, nil
	}
	var keys [][]byte
	err := s.batch.Range(from, to, func(item statemachine.Item) bool {
		keys = append(keys, bytes.Clone(item.Key))
		return len(keys) < deleteChunk
	})
	return keys, err
}

// compact makes what is below revision unreadable. Where that is so already it changes nothing, so that a compaction may be
// asked for twice.
func (s *step) compact(revision statemachine.Revision) (data any, err error) {
	if revision > s.revision {
		return &model.RevisionError{Asked: model.Revision(revision), Bound: model.Revision(s.revision), Err: model.ErrFutureRevision}, nil
	}
	if revision <= s.compacted {
		return nil, nil
	}
	s.compacted = revision
	return nil, s.batch.Compact(revision)
}

// emptyInterval says that no key is in [from, to).
func emptyInterval(from, to []byte) bool { return to != nil && bytes.Compare(from, to) >= 0 }
