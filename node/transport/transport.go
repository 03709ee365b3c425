package transport

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Class is what a link is used for. Each has a connection of its own in each direction.
type Class uint8

const (
	// Control carries what must not wait: heartbeats, votes, read rounds, acknowledgements.
	Control Class = 1
	// Bulk carries appends.
	Bulk Class = 2
	// Image carries images.
	Image Class = 3
)

// Classes are all classes.
var Classes = [...]Class{Control, Bulk, Image}

// String gives the class's name in lower case.
func (c Class) String() string {
	switch c {
	case Control:
		return "control"
	case Bulk:
		return "bulk"
	case Image:
		return "image"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

func (c Class) valid() bool { return c >= Control && c <= Image }

// Kinds of frames. Those from MaxKind+1 on are the transport's own.
const (
	// KindMessages: the head holds raft messages (AppendMessage), the body the records that they name, one after the
	// other. Records check themselves, so this body has no checksum of its own.
	KindMessages uint8 = 1
	// KindImage carries the image protocol (package snapshot).
	KindImage uint8 = 2
	// KindBeat says that the sender lives, and has neither head nor body to speak of.
	KindBeat uint8 = 3
	// MaxKind is the highest kind that Send takes.
	MaxKind uint8 = 239
)

// Frame is something to be sent.
type Frame struct {
	// Kind is one of the kinds above, 1 to MaxKind.
	Kind uint8
	Head []byte
	// Body is sent as its pieces one after the other.
	Body [][]byte
}

var (
	// ErrNotConnected: there is no link to that peer at the moment, or nobody knows the peer. Nothing was sent.
	ErrNotConnected = errors.New("transport: not connected to the peer; nothing was sent")
	// ErrClosed: the transport was closed. Nothing was sent.
	ErrClosed = errors.New("transport: closed")
	// ErrReplaced is why a connection ended when its peer opened another of the same class.
	ErrReplaced = errors.New("transport: the peer opened a newer connection")
	// ErrRemoved is why a link ended when SetPeers left its peer out or gave it another address.
	ErrRemoved = errors.New("transport: the peer was removed or has another address")
)

// Handler is told what happens on a transport. Its methods are called on the transport's goroutines, at the same time for
// different connections, and in order for one. They may call Send and Disconnect, and must not call Start or Close. None is called any more
// once Close has returned.
type Handler interface {
	// Admit decides whether a peer, whose hello passed the transport's own checks, is the one it says it is. dialed: we
	// connected to it. It may block on the disk (within the handshake's timeout): nil means that the peer's directory UUID is
	// durably pinned. The text of an error is sent to the peer as the reason of refusal.
	Admit(h Hello, dialed bool) error
	// Receive takes a frame. head and body are the callee's. No other frame of this peer and class is delivered meanwhile, so
	// blocking holds the peer back; for longer than the timeout, and the peer gives up the connection.
	Receive(from raft.NodeID, c Class, kind uint8, head, body []byte)
	// Connected: a link of ours to the peer is up; the peer has admitted us. Send works from now on.
	Connected(peer raft.NodeID, c Class)
	// Disconnected: a connection with the peer, in either direction, broke; once for each break. Frames on the way on it are
	// lost. It comes before the first frame of the connection that follows.
	Disconnected(peer raft.NodeID, c Class, err error)
	// Refused: a handshake failed, for the reason given, which says who refused whom. peer is the name that the other side
	// was called by or gave itself, unproven, or None. It may be called often: a refused peer tries again.
	Refused(peer raft.NodeID, reason string)
}

// Transport carries frames to peers and from them. All methods may be called from any goroutine.
type Transport interface {
	// Start begins to listen and to dial, as the node that hello describes; hello.To and hello.Class are ignored. It is
	// called once. It fails when hello lacks something.
	Start(hello Hello, handler Handler) error
	// SetPeers says whom to dial, by address; it replaces what was said before. Links to others are given up. Whose
	// connections are accepted is Admit's decision. The map is not kept. It does not block. Before Start it is remembered.
	SetPeers(peers map[raft.NodeID]string)
	// Send writes the frames to a peer, in order, as one batch. It blocks on the socket, with a deadline; nothing is kept
	// once it has returned. It fails with ErrNotConnected at once when there is no link, with *wire.FrameError when a frame is
	// over the limits, and with ErrClosed; then nothing was sent. After any other error the link is broken, and how much
	// arrived is not known.
	Send(to raft.NodeID, c Class, frames []Frame) error
	// Disconnect ends the connection on which a peer sends to us in a class, because of err, which Disconnected is told. It is
	// for a peer whose frames make no sense. The peer connects again. It does not wait; Receive may call it.
	Disconnect(peer raft.NodeID, c Class, err error)
	// Addr is where the transport listens. Unless that is a wildcard, SetPeers of a peer takes it.
	Addr() string
	// Close ends every connection and waits for every goroutine. It is not reported to the handler.
	Close() error
}
