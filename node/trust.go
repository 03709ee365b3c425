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

// believable says whether a message may be taken for what it says. A directory that joins has a name that may have been another's: it
// takes part in no election before a configuration has named it (docs/adr/0005). Owner.
func (r *replica) believable(m *raft.Message) bool {
	if len(r.distrusted) > 0 && r.distrusted[m.From] {
		return false
	}
	switch m.Type {
	case raft.MsgPreVote, raft.MsgVote, raft.MsgTransfer:
		return r.named || !r.node.joined
	}
	return true
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
			if at, _ := r.node.met.address(c.ID); c.Address == "" && !member {
				c.Address = at
			}
		}
		named = append(named, c)
	}
	for _, m := range current.Members {
		known, met := r.node.met.directory(m.ID)
		removed := slices.ContainsFunc(changes, func(c MemberChange) bool { return c.Kind == raft.RemoveMember && c.ID == m.ID })
		if met && !removed && m.Directory == [16]byte{} {
			named = append(named, MemberChange{Kind: raft.SetDirectory, ID: m.ID, Directory: known})
		}
	}
	return named, nil
}

// withheld takes the requests for votes out of what a replica wants to send that takes part in no election yet. Owner.
func (r *replica) withheld(messages []raft.Message) []raft.Message {
	if r.named || !r.node.joined {
		return messages
	}
	return slices.DeleteFunc(messages, func(m raft.Message) bool { return m.Type == raft.MsgPreVote || m.Type == raft.MsgVote })
}
