package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// hooks watch a server's node. Those of a node that has lost its power in the middle of a turn say nothing any more.
func (w *World) hooks(s *Server) node.Hooks {
	l := w.lanes[s.number]
	life := l.life
	dead := func() bool { return l.life != life || s.disk.Crashed() }
	return node.Hooks{
		RoleChanged: func(group node.GroupID, _ string, r node.RoleState) {
			if dead() || r.Err != nil {
				return
			}
			w.roleChanged(l, int(group)-1, r)
		},
		Failed: func(group node.GroupID, name string, err error) {
			if dead() {
				return
			}
			w.note(happening{what: replicaFailed, lane: l.number, group: int(group) - 1, text: err.Error()})
			w.reach.add(replicaStopped)
			if l.rotten {
				w.reach.add(rotFound)
			}
			if !l.excused && !l.lost {
				w.violate(fmt.Errorf("%s: nothing was wrong with its disk: %w", s.id, err))
			}
		},
		Image: func(group node.GroupID, event node.ImageEvent, index node.Index) {
			if dead() {
				return
			}
			w.imageMoved(l, int(group)-1, event, index)
		},
	}
}

func (w *World) roleChanged(l *lane, at int, r node.RoleState) {
	seen := &l.seen[at]
	if r.Term < seen.term {
		w.violate(fmt.Errorf("law 6: %s went back from term %d to %d in group %d", l.id, seen.term, r.Term, at+1))
	}
	if r.Term > seen.term && w.Plan.Weather.CutDelicate > 0 && w.random.IntN(4) == 0 {
		w.delicate(l)
	}
	fresh := r.Role == raft.Leader && !(seen.term == r.Term && r.Ready)
	seen.term = r.Term
	w.note(happening{what: roleChanged, lane: l.number, group: at, role: r.Role, term: r.Term, ready: r.Ready})
	if r.Ready && l.node != nil {
		w.laws.ready(l, at, r.Term)
	}
	if fresh && l.node != nil {
		w.laws.leads(l, at, r.Term)
		w.reach.add(leaderElected)
		if w.Plan.Lease > 0 {
			w.reach.add(leaderElectedWithLeases)
		}
	}
}

// imageMoved counts what becomes of images.
func (w *World) imageMoved(l *lane, at int, event node.ImageEvent, index node.Index) {
	words := [...]string{node.ImageMade: "made", node.ImageSent: "sent", node.ImageInstalled: "installed"}
	w.note(happening{what: imageMoved, lane: l.number, group: at, text: fmt.Sprintf("image at %d %s", index, words[event])})
	if l.up() && l.joint(at) {
		switch event {
		case node.ImageSent:
			w.reach.add(imageSentWhileJoint)
		case node.ImageInstalled:
			w.reach.add(imageInstalledWhileJoint)
		}
	}
	switch {
	case event == node.ImageMade:
		w.reach.add(imageMade)
	case event == node.ImageSent:
		w.reach.add(imageSent)
	case at == kvAt:
		w.laws.kept(l, at)
		w.delicate(l)
		w.reach.add(imageInstalled)
	default:
		w.laws.kept(l, at)
		w.delicate(l)
		w.reach.add(baseReset)
	}
}

// sent looks at a message that leaves a node (law 5): what it says to be durable has to be.
func (w *World) sent(s *Server, to raft.NodeID, group raft.GroupID, m *raft.Message) {
	l, at := w.lanes[s.number], int(group)-1
	if w.trace.record && (m.Type <= raft.MsgVoteResp || m.Type == raft.MsgTransfer) {
		no := ""
		if m.Reject {
			no = ", no"
		}
		w.show(happening{what: messageSent, lane: l.number, peer: w.number(to), group: at, text: fmt.Sprintf("%s in term %d%s", m.Type, m.Term, no)})
	}
	if m.Type == raft.MsgHeartbeat && at >= 0 && at < groupCount {
		l.beats[at] = w.Now()
	}
	if s.node == nil || l.lost || s.disk.Crashed() || at < 0 || at >= groupCount {
		return
	}
	if _, is := w.laws.members[at].last().Configuration.Member(l.id); !is && m.Type == raft.MsgPreVote {
		w.reach.add(removedNodeCampaigned)
	}
	switch {
	case m.Type == raft.MsgAppendResp && !m.Reject:
		w.acknowledged(l, at, m)
	case m.Type == raft.MsgVote, m.Type == raft.MsgVoteResp && !m.Reject:
		w.voted(l, at, m)
	}
}

