package server_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestErrorsTravel: what a client may do next has to survive the way. Each error comes wrapped, as it does.
func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n := c.nodes[0]
	corrupt := &ledger.CorruptionError{Path: "x.seg", Err: errors.New("bad")}
	for _, x := range []struct {
		err  error
		want rpc.Error
	}{
		{&node.NotLeaderError{Leader: "n1"}, rpc.Error{Code: rpc.CodeNotLeader, Leader: "n1", Address: n.address}},
		{&node.NotLeaderError{Leader: "n9"}, rpc.Error{Code: rpc.CodeNotLeader, Leader: "n9"}},
		{&node.NotLeaderError{}, rpc.Error{Code: rpc.CodeNotLeader}},
		{fmt.Errorf("%w (gave up waiting: %w)", &node.NotLeaderError{}, context.DeadlineExceeded), rpc.Error{Code: rpc.CodeNotLeader}},
		{fmt.Errorf("%w: %w", node.ErrUncertain, &node.NotLeaderError{Leader: "n1"}), rpc.Error{Code: rpc.CodeUncertain}},
		{fmt.Errorf("%w: %w", node.ErrUncertain, node.ErrClosed), rpc.Error{Code: rpc.CodeUncertain}},
		{fmt.Errorf("%w: %w", node.ErrUncertain, context.DeadlineExceeded), rpc.Error{Code: rpc.CodeUncertain}},
		{node.ErrBusy, rpc.Error{Code: rpc.CodeBusy}},
		{node.ErrDiskFull, rpc.Error{Code: rpc.CodeDiskFull}},
		{node.ErrNotAdmitted, rpc.Error{Code: rpc.CodeUnavailable}},
		{node.ErrClosed, rpc.Error{Code: rpc.CodeClosed}},
		{ledger.ErrClosed, rpc.Error{Code: rpc.CodeClosed}},
		{&node.FailedError{Group: "kv", Err: corrupt}, rpc.Error{Code: rpc.CodeUnavailable}},
		{corrupt, rpc.Error{Code: rpc.CodeCorrupt}},
		{&ledger.CompactedError{FirstIndex: 7, FirstPosition: 9}, rpc.Error{Code: rpc.CodeCompacted, First: 7, Position: 9}},
		{&kv.RevisionError{Asked: 1, Bound: 2, Err: kv.ErrCompacted}, rpc.Error{Code: rpc.CodeRevisionCompacted, Asked: 1, Bound: 2}},
		{&kv.RevisionError{Asked: 3, Bound: 2, Err: kv.ErrFutureRevision}, rpc.Error{Code: rpc.CodeFutureRevision, Asked: 3, Bound: 2}},
		{&kv.InvalidError{Field: "f", Problem: "p"}, rpc.Error{Code: rpc.CodeBadRequest, Field: "f", Problem: "p"}},
		{&kv.InvalidError{Field: "f", Problem: "p", Err: kv.ErrTooLarge}, rpc.Error{Code: rpc.CodeTooLarge, Field: "f", Problem: "p"}},
		{&kv.InvalidError{Field: "f", Problem: "p", Err: kv.ErrDuplicateWrite}, rpc.Error{Code: rpc.CodeDuplicateWrite, Field: "f", Problem: "p"}},
		{&kv.InvalidError{Field: "f", Problem: "p", Err: kv.ErrUnsupported}, rpc.Error{Code: rpc.CodeUnsupported, Field: "f", Problem: "p"}},
		{node.ErrTooLarge, rpc.Error{Code: rpc.CodeTooLarge, Field: "body"}},
		{node.ErrNotCommitted, rpc.Error{Code: rpc.CodeNotFound, Field: "index"}},
		{raft.ErrNotVoter, rpc.Error{Code: rpc.CodeBadRequest, Field: "to"}},
		{context.DeadlineExceeded, rpc.Error{Code: rpc.CodeTimeout}},
		{context.Canceled, rpc.Error{Code: rpc.CodeTimeout}},
		{errors.New("anything else"), rpc.Error{Code: rpc.CodeFailed}},
		{&rpc.Error{Code: rpc.CodeUnsupported, Message: "as it is"}, rpc.Error{Code: rpc.CodeUnsupported, Message: "as it is"}},
	} {
		got := *server.Translate(n.server, fmt.Errorf("on the way: %w", x.err))
		if x.want.Message == "" {
			require.Contains(t, got.Message, x.err.Error())
			got.Message = ""
		}
		if x.want.Problem == "" {
			got.Problem = ""
		}
		require.Equal(t, x.want, got, "%v", x.err)
	}
}
