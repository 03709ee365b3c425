package node

import (
	"context"
	"fmt"
)

// Invite dials a node that is to be added to groups, and blocks until it has answered or ctx is done. It returns the node's directory, under
// which ChangeMembers on this node then adds it; on another node the directory has to be named in the change. The node has to be
// started with Options.Join, or to be a member already. The connection is kept up for a while, for the addition to come. Errors: ErrBusy,
// when 64 nodes are invited; ErrClosed; ErrAlone, when this node opens no port; ctx's, with the reason of the last refusal: a node whose
// directory is not the one known under its id has to take another id.
func (n *Node) Invite(ctx context.Context, id NodeID, address string) (UUID, error) {
	if err := n.StartInvite(id, address); err != nil {
		return UUID{}, err
	}
	for {
		n.met.mu.Lock()
		changed, refusal := n.met.changed, n.met.refusals[id]
		n.met.mu.Unlock()
		if directory, ok := n.Met(id); ok {
			return directory, nil
		}
		select {
		case <-changed:
		case <-n.stop:
			return UUID{}, ErrClosed
		case <-ctx.Done():
			if refusal == "" {
				refusal = "it has not answered"
			}
			return UUID{}, fmt.Errorf("node: %s at %s could not be invited: %s: %w", id, address, refusal, ctx.Err())
		}
	}
}

// StartInvite is Invite without the wait; Met tells when the node has answered.
func (n *Node) StartInvite(id NodeID, address string) error {
	if err := id.Validate(); err != nil {
		return err
	}
	if n.transport == nil {
		return ErrAlone
	}
	if id == n.opts.ID {
		return nil
	}
	m := n.met
	if n.peers.find(id) == nil {
		m.lost(id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, again := m.invited[id]; !again && len(m.invited) >= maxInvited {
		return ErrBusy
	}
	m.invited[id] = invitation{address: address, until: n.ticks.Load() + inviteTicks}
	n.peers.loop.notify()
	return nil
}

// Met is the directory of a node that has answered a call of this one, since the control connection with it broke last.
func (n *Node) Met(id NodeID) (UUID, bool) {
	n.met.mu.Lock()
	defer n.met.mu.Unlock()
	x, ok := n.met.nodes[id]
	return x.directory, ok && (x.answered || id == n.opts.ID)
}
