package rpc

import "time"

// idleLooks is how many looks in a row have to find a connection idle before it is closed.
const idleLooks = 4

// closeIdle closes, gracefully, the connections that have nothing to say for about IdleTimeout, until the server stops. It looks at them from
// outside, so that requests cost nothing for it.
func (s *Server) closeIdle() {
	ticker := time.NewTicker(max(s.opts.IdleTimeout/idleLooks, time.Millisecond))
	defer ticker.Stop()
	watched := map[*serverConn]idleWatch{}
	for {
		select {
		case <-ticker.C:
			watched = s.lookForIdle(watched)
		case <-s.stop:
			return
		}
	}
}

// idleWatch is what the last look at a connection has found.
type idleWatch struct {
	requests uint64
	// looks is how many looks in a row found it idle.
	looks int
}

// lookForIdle looks once and gives what it has found.
func (s *Server) lookForIdle(before map[*serverConn]idleWatch) map[*serverConn]idleWatch {
	now := make(map[*serverConn]idleWatch, len(before))
	for _, c := range s.standing() {
		requests, idle := c.activity()
		w := idleWatch{requests: requests}
		if last, seen := before[c]; seen && idle && last.requests == requests {
			w.looks = last.looks + 1
		}
		if w.looks == idleLooks {
			s.opts.Log.Info("a client's connection is idle and will be closed", "address", c.conn.RemoteAddr(), "after", s.opts.IdleTimeout)
			c.drain()
		}
		now[c] = w
	}
	return now
}

// activity gives how many requests were admitted, and whether none is under way.
func (c *serverConn) activity() (requests uint64, idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, len(c.calls) == 0
}
