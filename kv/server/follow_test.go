package server

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// scriptedLog is a log, and the client that follows it. Reading holds a segment file, Close lets go of it.
type scriptedLog struct {
	t      *testing.T
	next   node.Index
	end    node.Index // as far as there is anything
	held   bool
	credit int
	waits  int // for credit
	sent   []node.Index
}

func (l *scriptedLog) Batch(limit node.Index, _ int, recs []ledger.Record) ([]ledger.Record, error) {
	l.held = true
	if l.next > limit {
		return recs, io.EOF
	}
	l.next++
	return append(recs, ledger.Record{ID: raft.EntryID{Index: l.next - 1}}), nil
}

func (l *scriptedLog) Close() error {
	l.held = false
	return nil
}

func (l *scriptedLog) Wanted() bool { return l.credit > 0 }

var errEnough = errors.New("enough")

// Await grants two parts, three times.
func (l *scriptedLog) Await(context.Context) error {
	require.False(l.t, l.held, "a file is held while the client is waited for")
	if l.waits++; l.waits > 3 {
		return errEnough
	}
	l.credit = 2
	return nil
}

func (l *scriptedLog) Send(_ context.Context, part any) error {
	require.Positive(l.t, l.credit)
	l.credit--
	for _, r := range part.(*rpc.LogPart).Records {
		l.sent = append(l.sent, node.Index(r.Index))
	}
	return nil
}

func TestWhoWaitsHoldsNoFile(t *testing.T) {
	l := &scriptedLog{t: t, next: 1, end: 2}
	grows := 0
	f := follower{reader: l, client: l, limit: 1, end: func() node.Index { return l.end }, grown: func(_ context.Context, end node.Index) (bool, error) {
		require.False(t, l.held, "a file is held while the log does not grow")
		require.Equal(t, l.end, end)
		grows++
		if grows == 1 {
			return false, nil // quiet: an empty part goes out
		}
		l.end++
		return true, nil
	}}
	require.ErrorIs(t, f.run(t.Context()), errEnough)
	require.Equal(t, []node.Index{1, 2, 3, 4, 5}, l.sent, "six parts, one of them empty")
	require.False(t, l.held)
}
