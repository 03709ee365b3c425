package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// ConnOptions are the settings of a client's connection. Zero values mean the defaults.
type ConnOptions struct {
	// Cluster is the name of the cluster that the node must belong to; empty for any.
	Cluster string
	// Agent names the client's program in the node's log.
	Agent string
	// Dial makes the connection; by default a TCP connection by net.Dialer. TLS goes here.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// HelloTimeout bounds connecting and the first exchange. Default 5 s.
	HelloTimeout time.Duration
	// WriteTimeout: a node that takes nothing for so long is given up. Default 20 s.
	WriteTimeout time.Duration
	// MaxQueueBytes bounds what waits to be written; a call beyond it waits. Default 16 MiB.
	MaxQueueBytes int
	// MaxFrame bounds the answers, and the requests, in bytes. Default DefaultMaxFrame.
	MaxFrame int
}

func (o ConnOptions) withDefaults() ConnOptions {
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	orDefault(&o.HelloTimeout, 5*time.Second)
	orDefault(&o.WriteTimeout, 20*time.Second)
	orDefault(&o.MaxQueueBytes, 16<<20)
	orDefault(&o.MaxFrame, DefaultMaxFrame)
	return o
}

func orDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Conn is a client's connection to a node. All methods are safe for concurrent use.
type Conn struct {
	conn    net.Conn
	address string
	opts    ConnOptions
	welcome Welcome
	out     *outbox
	lastID  atomic.Uint64
	// stop is closed when the connection has failed or is closed; failure is set before.
	stop    chan struct{}
	leaving atomic.Bool
	loops   sync.WaitGroup

	mu      sync.Mutex
	calls   map[uint64]*pendingCall
	failure error
}

// pendingCall is a request that has no answer yet.
type pendingCall struct {
	claim atomic.Uint32
	// answers holds one answer, or, for a stream, as many parts as it granted and the end.
	answers chan answer
}

type answer struct {
	head answerHead
	body []byte
}

// Dial connects to a node and introduces itself. It fails with *RefusedError when the node does not want this client.
func Dial(ctx context.Context, address string, opts ConnOptions) (*Conn, error) {
	opts = opts.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, opts.HelloTimeout)
	defer cancel()
	conn, err := opts.Dial(ctx, address)
	if err != nil {
		return nil, &meetingError{"connecting to", address, err}
	}
	c := &Conn{conn: conn, address: address, opts: opts, stop: make(chan struct{}), calls: map[uint64]*pendingCall{}}
	// A context that ends while the hello is exchanged has to wake the reader.
	undo := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	reader := wire.NewReader(conn, helloLimits)
	err = c.introduce(reader)
	if !undo() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, &meetingError{"meeting the node at", address, err}
	}
	reader.SetLimits(frameLimits(opts.MaxFrame))
	c.out = newOutbox(conn, frameLimits(opts.MaxFrame), opts.MaxQueueBytes, opts.WriteTimeout, c.stop)
	c.loops.Add(2)
	go func() {
		defer c.loops.Done()
		c.fail(c.out.run())
	}()
	go func() {
		defer c.loops.Done()
		c.fail(c.read(reader))
	}()
	return c, nil
}

func (c *Conn) introduce(reader *wire.Reader) error {
	h := hello{MinProtocol: Protocol, MaxProtocol: Protocol, Cluster: c.opts.Cluster, Agent: c.opts.Agent}
	if err := writeFirst(wire.NewWriter(c.conn, helloLimits), kindHello, h); err != nil {
		return err
	}
	if err := readFirst(reader, kindWelcome, &c.welcome); err != nil {
		return err
	}
	if c.welcome.Refused != "" {
		return &RefusedError{Address: c.address, Cluster: c.welcome.Cluster, Reason: c.welcome.Refused}
	}
	if c.opts.Cluster != "" && c.welcome.Cluster != c.opts.Cluster {
		return &RefusedError{Address: c.address, Cluster: c.welcome.Cluster, Reason: fmt.Sprintf("expected cluster %q, found %q", c.opts.Cluster, c.welcome.Cluster)}
	}
	return nil
}

// Welcome is what the node said of itself.
func (c *Conn) Welcome() Welcome { return c.welcome }

// Address is what was dialled.
func (c *Conn) Address() string { return c.address }

// Done is closed when the connection has failed or is closed.
func (c *Conn) Done() <-chan struct{} { return c.stop }

// Usable reports whether a call may succeed: the connection stands, and the node is not about to close it.
func (c *Conn) Usable() bool {
	select {
	case <-c.stop:
		return false
	default:
		return !c.leaving.Load()
	}
}

// Close closes the connection. Calls that wait get a *CallError with ErrClosed.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.loops.Wait()
	return nil
}

// fail ends the connection, for the first reason given.
func (c *Conn) fail(err error) {
	if err == nil {
		err = ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = err
		close(c.stop)
		c.conn.Close()
	}
}

