package interop

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/bits"

	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/raft/rafttest"
)

// watch decides who is of which kind, and sees what comes of it.
type watch struct {
	// theirs has a bit for each member that runs etcd/raft.
	theirs uint64
	kinds  map[raft.NodeID]Kind
	// led is the kind of each term's leader.
	led    map[raft.Term]Kind
	result Result
	digest hash.Hash64
}

// newWatch draws the kinds: among the first three members, the sure voters, are both.
func newWatch(seed uint64) *watch {
	h := fnv.New64a()
	fmt.Fprint(h, seed)
	rest := h.Sum64()
	voters := 1 + bits.RotateLeft64(rest, 17)%6 // 1 to 6 of 0 to 7
	return &watch{theirs: voters | rest<<3, kinds: map[raft.NodeID]Kind{}, led: map[raft.Term]Kind{}, digest: fnv.New64a()}
}

// start makes a member's core. Terms begin at 1, as etcd/raft takes a message of term 0 for one from itself.
func (w *watch) start(cfg raft.Config, at raft.Restart, entries []raft.Entry) (rafttest.Core, error) {
	if at.State.Term == 0 {
		at.State.Term = 1
	}
	number := namesOf(at.Base.Configuration).number(cfg.ID)
	kind := Kind(w.theirs >> (number - 1) & 1)
	if _, known := w.kinds[cfg.ID]; !known {
		w.kinds[cfg.ID] = kind
		w.result.Kinds[kind].Members++
	}
	if kind == Theirs {
		return newPeer(cfg, at, entries)
	}
	return raft.New(cfg, at)
}

// observe counts what a member's output shows.
func (w *watch) observe(id raft.NodeID, o *raft.Output, committed []raft.EntryID) {
	fmt.Fprint(w.digest, id, o.Commit, o.Role, o.Leader, o.Term, o.Truncate, len(o.Append), o.Send, o.SendSynced, o.Reads, committed)
	kind := w.kinds[id]
	counts := &w.result.Kinds[kind]
	if counts.Reads += len(o.Reads); o.Role != raft.Leader {
		counts.Forwarded += len(o.Reads)
	}
	if _, known := w.led[o.Term]; !known && o.Role == raft.Leader {
		w.led[o.Term] = kind
		counts.Led++
	}
	for _, e := range committed {
		appender, known := w.led[e.Term]
		switch {
		case !known || appender == kind:
		case o.Role == raft.Leader:
			counts.Inherited++
		default:
			counts.Followed++
		}
	}
}
