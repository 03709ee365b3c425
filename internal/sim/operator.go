package sim

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// wish is a change of a group's membership for which the operator asks until it is made, or until it is too late.
type wish struct {
	fault   int
	at      int
	changes []raft.MemberChange
	until   time.Duration
	// seen: the operator names the configuration that was there when it asked.
	seen bool
	// pending is the answer that is waited for, of a node in one life of it.
	pending *node.PendingChange
	of      *lane
	life    int
}

const (
	// pursueEvery is how often the operator looks what has become of a wish.
	pursueEvery = 20 * time.Millisecond
	// mostMembers is how large a group may become.
	mostMembers = 7
)

// wishFor has the operator wish for what a fault of the plan says, in one group or in both. It reports whether there was anything to wish for.
func (w *World) wishFor(i int, f *Fault, r *rand.Rand) bool {
	first, both := r.IntN(groupCount), r.IntN(2) == 0
	newcomer := w.newcomer(r)
	began := false
	for n := range groupCount {
		at := (first + n) % groupCount
		changes := w.invent(f.Kind, at, newcomer, r)
		if len(changes) == 0 || n > 0 && !both {
			continue
		}
		w.wishes = append(w.wishes, &wish{fault: i, at: at, changes: changes, until: w.Now() + f.For, seen: r.IntN(2) == 0})
		w.agenda.add(w.Now(), wishEvent, 0, len(w.wishes)-1)
		began = true
	}
	return began
}

// newcomer chooses a node that could be added: one that has never run, or one that was removed. nil when there is none.
func (w *World) newcomer(r *rand.Rand) *lane {
	var fresh, known []*lane
	for _, l := range w.lanes {
		switch {
		case l.boots == 0:
			fresh = append(fresh, l)
		case l.well():
			known = append(known, l)
		}
	}
	if len(fresh) > 0 && (len(known) == 0 || r.IntN(3) > 0) {
		return fresh[0]
	}
	if len(known) == 0 {
		return nil
	}
	return known[r.IntN(len(known))]
}

// invent gives the changes that a kind of fault stands for.
func (w *World) invent(k FaultKind, at int, newcomer *lane, r *rand.Rand) []raft.MemberChange {
	c := &w.laws.members[at].last().Configuration
	member := c.Members[r.IntN(len(c.Members))].ID
	if leader := w.leads(at); leader != nil && r.IntN(3) == 0 {
		member = leader.id
	}
	var add []raft.MemberChange
	if newcomer != nil {
		if _, is := c.Member(newcomer.id); !is && len(c.Members) < mostMembers {
			add = append(add, raft.MemberChange{Kind: raft.AddLearner, ID: newcomer.id, Promote: r.IntN(4) > 0})
		}
	}
	switch k {
	case AddNode:
		if len(add) > 0 && r.IntN(5) == 0 {
			add[0].Kind, add[0].Promote = raft.AddVoter, false
		}
		return add
	case RemoveNode:
		return []raft.MemberChange{{Kind: raft.RemoveMember, ID: member}}
	case DemoteNode:
		return []raft.MemberChange{{Kind: raft.DemoteMember, ID: member}}
	case PromoteNode:
		if learners := c.Learners(); len(learners) > 0 {
			return []raft.MemberChange{{Kind: [...]raft.ChangeKind{raft.PromoteMember, raft.AddVoter}[r.IntN(2)], ID: learners[r.IntN(len(learners))]}}
		}
	case ReplaceNode:
		if len(add) > 0 {
			add[0].Promote, add[0].Replaces = true, w.worst(c, member)
		}
		return add
	case ChangeMany:
		return w.many(c, add, member, r)
	case Prefer:
		return weigh(c, r)
	}
	return nil
}

// weigh prefers members as leaders, more and less.
func weigh(c *raft.Configuration, r *rand.Rand) (changes []raft.MemberChange) {
	for _, m := range c.Members {
		if r.IntN(2) == 0 {
			changes = append(changes, raft.MemberChange{Kind: raft.SetPriority, ID: m.ID, Priority: uint16(r.IntN(4))})
		}
	}
	return changes
}

// worst is a member that has lost something, or else the one given.
func (w *World) worst(c *raft.Configuration, member raft.NodeID) raft.NodeID {
	for _, m := range c.Members {
		if l := w.lanes[w.number(m.ID)]; !l.well() {
			return m.ID
		}
	}
	return member
}

