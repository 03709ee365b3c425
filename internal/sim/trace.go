package sim

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// trace is what happened: a hash of every event, and, when asked for, what a person would want to see.
type trace struct {
	hash   uint64
	record bool
	all    []happening
}

// event folds an event into the hash.
func (t *trace) event(at, what uint64) { t.hash = mix(mix(t.hash, at), what) }

// happeningKind says what kind of thing happened.
type happeningKind uint8

const (
	started happeningKind = iota
	refusedToStart
	lostPower
	wasKilled
	stayedAway
	faultBegan
	faultEnded
	roleChanged
	replicaFailed
	imageMoved
	linkReset
	messageSent
	clientDid
	phaseBegan
	lawBroken
	membersChanged
)

// happening is an entry of the trace.
type happening struct {
	at    time.Duration
	what  happeningKind
	lane  int
	peer  int
	group int
	fault int
	role  raft.Role
	term  raft.Term
	ready bool
	ways  []way
	text  string
}

// note keeps a happening, if somebody wants to see it.
func (w *World) note(h happening) {
	w.trace.event(uint64(w.Now()), 2<<32|uint64(h.what)<<16|uint64(h.lane))
	w.show(h)
}

// show is note for what the trace's hash knows already.
func (w *World) show(h happening) {
	if !w.trace.record {
		return
	}
	h.at = w.Now()
	w.trace.all = append(w.trace.all, h)
}

// String is a line of a readable trace.
func (h *happening) String() string {
	line := fmt.Sprintf("%10.6fs  n%d  ", h.at.Seconds(), h.lane+1)
	switch h.what {
	case started:
		return line + "starts"
	case refusedToStart:
		return line + "does not start: " + h.text
	case lostPower:
		return line + "loses its power " + h.text
	case wasKilled:
		return line + "is killed"
	case stayedAway:
		return line + "stays away: its disk has lost something"
	case faultBegan:
		return line + fmt.Sprintf("fault %d begins: %s%s", h.fault, h.text, waysText(h.ways))
	case faultEnded:
		return line + fmt.Sprintf("fault %d ends: %s", h.fault, h.text)
	case roleChanged:
		ready := ""
		if h.ready {
			ready = ", ready"
		}
		return line + fmt.Sprintf("%s: %s in term %d%s", groupName(h.group), h.role, h.term, ready)
	case replicaFailed:
		return line + fmt.Sprintf("%s: the replica stops: %s", groupName(h.group), h.text)
	case membersChanged:
		return line + fmt.Sprintf("%s: members %s", groupName(h.group), h.text)
	case imageMoved:
		return line + fmt.Sprintf("%s: %s", groupName(h.group), h.text)
	case linkReset:
		return line + fmt.Sprintf("its connection to n%d is reset", h.peer+1)
	case messageSent:
		return line + fmt.Sprintf("%s: to n%d: %s", groupName(h.group), h.peer+1, h.text)
	case clientDid:
		return fmt.Sprintf("%10.6fs  c%d  %s", h.at.Seconds(), h.lane, h.text)
	}
	return fmt.Sprintf("%10.6fs      %s", h.at.Seconds(), h.text)
}

func waysText(ways []way) string {
	s := ""
	for _, d := range ways {
		s += fmt.Sprintf(" n%d→n%d", d.from+1, d.to+1)
	}
	return s
}

// Trace is what happened in a run, for people.
type Trace struct {
	Plan Plan
	all  []happening
}

// WriteText writes a line for each thing that happened; clients says whether those of the clients are wanted, too.
func (t *Trace) WriteText(w io.Writer, clients bool) error {
	var b strings.Builder
	b.WriteString(t.Plan.String())
	for i := range t.all {
		if t.all[i].what == clientDid && !clients {
			continue
		}
		b.WriteString(t.all[i].String())
		b.WriteString("\n")
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}
