package rpc

import (
	"fmt"
	"net"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// The kinds of frames. Each head is a msgpack array, a struct below; bodies are those of the verbs.
const (
	kindHello   uint8 = 1 // client, first: hello
	kindWelcome uint8 = 2 // node, first: Welcome
	kindRequest uint8 = 3 // client: requestHead; body: the verb's arguments
	kindAnswer  uint8 = 4 // node: answerHead; body: the verb's result, or an Error
	kindCredit  uint8 = 5 // client: creditHead
	kindCancel  uint8 = 6 // client: cancelHead
	kindBye     uint8 = 7 // node: no head; it takes no more requests
)

// maxHelloBytes bounds what a stranger may send.
const maxHelloBytes = 4 << 10

// maxHeadBytes bounds the head of every frame.
const maxHeadBytes = 4 << 10

// DefaultMaxFrame is the longest body that a frame may have unless an option says otherwise, in bytes.
const DefaultMaxFrame = 16 << 20

// hello introduces a client.
type hello struct {
	MinProtocol uint32
	MaxProtocol uint32
	// Cluster is the name of the cluster that the client wants, empty for any.
	Cluster string
	// Agent names the client's program, for logs.
	Agent string
}

// Welcome introduces a node.
type Welcome struct {
	Protocol uint32
	Cluster  string
	// Node is the node's id.
	Node string
	// Refused, when not empty, is why the connection is closed now.
	Refused string
}

type requestHead struct {
	ID   uint64
	Verb Verb
	// Millis is the time that the client gives from the arrival of the request on, 0 for no limit.
	Millis uint32
	Group  string
	// Credit is the number of parts that may be sent before more is granted, for a verb with many.
	Credit uint32
}

type answerHead struct {
	ID   uint64
	Code Code
	// More: this is a part, others or the end follow.
	More bool
}

type creditHead struct {
	ID    uint64
	Parts uint32
}

type cancelHead struct {
	ID uint64
}

// answerHello decides about a client.
func answerHello(h hello, cluster, node string) Welcome {
	w := Welcome{Protocol: Protocol, Cluster: cluster, Node: node}
	switch {
	case h.MinProtocol > Protocol || h.MaxProtocol < Protocol:
		w.Refused = fmt.Sprintf("expected protocol %d, found %d to %d: upgrade the older side", Protocol, h.MinProtocol, h.MaxProtocol)
	case h.Cluster != "" && h.Cluster != cluster:
		w.Refused = fmt.Sprintf("this is a node of cluster %q, found a client of cluster %q: check the endpoints", cluster, h.Cluster)
	}
	return w
}

// readFirst reads the first frame of a connection, of the given kind, into head.
func readFirst(r *wire.Reader, kind uint8, head any) error {
	f, err := r.Next()
	if err != nil {
		return err
	}
	if f.Kind != kind {
		return &wire.FrameError{Part: wire.PartKind, Offset: r.Offset(), Expected: uint64(kind), Found: uint64(f.Kind)}
	}
	return decode(f.Head, head, requestShape)
}

// writeFirst writes the first frame of a connection.
func writeFirst(w *wire.Writer, kind uint8, head any) error {
	b, err := encode(head)
	if err != nil {
		return err
	}
	if err := w.Append(kind, false, b); err != nil {
		return err
	}
	return w.Flush()
}

var helloLimits = wire.Limits{MaxHead: maxHelloBytes, MaxBody: 1}

func frameLimits(maxFrame int) wire.Limits {
	return wire.Limits{MaxHead: maxHeadBytes, MaxBody: uint32(maxFrame)}
}

// during sets a deadline for what f does on a connection.
func during(c net.Conn, limit time.Duration, f func() error) error {
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}
