package rpc_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// FuzzConn lets a node answer a client's call with any frame, and then hang up: the call ends, with an error or with an answer that says what was asked,
// and so does a stream.
func FuzzConn(f *testing.F) {
	f.Add(msgpackOf(f, []any{1, "c", "n1"}), uint8(4), msgpackOf(f, []any{1, 0, false}), msgpackOf(f, []any{7, 9, true, []any{[]byte("k"), []byte("v"), 1, 2, 3}}))
	f.Add(msgpackOf(f, []any{1, "c", "n1"}), uint8(4), msgpackOf(f, []any{1, 0, true}), msgpackOf(f, []any{7}))
	f.Add(msgpackOf(f, []any{1, "c", "n1"}), uint8(4), msgpackOf(f, []any{2, 0, false}), []byte(nil))
	f.Add(msgpackOf(f, []any{1, "c", "n1"}), uint8(4), msgpackOf(f, []any{1, 3, false}), msgpackOf(f, []any{"n2", "127.0.0.1:1"}))
	f.Add(msgpackOf(f, []any{1, "c", "n1"}), uint8(7), []byte{}, []byte{})
	f.Add(msgpackOf(f, []any{1, "other", "n1", "no"}), uint8(4), []byte{}, []byte{})
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, uint8(4), []byte{0x93}, []byte{0xc1})
	f.Fuzz(func(t *testing.T, welcome []byte, kind uint8, head, body []byte) {
		if len(welcome) > 2<<10 || len(head) > 4<<10 || len(body) > 64<<10 {
			return
		}
		for _, stream := range []bool{false, true} {
			callHostile(t, welcome, wire.Frame{Kind: kind, Head: head, Body: body}, stream)
		}
	})
}

// callHostile calls a node that says welcome, takes one request, answers it with a frame and hangs up.
func callHostile(t *testing.T, welcome []byte, answer wire.Frame, stream bool) {
	ours, theirs := net.Pipe()
	said := make(chan struct{})
	go func() {
		defer close(said)
		defer theirs.Close()
		r, w := wire.NewReader(theirs, wire.Limits{}), wire.NewWriter(theirs, wire.Limits{})
		if _, err := r.Next(); err != nil || w.Append(2, true, welcome) != nil || w.Flush() != nil {
			return
		}
		if _, err := r.Next(); err != nil || w.Append(answer.Kind, true, answer.Head, answer.Body) != nil {
			return
		}
		w.Flush() // The client may have hung up.
	}()
	defer func() { <-said }()
	dial := func(context.Context, string) (net.Conn, error) { return ours, nil }
	c, err := rpc.Dial(context.Background(), "hostile", rpc.ConnOptions{Cluster: "c", Dial: dial})
	if err != nil {
		return
	}
	defer c.Close()
	require.Equal(t, "c", c.Welcome().Cluster)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if stream {
		s, err := c.Stream(ctx, "g", rpc.VerbLogFollow, &rpc.LogFollowArgs{From: 1})
		for err == nil {
			var part rpc.LogPart
			err = s.Next(ctx, &part)
		}
		s.Close()
	} else {
		var result rpc.GetResult
		err = c.Call(ctx, "g", rpc.VerbGet, &rpc.GetArgs{Key: []byte("k")}, &result)
	}
	require.NoError(t, ctx.Err(), "the call waits for a node that is gone: %v", err)
}
