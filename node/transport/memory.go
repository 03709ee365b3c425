package transport

import (
	"strings"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/raft"
)

// memoryScheme is what the addresses of nodes on a Network or a ManualNetwork begin with; the node's id follows.
const memoryScheme = "memory:"

// memoryAddress is where a node of a network in memory is reached.
func memoryAddress(id raft.NodeID) string { return memoryScheme + string(id) }

// memoryTarget is the node that an address leads to, or None.
func memoryTarget(address string) raft.NodeID {
	id, ok := strings.CutPrefix(address, memoryScheme)
	if !ok {
		return raft.None
	}
	return raft.NodeID(id)
}

// direction is a way from one node to another.
type direction struct {
	from, to raft.NodeID
}

// party is one side of a handshake in memory.
type party struct {
	hello   Hello
	handler Handler
}

// introduce is a handshake in memory, for a link of the given key that dialer wants to acceptor. It makes the same checks in
// the same order as one on a socket, and tells both sides of a refusal.
func introduce(dialer, acceptor party, key linkKey) bool {
	call, answer := dialer.hello, acceptor.hello
	call.To, call.Class = key.peer, key.class
	answer.To, answer.Class = dialer.hello.Node, key.class
	err := checkHello(acceptor.hello, call)
	if err == nil {
		err = acceptor.handler.Admit(call, false)
	}
	if err != nil {
		reportBoth(acceptor, dialer, call.Node, key.peer, err)
		return false
	}
	if err = checkWelcome(call, answer); err == nil {
		err = dialer.handler.Admit(answer, true)
	}
	if err != nil {
		reportBoth(dialer, acceptor, key.peer, call.Node, err)
		return false
	}
	return true
}

// reportBoth tells both sides that one refused the other. them is how refuser knows refused, us how refused knows refuser.
func reportBoth(refuser, refused party, them, us raft.NodeID, reason error) {
	refuser.handler.Refused(them, (&refusal{peer: them, reason: reason.Error()}).Error())
	refused.handler.Refused(us, (&refusal{byPeer: true, peer: us, reason: reason.Error()}).Error())
}

// parcel is a frame on its way through memory.
type parcel struct {
	kind       uint8
	head, body []byte
}

// pack copies a frame, so that the sender's slices stay the sender's and the receiver's are the receiver's.
func pack(f *Frame) parcel {
	p := parcel{kind: f.Kind}
	if len(f.Head) > 0 {
		p.head = append(make([]byte, 0, len(f.Head)), f.Head...)
	}
	for _, piece := range f.Body {
		p.body = append(p.body, piece...)
	}
	return p
}

// copyParcel is for a frame that is delivered twice.
func copyParcel(p parcel) parcel {
	return parcel{kind: p.kind, head: append([]byte(nil), p.head...), body: append([]byte(nil), p.body...)}
}

func (p parcel) bytes() int { return len(p.head) + len(p.body) }

// packAll checks and copies a batch.
func packAll(frames []Frame) ([]parcel, int, error) {
	parcels, bytes := make([]parcel, 0, len(frames)), 0
	for i := range frames {
		if err := checkKind(frames[i].Kind); err != nil {
			return nil, 0, err
		}
		p := pack(&frames[i])
		if err := (wire.Limits{}).Check(uint64(len(p.head)), uint64(len(p.body))); err != nil {
			return nil, 0, err
		}
		parcels = append(parcels, p)
		bytes += p.bytes()
	}
	return parcels, bytes, nil
}
