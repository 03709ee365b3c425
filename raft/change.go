package raft

import (
	"fmt"
	"slices"
)

// ChangeKind says what a MemberChange does.
type ChangeKind uint8

const (
	// AddLearner adds a member without a vote. With MemberChange.Promote it gets its vote once it has caught up.
	AddLearner ChangeKind = 1
	// AddVoter adds a member with a vote, or gives one to a learner, without waiting until it has caught up. A group whose new
	// voter has far to go may be unable to commit until then: prefer AddLearner with Promote.
	AddVoter ChangeKind = 2
	// RemoveMember takes a member, of whatever standing, out of the group.
	RemoveMember ChangeKind = 3
	// PromoteMember gives a learner its vote now, caught up or not. The member that it replaces leaves in the same step.
	PromoteMember ChangeKind = 4
	// DemoteMember makes a voter a learner.
	DemoteMember ChangeKind = 5
	// SetAddress changes where a member is reached.
	SetAddress ChangeKind = 6
	// SetPriority changes how much a member is preferred as leader.
	SetPriority ChangeKind = 7
	// SetDirectory says which directory a member has whose directory no configuration has named yet.
	SetDirectory ChangeKind = 8
)

// String names the kind as people write it.
func (k ChangeKind) String() string {
	names := [...]string{"", "add learner", "add voter", "remove", "promote", "demote", "set the address of", "set the priority of", "name the directory of"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("change(%d)", uint8(k))
	}
	return names[k]
}

// MemberChange is one wish for a configuration. What is already so is no change, so that the same wish may be repeated.
type MemberChange struct {
	Kind ChangeKind
	// ID is the member in question.
	ID NodeID
	// Address is for AddLearner, AddVoter and SetAddress. An addition of a node that is a member already changes its address
	// when this is not empty, and leaves its priority alone.
	Address string
	// Priority, at most MaxPriority, is for AddLearner, AddVoter and SetPriority.
	Priority uint16
	// Promote is for AddLearner: the leader gives the learner its vote by itself when it has caught up. A voter stays one.
	Promote bool
	// Replaces is for AddLearner with Promote: the member that leaves when the new one gets its vote, in the same step; or None. A voter
	// replaces nobody any more.
	Replaces NodeID
	// Directory is for AddLearner, AddVoter and SetDirectory: the member's, see Member.Directory. One that is named stays what it is.
	Directory [16]byte
}

// changed is the configuration, not joint, that the changes lead to from a configuration that isn't joint.
func (c Configuration) changed(changes []MemberChange) (Configuration, error) {
	to := c.Clone()
	for i, change := range changes {
		if reason := to.apply(change); reason != "" {
			return Configuration{}, &ChangeError{Position: i, Change: change, Reason: reason}
		}
	}
	if len(to.Voters()) == 0 {
		return Configuration{}, ErrNoVoterLeft
	}
	return to, to.Validate()
}

// apply carries out one change, or says why it can't.
func (c *Configuration) apply(change MemberChange) (reason string) {
	at, known := c.find(change.ID)
	switch {
	case change.Kind == AddLearner || change.Kind == AddVoter:
		return c.add(change)
	case change.Kind < AddLearner || change.Kind > SetDirectory:
		return "there is no such kind of change"
	case change.Kind == RemoveMember:
		c.remove(change.ID)
		return ""
	case !known:
		return "it is not a member; add it first"
	}
	switch m := &c.Members[at]; change.Kind {
	case PromoteMember:
		c.promote(change.ID)
	case DemoteMember:
		m.Voter = false
	case SetAddress:
		m.Address = change.Address
	case SetPriority:
		m.Priority = change.Priority
	case SetDirectory:
		return m.name(change.Directory)
	}
	return ""
}

// named is the configuration with the directories that SetDirectory names, and none of the other changes: so that those who leave are
// named, too, for as long as they vote.
func (c Configuration) named(changes []MemberChange) (Configuration, error) {
	to := c.Clone()
	for i, change := range changes {
		at, known := to.find(change.ID)
		if change.Kind != SetDirectory || !known {
			continue
		}
		if reason := to.Members[at].name(change.Directory); reason != "" {
			return Configuration{}, &ChangeError{Position: i, Change: change, Reason: reason}
		}
	}
	return to, nil
}

// name gives a member its directory, once.
func (m *Member) name(directory [16]byte) (reason string) {
	if m.Directory != [16]byte{} && m.Directory != directory {
		return fmt.Sprintf("it is known by the directory %x, and now comes with %x; a node whose directory was lost comes back under a new id", m.Directory, directory)
	}
	m.Directory = directory
	return ""
}

// add adds a member, or sees to it that the one there is has the standing that was asked for.
func (c *Configuration) add(change MemberChange) (reason string) {
	if change.Kind == AddVoter && (change.Promote || change.Replaces != None) || change.Replaces != None && !change.Promote {
		return "only a learner that is to be promoted can replace another member; use AddLearner with Promote"
	}
	at, known := c.find(change.ID)
	if !known {
		c.Members = slices.Insert(c.Members, at, Member{ID: change.ID, Priority: change.Priority})
	}
	m := &c.Members[at]
	if change.Address != "" {
		m.Address = change.Address
	}
	if change.Directory != [16]byte{} {
		if reason := m.name(change.Directory); reason != "" {
			return reason
		}
	}
	_, replaceable := c.find(change.Replaces)
	switch {
	case change.Kind == AddVoter:
		c.promote(change.ID)
	case m.Voter && !change.Promote:
		return "it is a voter; demote it instead"
	case m.Voter && replaceable:
		return fmt.Sprintf("it is to replace %q, and is a voter; remove the other", string(change.Replaces))
	case !m.Voter && !replaceable && change.Replaces != None:
		return fmt.Sprintf("it is to replace %q, which is not a member", string(change.Replaces))
	case !m.Voter:
		m.Promote, m.Replaces = change.Promote, change.Replaces
	}
	return ""
}

// promote gives a member its vote; whoever it replaces leaves.
func (c *Configuration) promote(id NodeID) {
	at, _ := c.find(id)
	m := &c.Members[at]
	old := m.Replaces
	m.Voter, m.Promote, m.Replaces = true, false, None
	c.remove(old)
}

// remove takes a member out; nobody replaces it any more.
func (c *Configuration) remove(id NodeID) {
	at, known := c.find(id)
	if !known {
		return
	}
	c.Members = slices.Delete(c.Members, at, at+1)
	for i := range c.Members {
		if c.Members[i].Replaces == id {
			c.Members[i].Replaces = None
		}
	}
}

// towards is the next configuration on the way from c to another, neither of them joint: that one itself when they differ by one
// voter at most, otherwise the joint one of both, in which voters that are to go stay until it is left.
func (c Configuration) towards(to Configuration) Configuration {
	if differences(c.Voters(), to.Voters()) <= 1 {
		return to
	}
	joint := to.Clone()
	joint.Joint = true
	for _, m := range c.Members {
		if !m.Voter {
			continue
		}
		at, stays := joint.find(m.ID)
		if !stays {
			m.Voter, m.Leaves = false, true
			joint.Members = slices.Insert(joint.Members, at, m)
		}
		joint.Members[at].WasVoter = true
	}
	return joint
}

// left is the configuration after a joint one.
func (c Configuration) left() Configuration {
	to := Configuration{Members: slices.DeleteFunc(slices.Clone(c.Members), func(m Member) bool { return m.Leaves })}
	for i := range to.Members {
		to.Members[i].WasVoter = false
	}
	return to
}
