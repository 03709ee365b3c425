package dledger

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// The codes of requests.
const (
	askMetadata = 50000
	askAppend   = 50001
	askGet      = 50002
)

// success is the code of a response that is none of the errors.
const success = 200

// request is the body of every request that is made here, as JSON. Its bytes are base64 there.
type request struct {
	Group      string `json:"group"`
	RemoteID   string `json:"remoteId"`
	Body       []byte `json:"body,omitempty"`
	BeginIndex *int64 `json:"beginIndex,omitempty"`
}

// response is the body of every response.
type response struct {
	Code     int    `json:"code"`
	LeaderID string `json:"leaderId"`
	Index    int64  `json:"index"`
	Entries  []struct {
		Body []byte `json:"body"`
	} `json:"entries"`
}

// header is that of a frame, in RocketMQ's remoting protocol:
//
//	length of what follows 4 | serialisation 1, 0 is JSON | length of the header 3 | header | body
type header struct {
	Code      int    `json:"code"`
	Flag      int    `json:"flag"`
	Language  string `json:"language"`
	Opaque    int32  `json:"opaque"`
	Serialise string `json:"serializeTypeCurrentRPC"`
	Version   int    `json:"version"`
	Remark    string `json:"remark,omitempty"`
}

// mostFrame bounds a frame, in bytes.
const mostFrame = 64 << 20

// conn is a connection to a server, which many callers share. Its methods may be called from any goroutine.
type conn struct {
	socket net.Conn
	reader sync.WaitGroup

	writing sync.Mutex // one frame at a time

	mu      sync.Mutex
	last    int32
	waiting map[int32]chan []byte // by number of the request; has room for the body
	err     error                 // why nothing more will come
	ended   chan struct{}         // closed when err is set
}

func dial(ctx context.Context, address string) (*conn, error) {
	var d net.Dialer
	socket, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dledger: %w", err)
	}
	c := &conn{socket: socket, waiting: map[int32]chan []byte{}, ended: make(chan struct{})}
	c.reader.Go(c.read)
	return c, nil
}

// close breaks the connection off; what waits fails.
func (c *conn) close() {
	_ = c.socket.Close()
	c.reader.Wait()
}

// broken tells whether the connection has ended.
func (c *conn) broken() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// call sends a request and blocks until its response is there, the connection ends or ctx is done.
func (c *conn) call(ctx context.Context, code int, ask *request) (*response, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	number, answer := c.expect()
	defer c.forget(number)
	if err := c.send(header{Code: code, Language: "GO", Opaque: number, Serialise: "JSON"}, body); err != nil {
		return nil, err
	}
	select {
	case body := <-answer:
		var got response
		if err := json.Unmarshal(body, &got); err != nil {
			return nil, fmt.Errorf("dledger: expected a response as JSON: %w", err)
		}
		return &got, nil
	case <-c.ended:
		return nil, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *conn) expect() (int32, chan []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	answer := make(chan []byte, 1)
	c.waiting[c.last] = answer
	return c.last, answer
}

func (c *conn) forget(number int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, number)
}

func (c *conn) send(h header, body []byte) error {
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	frame := make([]byte, 0, 8+len(head)+len(body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(head)+len(body)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(head)))
	frame = append(append(frame, head...), body...)
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.socket.Write(frame); err != nil {
		return fmt.Errorf("dledger: %w", err)
	}
	return nil
}

// read hands responses to those who wait, until the connection ends.
func (c *conn) read() {
	in := bufio.NewReaderSize(c.socket, 1<<16)
	for {
		h, body, err := readFrame(in)
		if err != nil {
			c.mu.Lock()
			c.err = fmt.Errorf("dledger: the connection has ended: %w", err)
			c.mu.Unlock()
			close(c.ended)
			return
		}
		c.mu.Lock()
		if answer := c.waiting[h.Opaque]; answer != nil {
			answer <- body
			delete(c.waiting, h.Opaque)
		}
		c.mu.Unlock()
	}
}

func readFrame(in io.Reader) (header, []byte, error) {
	var h header
	var lengths [8]byte
	if _, err := io.ReadFull(in, lengths[:]); err != nil {
		return h, nil, err
	}
	frame, head := binary.BigEndian.Uint32(lengths[:]), binary.BigEndian.Uint32(lengths[4:])
	if head>>24 != 0 || frame > mostFrame || head+4 > frame {
		return h, nil, fmt.Errorf("expected a frame of at most %d bytes with a header in JSON, got lengths %#x and %#x", mostFrame, frame, head)
	}
	rest := make([]byte, frame-4)
	if _, err := io.ReadFull(in, rest); err != nil {
		return h, nil, errors.Join(errors.New("within a frame"), err)
	}
	err := json.Unmarshal(rest[:head], &h)
	return h, rest[head:], err
}
