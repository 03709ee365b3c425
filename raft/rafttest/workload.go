package rafttest

import (
	"encoding/binary"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// client asks for something; a refusal is an answer like any other.
func (s *simulation) client(r *replica) error {
	if r.core == nil {
		return nil
	}
	switch n := s.rng.IntN(100); {
	case n < 60:
		s.proposed++
		body := binary.LittleEndian.AppendUint64(nil, s.proposed)
		body = append(body, make([]byte, s.rng.IntN(100))...)
		_ = r.core.Propose([]raft.Entry{{Kind: raft.KindData, Size: raft.RecordSize(len(body)), Body: body}})
	case n < 90:
		_, _ = s.read(r, [...]func(*raft.Core, raft.ReadID) error{(*raft.Core).ReadIndex, (*raft.Core).ForwardRead}[s.rng.IntN(2)])
	case n < 92:
		if r.core.Transfer(s.any().id) == nil {
			s.stats.Transfers++
		}
	case n < 93:
		_ = r.core.Resign("chance")
	case n < 96:
		s.compact(r)
	case s.reconfigure:
		_, _ = r.core.ChangeMembers(s.changes(), nil)
	}
	return nil
}

// compact trims a replica's log somewhere below what it has applied.
func (s *simulation) compact(r *replica) {
	if n := int(r.machine.index - r.log.base.ID.Index); n > 0 && r.core.Status().Installing.Index == 0 {
		i := r.log.base.ID.Index + 1 + raft.Index(s.rng.IntN(n))
		r.compact(i, s.check.machines[i])
	}
}

// changes makes one to three random wishes for the membership.
func (s *simulation) changes() []raft.MemberChange {
	changes := make([]raft.MemberChange, 1+s.rng.IntN(3))
	for i := range changes {
		m := &changes[i]
		m.Kind, m.ID, m.Priority = raft.ChangeKind(1+s.rng.IntN(int(raft.SetPriority))), s.any().id, uint16(s.rng.IntN(3))
		switch m.Kind {
		case raft.AddLearner:
			if m.Promote = s.rng.IntN(2) == 0; m.Promote && s.rng.IntN(2) == 0 {
				m.Replaces = s.any().id
			}
		case raft.SetAddress:
			m.Address = fmt.Sprint("host:", s.rng.IntN(100))
		}
	}
	return changes
}
