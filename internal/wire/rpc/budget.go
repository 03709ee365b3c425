package rpc

import "sync"

// budget bounds a sum of bytes: who wants more than is left waits, first come, first served.
type budget struct {
	mu      sync.Mutex
	size    int
	left    int
	waiting []*claim
}

type claim struct {
	n     int
	ready chan struct{}
}

func newBudget(size int) *budget { return &budget{size: size, left: size} }

// take blocks until n bytes are left, and takes them; more than the whole budget counts as the whole. It returns what it
// took, for give, and false when stop or cancel was closed before; either may be nil.
func (b *budget) take(n int, stop, cancel <-chan struct{}) (int, bool) {
	n = min(n, b.size)
	b.mu.Lock()
	if len(b.waiting) == 0 && b.left >= n {
		b.left -= n
		b.mu.Unlock()
		return n, true
	}
	c := &claim{n: n, ready: make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	select {
	case <-c.ready:
		return n, true
	case <-stop:
	case <-cancel:
	}
	b.withdraw(c)
	return 0, false
}

// withdraw takes back a claim, granted or not.
func (b *budget) withdraw(c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-c.ready:
		b.left += c.n
	default:
		for i, w := range b.waiting {
			if w == c {
				b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
				break
			}
		}
	}
	b.grant()
}

// give gives n bytes back.
func (b *budget) give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += n
	b.grant()
}

func (b *budget) grant() {
	for len(b.waiting) > 0 && b.waiting[0].n <= b.left {
		c := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.left -= c.n
		close(c.ready)
	}
}
