package sim

import (
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// office is how a lane's replica has led its group of late. Only the time counts in which its node ran.
type office struct {
	term raft.Term
	// deaf is for how long no quorum of the voters was heard, stuck for how long nothing was committed though there was something to commit.
	deaf, stuck time.Duration
	commit      raft.Index
	// patience bounds the core's own: it doubles from office to office while nothing is committed.
	patience time.Duration
}

const (
	// deafFor is how long a leader that hears no quorum may stay: an election timeout, another one until a group that is quiet has noticed, and what a
	// clock that runs slow and a loop that seldom runs add.
	deafFor = 6 * electionTimeout
	// commitTimeout is the nodes' own default, and stuckFor what is allowed besides.
	commitTimeout = time.Second
	stuckFor      = 2 * electionTimeout
)

// inOffice holds a lane's leaders against what a leader owes the others when a tick has passed: who hears no quorum, or commits nothing, has to leave.
func (w *World) inOffice(l *lane) {
	ran := l.ran
	l.ran = false
	for at, g := range l.groups {
		o := &l.offices[at]
		role := g.Role()
		leads := role.Role == raft.Leader && role.Err == nil
		if !leads || role.Term != o.term {
			if o.stuck > 0 {
				o.patience = min(2*o.patience, 8*commitTimeout)
			}
			o.term, o.deaf, o.stuck, o.commit = role.Term, 0, 0, g.Committed()
			if !leads {
				continue
			}
		}
		if commit := g.Committed(); commit > o.commit || o.patience == 0 {
			o.commit, o.stuck, o.patience = commit, 0, commitTimeout
		}
		if ran { // otherwise it could not have left
			w.serves(l, at, o)
		}
	}
}

// serves looks at a leader that has run for another tick.
func (w *World) serves(l *lane, at int, o *office) {
	last := l.groups[at].Ledger().Last()
	if o.deaf += w.Plan.Tick; w.hears(l, at) {
		o.deaf = 0
	}
	if o.stuck += w.Plan.Tick; o.commit == last.Index || l.soleVoter(at) {
		o.stuck = 0
	}
	if o.deaf > deafFor {
		w.violate(fmt.Errorf("liveness: %s has led group %d in term %d for %v without having heard a quorum", l.id, at+1, o.term, o.deaf))
	}
	if o.stuck > o.patience+stuckFor {
		w.violate(fmt.Errorf("liveness: %s has led group %d in term %d for %v without having committed anything, and %s waits", l.id, at+1, o.term, o.stuck, last))
	}
}

// soleVoter says that a replica is the only one with a vote: it has nobody to leave the office to.
func (l *lane) soleVoter(at int) bool {
	for _, m := range l.groups[at].Members().Configuration.Members {
		if (m.Voter || m.WasVoter) && m.ID != l.id {
			return false
		}
	}
	return true
}

// hears says whether frames of a quorum of a group's voters have arrived at a lane within the last election timeout.
func (w *World) hears(l *lane, at int) bool {
	members := l.groups[at].Members().Configuration
	near := func(votes func(raft.Member) bool) bool {
		voters, heard := 0, 0
		for _, m := range members.Members {
			if !votes(m) {
				continue
			}
			voters++
			if m.ID == l.id || l.heard[m.ID]+electionTimeout > w.Now() {
				heard++
			}
		}
		return heard > voters/2
	}
	return near(func(m raft.Member) bool { return m.Voter }) && (!members.Joint || near(func(m raft.Member) bool { return m.WasVoter }))
}

// hear notes that a frame has arrived.
func (w *World) hear(from, to raft.NodeID) {
	l, x := w.lanes[w.number(to)], w.number(from)
	if w.cuts[way{x, l.number}] > 0 {
		return // it is lost
	}
	if l.heard == nil {
		l.heard = map[raft.NodeID]time.Duration{}
	}
	l.heard[from] = w.Now()
}
