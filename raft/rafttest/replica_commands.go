package rafttest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ledgerkv/ledgerkv/raft"
)

// onOne has the commands for one replica.
func (s *story) onOne() map[string]func(*replica, arguments) error {
	return map[string]func(*replica, arguments) error{
		"elect": s.elect, "take": s.takeOne, "sync": s.syncSome, "propose": s.propose, "change": s.change, "peers": s.peers,
		"log": s.printLog, "compact": s.compactTo,
		"read":     func(r *replica, _ arguments) error { return s.readAt(r, Core.ReadIndex) },
		"forward":  func(r *replica, _ arguments) error { return s.readAt(r, Core.ForwardRead) },
		"transfer": func(r *replica, a arguments) error { s.refused(r.core.Transfer(a.node())); return nil },
		"resign": func(r *replica, a arguments) error {
			s.refused(r.core.Resign(strings.Join(a.plain, " ")))
			return nil
		},
		"unreachable": func(r *replica, a arguments) error { r.core.Unreachable(a.node()); return nil },
		"unreadable":  func(r *replica, a arguments) error { r.core.Unreadable(a.node(), a.has("image")); return nil },
		"crash":       func(r *replica, _ arguments) error { s.crash(r, loseAll); return nil },
		"kill":        func(r *replica, _ arguments) error { s.kill(r); return nil },
		"restart":     func(r *replica, _ arguments) error { delete(s.said, r.id); return s.restart(r) },
		"fail": func(r *replica, _ arguments) error {
			if !r.installable {
				return fmt.Errorf("%s installs nothing", r.id)
			}
			r.failInstall()
			return nil
		},
		"wake":    func(r *replica, _ arguments) error { r.core.Wake(); return nil },
		"lease":   s.lease,
		"slow":    func(r *replica, a arguments) error { r.core.DiskStalled(!a.has("no")); return nil },
		"stall":   func(r *replica, _ arguments) error { r.stalled = !r.stalled; return nil },
		"install": func(r *replica, _ arguments) error { r.install(); return nil },
	}
}

// lease prints what a lease read gives by the node's clock.
func (s *story) lease(r *replica, _ arguments) error {
	index, ok, err := s.leaseRead(r, r.clock)
	if !ok {
		s.print("no lease")
		return err
	}
	s.print("may be served at %d", index)
	return err
}

func (s *story) readAt(r *replica, ask func(Core, raft.ReadID) error) error {
	if id, err := s.read(r, ask); !s.refused(err) {
		s.print("read %d", id.Counter)
	}
	return nil
}

// kill crashes a process; the others see that their connections to it broke.
func (s *story) kill(r *replica) {
	s.crash(r, loseAll)
	for _, other := range s.replicas {
		if other.core != nil {
			other.core.Unreachable(r.id)
		}
	}
}

// refused prints an answer of the core that is not what was asked for.
func (s *story) refused(err error) bool {
	if err != nil {
		s.print("%v", err)
	}
	return err != nil
}

func (s *story) elect(r *replica, _ arguments) error {
	for range 200 {
		if role := r.core.Status().Role; role == raft.PreCandidate || role == raft.Candidate {
			return s.settle(false)
		}
		r.clock = r.clock.Add(tick)
		r.core.Tick(r.clock)
	}
	s.print("%s does not ask for votes", r.id)
	return nil
}

func (s *story) takeOne(r *replica, _ arguments) error {
	o, err := s.take(r)
	if err != nil {
		return err
	}
	note := s.note(r, &o)
	if note == "" {
		note = fmt.Sprintf("%s: nothing new", r.id)
	}
	if o.State != nil {
		note += fmt.Sprintf(", state term=%d vote=%s", o.State.Term, o.State.Vote)
	}
	s.print("output %d of %s", o.Seq, note)
	for i := range o.Send {
		s.print("  %s", describe(&o.Send[i]))
	}
	for i := range o.SendSynced {
		s.print("  when durable: %s", describe(&o.SendSynced[i]))
	}
	return nil
}

