package rafttest

import (
	"slices"

	"github.com/ledgerkv/ledgerkv/raft"
)

// ledger is a replica's log above its base.
type ledger struct {
	base    raft.Base
	entries []raft.Entry
}

func (l *ledger) clone() ledger { return ledger{base: l.base, entries: slices.Clone(l.entries)} }

func (l *ledger) last() raft.EntryID {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].ID
	}
	return l.base.ID
}

// entry gives the entry at i, which must be in the ledger.
func (l *ledger) entry(i raft.Index) *raft.Entry { return &l.entries[i-l.base.ID.Index-1] }

// id names the entry at i; ok is false when the ledger does not hold it and it is not the base.
func (l *ledger) id(i raft.Index) (id raft.EntryID, ok bool) {
	switch {
	case i == l.base.ID.Index:
		return l.base.ID, true
	case i < l.base.ID.Index || i > l.last().Index:
		return raft.EntryID{}, false
	}
	return l.entry(i).ID, true
}

// ids names the entries (lo, hi], as far as they are above the base.
func (l *ledger) ids(lo, hi raft.Index) []raft.EntryID {
	var ids []raft.EntryID
	for i := max(lo, l.base.ID.Index) + 1; i <= hi; i++ {
		ids = append(ids, l.entry(i).ID)
	}
	return ids
}

// write carries out an output's Truncate and Append.
func (l *ledger) write(truncate raft.Index, entries []raft.Entry) {
	if truncate != 0 {
		l.entries = l.entries[:truncate-l.base.ID.Index-1]
	}
	l.entries = append(l.entries, entries...)
}

// between gives the entries (prev, last], if both are in the ledger.
func (l *ledger) between(prev, last raft.EntryID) ([]raft.Entry, bool) {
	p, okPrev := l.id(prev.Index)
	q, okLast := l.id(last.Index)
	if !okPrev || !okLast || p != prev || q != last || prev.Index > last.Index {
		return nil, false
	}
	from := prev.Index - l.base.ID.Index
	return slices.Clone(l.entries[from : last.Index-l.base.ID.Index]), true
}

// configurations lists the configuration entries.
func (l *ledger) configurations() []raft.ConfigurationEntry {
	var found []raft.ConfigurationEntry
	for _, e := range l.entries {
		if e.Kind == raft.KindConfig {
			c, err := raft.DecodeConfiguration(e.Body)
			if err != nil {
				panic(err)
			}
			found = append(found, raft.ConfigurationEntry{ID: e.ID, Configuration: c})
		}
	}
	return found
}

// baseAt is the base of a ledger that begins after i, which must be in this one.
func (l *ledger) baseAt(i raft.Index) raft.Base {
	b := l.base
	for _, e := range l.entries[:i-l.base.ID.Index] {
		b.ID = e.ID
		b.Position += raft.Position(e.Size)
	}
	for _, c := range l.configurations() {
		if c.ID.Index <= i {
			b.Configuration = c.Configuration
		}
	}
	return b
}

// compact removes what is at or below b.
func (l *ledger) compact(b raft.Base) {
	l.entries = slices.Clone(l.entries[b.ID.Index-l.base.ID.Index:])
	l.base = b
}

// restart describes the ledger to a new core, with a waypoint for every eighth entry.
func (l *ledger) restart(state raft.HardState) raft.Restart {
	at := raft.Restart{State: state, Base: l.base, Last: l.last(), Commit: l.base.ID.Index, Configurations: l.configurations()}
	end := l.base.Position
	var term raft.Term
	for _, e := range l.entries {
		if e.ID.Term != term {
			at.Terms = append(at.Terms, e.ID)
			term = e.ID.Term
		}
		if end += raft.Position(e.Size); e.ID.Index%8 == 0 {
			at.Waypoints = append(at.Waypoints, raft.Waypoint{Index: e.ID.Index, End: end})
		}
	}
	return at
}
