package rpc

import "time"

// IdleLook gives a function that looks once for idle connections.
func IdleLook(s *Server) func() {
	var watched map[*serverConn]idleWatch
	return func() { watched = s.lookForIdle(watched) }
}

// IdleLooks is how many looks find a connection idle before it is closed, the first included, which knows nothing of before.
const IdleLooks = idleLooks + 1

// WarningsDue gives what decides whether a host is worth a warning.
func WarningsDue() func(host string, now time.Time) bool { return new(warnings).due }

// MaxWarned is how many hosts are remembered.
const MaxWarned = maxWarned

// PortBytes gives what is counted at the port.
func PortBytes(s *Server) (requests, answers int64) {
	return s.requests.used.Load(), s.answers.used.Load()
}
