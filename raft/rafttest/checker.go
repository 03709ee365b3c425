package rafttest

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// checker knows everything that happened and holds it against the laws (docs/safety.md). Its methods return what is broken.
type checker struct {
	// leaders is the leader of each term, votes what each node voted in each term.
	leaders map[raft.Term]raft.NodeID
	votes   map[ballot]raft.NodeID
	// committed[i] is the entry committed at index i, and machines[i] the state it leads to. Index 0 is before the log.
	committed []raft.EntryID
	machines  []machine
	// asked is the highest commit index at the time each read arrived.
	asked map[raft.ReadID]raft.Index
	// last is what each replica's latest output stated.
	last map[raft.NodeID]raft.Output
}

type ballot struct {
	voter raft.NodeID
	term  raft.Term
}

func newChecker() *checker {
	return &checker{
		leaders: map[raft.Term]raft.NodeID{}, votes: map[ballot]raft.NodeID{}, committed: make([]raft.EntryID, 1),
		machines: make([]machine, 1), asked: map[raft.ReadID]raft.Index{}, last: map[raft.NodeID]raft.Output{},
	}
}

// highest is the highest index that any replica knew to be committed.
func (k *checker) highest() raft.Index { return raft.Index(len(k.committed) - 1) }

// restarted forgets what a replica stated: a commit index is not persisted, so it may be lower afterwards.
func (k *checker) restarted(id raft.NodeID) { delete(k.last, id) }

// took checks an output that a replica has just written. all is every replica, running or not.
func (k *checker) took(r *replica, o *raft.Output, all []*replica) error {
	before, known := k.last[r.id]
	k.last[r.id] = *o
	if known && (o.Commit < before.Commit || o.Term < before.Term || o.Seq != before.Seq+1) {
		return fmt.Errorf("law 6: %s went from commit %d, term %d, output %d to %d, %d, %d", r.id, before.Commit, before.Term, before.Seq, o.Commit, o.Term, o.Seq)
	}
	if err := k.commits(r, &before, o, all); err != nil {
		return err
	}
	if err := adjacent(r, o); err != nil {
		return err
	}
	if o.Role == raft.Leader {
		if err := k.leads(r, o); err != nil {
			return err
		}
	}
	for _, read := range o.Reads {
		if asked := k.asked[read.ID]; read.Index < asked {
			return fmt.Errorf("law 8: %s may serve read %v at %d, but %d was committed when it arrived", r.id, read.ID, read.Index, asked)
		}
		delete(k.asked, read.ID)
	}
	return nil
}

// leads checks that a term has one leader, and that it has every committed entry.
func (k *checker) leads(r *replica, o *raft.Output) error {
	if other, ok := k.leaders[o.Term]; ok {
		if other != r.id {
			return fmt.Errorf("law 1: %s and %s lead term %d", other, r.id, o.Term)
		}
		return nil
	}
	k.leaders[o.Term] = r.id
	for i := r.log.base.ID.Index; i <= k.highest(); i++ {
		if id, _ := r.log.id(i); id != k.committed[i] {
			return fmt.Errorf("law 3: %s leads term %d without the committed %s; it has %s there", r.id, o.Term, k.committed[i], id)
		}
	}
	return nil
}

// commits checks that what a replica takes for committed is what everybody else does, and, when it is new, that a quorum holds it.
func (k *checker) commits(r *replica, before, o *raft.Output, all []*replica) error {
	if o.Commit > r.log.last().Index {
		return fmt.Errorf("%s commits %d, but its log ends with %s", r.id, o.Commit, r.log.last())
	}
	for i := max(r.log.base.ID.Index, min(before.Commit, k.highest())) + 1; i <= o.Commit; i++ {
		id := r.log.entry(i).ID
		if i <= k.highest() {
			if id != k.committed[i] {
				return fmt.Errorf("law 2: %s commits %s, but %s was committed there", r.id, id, k.committed[i])
			}
			continue
		}
		m := k.machines[i-1]
		m.apply(r.log.entry(i))
		k.committed, k.machines = append(k.committed, id), append(k.machines, m)
		err := held(id, o.Configuration.Configuration, all)
		if err != nil && len(before.Configuration.Configuration.Members) > 0 {
			err = held(id, before.Configuration.Configuration, all) // it changed since it was committed
		}
		if err != nil {
			return fmt.Errorf("law 5: %s commits %s: %w", r.id, id, err)
		}
	}
	return nil
}

