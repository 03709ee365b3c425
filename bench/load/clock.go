package load

import (
	"context"
	"time"
)

// Clock is where a run takes its time from. Its methods may be called from any goroutine.
type Clock interface {
	// Now is the time since some beginning; it never goes back.
	Now() time.Duration
	// Wait blocks until Now is at or past a time, or ctx is done.
	Wait(ctx context.Context, until time.Duration)
}

// SystemClock is the machine's clock, from the moment of the call on.
func SystemClock() Clock { return systemClock{began: time.Now()} }

type systemClock struct{ began time.Time }

func (c systemClock) Now() time.Duration { return time.Since(c.began) }

func (c systemClock) Wait(ctx context.Context, until time.Duration) {
	left := until - c.Now()
	if left <= 0 {
		return
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
