package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxNodeIDBytes is the length of the longest NodeID.
	MaxNodeIDBytes = 64
	// MaxAddressBytes is the length of the longest Member.Address.
	MaxAddressBytes = 255
	// MaxMembers is the size of the largest Configuration.
	MaxMembers = 1024
	// MaxPriority is the highest Member.Priority.
	MaxPriority = 255
)

// Member is a replica's place in a configuration.
type Member struct {
	ID NodeID
	// Address is where the node's peers reach it, host:port. The core does not look at it.
	Address string
	// Voter: the member votes in the configuration, or, while it is joint, in its incoming half.
	Voter bool
	// WasVoter: the member votes in the outgoing half. Only while joint.
	WasVoter bool
	// Leaves: the member is gone when the joint configuration is left. Only with WasVoter, without Voter.
	Leaves bool
	// Promote: the leader gives this learner (or what is one when the joint configuration is left) its vote once it has caught up.
	Promote bool
	// Replaces is the member that leaves when this learner is promoted, or None. Only with Promote.
	Replaces NodeID
	// Priority says how much the member is preferred as leader, from 0, the default, to MaxPriority: it asks for elections
	// before members with less, and a leader with less hands over to it once it is caught up and steady.
	Priority uint16
	// Directory is the UUID of the directory that speaks under the id; a node that comes with another one is somebody else. Zero in
	// the configuration in which a cluster begins: its nodes know each other by what they met first (docs/adr/0005). The core does not
	// look at it, but lets nothing replace one by another.
	Directory [16]byte
}

// Configuration is a group's membership, in its joint form (Raft thesis §4.3). A member with neither vote is a learner.
// The zero Configuration has no members: it is what a replica starts with that is to learn its group's membership from
// the leader.
type Configuration struct {
	// Joint: decisions need a majority of Voter members and a majority of WasVoter members.
	Joint bool
	// Members is sorted by ID, without repeats.
	Members []Member
}

// Validate reports every reason why the configuration can't be put into force: members unsorted or repeated, a bad id or
// address or priority, no voter in a half, WasVoter outside a joint configuration, a flag on a member of another standing.
func (c Configuration) Validate() error {
	errs := c.malformed()
	voters, outgoing := 0, 0
	for _, m := range c.Members {
		if m.Voter {
			voters++
		}
		if m.WasVoter {
			outgoing++
		}
	}
	if voters == 0 {
		errs = append(errs, errors.New("no member votes; at least one must"))
	}
	if c.Joint && outgoing == 0 {
		errs = append(errs, errors.New("joint, but no member votes in the outgoing half; at least one must"))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("raft: invalid configuration: %w", errors.Join(errs...))
}

// malformed lists what an encoding could not hold or a decoder would refuse.
func (c Configuration) malformed() []error {
	var errs []error
	if len(c.Members) > MaxMembers {
		errs = append(errs, fmt.Errorf("%d members, at most %d are allowed", len(c.Members), MaxMembers))
	}
	for i, m := range c.Members {
		if err := m.ID.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("member %d: %w", i, err))
		}
		if len(m.Address) > MaxAddressBytes || !utf8.ValidString(m.Address) {
			errs = append(errs, fmt.Errorf("member %q: the address must be at most %d bytes of UTF-8", m.ID, MaxAddressBytes))
		}
		if m.WasVoter && !c.Joint {
			errs = append(errs, fmt.Errorf("member %q votes in an outgoing half, but the configuration is not joint", m.ID))
		}
		if m.Leaves && (!m.WasVoter || m.Voter) || m.Promote && (m.Voter || m.Leaves) {
			errs = append(errs, fmt.Errorf("member %q: only an outgoing voter can leave, only who stays without a vote can be promoted", m.ID))
		}
		if _, ok := c.Member(m.Replaces); m.Replaces != None && (!m.Promote || m.Replaces == m.ID || !ok) {
			errs = append(errs, fmt.Errorf("member %q replaces %q; only a learner to be promoted can replace a member, another one", m.ID, m.Replaces))
		}
		if m.Priority > MaxPriority {
			errs = append(errs, fmt.Errorf("member %q has priority %d; at most %d is allowed", m.ID, m.Priority, MaxPriority))
		}
		if i > 0 && c.Members[i-1].ID >= m.ID {
			errs = append(errs, fmt.Errorf("member %q follows %q; members must be sorted by id, without repeats", m.ID, c.Members[i-1].ID))
		}
	}
	return errs
}

