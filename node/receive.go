package node

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// receiver is what the transport calls: it admits peers, checks what they send and hands it to the owners.
type receiver struct{ node *Node }

// Admit pins the peer's directory: the first UUID that is seen under a name is the only one that is accepted under it.
func (v receiver) Admit(h transport.Hello, dialed bool) error {
	n := v.node
	if n.peers[h.Node] == nil {
		return fmt.Errorf("node %s is not a member of this cluster as %s knows it", h.Node, n.opts.ID)
	}
	n.identityMu.Lock()
	defer n.identityMu.Unlock()
	known, pinned := n.identity.pinned(h.Node)
	switch {
	case pinned && known == UUID(h.Directory):
		return nil
	case pinned:
		return fmt.Errorf("node %s is known to %s by the directory %s and now comes with %s: its directory was wiped or replaced, or another node uses its name; "+
			"it may not take part under the old name", h.Node, n.opts.ID, known, UUID(h.Directory))
	}
	next := n.identity.withPin(h.Node, UUID(h.Directory))
	if err := next.save(n.opts.FS, n.opts.Dir); err != nil {
		return fmt.Errorf("node %s could not record the directory of %s: %w", n.opts.ID, h.Node, err)
	}
	n.identity = next
	return nil
}

// Connected counts the peers that have admitted this node, until all initial members have.
func (v receiver) Connected(peer raft.NodeID, c transport.Class) {
	n := v.node
	n.opts.Logger.Debug("connected", "peer", peer, "class", c)
	if h := n.opts.Hooks.Connected; h != nil {
		h(peer)
	}
	n.identityMu.Lock()
	defer n.identityMu.Unlock()
	n.linksUp[peer] = true
	n.becomeAdmitted()
}

// becomeAdmitted lets the node take part when every other initial member has recognised it and that could be recorded. identityMu is held.
func (n *Node) becomeAdmitted() {
	if n.identity.Admitted {
		return
	}
	for id := range n.peers {
		if !n.linksUp[id] {
			return
		}
	}
	next := *n.identity
	next.Admitted = true
	if err := next.save(n.opts.FS, n.opts.Dir); err != nil {
		n.opts.Logger.Error("could not record that this node is admitted; it stays out and tries again", "err", err)
		return
	}
	n.identity = &next
	n.admit()
}

// Disconnected tells the cores that what was on the way is lost.
func (v receiver) Disconnected(peer raft.NodeID, c transport.Class, err error) {
	v.node.opts.Logger.Debug("disconnected", "peer", peer, "class", c, "err", err)
	if h := v.node.opts.Hooks.Disconnected; h != nil {
		h(peer, err)
	}
	if c == transport.Image {
		v.node.images.disconnected(peer)
		return
	}
	v.node.unreachable(peer)
}

// Refused says why a handshake failed, once for each new reason.
func (v receiver) Refused(peer raft.NodeID, reason string) {
	n := v.node
	n.identityMu.Lock()
	repeated := n.refusals[peer] == reason
	if len(n.refusals) < 1024 {
		n.refusals[peer] = reason
	}
	n.identityMu.Unlock()
	if !repeated {
		n.opts.Logger.Warn("connection refused", "peer", peer, "reason", reason)
	}
}

// Receive checks a frame and hands its messages to the owners of their groups. A peer that sends what can't be understood loses its
// connection; nothing of the frame from there on is used.
func (v receiver) Receive(from raft.NodeID, c transport.Class, kind uint8, head, body []byte) {
	n := v.node
	if !n.running.Load() {
		return
	}
	switch kind {
	case transport.KindMessages:
		if err := v.messages(from, head, body); err != nil {
			n.opts.Logger.Warn("closing a connection that brought what could not be understood", "peer", from, "err", err)
			n.transport.Disconnect(from, c, err)
		}
	case transport.KindImage:
		n.images.receive(from, head, body)
	}
}

func (v receiver) messages(from raft.NodeID, head, body []byte) error {
	reader := transport.NewMessageReader(from, v.node.opts.ID, head, body)
	for reader.Next() {
		m := *reader.Message()
		in := inbound{message: m, bytes: len(reader.Records())}
		if m.Type == raft.MsgAppend {
			var err error
			if in.records, err = splitRecords(&m, reader.Records()); err != nil {
				return err
			}
		}
		if m.Type == raft.MsgImage {
			continue // images are announced on their own connection only
		}
		r := v.node.replica(reader.Group())
		if r == nil || r.failed() {
			continue
		}
		if r.inbox.push(in) {
			r.owner.work.add(r)
		} else {
			v.node.dropped(from, 1)
		}
	}
	return reader.Err()
}

// splitRecords cuts the bytes of an append into records and verifies each, their chain, and that they are just the entries that the message
// names.
func splitRecords(m *raft.Message, raw []byte) ([]ledger.Record, error) {
	var records []ledger.Record
	at := m.Prev
	for len(raw) > 0 {
		rec, n, err := ledger.DecodeRecord(raw)
		if err != nil {
			return nil, err
		}
		if rec.ID.Index != at.Index+1 || rec.ID.Term < at.Term {
			return nil, fmt.Errorf("record %s after %s, expected the next index and no lower term", rec.ID, at)
		}
		if len(records) > 0 && rec.PrevChecksum != records[len(records)-1].Checksum {
			return nil, fmt.Errorf("record %s does not chain to the one before", rec.ID)
		}
		records = append(records, rec)
		at, raw = rec.ID, raw[n:]
	}
	if at != m.Last {
		return nil, fmt.Errorf("records end at %s, the message says %s", at, m.Last)
	}
	return records, nil
}

// unreachable tells every core that the connection to a peer broke or is not there.
func (n *Node) unreachable(peer raft.NodeID) {
	for _, r := range n.replicas() {
		r.tell(func(r *replica) {
			if !r.failed() {
				r.core.Unreachable(peer)
			}
		})
	}
}