func (s *story) syncSome(r *replica, a arguments) error {
	n := len(r.unsynced)
	if len(a.plain) > 0 {
		var err error
		if n, err = strconv.Atoi(a.plain[0]); err != nil || n > len(r.unsynced) {
			return fmt.Errorf("there are %d outputs to sync: %w", len(r.unsynced), err)
		}
	}
	if err := s.sync(r, n); err != nil {
		return err
	}
	s.print("%s: synced %d", r.id, r.core.Status().Synced)
	return nil
}

func (s *story) propose(r *replica, a arguments) error {
	count := 1
	if len(a.plain) > 0 {
		var err error
		if count, err = strconv.Atoi(a.plain[0]); err != nil {
			return err
		}
	}
	size, err := a.number("size", 100)
	if err != nil {
		return err
	}
	batch := make([]raft.Entry, count)
	for i := range batch {
		body := make([]byte, size)
		copy(body, fmt.Sprintf("%s/%d", r.id, r.core.Status().Last.Index+raft.Index(i)))
		batch[i] = raft.Entry{Kind: raft.KindData, Size: raft.RecordSize(len(body)), Body: body}
	}
	s.refused(r.core.Propose(batch))
	return nil
}

// change asks for membership changes: KIND:NODE, with a third part where one is needed.
func (s *story) change(r *replica, a arguments) error {
	var changes []raft.MemberChange
	for _, word := range a.plain {
		parts := append(strings.Split(word, ":"), "", "")
		m := raft.MemberChange{ID: raft.NodeID(parts[1])}
		switch parts[0] {
		case "learner":
			m.Kind, m.Replaces = raft.AddLearner, raft.NodeID(parts[2])
		case "auto":
			m.Kind, m.Promote, m.Replaces = raft.AddLearner, true, raft.NodeID(parts[2])
		case "voter":
			m.Kind, m.Address = raft.AddVoter, parts[2]
		case "remove":
			m.Kind = raft.RemoveMember
		case "promote":
			m.Kind = raft.PromoteMember
		case "demote":
			m.Kind = raft.DemoteMember
		case "address":
			m.Kind, m.Address = raft.SetAddress, parts[2]
		case "priority":
			p, err := strconv.ParseUint(parts[2], 10, 16)
			if err != nil {
				return err
			}
			m.Kind, m.Priority = raft.SetPriority, uint16(p)
		}
		changes = append(changes, m)
	}
	var seen *raft.EntryID
	if a.named["seen"] != "" {
		seen = new(raft.EntryID)
		if _, err := fmt.Sscanf(a.named["seen"], "%d(t%d)", &seen.Index, &seen.Term); err != nil {
			return err
		}
	}
	_, err := r.core.ChangeMembers(changes, seen)
	s.refused(err)
	return nil
}

func (s *story) peers(r *replica, _ arguments) error {
	for _, p := range r.core.Status().Peers {
		s.print("%s: %s match=%d next=%d inflight=%d (%d bytes)", p.ID, p.State, p.Match, p.Next, p.InflightMessages, p.InflightBytes)
	}
	return nil
}

func (s *story) printLog(r *replica, _ arguments) error {
	l := &r.log
	if r.core == nil {
		l = &r.disk.log
	}
	ids := []string{fmt.Sprintf("base %s:", l.base.ID)}
	for _, e := range l.entries {
		ids = append(ids, e.ID.String())
	}
	s.print("%s", strings.Join(ids, " "))
	return nil
}

func (s *story) compactTo(r *replica, a arguments) error {
	i, err := strconv.ParseUint(string(a.node()), 10, 64)
	if err != nil || raft.Index(i) > r.machine.index {
		return fmt.Errorf("%s has applied %d: %w", r.id, r.machine.index, err)
	}
	r.compact(raft.Index(i), s.check.machines[i])
	return nil
}
