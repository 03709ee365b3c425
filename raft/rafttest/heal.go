package rafttest

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// heal mends everything and lets time pass until a new entry is applied everywhere.
func (s *simulation) heal() error {
	clear(s.cut)
	s.loss = 0
	for _, r := range s.replicas {
		if r.stalled = false; r.core != nil {
			r.core.DiskStalled(false)
		}
		if r.core == nil {
			r.clock = s.clock(r)
			if err := s.restart(r); err != nil {
				return err
			}
		}
	}
	for range 2000 {
		if err := s.round(); err != nil {
			return err
		}
		if s.converged() {
			return matching(s.replicas)
		}
		s.proposeToLeader()
	}
	var all string
	for _, r := range s.replicas {
		all += fmt.Sprintf("\n%+v", r.core.Status())
	}
	return fmt.Errorf("20 s after everything was mended the replicas have not come together:%s", all)
}

// round lets one tick pass and everything arrive in order.
func (s *simulation) round() error {
	s.time = s.time.Add(tick)
	s.rounds++
	for _, r := range s.replicas {
		if r.clock = s.clock(r); r.core != nil {
			if err := tickLazily(r.core, r.clock); err != nil {
				return err
			}
		}
	}
	for range 4 {
		for _, r := range s.replicas {
			if r.core == nil {
				continue
			}
			o, err := s.take(r)
			if err != nil {
				return err
			}
			s.count(&o)
			if r.stalled {
				continue
			}
			if err := s.sync(r, len(r.unsynced)); err != nil {
				return err
			}
			r.install()
		}
		for n := len(s.network); n > 0; n-- {
			if err := s.arrive(s.remove(0), false); err != nil {
				return err
			}
		}
	}
	return nil
}

// proposeToLeader sees to it that there is an entry of the present term.
func (s *simulation) proposeToLeader() {
	for _, r := range s.replicas {
		if st := r.core.Status(); st.Role == raft.Leader && st.Uncommitted == 0 && s.rounds%100 == 0 {
			_ = r.core.Propose([]raft.Entry{{Kind: raft.KindData, Size: raft.RecordSize(0)}})
		}
	}
}

// converged says whether there is a leader and every member of its configuration has applied everything it has.
func (s *simulation) converged() bool {
	for _, leader := range s.replicas {
		st := leader.core.Status()
		if st.Role != raft.Leader || st.Reads != 0 || st.Uncommitted != 0 || st.Commit < st.TermStart {
			continue
		}
		all := true
		for _, r := range s.replicas {
			_, member := st.Configuration.Configuration.Member(r.id)
			all = all && (!member || r.core.Status().Reads == 0 && r.machine == leader.machine && r.machine.index == st.Last.Index)
		}
		if all {
			return true
		}
	}
	return false
}
