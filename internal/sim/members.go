package sim

import (
	"fmt"
	"slices"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// membership is what is known of a group's configurations: which have been committed, and which may still be.
type membership struct {
	// committed are those that were committed, the first of them that of the cluster's foundation, in the order of their entries.
	committed []raft.ConfigurationEntry
	// open are those that some replica has had in force behind the last committed one.
	open []raft.ConfigurationEntry
}

// newMembership is that of a group at its foundation.
func newMembership(founders []*lane) membership {
	var c raft.Configuration
	for _, l := range founders {
		c.Members = append(c.Members, raft.Member{ID: l.id, Address: l.Address(), Voter: true})
	}
	return membership{committed: []raft.ConfigurationEntry{{Configuration: c}}}
}

// last is the configuration that was committed last.
func (m *membership) last() *raft.ConfigurationEntry { return &m.committed[len(m.committed)-1] }

// possible are the configurations by which something may be decided from now on.
func (m *membership) possible() []raft.ConfigurationEntry {
	return append([]raft.ConfigurationEntry{*m.last()}, m.open...)
}

// at is the committed configuration in force at a committed entry.
func (m *membership) at(i raft.Index) *raft.ConfigurationEntry {
	n := len(m.committed) - 1
	for n > 0 && m.committed[n].ID.Index > i {
		n--
	}
	return &m.committed[n]
}

// named says whether a configuration that was committed names a node.
func (m *membership) named(id raft.NodeID) bool {
	return slices.ContainsFunc(m.committed, func(e raft.ConfigurationEntry) bool {
		_, ok := e.Configuration.Member(id)
		return ok
	})
}

// configured looks at the configuration that a replica has put into force (law 7), and reports whether nobody had it before.
func (k *laws) configured(l *lane, at int, c *raft.ConfigurationEntry) (fresh bool) {
	m := &k.members[at]
	l.seen[at].configuration = c.ID
	if len(c.Configuration.Members) == 0 {
		return false // it has yet to be told
	}
	if c.ID.Index <= raft.Index(len(k.committed[at])) {
		k.agreed(l, at, c)
		return false
	}
	for i := range m.open {
		if m.open[i].ID == c.ID {
			if !m.open[i].Configuration.Equal(c.Configuration) {
				k.world.violate(fmt.Errorf("law 7: %s takes the configuration at %s of group %d for %v, others for %v", l.id, c.ID, at+1, c.Configuration, m.open[i].Configuration))
			}
			return false
		}
	}
	m.open = append(m.open, *c)
	k.world.reconfigured(l, at, c)
	return true
}

// agreed checks a configuration at an entry that is committed: it is the one that was committed there, or, where a replica has its log's base, last
// before it. One that is being replaced is none of anybody's.
func (k *laws) agreed(l *lane, at int, c *raft.ConfigurationEntry) {
	if c.ID.Index > 0 && k.committed[at][c.ID.Index-1].term != c.ID.Term {
		return
	}
	if want := k.members[at].at(c.ID.Index); !unnamed(want.Configuration).Equal(unnamed(c.Configuration)) && !want.Configuration.Equal(c.Configuration) {
		k.world.violate(fmt.Errorf("law 7: %s has the configuration %v at %s of group %d, where %v was committed", l.id, c.Configuration, c.ID, at+1, want.Configuration))
	}
}

// unnamed is the configuration of the foundation without addresses: nodes may have been told others. Any other configuration is as it is.
func unnamed(c raft.Configuration) raft.Configuration {
	for _, m := range c.Members {
		if m.Directory != [16]byte{} {
			return c
		}
	}
	c = c.Clone()
	for i := range c.Members {
		c.Members[i].Address = ""
	}
	return c
}

// proposed checks a leader's own configuration: the one before it is committed, an entry of its term is, and their quorums intersect.
func (k *laws) proposed(l *lane, at int, before raft.EntryID, c *raft.ConfigurationEntry) {
	known := k.committed[at]
	if before.Index > l.groups[at].Committed() {
		k.world.violate(fmt.Errorf("law 7: %s proposes %v at %s of group %d, and the configuration before it, at %s, is not committed", l.id, c.Configuration, c.ID, at+1, before))
	}
	if len(known) == 0 || known[len(known)-1].term < c.ID.Term {
		k.world.violate(fmt.Errorf("law 7: %s proposes %v at %s of group %d before it has committed an entry of its term", l.id, c.Configuration, c.ID, at+1))
	}
	if from := k.members[at].last(); !intersect(&from.Configuration, &c.Configuration) {
		k.world.violate(fmt.Errorf("law 7: %s proposes %v at %s of group %d after %v: they have quorums that do not intersect", l.id, c.Configuration, c.ID, at+1, from.Configuration))
	}
}

// commitsConfiguration takes in a configuration that was committed: what was proposed at its entry or before it never will be any more.
func (k *laws) commitsConfiguration(l *lane, at int, rec *ledger.Record) {
	m := &k.members[at]
	c, err := raft.DecodeConfiguration(rec.Body)
	if err != nil {
		k.world.violate(fmt.Errorf("law 7: the committed entry %s of group %d on %s is no configuration: %w", rec.ID, at+1, l.id, err))
		return
	}
	if before := m.last(); !intersect(&before.Configuration, &c) {
		k.world.violate(fmt.Errorf("law 7: %v at %s of group %d was committed after %v: they have quorums that do not intersect", c, rec.ID, at+1, before.Configuration))
	}
	k.world.committedConfiguration(l, at, m.last(), &raft.ConfigurationEntry{ID: rec.ID, Configuration: c})
	m.committed = append(m.committed, raft.ConfigurationEntry{ID: rec.ID, Configuration: c})
	m.open = slices.DeleteFunc(m.open, func(e raft.ConfigurationEntry) bool { return e.ID.Index <= rec.ID.Index })
}

// decides says whether the nodes for which has is true are a quorum of a configuration: in each half a majority.
func decides(c *raft.Configuration, has func(raft.NodeID) bool) bool {
	voters, outgoing := 0, 0
	for i := range c.Members {
		m := &c.Members[i]
		if !m.Voter && !m.WasVoter {
			continue
		}
		weight := -1
		if has(m.ID) {
			weight = 1
		}
		if m.Voter {
			voters += weight
		}
		if m.WasVoter {
			outgoing += weight
		}
	}
	return voters > 0 && (outgoing > 0 || !c.Joint)
}

// intersect says whether any two quorums of two configurations have a node in common: no set of nodes is a quorum of one while the rest is a
// quorum of the other.
func intersect(a, b *raft.Configuration) bool {
	var ids []raft.NodeID
	for _, c := range []*raft.Configuration{a, b} {
		for _, m := range c.Members {
			if !slices.Contains(ids, m.ID) {
				ids = append(ids, m.ID)
			}
		}
	}
	for set := range 1 << len(ids) {
		in := func(id raft.NodeID) bool { return set>>slices.Index(ids, id)&1 == 1 }
		if decides(a, in) && decides(b, func(id raft.NodeID) bool { return !in(id) }) {
			return false
		}
	}
	return true
}

// well says that a node takes part and has lost nothing.
func (l *lane) well() bool { return l.boots > 0 && !l.lost && !l.gone && !l.foreign }

// spared says whether every configuration by which something may be decided keeps a quorum of nodes that have lost nothing, if but decides
// whether one counts that has.
func (w *World) spared(but func(*lane) bool) bool {
	for at := range groupCount {
		for _, c := range w.laws.members[at].possible() {
			if !decides(&c.Configuration, func(id raft.NodeID) bool { return but(w.lanes[w.number(id)]) }) {
				return false
			}
		}
	}
	return true
}

// mayLose says whether a node may lose what its disk has promised to keep. Of those that lead to more votes by themselves none may: what they
// come to is not known yet.
func (w *World) mayLose(x *lane) bool {
	return !w.undecided() && !w.promoting(x) && w.spared(func(l *lane) bool { return l.well() && l != x })
}

// undecided says that a membership change was asked for that nobody has looked at yet.
func (w *World) undecided() bool {
	return slices.ContainsFunc(w.lanes, func(l *lane) bool { return l.asked })
}

// promoting says that a node may get a vote at any moment: it is a learner that is to be promoted.
func (w *World) promoting(l *lane) bool {
	for at := range groupCount {
		for _, c := range w.laws.members[at].possible() {
			if m, ok := c.Configuration.Member(l.id); ok && m.Promote {
				return true
			}
		}
	}
	return false
}

// reconfigured notes a configuration that is in force for the first time.
func (w *World) reconfigured(l *lane, at int, c *raft.ConfigurationEntry) {
	w.note(happening{what: membersChanged, lane: l.number, group: at, text: fmt.Sprintf("%v at %s", c.Configuration, c.ID)})
}

// committedConfiguration counts what a configuration that was committed means, after the one before it.
func (w *World) committedConfiguration(l *lane, at int, before, now *raft.ConfigurationEntry) {
	w.note(happening{what: membersChanged, lane: l.number, group: at, text: fmt.Sprintf("%v at %s, committed", now.Configuration, now.ID)})
	w.reach.add(changeCommitted)
	switch {
	case now.Configuration.Joint:
		w.reach.add(jointCommitted)
	case before.Configuration.Joint && before.ID.Term != now.ID.Term:
		w.reach.add(jointLeftByAnother)
	}
	for _, m := range before.Configuration.Members {
		after, stays := now.Configuration.Member(m.ID)
		if m.Promote && !m.Voter && after.Voter {
			w.promoted(m, now)
		}
		if stays && !after.Leaves {
			if leads := l.groups[at].Role().Role == raft.Leader && l.id == m.ID; leads && m.Voter && !after.Voter {
				w.reach.add(leaderDemotedItself)
			}
			continue
		}
		w.reach.add(memberRemoved)
		if l.id == m.ID && l.groups[at].Role().Role == raft.Leader {
			w.reach.add(leaderRemovedItself)
		}
	}
	for _, m := range now.Configuration.Members {
		if _, was := before.Configuration.Member(m.ID); !was && slices.ContainsFunc(w.laws.members[at].committed, func(e raft.ConfigurationEntry) bool {
			_, known := e.Configuration.Member(m.ID)
			return known
		}) {
			w.reach.add(removedNodeAdded)
		}
	}
	for _, e := range w.laws.members[at].open {
		if e.ID.Index <= now.ID.Index && e.ID != now.ID {
			w.reach.add(changeTruncated)
		}
	}
}

// promoted counts a learner that got its vote by itself.
func (w *World) promoted(m raft.Member, now *raft.ConfigurationEntry) {
	w.reach.add(learnerPromoted)
	if m.Replaces == raft.None {
		return
	}
	if old, is := now.Configuration.Member(m.Replaces); (!is || old.Leaves) && !w.lanes[w.number(m.Replaces)].well() {
		w.reach.add(lostNodeReplaced)
	}
}

// joint says whether a replica has a joint configuration in force.
func (l *lane) joint(at int) bool { return l.groups[at].Members().Configuration.Joint }

// dies counts what a node's end interrupts.
func (l *lane) dies() {
	for at, g := range l.groups {
		if g.Ledger().Format() != g.Format() {
			l.world.reach.add(crashedWhileRaising)
		}
		if !l.joint(at) {
			continue
		}
		l.world.reach.add(crashedWhileJoint)
		if g.Role().Role == raft.Leader {
			l.world.reach.add(leaderCrashedWhileJoint)
		}
	}
}
