package rpc

import (
	"context"
	"io"
	"sync"
)

// streamParts is how many parts a stream lets the node send ahead.
const streamParts = 8

// Stream is a request with many answers, of which the node sends no more ahead than were granted. One goroutine at a time;
// Close may be called from any.
type Stream struct {
	conn    *Conn
	id      uint64
	call    *pendingCall
	cancel  chan struct{}
	once    sync.Once
	ended   error
	granted uint32
}

// Stream sends a request whose answer comes in parts. ctx is for the sending alone: the stream has no deadline.
func (c *Conn) Stream(ctx context.Context, group string, verb Verb, args any) (*Stream, error) {
	id, call, err := c.begin(ctx, group, verb, args, streamParts)
	if err != nil {
		return nil, err
	}
	return &Stream{conn: c, id: id, call: call, cancel: make(chan struct{})}, nil
}

// Next waits for the next part, which fills part (a pointer). After the last it returns io.EOF. It fails with *Error or
// *CallError, as Call does; then the stream has ended. A ctx that is done ends the wait and not the stream.
func (s *Stream) Next(ctx context.Context, part any) error {
	if s.ended != nil {
		return s.ended
	}
	var a answer
	select {
	case a = <-s.call.answers:
	default:
		select {
		case a = <-s.call.answers:
		case <-ctx.Done():
			return &CallError{Sent: true, Err: ctx.Err()}
		case <-s.cancel:
			return s.end(&CallError{Sent: true, Err: ErrClosed})
		case <-s.conn.stop:
			return s.end(&CallError{Sent: true, Err: s.conn.reason()})
		}
	}
	if !a.head.More {
		if a.head.Code == CodeOK {
			return s.end(io.EOF)
		}
		return s.end(a.decode(nil))
	}
	if err := a.decode(part); err != nil {
		s.Close()
		return s.end(err)
	}
	s.grant()
	return nil
}

func (s *Stream) end(err error) error {
	s.ended = err
	return err
}

// grant gives back the room of a part that was taken, half a window at a time.
func (s *Stream) grant() {
	if s.granted++; s.granted >= streamParts/2 {
		s.conn.control(kindCredit, creditHead{ID: s.id, Parts: s.granted})
		s.granted = 0
	}
}

// Close ends the stream and tells the node. Calling it again does nothing.
func (s *Stream) Close() {
	s.once.Do(func() {
		close(s.cancel)
		s.conn.mu.Lock()
		_, waiting := s.conn.calls[s.id]
		delete(s.conn.calls, s.id)
		s.conn.mu.Unlock()
		s.conn.leaveIfDone()
		if waiting {
			s.conn.control(kindCancel, cancelHead{ID: s.id})
		}
	})
}
