package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// The Field of an answer with CodeNotFound.
const (
	fieldGroup = "group"
	fieldIndex = "index"
	// fieldMembers is that of a membership change that can't be made.
	fieldMembers = "members"
	// fieldFormat is that of an entry format that can't be put in force.
	fieldFormat = "format"
)

func codeOf(err error) rpc.Code {
	var e *rpc.Error
	switch {
	case err == nil:
		return rpc.CodeOK
	case errors.As(err, &e):
		return e.Code
	}
	return rpc.CodeFailed
}

// named are the errors without fields that have a code of their own. The first that fits counts: what is uncertain wraps its reason, and must
// not be taken for that.
var named = []struct {
	err  error
	code rpc.Code
}{
	{node.ErrUncertain, rpc.CodeUncertain},
	{node.ErrBusy, rpc.CodeBusy},
	{node.ErrDiskFull, rpc.CodeDiskFull},
	{node.ErrNotAdmitted, rpc.CodeUnavailable},
	{node.ErrStateLost, rpc.CodeUnavailable},
	{node.ErrClosed, rpc.CodeClosed},
	{ledger.ErrClosed, rpc.CodeClosed},
	{raft.ErrConfigurationPending, rpc.CodeConfigurationPending},
}

// translate puts an error into the protocol's words, the address of a leader that it names included.
func (s *Server) translate(err error) *rpc.Error {
	answer := Answer(err)
	if answer.Code == rpc.CodeNotLeader && answer.Address == "" {
		answer.Address = s.clientOf(node.NodeID(answer.Leader))
	}
	return answer
}

// Answer puts an error of the store, the group or the log into the protocol's words, as far as they don't depend on the node that answers. It gives the
// simulator's nodes the answers of real ones.
func Answer(err error) *rpc.Error {
	var answer *rpc.Error
	if errors.As(err, &answer) {
		return answer
	}
	out := &rpc.Error{Message: err.Error()}
	for _, n := range named {
		if errors.Is(err, n.err) {
			out.Code = n.code
			return out
		}
	}
	if !withFields(err, out) {
		out.Code = rpc.CodeFailed
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			out.Code = rpc.CodeTimeout
		}
	}
	return out
}

// withFields fills in an answer for the errors that have fields, and reports whether err is one of them.
func withFields(err error, out *rpc.Error) bool {
	var (
		elsewhere *node.NotLeaderError
		compacted *ledger.CompactedError
		corrupt   *ledger.CorruptionError
		failed    *node.FailedError
		revision  *kv.RevisionError
		invalid   *kv.InvalidError
		change    *raft.ChangeError
		changed   *raft.ConfigurationChangedError
		format    *node.FormatRefusedError
	)
	switch {
	case errors.As(err, &elsewhere):
		out.Code, out.Leader = rpc.CodeNotLeader, string(elsewhere.Leader)
	case errors.As(err, &failed): // before corrupt: the whole replica is out of service, whatever the cause
		out.Code = rpc.CodeUnavailable
	case errors.As(err, &compacted):
		out.Code, out.First, out.Position = rpc.CodeCompacted, uint64(compacted.FirstIndex), uint64(compacted.FirstPosition)
	case errors.As(err, &corrupt):
		out.Code = rpc.CodeCorrupt
	case errors.As(err, &revision):
		out.Code, out.Asked, out.Bound = rpc.CodeFutureRevision, uint64(revision.Asked), uint64(revision.Bound)
		if errors.Is(revision, kv.ErrCompacted) {
			out.Code = rpc.CodeRevisionCompacted
		}
	case errors.As(err, &invalid):
		out.Code, out.Field, out.Problem = codeOfInvalid(invalid), invalid.Field, invalid.Problem
	case errors.Is(err, node.ErrTooLarge):
		out.Code, out.Field, out.Problem = rpc.CodeTooLarge, "body", err.Error()
	case errors.Is(err, node.ErrNotCommitted):
		out.Code, out.Field, out.Problem = rpc.CodeNotFound, fieldIndex, err.Error()
	case errors.As(err, &changed):
		out.Code = rpc.CodeConfigurationChanged
	case errors.As(err, &change), errors.Is(err, raft.ErrNoVoterLeft), errors.Is(err, node.ErrAlone):
		out.Code, out.Field, out.Problem = rpc.CodeBadRequest, fieldMembers, err.Error()
	case errors.As(err, &format):
		out.Code, out.Field, out.Problem = rpc.CodeBadRequest, fieldFormat, err.Error()
	case errors.Is(err, raft.ErrNotVoter):
		out.Code, out.Field, out.Problem = rpc.CodeBadRequest, "to", err.Error()
	default:
		return false
	}
	return true
}

func codeOfInvalid(err *kv.InvalidError) rpc.Code {
	switch {
	case errors.Is(err, kv.ErrTooLarge):
		return rpc.CodeTooLarge
	case errors.Is(err, kv.ErrDuplicateWrite):
		return rpc.CodeDuplicateWrite
	case errors.Is(err, kv.ErrUnsupported):
		return rpc.CodeUnsupported
	}
	return rpc.CodeBadRequest
}

// noGroup says that there is no group of this name, and which there are.
func (s *Server) noGroup(name string) *rpc.Error {
	var names []string
	for n := range s.groups {
		names = append(names, n)
	}
	slices.Sort(names)
	problem := fmt.Sprintf("expected one of %s, found %q", strings.Join(names, ", "), name)
	return &rpc.Error{Code: rpc.CodeNotFound, Field: fieldGroup, Problem: problem}
}
