package raft

import (
	"fmt"
	"time"
)

// MessageType says what a Message asks or answers.
type MessageType uint8

const (
	// MsgPreVote asks whether the receiver would vote for the sender in Term, which nobody has entered yet.
	MsgPreVote MessageType = 1
	// MsgPreVoteResp answers MsgPreVote. Reject set: no.
	MsgPreVoteResp MessageType = 2
	// MsgVote asks for the receiver's vote in Term.
	MsgVote MessageType = 3
	// MsgVoteResp answers MsgVote. Reject set: no.
	MsgVoteResp MessageType = 4
	// MsgAppend carries the entries (Prev, Last]; Prev equal to Last is a probe without entries.
	MsgAppend MessageType = 5
	// MsgAppendResp answers MsgAppend or an installed image: Last is the receiver's last entry known to match the leader's
	// log, durable at the receiver. Reject set: Prev did not fit, and Hint says where to look.
	MsgAppendResp MessageType = 6
	// MsgHeartbeat keeps a leader in office, tells Commit, and starts read round Round.
	MsgHeartbeat MessageType = 7
	// MsgHeartbeatResp answers MsgHeartbeat with the same Round and SentAt. Last is the receiver's last entry, durable or
	// not: a leader sees from it that an append was lost.
	MsgHeartbeatResp MessageType = 8
	// MsgImage, leaving a leader, asks its node to send To an image, or, for a group without a machine, the base that Image
	// describes; arriving at a follower, it says that the image described by Image is here in full and may be installed.
	MsgImage MessageType = 9
	// MsgTransfer tells the receiver to start an election at once (Raft thesis §3.10). Reject set: whoever was told won't.
	MsgTransfer MessageType = 10
	// MsgReadIndex asks the leader for a read round in a follower's name; Read names it.
	MsgReadIndex MessageType = 11
	// MsgReadIndexResp answers MsgReadIndex: what waits for Read may be served at Commit. Reject set: it may not, ask again.
	MsgReadIndexResp MessageType = 12
	// MsgWake asks the leader of a group that fell silent for a sign of life: who knows the leader asks it, a learner that does not asks all.
	MsgWake MessageType = 13
	// MsgRemoved tells the receiver that it is no member as of entry Last, which is committed.
	MsgRemoved MessageType = 14
	// LastMessageType is the highest type there is.
	LastMessageType = MsgRemoved
)

// String gives the type's name as scripts print it.
func (t MessageType) String() string {
	names := [...]string{"", "PreVote", "PreVoteResp", "Vote", "VoteResp", "Append", "AppendResp", "Heartbeat", "HeartbeatResp",
		"Image", "Transfer", "ReadIndex", "ReadIndexResp", "Wake", "Removed"}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("message(%d)", uint8(t))
	}
	return names[t]
}

// Message is what cores say to each other. It names entries by both ends and never carries them: the sender's node reads them
// from its ledger, checks both ids, and drops the message when they no longer fit.
type Message struct {
	Type MessageType
	From NodeID
	To   NodeID
	// Term is the sender's term, but for MsgPreVote and a granting MsgPreVoteResp, where it is the term asked for.
	Term Term
	// Prev is the entry before the first one carried (MsgAppend), or the one that did not fit (a rejecting MsgAppendResp).
	Prev EntryID
	// Last is the last entry carried (MsgAppend), the sender's last entry (votes, MsgHeartbeatResp), or the last entry known
	// to match (MsgAppendResp).
	Last EntryID
	// Hint, in a rejecting MsgAppendResp, is the last entry at or below Prev of which the receiver knows that the leader
	// may have it: the leader goes back to it, or to its own last entry of a term no higher.
	Hint EntryID
	// Commit is the sender's commit index, never above what the message proves to match (MsgAppend, MsgHeartbeat), or where a read
	// may be served (MsgReadIndexResp).
	Commit Index
	// Round numbers a leader's heartbeat rounds within its term. A read joins only a round that starts after it arrived. In MsgTransfer
	// and what comes of it, a forced MsgVote, it is the round in which the leader gave up its lease.
	Round uint64
	// SentAt is the leader's clock when it sent the heartbeat, echoed by the answer. It means nothing to anyone else.
	SentAt Monotonic
	// Lease, in a MsgHeartbeat, asks the receiver to vote for nobody else for so long; in its answer, that is promised.
	Lease time.Duration
	// Read names a read round that a follower asked for (MsgReadIndex, MsgReadIndexResp).
	Read ReadID
	// Quiet, in a MsgHeartbeat, says that no more will follow until something happens; in its answer, that none is expected.
	Quiet bool
	// Reject says no.
	Reject bool
	// Force, in MsgVote, says that the leader itself asked for this election (transfer): contact with a leader is then no reason to
	// refuse, nor is a promise of that Round or an earlier one.
	Force bool
	// Image describes an image (MsgImage arriving at a follower) or the leader's base (MsgImage leaving the leader of a
	// group that is Config.LogOnly). Nobody changes what it points to.
	Image *ImageMeta
}

// ImageMeta is what the core needs to know of an image: the base of the ledger that follows it.
type ImageMeta struct {
	Base Base
}

// ReadID names a read. It is never reused, by this process or a later one (etcd#20418).
type ReadID struct {
	Boot    uint64
	Counter uint64
}

// Read is a read that may be served once Index is applied.
type Read struct {
	ID    ReadID
	Index Index
}