func (c *Conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// read hands answers to their calls.
func (c *Conn) read(reader *wire.Reader) error {
	for {
		f, err := reader.Next()
		if err != nil {
			return err
		}
		switch f.Kind {
		case kindBye:
			c.leaving.Store(true)
			c.leaveIfDone()
		case kindAnswer:
			var head answerHead
			if err := decode(f.Head, &head, answerShape); err != nil {
				return err
			}
			if err := c.deliver(answer{head: head, body: f.Body}); err != nil {
				return err
			}
		default:
			return &wire.FrameError{Part: wire.PartKind, Offset: reader.Offset(), Expected: uint64(kindAnswer), Found: uint64(f.Kind)}
		}
	}
}

// leaveIfDone closes the connection once the node has said goodbye and every answer is here.
func (c *Conn) leaveIfDone() {
	if !c.leaving.Load() {
		return
	}
	c.mu.Lock()
	waiting := len(c.calls)
	c.mu.Unlock()
	if waiting == 0 {
		c.fail(ErrGoingAway)
	}
}

// deliver never waits: a call has room for what it asked for, and a node that sends more is at fault. Answers to calls that
// were given up are dropped.
func (c *Conn) deliver(a answer) error {
	c.mu.Lock()
	call := c.calls[a.head.ID]
	if call != nil && !a.head.More {
		delete(c.calls, a.head.ID)
	}
	c.mu.Unlock()
	if call == nil {
		return nil
	}
	select {
	case call.answers <- a:
		c.leaveIfDone()
		return nil
	default:
		return fmt.Errorf("%w: more answers to request %d than it asked for", ErrMalformed, a.head.ID)
	}
}

// begin sends a request and registers who waits for the answers.
func (c *Conn) begin(ctx context.Context, group string, verb Verb, args any, credit uint32) (uint64, *pendingCall, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, &CallError{Err: err}
	}
	if c.leaving.Load() {
		return 0, nil, &CallError{Err: ErrGoingAway}
	}
	call := &pendingCall{answers: make(chan answer, credit+1)}
	head := requestHead{ID: c.lastID.Add(1), Verb: verb, Group: group, Credit: credit}
	if deadline, ok := ctx.Deadline(); ok && !verb.Streams() {
		head.Millis = clampMillis(time.Until(deadline).Milliseconds())
	}
	f, err := c.frame(head, args)
	if err != nil {
		return 0, nil, err
	}
	f.claim = &call.claim
	c.mu.Lock()
	c.calls[head.ID] = call
	c.mu.Unlock()
	if !c.out.put(f, ctx.Done()) {
		call.claim.Store(claimWithdrawn)
		return 0, nil, c.abandon(ctx, head.ID, call)
	}
	return head.ID, call, nil
}

func (c *Conn) frame(head requestHead, args any) (outgoing, error) {
	h, err := encode(&head)
	if err != nil {
		return outgoing{}, &CallError{Err: err}
	}
	body, err := encode(args)
	if err != nil {
		return outgoing{}, &CallError{Err: err}
	}
	if err := c.out.limits.Check(uint64(len(h)), uint64(len(body))); err != nil {
		return outgoing{}, &Error{Code: CodeTooLarge, Field: "request", Problem: err.Error()}
	}
	return outgoing{kind: kindRequest, head: h, body: body}, nil
}

// abandon gives a call up and says whether it may have reached the node.
func (c *Conn) abandon(ctx context.Context, id uint64, call *pendingCall) error {
	sent := !call.claim.CompareAndSwap(claimWaiting, claimWithdrawn) && call.claim.Load() == claimWritten
	c.mu.Lock()
	delete(c.calls, id)
	failure := c.failure
	c.mu.Unlock()
	c.leaveIfDone()
	if failure != nil {
		return &CallError{Sent: sent, Err: failure}
	}
	if sent {
		c.control(kindCancel, cancelHead{ID: id})
	}
	return &CallError{Sent: sent, Err: ctx.Err()}
}

// control says something about a request under way.
func (c *Conn) control(kind uint8, head any) {
	if b, err := encode(head); err == nil {
		c.out.push(outgoing{kind: kind, head: b})
	}
}

// Call sends a request and waits for its answer, which fills result (a pointer to the verb's result type). args are read
// before it returns. It fails with *Error, which is the node's answer, or with *CallError when no answer came: Sent then says
// whether the request may have been carried out. The node is told how much time ctx leaves, and when ctx is cancelled.
func (c *Conn) Call(ctx context.Context, group string, verb Verb, args, result any) error {
	id, call, err := c.begin(ctx, group, verb, args, 0)
	if err != nil {
		return err
	}
	select {
	case a := <-call.answers:
		return a.decode(result)
	case <-ctx.Done():
	case <-c.stop:
	}
	select {
	case a := <-call.answers: // It came all the same.
		return a.decode(result)
	default:
		return c.abandon(ctx, id, call)
	}
}

// decode gives an answer's result or error.
func (a answer) decode(result any) error {
	if a.head.Code == CodeOK {
		if err := decode(a.body, result, answerShape); err != nil {
			return &CallError{Sent: true, Err: err}
		}
		return nil
	}
	e := &Error{}
	if err := decode(a.body, e, answerShape); err != nil {
		return &CallError{Sent: true, Err: err}
	}
	e.Code = a.head.Code
	return e
}

// IsSent reports whether a request that failed with err may have been carried out although no answer came.
func IsSent(err error) bool {
	var call *CallError
	return errors.As(err, &call) && call.Sent
}
