package rpc

import "fmt"

// Protocol is the version of the protocol spoken here.
const Protocol = 1

// Verb says what a request asks for.
type Verb uint8

// The verbs, with their arguments and results.
const (
	VerbPut       Verb = 1  // PutArgs → PutResult
	VerbGet       Verb = 2  // GetArgs → GetResult
	VerbDelete    Verb = 3  // DeleteArgs → DeleteResult
	VerbRange     Verb = 4  // RangeArgs → RangeResult
	VerbTxn       Verb = 5  // TxnArgs → TxnResult
	VerbCompact   Verb = 6  // CompactArgs → Empty
	VerbSwap      Verb = 7  // SwapArgs → SwapResult
	VerbAppend    Verb = 8  // AppendArgs → AppendResult
	VerbLogGet    Verb = 9  // LogGetArgs → Record
	VerbLogFollow Verb = 10 // LogFollowArgs → LogPart, many
	VerbStatus    Verb = 11 // Empty → NodeStatus; without a group
	VerbTransfer  Verb = 12 // TransferArgs → Empty
	VerbMembers   Verb = 13 // MembersArgs → MembersResult; without a group: all nodes that this one knows
	VerbHash      Verb = 14 // HashArgs → HashResult
	VerbChange    Verb = 15 // ChangeArgs → Empty
	VerbFormat    Verb = 16 // FormatArgs → FormatResult
)

var verbNames = [...]string{"", "put", "get", "delete", "range", "txn", "compact", "swap", "append", "log get", "log follow", "status",
	"transfer", "members", "hash", "change members", "raise format"}

// String gives the verb's name in lower case.
func (v Verb) String() string {
	if v == 0 || int(v) >= len(verbNames) {
		return fmt.Sprintf("verb(%d)", uint8(v))
	}
	return verbNames[v]
}

// Writes reports whether a request with this verb may change something, so that it must not be repeated when its fate is
// unknown.
func (v Verb) Writes() bool {
	switch v {
	case VerbPut, VerbDelete, VerbTxn, VerbCompact, VerbSwap, VerbAppend, VerbTransfer, VerbChange, VerbFormat:
		return true
	}
	return false
}

// Streams reports whether the answer to a request with this verb comes in parts.
func (v Verb) Streams() bool { return v == VerbLogFollow }

// Code says how a request ended.
type Code uint8

// The codes. But for CodeUncertain, nothing was done when one of them but CodeOK is the answer.
const (
	CodeOK Code = 0
	// CodeNotLeader: ask the leader; Error.Leader and Error.Address name it, if it is known.
	CodeNotLeader Code = 1
	// CodeBusy: a queue is full; try again later.
	CodeBusy Code = 2
	// CodeUncertain: the write may have been done or may yet be.
	CodeUncertain Code = 3
	// CodeCompacted: the log begins behind the index asked for, at Error.First and Error.Position.
	CodeCompacted Code = 4
	// CodeRevisionCompacted: the revision asked for (Error.Asked) is below the lowest readable one (Error.Bound).
	CodeRevisionCompacted Code = 5
	// CodeFutureRevision: the revision asked for (Error.Asked) is above the newest one (Error.Bound).
	CodeFutureRevision Code = 6
	// CodeNotFound: there is no such key, entry or group; Error.Field says which of them.
	CodeNotFound Code = 7
	// CodeTooLarge: something in the request is over its limit; Error.Field and Error.Problem say what.
	CodeTooLarge Code = 8
	// CodeDiskFull: writes are refused until space is free.
	CodeDiskFull Code = 9
	// CodeCorrupt: what was asked for is damaged on this node's disk; another node may have it.
	CodeCorrupt Code = 10
	// CodeClosed: the node or group is closing; another node may serve.
	CodeClosed Code = 11
	// CodeBadRequest: the request can't be carried out as it stands; Error.Field and Error.Problem say why.
	CodeBadRequest Code = 12
	// CodeDuplicateWrite: a transaction would write one key twice.
	CodeDuplicateWrite Code = 13
	// CodeUnsupported: the request uses something that is not in force, or a verb that this node does not know.
	CodeUnsupported Code = 14
	// CodeTimeout: the time that the client gave passed, or it cancelled the request, before anything was done.
	CodeTimeout Code = 15
	// CodeUnavailable: this node can't serve at the moment; another one may.
	CodeUnavailable Code = 16
	// CodeFailed: anything else; Error.Message says what.
	CodeFailed Code = 17
	// CodeConfigurationPending: another membership change is under way, or the leader's term has only begun; try again later.
	CodeConfigurationPending Code = 18
	// CodeConfigurationChanged: the configuration is not the one that the client saw any more.
	CodeConfigurationChanged Code = 19
)

var codeNames = [...]string{"ok", "not leader", "busy", "uncertain", "compacted", "revision compacted", "future revision", "not found",
	"too large", "disk full", "corrupt", "closed", "bad request", "duplicate write", "unsupported", "timeout", "unavailable", "failed", "configuration pending", "configuration changed"}

// String gives the code's name in lower case.
func (c Code) String() string {
	if int(c) >= len(codeNames) {
		return fmt.Sprintf("code(%d)", uint8(c))
	}
	return codeNames[c]
}
