package transport

import (
	"math/rand/v2"
	"time"
)

// backoff is how long to wait before the next of several attempts: twice as long each time, between half and all of it
// at random, so that nodes that lost each other at once don't come back at once.
type backoff struct {
	least, most time.Duration
	next        time.Duration
}

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) delay() time.Duration {
	b.next = min(max(2*b.next, b.least), b.most)
	return b.next - rand.N(b.next/2+1)
}