// lasts checks that the disks of a quorum still hold the last committed entry, and with it all before: it was so when it was committed.
// REQUIRES: the membership has always been config.
func (k *checker) lasts(config raft.Configuration, all []*replica) error {
	if k.highest() == 0 {
		return nil
	}
	if err := held(k.committed[k.highest()], config, all); err != nil {
		return fmt.Errorf("law 2: the committed %s is not on a quorum any more: %w", k.committed[k.highest()], err)
	}
	return nil
}

// held checks that the disks of a quorum hold an entry.
func held(id raft.EntryID, config raft.Configuration, all []*replica) error {
	for _, half := range [][]raft.NodeID{config.Voters(), config.Outgoing()} {
		var holders []raft.NodeID
		for _, r := range all {
			at, ok := r.disk.log.id(id.Index)
			if contains(half, r.id) && (ok && at == id || id.Index < r.disk.log.base.ID.Index) {
				holders = append(holders, r.id)
			}
		}
		if len(half) > 0 && len(holders) <= len(half)/2 {
			return fmt.Errorf("of the voters %v only %v have it on disk", half, holders)
		}
	}
	return nil
}

func contains(ids []raft.NodeID, id raft.NodeID) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

// leaves checks a message when it leaves: what it says is durable.
func (k *checker) leaves(r *replica, m *raft.Message) error {
	switch {
	case m.Type == raft.MsgVote, m.Type == raft.MsgVoteResp && !m.Reject:
		candidate := m.To
		if m.Type == raft.MsgVote {
			candidate = r.id
		}
		if s := r.disk.state; s.Term < m.Term || s.Term == m.Term && s.Vote != candidate {
			return fmt.Errorf("law 5: %s sends %s, but its disk says %+v", r.id, describe(m), s)
		}
		b := ballot{r.id, m.Term}
		if other, ok := k.votes[b]; ok && other != candidate {
			return fmt.Errorf("law 1: %s votes for %s and for %s in term %d", r.id, other, candidate, m.Term)
		}
		k.votes[b] = candidate
	case m.Type == raft.MsgAppendResp && !m.Reject:
		d := &r.disk
		at, ok := d.log.id(m.Last.Index)
		if m.Term > d.state.Term || m.Term == d.state.Term && m.Last.Index >= d.log.base.ID.Index && (!ok || at != m.Last) {
			return fmt.Errorf("law 5: %s sends %s, but its disk says %+v and has %s there", r.id, describe(m), d.state, at)
		}
	}
	return nil
}

// applied checks a machine after it took entries: its state is a function of the log alone.
func (k *checker) applied(r *replica) error {
	if want := k.machines[r.machine.index]; r.machine != want {
		return fmt.Errorf("law 4: %s's machine is %+v, expected %+v", r.id, r.machine, want)
	}
	return nil
}

// matching checks the log matching property between all replicas that run.
func matching(all []*replica) error {
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.core == nil || b.core == nil {
				continue
			}
			same := false
			floor := max(a.log.base.ID.Index, b.log.base.ID.Index)
			for n := min(a.log.last().Index, b.log.last().Index); n > floor; n-- {
				x, y := a.log.entry(n), b.log.entry(n)
				same = same || x.ID == y.ID
				if same && (x.ID != y.ID || string(x.Body) != string(y.Body) || x.Kind != y.Kind) {
					return fmt.Errorf("log matching: %s and %s agree above %d, but hold %s and %s there", a.id, b.id, n, x.ID, y.ID)
				}
			}
		}
	}
	return nil
}
