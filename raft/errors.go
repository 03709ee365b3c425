package raft

import (
	"errors"
	"fmt"
)

// ErrBusy: too much is in flight; nothing was done, try again later.
var ErrBusy = errors.New("raft: too many uncommitted bytes in flight; nothing was proposed, try again")

// NotLeaderError says that a request must go to the leader: nothing was done.
type NotLeaderError struct {
	// Leader is the leader as far as is known, or None.
	Leader NodeID
}

// Error names the leader, when one is known.
func (e *NotLeaderError) Error() string {
	if e.Leader == None {
		return "raft: not the leader, and no leader is known; nothing was done, try again"
	}
	return fmt.Sprintf("raft: not the leader; nothing was done, ask %s", e.Leader)
}
