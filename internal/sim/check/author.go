package check

import (
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// authorKey is a value of a key.
type authorKey struct {
	key   int32
	value string
}

// author is who writes a value.
type author struct {
	op OpID
	// several: more than one operation writes it, so that reading it does not tell which of them did.
	several bool
}

// collectAuthors finds out who writes which value. Operations that failed count: what they wrote must not be seen.
func (s *storeCheck) collectAuthors() {
	for i := range s.h.ops {
		id := OpID(i)
		switch r := s.h.ops[i].Request.(type) {
		case Put:
			s.addAuthor(id, r.Key, r.Value)
		case Swap:
			s.addAuthor(id, r.Key, r.Value)
		case Txn:
			for _, branch := range [][]model.Op{r.Txn.Success, r.Txn.Failure} {
				for j := range branch {
					if branch[j].Kind == model.OpPut {
						s.addAuthor(id, branch[j].Key, branch[j].Value)
					}
				}
			}
		}
	}
}

func (s *storeCheck) addAuthor(id OpID, key, value []byte) {
	k := authorKey{s.keys.id(key), string(value)}
	if a, known := s.authors[k]; known && a.op != id {
		s.authors[k] = author{op: a.op, several: true}
		return
	}
	s.authors[k] = author{op: id}
}

// authorOf gives the one write of a value, noOp if there is none; several if there is more than one.
func (s *storeCheck) authorOf(item *model.Item) (id OpID, several bool) {
	a, known := s.authors[authorKey{s.keys.id(item.Key), string(item.Value)}]
	if !known {
		return noOp, false
	}
	return a.op, a.several
}

// pin is the revision of an uncertain write, and who read it first.
type pin struct {
	rev    uint64
	reader OpID
}

// pin finds the revisions of the uncertain writes whose values were read: the item says at which one it was written.
func (s *storeCheck) pin() *Violation {
	for i := range s.h.ops {
		if v := s.pinSeen(OpID(i)); v != nil {
			return v
		}
	}
	return nil
}

// claimPinned gives those revisions to them.
func (s *storeCheck) claimPinned() *Violation {
	for _, id := range s.uncertain {
		p, known := s.pinned[id]
		if !known || p.rev == 0 || p.rev > s.top {
			continue // replaying says that this can't have been read
		}
		if other := s.writer[p.rev]; other != noOp {
			return s.h.violation(RuleRevision, []OpID{id, other, p.reader}, "expected revision %d to be the write of #%d, found a value of #%d written at it",
				p.rev, other, id)
		}
		s.writer[p.rev] = id
		s.stamps = append(s.stamps, stamped{op: id, from: s.h.ops[id].Invoked, to: never, at: p.rev, after: true, first: true})
	}
	return nil
}

// pinSeen looks at the items that an operation was shown.
func (s *storeCheck) pinSeen(id OpID) *Violation {
	switch r := s.h.ops[id].Result.(type) {
	case Got:
		if r.Found {
			return s.pinItem(id, &r.Item)
		}
	case Ranged:
		return s.pinItems(id, r.Items)
	case Swapped:
		if !r.Swapped && r.Found {
			return s.pinItem(id, &r.Current)
		}
	case TxnDone:
		for i := range r.Results {
			if r.Results[i].Range != nil {
				if v := s.pinItems(id, r.Results[i].Range.Items); v != nil {
					return v
				}
			}
			if r.Results[i].Found {
				if v := s.pinItem(id, &r.Results[i].Item); v != nil {
					return v
				}
			}
		}
	}
	return nil
}

func (s *storeCheck) pinItems(reader OpID, items []model.Item) *Violation {
	for i := range items {
		if items[i].Value != nil {
			if v := s.pinItem(reader, &items[i]); v != nil {
				return v
			}
		}
	}
	return nil
}

// pinItem learns from an item that was read, and refuses one that can't be.
func (s *storeCheck) pinItem(reader OpID, item *model.Item) *Violation {
	id, several := s.authorOf(item)
	if several {
		return nil
	}
	if id == noOp {
		return s.h.violation(RuleOnce, []OpID{reader}, "expected a value that somebody wrote, found %s = %s", quote(item.Key), describeItem(true, item))
	}
	op := &s.h.ops[id]
	rev := uint64(item.ModRevision)
	if op.Outcome == Failed {
		return s.h.violation(RuleOnce, []OpID{id, reader}, "expected nothing of operation #%d, which failed, found its value %s at revision %d", id, quote(item.Value), rev)
	}
	if op.Outcome == OK {
		return nil // replaying says whether it was to be seen
	}
	if s.h.ops[reader].Returned.Before(op.Invoked) {
		return s.h.violation(RuleOnce, []OpID{reader, id}, "expected only values of writes that had been invoked, found %s, which #%d wrote later", quote(item.Value), id)
	}
	p, known := s.pinned[id]
	if known && p.rev != rev {
		return s.h.violation(RuleOnce, []OpID{id, p.reader, reader}, "expected operation #%d to take effect once, found its value %s written at revision %d and at %d",
			id, quote(item.Value), p.rev, rev)
	}
	if !known {
		s.pinned[id] = pin{rev, reader}
	}
	return nil
}
