package rafttest

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// adjacent checks law 7 for every configuration that an output appends, by trying all quorums.
func adjacent(r *replica, o *raft.Output) error {
	for _, e := range o.Append {
		if e.Kind != raft.KindConfig {
			continue
		}
		before, now := r.log.base.Configuration, raft.Configuration{}
		for _, c := range r.log.configurations() {
			if c.ID.Index < e.ID.Index {
				before = c.Configuration
			} else if c.ID == e.ID {
				now = c.Configuration
			}
		}
		if len(before.Members) > 0 && disjoint(before, now) {
			return fmt.Errorf("law 7: %s goes from %s to %s at %s, which have disjoint quorums", r.id, before, now, e.ID)
		}
	}
	return nil
}

// disjoint says whether one configuration has a quorum of which no member is in some quorum of the other.
func disjoint(a, b raft.Configuration) bool {
	var ids []raft.NodeID
	for _, m := range a.Members {
		ids = append(ids, m.ID)
	}
	for set := range 1 << len(ids) {
		in := func(id raft.NodeID) bool {
			for i := range ids {
				if ids[i] == id {
					return set>>i&1 == 1
				}
			}
			return false
		}
		if quorate(a, in) && quorate(b, func(id raft.NodeID) bool { return !in(id) }) {
			return true
		}
	}
	return false
}

// quorate says whether those that are in are a quorum.
func quorate(c raft.Configuration, in func(raft.NodeID) bool) bool {
	for _, half := range [][]raft.NodeID{c.Voters(), c.Outgoing()} {
		n := 0
		for _, id := range half {
			if in(id) {
				n++
			}
		}
		if len(half) > 0 && n <= len(half)/2 {
			return false
		}
	}
	return true
}
