package raft

import (
	"errors"
	"fmt"
)

var (
	// ErrBusy: too much is in flight; nothing was done, try again later.
	ErrBusy = errors.New("raft: too many uncommitted bytes or reads in flight; nothing was done, try again")
	// ErrNotVoter: leadership can go to a voter of the configuration in force only; nothing was done.
	ErrNotVoter = errors.New("raft: the node has no vote in the configuration in force; name a voter")
	// ErrConfigurationPending: another configuration is not committed yet, or no entry of the leader's own term is; nothing
	// was done, try again later.
	ErrConfigurationPending = errors.New("raft: a configuration change is under way or the term has only begun; nothing was done, try again")
	// ErrUnchanged: the configuration in force already is what was asked for. Nothing was done, and nothing needs to be.
	ErrUnchanged = errors.New("raft: the configuration in force already is what was asked for; nothing was done")
	// ErrNoVoterLeft: the change would leave the group without a voter. Nothing was done.
	ErrNoVoterLeft = errors.New("raft: the change would leave the group without a voter; nothing was done, add another voter first")
)

// ChangeError says which of several membership changes can't be made, and why. Nothing was done.
type ChangeError struct {
	// Position is the change's place among those that were asked for.
	Position int
	Change   MemberChange
	// Reason says what was expected and what was found.
	Reason string
}

// Error says what can't be done and why.
func (e *ChangeError) Error() string {
	return fmt.Sprintf("raft: can't %s %q (change %d): %s; nothing was done", e.Change.Kind, string(e.Change.ID), e.Position, e.Reason)
}

// ConfigurationChangedError says that a membership change was asked for on the condition that the configuration is still one that
// the caller saw, and it isn't. Nothing was done: look at what is in force now, then decide again.
type ConfigurationChangedError struct {
	// Seen is the entry that the caller named, InForce that of the configuration in force.
	Seen, InForce EntryID
}

// Error names both entries.
func (e *ConfigurationChangedError) Error() string {
	return fmt.Sprintf("raft: expected the configuration that was in force at entry %s, found that of entry %s; nothing was done, look at it and decide again", e.Seen, e.InForce)
}

// NotLeaderError says that a request must go to the leader: nothing was done.
type NotLeaderError struct {
	// Leader is the leader as far as is known, or None. While leadership is being transferred it is the target.
	Leader NodeID
}

// Error names the leader, when one is known.
func (e *NotLeaderError) Error() string {
	if e.Leader == None {
		return "raft: not the leader, and no leader is known; nothing was done, try again"
	}
	return fmt.Sprintf("raft: not the leader; nothing was done, ask %s", e.Leader)
}

// ProtocolError says that a message is not one a correct peer sends. It was ignored.
type ProtocolError struct {
	// From and Type are the message's.
	From NodeID
	Type MessageType
	// Reason says what was expected and what was found.
	Reason string
}

// Error says who sent what, and what is wrong with it.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("raft: ignored a %s from %q: %s; check that the peer is sound and of this group", e.Type, string(e.From), e.Reason)
}

func protocolError(m *Message, format string, args ...any) error {
	return &ProtocolError{From: m.From, Type: m.Type, Reason: fmt.Sprintf(format, args...)}
}

// EntryError says that an entry of a batch can't be proposed. Nothing was done.
type EntryError struct {
	// Position is the entry's place in the batch, Kind and Size are what it has.
	Position int
	Kind     Kind
	Size     uint32
}

// Error says what was expected.
func (e *EntryError) Error() string {
	return fmt.Sprintf("raft: entry %d of the batch has kind %d and size %d; expected a kind other than 0 and configuration, and RecordSize of its body",
		e.Position, e.Kind, e.Size)
}
