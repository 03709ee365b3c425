package node

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// receiver is what the transport calls: it admits peers, checks what they send and hands it to the owners.
type receiver struct{ node *Node }

// Disconnected tells the cores that what was on the way is lost.
func (v receiver) Disconnected(peer raft.NodeID, c transport.Class, err error) {
	v.node.opts.Logger.Debug("disconnected", "peer", peer, "class", c, "err", err)
	if c == transport.Control {
		v.node.met.lost(peer)
		if !errors.Is(err, transport.ErrReplaced) { // otherwise its hello has been heard again
			v.node.met.forgetFormat(peer)
		}
	}
	if h := v.node.opts.Hooks.Disconnected; h != nil {
		h(peer, err)
	}
	if c == transport.Image {
		v.node.images.disconnected(peer)
		return
	}
	v.node.unreachable(peer)
}

// Receive checks a frame and hands its messages to the owners of their groups. A peer that sends what can't be understood loses its
// connection; nothing of the frame from there on is used.
func (v receiver) Receive(from raft.NodeID, c transport.Class, kind uint8, head, body []byte) {
	n := v.node
	if !n.running.Load() {
		return
	}
	n.peers.heard(from)
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
