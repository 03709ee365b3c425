package interop

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	etcd "go.etcd.io/raft/v3/raftpb"

	ours "github.com/ledgerkv/ledgerkv/raft"
)

// log is the storage that an etcd/raft node reads: everything that it has ordered written, durable or not. It asks only for what
// it knows to be durable.
type log struct {
	*raft.MemoryStorage
	state   *etcd.HardState
	members *etcd.ConfState
	end     ours.EntryID
}

func newLog(at *ours.Restart, entries []ours.Entry, n names) (*log, error) {
	l := &log{MemoryStorage: raft.NewMemoryStorage(), members: &etcd.ConfState{},
		state: &etcd.HardState{Term: new(uint64(at.State.Term)), Vote: new(n.number(at.State.Vote)), Commit: new(uint64(0))}}
	for _, m := range at.Base.Configuration.Members {
		if m.Voter {
			l.members.Voters = append(l.members.Voters, n.number(m.ID))
		} else {
			l.members.Learners = append(l.members.Learners, n.number(m.ID))
		}
	}
	if at.Base.ID.Index != 0 {
		return nil, fmt.Errorf("interop: the log begins after %s; expected a whole log, as images are not translated", at.Base.ID)
	}
	return l, l.write(entriesToTheirs(entries))
}

// InitialState gives what a node starts from. The commit index is not persisted, as with ours.
func (l *log) InitialState() (*etcd.HardState, *etcd.ConfState, error) {
	return l.state, l.members, nil
}

// write puts entries in the place of whatever is there and behind it.
func (l *log) write(entries []*etcd.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	l.end = idOf(entries[len(entries)-1])
	return l.Append(slices.Clone(entries))
}

func (l *log) last() ours.EntryID { return l.end }

// id names an entry that the log holds.
func (l *log) id(i ours.Index) ours.EntryID {
	term, err := l.Term(uint64(i))
	if err != nil {
		panic(fmt.Sprintf("interop: entry %d is acknowledged, but not in the log that ends with %s: %v", i, l.end, err))
	}
	return ours.EntryID{Index: i, Term: ours.Term(term)}
}
