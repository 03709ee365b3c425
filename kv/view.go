package kv

import (
	"context"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// View is a store at one revision: all that is read through it belongs together. It holds nothing and need not be closed; once
// its revision has been compacted its methods fail with ErrCompacted. They may be called from any goroutine.
type View struct {
	replica  replica
	revision Revision
	applied  Index
}

// View gives a view of the newest revision, or of the one in opts. With Linearizable it holds every write that completed before
// the call; what is read through it later takes no message. It fails with ErrCompacted or ErrFutureRevision (*RevisionError).
func (s *Store) View(ctx context.Context, opts GetOptions) (*View, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := s.reach(ctx, opts.Level); err != nil {
		return nil, err
	}
	nothing := RangeOptions{Revision: opts.Revision, From: []byte{1}, To: []byte{0}}
	at, err := read(s.replica, func(m *Machine) (RangeResult, error) { return m.Range(ctx, nothing) })
	if err != nil {
		return nil, err
	}
	return &View{replica: s.replica, revision: at.Revision, applied: at.Applied}, nil
}

// Revision is the one that is read.
func (v *View) Revision() Revision { return v.revision }

// Applied is the index up to which the replica had applied the log when the view was made.
func (v *View) Applied() Index { return v.applied }

// Get reads key at the view's revision. It fails with ErrNotFound or ErrCompacted.
func (v *View) Get(key []byte) (Item, error) {
	if err := model.ValidateKey(key); err != nil {
		return Item{}, err
	}
	if v.revision == 0 {
		return Item{}, ErrNotFound // revision 0 is empty; asked of the machine it would mean the newest
	}
	result, err := read(v.replica, func(m *Machine) (GetResult, error) { return m.Get(key, v.revision) })
	return result.Item, err
}

// Range reads the keys that opts select at the view's revision; opts.Revision and opts.Level have to be zero. It fails with
// ErrCompacted, and with ctx's error when that is done while there is much to read.
func (v *View) Range(ctx context.Context, opts RangeOptions) (RangeResult, error) {
	if opts.Revision != Latest || opts.Level != Linearizable {
		return RangeResult{}, &model.InvalidError{Field: "range", Problem: "expected no revision and no level, since the view has them"}
	}
	if err := opts.Validate(); err != nil {
		return RangeResult{}, err
	}
	if v.revision == 0 {
		return RangeResult{Applied: v.applied}, nil
	}
	opts.Revision = v.revision
	return read(v.replica, func(m *Machine) (RangeResult, error) { return m.Range(ctx, opts) })
}