// Validate says whether the id is 1 to MaxNodeIDBytes bytes of UTF-8.
func (id NodeID) Validate() error {
	if len(id) < 1 || len(id) > MaxNodeIDBytes || !utf8.ValidString(string(id)) {
		return fmt.Errorf("raft: node id %q has %d bytes; expected 1 to %d bytes of UTF-8", string(id), len(id), MaxNodeIDBytes)
	}
	return nil
}

// Member finds a member by its id.
func (c Configuration) Member(id NodeID) (Member, bool) {
	i, ok := c.find(id)
	if !ok {
		return Member{}, false
	}
	return c.Members[i], true
}

// find is where a member is or would be.
func (c Configuration) find(id NodeID) (at int, found bool) {
	return slices.BinarySearchFunc(c.Members, id, func(m Member, id NodeID) int {
		return strings.Compare(string(m.ID), string(id))
	})
}

// Voters lists the members that vote in the configuration, or, while it is joint, in its incoming half. The caller owns the
// result.
func (c Configuration) Voters() []NodeID {
	return c.list(func(m Member) bool { return m.Voter })
}

// Outgoing lists the members that vote in the outgoing half of a joint configuration. The caller owns the result.
func (c Configuration) Outgoing() []NodeID {
	return c.list(func(m Member) bool { return m.WasVoter })
}

// Learners lists the members without any vote. The caller owns the result.
func (c Configuration) Learners() []NodeID {
	return c.list(func(m Member) bool { return !m.votes() })
}

func (c Configuration) list(want func(Member) bool) []NodeID {
	var ids []NodeID
	for _, m := range c.Members {
		if want(m) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func (m Member) votes() bool { return m.Voter || m.WasVoter }

// IsVoter says whether a node votes in either half.
func (c Configuration) IsVoter(id NodeID) bool {
	m, ok := c.Member(id)
	return ok && m.votes()
}

// Equal compares two configurations, addresses and priorities included.
func (c Configuration) Equal(other Configuration) bool {
	return c.Joint == other.Joint && slices.Equal(c.Members, other.Members)
}

// Clone copies the configuration; the copy shares nothing with it.
func (c Configuration) Clone() Configuration {
	return Configuration{Joint: c.Joint, Members: slices.Clone(c.Members)}
}

// String gives voters, then, in a joint configuration, the outgoing ones, then learners: "(n1 n2 n3)&&(n1 n2) learners=(n4)".
func (c Configuration) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", c.Voters())
	if c.Joint {
		fmt.Fprintf(&b, "&&%v", c.Outgoing())
	}
	if learners := c.Learners(); len(learners) > 0 {
		fmt.Fprintf(&b, " learners=%v", learners)
	}
	return strings.NewReplacer("[", "(", "]", ")").Replace(b.String())
}

// follows says whether c may come directly after from: any two quorums of adjacent configurations must intersect (law 7; Raft
// thesis §4.1, §4.3).
func (c Configuration) follows(from Configuration) bool {
	switch {
	case from.Joint:
		return !c.Joint && slices.Equal(c.Voters(), from.Voters())
	case c.Joint:
		return slices.Equal(c.Outgoing(), from.Voters())
	}
	return differences(from.Voters(), c.Voters()) <= 1
}

// differences counts the ids that are in one of two sorted lists only.
func differences(a, b []NodeID) int {
	n := 0
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			a, b = a[1:], b[1:]
		case a[0] < b[0]:
			n, a = n+1, a[1:]
		default:
			n, b = n+1, b[1:]
		}
	}
	return n + len(a) + len(b)
}