// many are several changes at once: somebody comes, somebody goes, somebody loses a vote and somebody gets one.
func (w *World) many(c *raft.Configuration, add []raft.MemberChange, member raft.NodeID, r *rand.Rand) []raft.MemberChange {
	changes := add
	if len(add) > 0 && r.IntN(2) == 0 {
		add[0].Kind, add[0].Promote = raft.AddVoter, false
	}
	changes = append(changes, raft.MemberChange{Kind: [...]raft.ChangeKind{raft.RemoveMember, raft.DemoteMember}[r.IntN(2)], ID: w.worst(c, member)})
	for _, m := range c.Members {
		if m.ID == changes[len(changes)-1].ID || r.IntN(2) == 0 {
			continue
		}
		kind := raft.AddVoter
		if m.Voter {
			kind = raft.DemoteMember
		}
		return append(changes, raft.MemberChange{Kind: kind, ID: m.ID})
	}
	return changes
}

// leads is the node that leads a group in the highest term, as far as it knows; nil when none does.
func (w *World) leads(at int) *lane {
	var leader *lane
	term := raft.Term(0)
	for _, l := range w.lanes {
		if l.up() {
			if r := l.groups[at].Role(); r.Role == raft.Leader && r.Term > term {
				leader, term = l, r.Term
			}
		}
	}
	return leader
}

// pursue goes on with a wish.
func (w *World) pursue(i int) {
	x := w.wishes[i]
	if w.calm || w.Now() > x.until && x.pending == nil {
		return
	}
	if !w.heard(x) {
		w.agenda.add(w.Now()+pursueEvery, wishEvent, 0, i)
		w.ask(x)
	}
}

// heard takes the answer to a wish in, and reports whether it is fulfilled.
func (w *World) heard(x *wish) bool {
	if x.pending == nil {
		return false
	}
	if x.of.life != x.life {
		x.pending = nil // whoever would have answered is gone
		return false
	}
	_, known, err := x.pending.Poll()
	if !known {
		return false
	}
	x.pending = nil
	if errors.Is(err, raft.ErrConfigurationPending) && !x.of.groups[x.at].Role().Ready {
		w.reach.add(changeRefusedEarly)
	}
	return err == nil
}

// ask hands a wish to the leader, once the leader has met who is to be added. A wish that could cost the group its quorum is none.
func (w *World) ask(x *wish) {
	l := w.leads(x.at)
	if x.pending != nil || l == nil || l.paused > w.Now() || !w.invited(l, x) {
		return
	}
	g := l.groups[x.at]
	inForce := g.Members()
	if !w.grants(inForce.Configuration, x.changes) {
		return
	}
	var seen *raft.EntryID
	if x.seen {
		seen = &inForce.ID
	}
	if p, err := g.SubmitChange(slices.Clone(x.changes), seen); err == nil {
		x.pending, x.of, x.life = p, l, l.life
		l.asked = true
	}
}

// invited sees to it that the leader knows those who are to be added, and reports whether it does. A node that has never run is started.
func (w *World) invited(l *lane, x *wish) bool {
	all := true
	for _, c := range x.changes {
		if c.Kind != raft.AddLearner && c.Kind != raft.AddVoter {
			continue
		}
		n := w.lanes[w.number(c.ID)]
		if n.boots == 0 {
			w.join(n)
		}
		if _, met := l.node.Met(n.id); !met && n != l {
			_ = l.node.StartInvite(n.id, n.Address()) // it is tried again
			all = false
		}
	}
	return all
}

// join starts a node that has never run, to be added.
func (w *World) join(l *lane) {
	w.agenda.add(w.Now(), tickEvent, l.number, 0)
	active := w.active
	w.active = nil
	if !l.start() {
		l.restartIn(200 * time.Millisecond)
	}
	w.active = active
}

// grants says whether the changes leave a configuration of which a quorum has lost nothing, and give no vote to who has.
func (w *World) grants(c raft.Configuration, changes []raft.MemberChange) bool {
	c = c.Clone()
	for _, x := range changes {
		at := slices.IndexFunc(c.Members, func(m raft.Member) bool { return m.ID == x.ID })
		adds := x.Kind == raft.AddLearner || x.Kind == raft.AddVoter
		if l := w.lanes[w.number(x.ID)]; (adds || x.Kind == raft.PromoteMember) && !l.well() {
			return false
		}
		if at < 0 && adds {
			at = len(c.Members)
			c.Members = append(c.Members, raft.Member{ID: x.ID})
		}
		if at < 0 {
			continue
		}
		switch x.Kind {
		case raft.AddVoter, raft.PromoteMember:
			replaced := c.Members[at].Replaces
			c.Members[at].Voter = true
			c.Members = slices.DeleteFunc(c.Members, func(m raft.Member) bool { return m.ID == replaced })
		case raft.RemoveMember:
			c.Members = slices.Delete(c.Members, at, at+1)
		case raft.DemoteMember:
			c.Members[at].Voter = false
		}
	}
	return decides(&c, func(id raft.NodeID) bool { return w.lanes[w.number(id)].well() })
}