// acknowledged checks that an acknowledged entry would survive a power cut now.
func (w *World) acknowledged(l *lane, at int, m *raft.Message) {
	log := l.node.Group(groupName(at)).Ledger()
	if term, err := log.TermAt(m.Last.Index); err != nil || term != m.Last.Term || m.Last.Index <= log.Base().ID.Index {
		return // it has been replaced since, or is part of the base
	}
	var rec ledger.Record
	var err error
	l.disk.Peek(func() { rec, err = log.Record(m.Last.Index) })
	if err != nil {
		return
	}
	if !l.durable(at, rec.Position, rec.End(), rec.Checksum) {
		w.violate(fmt.Errorf("law 5: %s acknowledges %s of group %d to %s before it is durable", l.id, m.Last, at+1, m.To))
	}
	w.sworn(l, at, m)
}

// sworn checks that the term in which a node acknowledges would survive a power cut now: it says that no leader of an earlier one is followed any more.
func (w *World) sworn(l *lane, at int, m *raft.Message) {
	if m.Term <= l.sworn[at] {
		return
	}
	in, err := l.durableState(at)
	if err != nil || in.State.Term < m.Term {
		w.violate(fmt.Errorf("law 5: %s acknowledges %s of group %d in term %d, and a power cut would leave it in an earlier one (%v)", l.id, m.Last, at+1, m.Term, err))
	}
	l.sworn[at] = m.Term
}

// voted checks that a vote would survive a power cut now.
func (w *World) voted(l *lane, at int, m *raft.Message) {
	if l.foreign {
		w.violate(fmt.Errorf("law 7: %s votes in term %d of group %d with a directory that nobody has added", l.id, m.Term, at+1))
	}
	choice := m.To
	if m.Type == raft.MsgVote {
		choice = l.id
	}
	in, err := l.durableState(at)
	if err != nil {
		w.violate(fmt.Errorf("law 5: %s votes in term %d of group %d, and a power cut would leave no group file: %w", l.id, m.Term, at+1, err))
		return
	}
	if in.State.Term < m.Term || in.State.Term == m.Term && in.State.Vote != choice {
		w.violate(fmt.Errorf("law 5: %s votes for %s in term %d of group %d, and a power cut would leave the vote for %q in term %d",
			l.id, choice, m.Term, at+1, string(in.State.Vote), in.State.Term))
	}
}

// durableState is what a power cut now would leave of a group's hard state; the rest of the inspection is not.
func (l *lane) durableState(at int) (*ledger.Inspection, error) {
	left := l.disk.Crash(disk.Cut{Keep: disk.Nothing, Only: groupDir(at) + "/GROUP"})
	return ledger.Inspect(left, groupDir(at))
}

// recordedMachines makes the machines of a World: the store, and between it and the node a look at what is applied.
type recordedMachines struct{ world *World }

func (m *recordedMachines) of(server int, group raft.GroupID) (statemachine.Factory, func(*rand.Rand)) {
	make := MemoryMachines
	if m.world.Plan.Model {
		make = ModelMachines
	}
	factory, crashed := make(server, group)
	if factory == nil {
		return nil, nil
	}
	return recordedFactory{factory, m.world, server}, crashed
}

type recordedFactory struct {
	statemachine.Factory
	world  *World
	server int
}

// Open opens a machine that is watched.
func (f recordedFactory) Open(p statemachine.Place) (statemachine.Machine, error) {
	m, err := f.Factory.Open(p)
	if err != nil {
		return nil, err
	}
	return &recordedMachine{Machine: m.(*kv.Machine), lane: f.world.lanes[f.server]}, nil
}

// recordedMachine is a store that is watched.
type recordedMachine struct {
	*kv.Machine
	lane *lane
}

// Apply applies entries and compares them with what other replicas have applied.
func (m *recordedMachine) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	err := m.Machine.Apply(entries, applied, results)
	if err == nil {
		m.lane.world.laws.applies(m.lane, entries, results)
	}
	return err
}
