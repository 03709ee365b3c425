package node

import (
	"fmt"
	"slices"

	"github.com/ledgerkv/ledgerkv/raft"
)

// distrust works out which members of the configuration in force are known here by another directory than the one that it names: whatever comes
// in their name is not theirs. Owner, after the configuration was published.
func (r *replica) distrust() {
	clear(r.distrusted)
	r.node.met.mu.Lock()
	defer r.node.met.mu.Unlock()
	for _, m := range r.configuration.Load().Configuration.Members {
		x, ok := r.node.met.nodes[m.ID]
		if !ok || m.Directory == [16]byte{} {
			continue
		}
		if x.directory == UUID(m.Directory) {
			r.named = r.named || m.ID == r.node.opts.ID
			continue
		}
		r.log.Error("a member is known here by another directory; nothing that it says is believed, choose a new id for it", "member", m.ID,
			"known", x.directory, "named", UUID(m.Directory))
		if r.distrusted == nil {
			r.distrusted = map[raft.NodeID]bool{}
		}
		r.distrusted[m.ID] = true
	}
}

// wasNamed says whether a configuration in the log that a replica starts with names this very directory, be it no longer in force.
func (n *Node) wasNamed(at *raft.Restart) bool {
	names := func(c raft.Configuration) bool {
		m, ok := c.Member(n.opts.ID)
		return ok && UUID(m.Directory) == n.directory
	}
	return names(at.Base.Configuration) || slices.ContainsFunc(at.Configurations, func(e raft.ConfigurationEntry) bool { return names(e.Configuration) })
}

// believable says whether a message comes from the one in whose name it does. Owner.
func (r *replica) believable(m *raft.Message) bool {
	return len(r.distrusted) == 0 || !r.distrusted[m.From]
}

// withDirectories gives the changes with the directory of each node that they add, and with those of members that no configuration has named
// yet: whoever joins learns from the configuration who everybody is. Owner.
func (r *replica) withDirectories(changes []MemberChange) ([]MemberChange, error) {
	current := r.core.Configuration().Configuration
	var named []MemberChange
	for i, c := range changes {
		m, member := current.Member(c.ID)
		if c.Kind == raft.AddLearner || c.Kind == raft.AddVoter {
			known, met := r.node.met.directory(c.ID)
			switch {
			case met && c.Directory != [16]byte{} && UUID(c.Directory) != known:
				return nil, &raft.ChangeError{Position: i, Change: c, Reason: fmt.Sprintf(
					"it is known here by the directory %s, and is to be added with %s; choose a new id for it", known, UUID(c.Directory))}
			case met && !(member && m.Directory != [16]byte{}):
				c.Directory = known
			case !met && !member && c.Directory == [16]byte{}:
				return nil, &raft.ChangeError{Position: i, Change: c, Reason: "its directory is not known here; invite it on this node first, or name the directory"}
			}
			if reason := r.tooOld(c.ID); reason != "" && !member {
				return nil, &raft.ChangeError{Position: i, Change: c, Reason: reason}
			}
			if at, _ := r.node.met.address(c.ID); c.Address == "" && !member {
				c.Address = at
			}
		}
		named = append(named, c)
	}
	naming, err := r.nameless(current)
	return append(naming, named...), err
}

// nameless gives the changes that name the members that no configuration has named yet. Whoever counts a vote by a configuration that has
// been changed once knows by it whose vote it is.
func (r *replica) nameless(current raft.Configuration) (naming []MemberChange, err error) {
	for _, m := range current.Members {
		if m.Directory != [16]byte{} {
			continue
		}
		c := MemberChange{Kind: raft.SetDirectory, ID: m.ID}
		known, met := r.node.met.directory(m.ID)
		if !met {
			return nil, &raft.ChangeError{Change: c, Reason: "this node has never met it, and a change names every member's directory; see that they can reach each other"}
		}
		c.Directory = known
		naming = append(naming, c)
		if at := r.node.addressOf(m); at != m.Address { // the configuration is what counts from here on
			naming = append(naming, MemberChange{Kind: raft.SetAddress, ID: m.ID, Address: at})
		}
	}
	return naming, nil
}

// withheld takes the requests for votes out of what a replica wants to send that joined and that no configuration in its log has named: if one says
// that it votes, then it means another directory, whose name this one has taken. One that was named and is to leave asks: that it leaves may be
// known to nobody else, and what it has kept of the log may be what keeps every other candidate from winning (docs/safety.md). Owner.
func (r *replica) withheld(messages []raft.Message) []raft.Message {
	if r.named || !r.node.joined {
		return messages
	}
	return slices.DeleteFunc(messages, func(m raft.Message) bool { return m.Type == raft.MsgPreVote || m.Type == raft.MsgVote })
}
