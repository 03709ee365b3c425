package transport

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/raft"
)

// The transport's own kinds of frames (docs/format.md, "Handshake").
const (
	kindHello   uint8 = 240
	kindWelcome uint8 = 241
	kindRefuse  uint8 = 242
	kindPing    uint8 = 243
	kindPong    uint8 = 244
)

// handshakeLimits bound what somebody may send who has not proven anything yet.
var handshakeLimits = wire.Limits{MaxHead: maxHelloBytes, MaxBody: 1}

// refusal is a handshake that one side ended on purpose.
type refusal struct {
	// byPeer: the other side refused us.
	byPeer bool
	peer   raft.NodeID
	reason string
}

func (r *refusal) Error() string {
	name := string(r.peer)
	if r.peer == raft.None {
		name = "somebody"
	}
	if r.byPeer {
		return fmt.Sprintf("transport: %s refused us: %s", name, r.reason)
	}
	return fmt.Sprintf("transport: refused %s: %s", name, r.reason)
}

// readReason takes the reason out of a refusal that came from outside: bounded, and safe to log.
func readReason(head []byte) string {
	text := strings.ToValidUTF8(string(head[:min(len(head), maxReasonBytes)]), "?")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// writeFrame writes one frame without a body, by the deadline.
func writeFrame(conn net.Conn, kind uint8, head []byte, deadline time.Time) error {
	if err := conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	w := wire.NewWriter(conn, handshakeLimits)
	if err := w.Append(kind, true, head); err != nil {
		return err
	}
	return w.Flush()
}

// refuse tells the other side why it is refused. That it may not be told is all the same to us.
func refuse(conn net.Conn, peer raft.NodeID, reason error, timeout time.Duration) error {
	text := reason.Error()
	_ = writeFrame(conn, kindRefuse, []byte(text[:min(len(text), maxReasonBytes)]), time.Now().Add(timeout))
	return &refusal{peer: peer, reason: fmt.Sprintf("%s (at %s)", text, hostOf(conn))}
}

// hostOf is where a connection leads, without the port: a peer that is refused again and again is told of in the same words.
func hostOf(conn net.Conn) string {
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// greet is the dialing side's handshake: it says who we are and returns once the peer has admitted us and we the peer. An
// error is a *refusal, or says what broke.
func greet(conn net.Conn, reader *wire.Reader, mine Hello, handler Handler, timeout time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if err := writeFrame(conn, kindHello, appendHello(nil, mine), time.Now().Add(timeout)); err != nil {
		return err
	}
	f, err := reader.Next()
	if err != nil {
		return fmt.Errorf("transport: waiting for an answer to the hello: %w", err)
	}
	switch f.Kind {
	case kindRefuse:
		return &refusal{byPeer: true, peer: mine.To, reason: readReason(f.Head)}
	case kindWelcome:
	default:
		return &wire.FrameError{Part: wire.PartKind, Offset: reader.Offset(), Expected: uint64(kindWelcome), Found: uint64(f.Kind)}
	}
	theirs, err := decodeHello(f.Head)
	if err == nil {
		err = checkWelcome(mine, theirs)
	}
	if err == nil {
		err = handler.Admit(theirs, true)
	}
	if err != nil {
		return refuse(conn, mine.To, err, timeout)
	}
	return conn.SetDeadline(time.Time{})
}

// receiveHello is the first half of the accepting side's handshake: it returns the peer's hello once the peer is admitted. The
// welcome is still to be sent. An error is a *refusal, or says what broke.
func receiveHello(conn net.Conn, reader *wire.Reader, mine Hello, handler Handler, timeout time.Duration) (Hello, error) {
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return Hello{}, err
	}
	f, err := reader.Next()
	if err == nil && f.Kind != kindHello {
		err = &wire.FrameError{Part: wire.PartKind, Offset: reader.Offset(), Expected: uint64(kindHello), Found: uint64(f.Kind)}
	}
	var rubbish *wire.FrameError
	if errors.As(err, &rubbish) {
		return Hello{}, refuse(conn, raft.None, err, timeout)
	}
	if err != nil {
		return Hello{}, fmt.Errorf("transport: waiting for a hello: %w", err)
	}
	theirs, err := decodeHello(f.Head)
	if err == nil {
		err = checkHello(mine, theirs)
	}
	if err == nil {
		err = handler.Admit(theirs, false)
	}
	if err != nil {
		return Hello{}, refuse(conn, theirs.Node, err, timeout)
	}
	return theirs, nil
}
