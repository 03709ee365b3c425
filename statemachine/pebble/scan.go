package pebble

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// readVersion reads the newest version of a key at or below the revision in seek, which is the key of that version. ok says
// that there is one; it may be a delete. The value aliases the iterator's.
func readVersion(iter *pebble.Iterator, seek, key []byte) (ev statemachine.Event, ok bool, err error) {
	if !iter.SeekPrefixGE(seek) {
		return ev, false, iter.Error()
	}
	ev, err = versionAt(iter, key)
	return ev, err == nil, err
}

// versionAt decodes the version that an iterator is at.
func versionAt(iter *pebble.Iterator, key []byte) (statemachine.Event, error) {
	record, err := iter.ValueAndErr()
	if err != nil {
		return statemachine.Event{}, err
	}
	_, mod := splitVersionKey(iter.Key())
	ev, err := decodeVersion(key, mod, record)
	if err != nil {
		err = fmt.Errorf("key %s: %w", formattedKey(iter.Key()), err)
	}
	return ev, err
}

// scan walks the live items of a range of keys at a revision.
type scan struct {
	ns       namespace
	iter     *pebble.Iterator // nil for an empty range
	rev      statemachine.Revision
	reverse  bool
	keysOnly bool

	started bool
	// ready: in reverse, the iterator is already at the next key to look at.
	ready bool
	// prefix, value and seek are memory of the scan: the first two hold the item given last in reverse.
	prefix, value, seek []byte
}

// scan starts a scan. The caller is within enter and leave and closes the scan.
func (e *Engine) scan(opts statemachine.RangeOptions, rev statemachine.Revision) (*scan, error) {
	s := &scan{ns: e.ns, rev: rev, reverse: opts.Reverse, keysOnly: opts.KeysOnly}
	if opts.To != nil && bytes.Compare(opts.From, opts.To) >= 0 {
		return s, nil
	}
	bounds := pebble.IterOptions{LowerBound: e.ns.appendPrefix(nil, opts.From), UpperBound: e.upper}
	if opts.To != nil {
		bounds.UpperBound = e.ns.appendPrefix(nil, opts.To)
	}
	var err error
	s.iter, err = e.store.db.NewIter(&bounds)
	return s, err
}

func (s *scan) close() error {
	if s.iter == nil {
		return nil
	}
	return s.iter.Close()
}

// next gives the next item, valid until the following call; ok is false behind the last.
func (s *scan) next() (item statemachine.Item, ok bool, err error) {
	switch {
	case s.iter == nil:
		return item, false, nil
	case s.reverse:
		return s.backward()
	default:
		return s.forward()
	}
}

func (s *scan) forward() (item statemachine.Item, ok bool, err error) {
	if s.started {
		ok = s.iter.NextPrefix()
	} else {
		s.started = true
		ok = s.iter.First()
	}
	for ok {
		prefix, mod := splitVersionKey(s.iter.Key())
		if mod > s.rev {
			// The newest version is too new; the one to read is some way behind it, if it is there.
			s.seek = appendSuffix(append(s.seek[:0], prefix...), s.rev)
			ok = s.iter.SeekGE(s.seek)
			continue
		}
		ev, err := versionAt(s.iter, s.ns.userKey(prefix))
		if err != nil {
			return item, false, err
		}
		if !ev.Deleted {
			return s.shorn(ev.Item), true, nil
		}
		ok = s.iter.NextPrefix()
	}
	return item, false, s.iter.Error()
}

// shorn drops the value where only keys were asked for.
func (s *scan) shorn(item statemachine.Item) statemachine.Item {
	if s.keysOnly {
		item.Value = nil
	}
	return item
}

// backward walks from the last key down. Going back, the oldest version of a key comes first; as most keys have just the one,
// it is kept until the step before it shows whether there are more.
func (s *scan) backward() (item statemachine.Item, ok bool, err error) {
	if !s.started {
		s.started = true
		ok = s.iter.Last()
	} else if s.ready {
		ok = s.iter.Valid()
	} else {
		ok = s.iter.SeekLT(s.prefix)
	}
	for ok {
		ev, live, err := s.newestBackward()
		if err != nil {
			return item, false, err
		}
		if live {
			return s.shorn(ev.Item), true, nil
		}
		if s.ready {
			ok = s.iter.Valid()
		} else {
			ok = s.iter.SeekLT(s.prefix)
		}
	}
	return item, false, s.iter.Error()
}

// newestBackward reads the version to show of the key whose oldest version the iterator is at, and moves to the key before
// it if that is cheap (ready).
func (s *scan) newestBackward() (ev statemachine.Event, live bool, err error) {
	prefix, mod := splitVersionKey(s.iter.Key())
	s.prefix = append(s.prefix[:0], prefix...)
	s.ready = false
	if mod > s.rev {
		return ev, false, nil
	}
	key := s.ns.userKey(s.prefix)
	if ev, err = versionAt(s.iter, key); err != nil {
		return ev, false, err
	}
	s.value = append(s.value[:0], ev.Item.Value...)
	ev.Item.Value = s.value
	if !s.iter.Prev() {
		s.ready = true
		return ev, !ev.Deleted, s.iter.Error()
	}
	if prefix, _ = splitVersionKey(s.iter.Key()); !bytes.Equal(prefix, s.prefix) {
		s.ready = true
		return ev, !ev.Deleted, nil
	}
	s.seek = appendSuffix(append(s.seek[:0], s.prefix...), s.rev)
	if !s.iter.SeekGE(s.seek) {
		return ev, false, s.iter.Error()
	}
	ev, err = versionAt(s.iter, key)
	return ev, err == nil && !ev.Deleted, err
}
