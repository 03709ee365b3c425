package proxy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Link carries what one node sends to another, over all connections between them, whoever called. Its methods may be called from any
// goroutine, at any time; they count for connections that are there already.
type Link struct {
	mu sync.Mutex
	// open is closed while the link is not cut.
	open  chan struct{}
	isCut bool
	// delay and jitter are the time that bytes are on their way: between delay and delay+jitter.
	delay, jitter time.Duration
	// rate is how many bytes go through in a second, 0 for no bound. It holds for each connection.
	rate  int64
	pairs map[*pair]struct{}
	// carried is how many bytes have gone through.
	carried int64
}

func newLink() *Link {
	l := &Link{open: make(chan struct{}), pairs: map[*pair]struct{}{}}
	close(l.open)
	return l
}

// SetCut cuts the link, or mends it.
func (l *Link) SetCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut == l.isCut {
		return
	}
	l.isCut = cut
	if cut {
		l.open = make(chan struct{})
	} else {
		close(l.open)
	}
}

// SetDelay makes bytes take between delay and delay+jitter. Their order stays.
func (l *Link) SetDelay(delay, jitter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.jitter = delay, jitter
}

// SetRate bounds the bytes that a connection carries in a second; 0 for no bound.
func (l *Link) SetRate(bytesPerSecond int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = bytesPerSecond
}

// Reset breaks the connections that use the link, in the middle of whatever they carry, and gives their number. New ones may be made at once.
func (l *Link) Reset() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		p.reset()
	}
	return len(l.pairs)
}

// Carried is how many bytes have arrived through the link.
func (l *Link) Carried() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.carried
}

func (l *Link) join(p *pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pairs[p] = struct{}{}
}

func (l *Link) leave(p *pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, p)
}

// await blocks while the link is cut.
func (l *Link) await(ctx context.Context) error {
	for ctx.Err() == nil {
		l.mu.Lock()
		open, cut := l.open, l.isCut
		l.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-open:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// due is when bytes that are sent now arrive, and how long after them the next ones may follow.
func (l *Link) due(now time.Time, bytes int) (at time.Time, gap time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at = now.Add(l.delay)
	if l.jitter > 0 {
		at = at.Add(rand.N(l.jitter))
	}
	if l.rate > 0 {
		gap = time.Duration(int64(bytes) * int64(time.Second) / l.rate)
	}
	return at, gap
}

const (
	// pieceBytes is how much is carried at once, waitingPieces how many pieces may be on their way: together what a network holds before a
	// sender is held back.
	pieceBytes    = 16 << 10
	waitingPieces = 128
)

// piece is some bytes on their way, or, without any, the end of the stream.
type piece struct {
	bytes []byte
	due   time.Time
	// broken: the stream did not end, the connection broke.
	broken bool
}

// pump carries what from sends to to, first the bytes given, until the stream ends on either side.
func (l *Link) pump(ctx context.Context, from, to *net.TCPConn, first []byte) {
	pieces := make(chan piece, waitingPieces)
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		l.deliver(ctx, to, pieces)
	}()
	if len(first) > 0 {
		at, _ := l.due(time.Now(), len(first))
		pieces <- piece{bytes: first, due: at}
	}
	for {
		buf := make([]byte, pieceBytes)
		n, err := from.Read(buf)
		at, _ := l.due(time.Now(), n)
		if n > 0 {
			pieces <- piece{bytes: buf[:n], due: at}
		}
		if err != nil {
			pieces <- piece{due: at, broken: !errors.Is(err, io.EOF)}
			break
		}
	}
	close(pieces)
	wait.Wait()
}

// deliver writes pieces when they are due, and passes on how the stream ends. Once to takes no more, what comes is dropped: who sends it
// hears of that by the other direction, if that is open.
func (l *Link) deliver(ctx context.Context, to *net.TCPConn, pieces <-chan piece) {
	dead := false
	for p := range pieces {
		if dead || until(ctx, p.due) != nil || l.await(ctx) != nil {
			dead = true
			continue
		}
		switch {
		case len(p.bytes) > 0:
			if _, err := to.Write(p.bytes); err != nil {
				dead = true
				continue
			}
			l.mu.Lock()
			l.carried += int64(len(p.bytes))
			l.mu.Unlock()
			now := time.Now()
			_, gap := l.due(now, len(p.bytes))
			dead = until(ctx, now.Add(gap)) != nil
		case p.broken:
			reset(to)
		default:
			_ = to.CloseWrite() // fails only if the connection is gone
		}
	}
}

// until waits for a time.
func until(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
