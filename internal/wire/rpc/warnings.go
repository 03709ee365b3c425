package rpc

import (
	"net"
	"sync"
	"time"
)

const (
	// warnInterval is how often a host is worth a warning.
	warnInterval = time.Minute
	// maxWarned bounds the hosts that are remembered; past it nobody new is warned of until some are forgotten.
	maxWarned = 1024
)

// warnings lets through one warning for each host and minute: who hammers at the port shall not fill the log.
type warnings struct {
	mu   sync.Mutex
	last map[string]time.Time // by host
}

// due reports whether a host is worth a warning now, and notes that there was one.
func (w *warnings) due(host string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, ok := w.last[host]; ok && now.Sub(last) < warnInterval {
		return false
	}
	if len(w.last) >= maxWarned {
		for h, last := range w.last {
			if now.Sub(last) >= warnInterval {
				delete(w.last, h)
			}
		}
		if len(w.last) >= maxWarned {
			return false
		}
	}
	if w.last == nil {
		w.last = map[string]time.Time{}
	}
	w.last[host] = now
	return true
}

// warn logs something about a client, as a warning if the last one about its host was some time ago.
func (s *Server) warn(conn net.Conn, message string, attrs ...any) {
	attrs = append([]any{"address", conn.RemoteAddr()}, attrs...)
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	if s.warned.due(host, time.Now()) {
		s.opts.Log.Warn(message, attrs...)
	} else {
		s.opts.Log.Debug(message, attrs...)
	}
}
