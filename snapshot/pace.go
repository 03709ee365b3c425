package snapshot

import (
	"math/bits"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// paceBurst is how far sending may run ahead of the limit after an idle time.
const paceBurst = 100 * time.Millisecond

// pace is a token bucket kept as the time at which the next byte may leave. What does not divide is rounded up, so that the
// limit holds over any stretch of time longer than the burst, one chunk apart.
type pace struct {
	bytesPerSecond uint64 // 0: no limit
	free           raft.Monotonic
}

// ready reports whether something may be sent now.
func (p *pace) ready(now raft.Monotonic) bool { return p.bytesPerSecond == 0 || p.free <= now }

// spend counts n bytes sent now.
func (p *pace) spend(now raft.Monotonic, n int) {
	if p.bytesPerSecond == 0 {
		return
	}
	p.free = max(p.free, now-raft.Monotonic(paceBurst))
	hi, lo := bits.Mul64(uint64(n), uint64(time.Second))
	if hi >= p.bytesPerSecond { // Only a limit of a few bytes in centuries comes here.
		p.free = 1<<63 - 1
		return
	}
	ns, rest := bits.Div64(hi, lo, p.bytesPerSecond)
	if rest > 0 {
		ns++
	}
	p.free += raft.Monotonic(ns)
}
