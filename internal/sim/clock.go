package sim

import (
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// epoch is where virtual time begins; any fixed date would do.
const epoch = int64(1_700_000_000_000_000_000)

// clock is virtual time.
type clock struct{ now time.Duration }

// Monotonic is the time since the run began.
func (c *clock) Monotonic() raft.Monotonic { return raft.Monotonic(c.now) }

// Wall is a date.
func (c *clock) Wall() int64 { return epoch + int64(c.now) }
