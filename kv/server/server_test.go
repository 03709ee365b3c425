package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/kv/server"
)

func b(s string) []byte { return []byte(s) }

func TestStoreVerbs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")

	require.Equal(t, rpc.PutResult{Revision: 1}, call[rpc.PutResult](c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: b("1")}))
	require.Equal(t, rpc.PutResult{Revision: 2}, call[rpc.PutResult](c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("b"), Value: b("2")}))
	got := call[rpc.GetResult](c, n, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a")})
	require.True(t, got.Found)
	require.Equal(t, rpc.Item{Key: b("a"), Value: b("1"), Create: 1, Mod: 1, Version: 1}, got.Item)
	require.EqualValues(t, 2, got.Revision)
	require.Positive(t, got.Applied)
	missing := call[rpc.GetResult](c, n, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("z")})
	require.False(t, missing.Found)
	require.EqualValues(t, 2, missing.Revision)

	swap := call[rpc.SwapResult](c, n, "kv", rpc.VerbSwap, &rpc.SwapArgs{Key: b("a"), Expected: 7, Value: b("x")})
	require.False(t, swap.Swapped)
	require.Equal(t, b("1"), swap.Current.Value)
	require.Nil(t, call[rpc.SwapResult](c, n, "kv", rpc.VerbSwap, &rpc.SwapArgs{Key: b("none"), Expected: 7}).Current)
	require.Equal(t, rpc.SwapResult{Swapped: true, Revision: 3}, call[rpc.SwapResult](c, n, "kv", rpc.VerbSwap, &rpc.SwapArgs{Key: b("a"), Expected: 1, Value: b("x")}))

	txn := call[rpc.TxnResult](c, n, "kv", rpc.VerbTxn, &rpc.TxnArgs{
		Compares: []rpc.Compare{{Target: uint8(model.TargetMod), Operator: uint8(model.Equal), Key: b("a"), Number: 3}, {Target: uint8(model.TargetValue), Operator: uint8(model.NotEqual), Key: b("b"), Value: b("9")}},
		Success: []rpc.Op{{Kind: uint8(model.OpPut), Key: b("c"), Value: b("3")}, {Kind: uint8(model.OpGet), Key: b("a")}, {Kind: uint8(model.OpGet), Key: b("none")},
			{Kind: uint8(model.OpDelete), Key: b("b")}, {Kind: uint8(model.OpRange), Range: &rpc.RangeArgs{From: b("a"), KeysOnly: true}}},
		Failure: []rpc.Op{{Kind: uint8(model.OpGet), Key: b("b")}}})
	require.True(t, txn.Succeeded)
	require.EqualValues(t, 4, txn.Revision)
	require.Len(t, txn.Results, 5)
	require.Equal(t, b("x"), txn.Results[1].Item.Value)
	require.False(t, txn.Results[2].Found)
	require.Nil(t, txn.Results[2].Item)
	require.EqualValues(t, 1, txn.Results[3].Deleted)
	require.EqualValues(t, 2, txn.Results[4].Range.Count)
	require.Empty(t, txn.Results[4].Range.Items[0].Value)

	require.Equal(t, rpc.DeleteResult{Revision: 5, Deleted: 1}, call[rpc.DeleteResult](c, n, "kv", rpc.VerbDelete, &rpc.DeleteArgs{Key: b("a")}))
	require.Equal(t, rpc.DeleteResult{Revision: 5}, call[rpc.DeleteResult](c, n, "kv", rpc.VerbDelete, &rpc.DeleteArgs{Key: b("a")}))
	require.Equal(t, rpc.DeleteResult{Revision: 6, Deleted: 1}, call[rpc.DeleteResult](c, n, "kv", rpc.VerbDelete, &rpc.DeleteArgs{Range: &rpc.RangeArgs{Prefix: b("c")}}))

	past := call[rpc.RangeResult](c, n, "kv", rpc.VerbRange, &rpc.RangeArgs{Revision: 2, Reverse: true})
	require.EqualValues(t, 2, past.Count)
	require.Equal(t, b("b"), past.Items[0].Key)
	require.EqualValues(t, 2, past.Revision)
	call[rpc.Empty](c, n, "kv", rpc.VerbCompact, &rpc.CompactArgs{Revision: 5})
	e := refused(c, n, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a"), Revision: 2})
	require.Equal(t, rpc.CodeRevisionCompacted, e.Code)
	require.EqualValues(t, 2, e.Asked)
	require.EqualValues(t, 5, e.Bound)
	e = refused(c, n, "kv", rpc.VerbRange, &rpc.RangeArgs{Revision: 99})
	require.Equal(t, rpc.CodeFutureRevision, e.Code)
	require.EqualValues(t, 6, e.Bound)
}

func TestRequestsThatCannotBeCarriedOut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")
	c.leader("log")
	put := func(k string) rpc.Op { return rpc.Op{Kind: uint8(model.OpPut), Key: b(k)} }
	for _, x := range []struct {
		group string
		verb  rpc.Verb
		args  any
		code  rpc.Code
		field string
	}{
		{"nope", rpc.VerbGet, &rpc.GetArgs{Key: b("a")}, rpc.CodeNotFound, "group"},
		{"", rpc.VerbGet, &rpc.GetArgs{Key: b("a")}, rpc.CodeNotFound, "group"},
		{"broken", rpc.VerbGet, &rpc.GetArgs{Key: b("a")}, rpc.CodeUnavailable, ""},
		{"log", rpc.VerbPut, &rpc.PutArgs{Key: b("a")}, rpc.CodeBadRequest, "group"},
		{"kv", rpc.VerbAppend, &rpc.AppendArgs{Body: b("a")}, rpc.CodeBadRequest, "group"},
		{"kv", rpc.VerbPut, &rpc.PutArgs{}, rpc.CodeBadRequest, "key"},
		{"kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Lease: 3}, rpc.CodeUnsupported, "lease"},
		{"kv", rpc.VerbPut, &rpc.PutArgs{Key: make([]byte, model.MaxKeyBytes+1)}, rpc.CodeTooLarge, "key"},
		{"kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: make([]byte, 1<<18)}, rpc.CodeTooLarge, "value"},
		{"kv", rpc.VerbTxn, &rpc.TxnArgs{Success: []rpc.Op{put("a"), put("a")}}, rpc.CodeDuplicateWrite, "then operations"},
		{"kv", rpc.VerbTxn, &rpc.TxnArgs{Success: []rpc.Op{{Kind: 77, Key: b("a")}}}, rpc.CodeBadRequest, "then operation 1: operation"},
		{"kv", rpc.VerbRange, &rpc.RangeArgs{Level: 9}, rpc.CodeBadRequest, "level"},
		{"kv", rpc.VerbRange, &rpc.RangeArgs{Limit: 1 << 60}, rpc.CodeBadRequest, "limit"},
		{"kv", rpc.VerbDelete, &rpc.DeleteArgs{Range: &rpc.RangeArgs{Limit: 1}}, rpc.CodeBadRequest, "range"},
		{"kv", rpc.VerbCompact, &rpc.CompactArgs{Revision: 99}, rpc.CodeFutureRevision, ""},
		{"kv", rpc.VerbCompact, &rpc.CompactArgs{}, rpc.CodeBadRequest, "revision"},
		{"log", rpc.VerbAppend, &rpc.AppendArgs{Body: make([]byte, 1<<16)}, rpc.CodeTooLarge, "body"},
		{"log", rpc.VerbLogGet, &rpc.LogGetArgs{}, rpc.CodeBadRequest, "index"},
		{"log", rpc.VerbLogGet, &rpc.LogGetArgs{Index: 99}, rpc.CodeNotFound, "index"},
		{"kv", rpc.VerbTransfer, &rpc.TransferArgs{To: "nobody"}, rpc.CodeBadRequest, "to"},
		{"kv", rpc.Verb(200), &rpc.Empty{}, rpc.CodeUnsupported, "verb"},
		{"kv", rpc.VerbPut, "not arguments", rpc.CodeBadRequest, "arguments"},
	} {
		e := refused(c, n, x.group, x.verb, x.args)
		require.Equal(t, x.code, e.Code, "%v on %q: %v", x.verb, x.group, e)
		require.Equal(t, x.field, e.Field, "%v on %q: %v", x.verb, x.group, e)
	}
	require.EqualValues(t, 0, call[rpc.GetResult](c, n, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a")}).Revision, "nothing was done")
}

func TestOnlyTheLeaderWrites(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("kv")
	put := call[rpc.PutResult](c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: b("1")})
	for verb, args := range map[rpc.Verb]any{
		rpc.VerbPut: &rpc.PutArgs{Key: b("a")}, rpc.VerbDelete: &rpc.DeleteArgs{Key: b("a")}, rpc.VerbTxn: &rpc.TxnArgs{}, rpc.VerbSwap: &rpc.SwapArgs{Key: b("a")},
		rpc.VerbCompact: &rpc.CompactArgs{Revision: 1}, rpc.VerbGet: &rpc.GetArgs{Key: b("a")}, rpc.VerbRange: &rpc.RangeArgs{}, rpc.VerbTransfer: &rpc.TransferArgs{To: string(follows.id)},
	} {
		e := refused(c, follows, "kv", verb, args)
		require.Equal(t, rpc.CodeNotLeader, e.Code, "%v: %v", verb, e)
		require.Equal(t, string(leads.id), e.Leader)
		require.Equal(t, leads.address, e.Address)
	}
	logLeader, logFollower := c.leader("log")
	require.Equal(t, logLeader.address, refused(c, logFollower, "log", rpc.VerbAppend, &rpc.AppendArgs{}).Address)

	require.NoError(t, follows.node.Group("kv").WaitApplied(c.context(), leads.node.Group("kv").Applied()))
	local := call[rpc.GetResult](c, follows, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a"), Level: uint8(model.LevelLocal)})
	require.True(t, local.Found)
	require.Equal(t, put.Revision, local.Revision)
	require.EqualValues(t, 1, call[rpc.RangeResult](c, follows, "kv", rpc.VerbRange, &rpc.RangeArgs{Level: uint8(model.LevelLocal), CountOnly: true}).Count)

}

// TestEveryReplicaReads: a follower serves each level, linearizable ones when the client wants them of any replica.
func TestEveryReplicaReads(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("kv")
	put := call[rpc.PutResult](c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: b("1")})
	applied := uint64(leads.node.Group("kv").Applied())
	for _, level := range []kv.ReadLevel{kv.Linearizable, kv.Lease, kv.AtLeastIndex(kv.Index(applied)), kv.AtLeastRevision(kv.Revision(put.Revision)), kv.MaxStaleness(0)} {
		kind, bound := uint8(level.Kind), level.Bound
		got := call[rpc.GetResult](c, follows, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a"), Level: kind, Bound: bound, AnyReplica: true})
		require.True(t, got.Found, level)
		require.GreaterOrEqual(t, got.Applied, applied, level)
		require.EqualValues(t, 1, call[rpc.RangeResult](c, follows, "kv", rpc.VerbRange, &rpc.RangeArgs{Level: kind, Bound: bound, AnyReplica: true}).Count, level)
		get := rpc.TxnArgs{Success: []rpc.Op{{Kind: uint8(model.OpGet), Key: b("a")}}, Level: kind, Bound: bound, AnyReplica: true}
		txn := call[rpc.TxnResult](c, follows, "kv", rpc.VerbTxn, &get)
		require.True(t, txn.Results[0].Found, level)
		require.GreaterOrEqual(t, txn.Applied, applied, level)
		get.AnyReplica = false
		if level.OfReplica() {
			call[rpc.TxnResult](c, follows, "kv", rpc.VerbTxn, &get)
		} else {
			require.Equal(t, rpc.CodeNotLeader, refused(c, follows, "kv", rpc.VerbTxn, &get).Code, level)
		}
	}
	write := rpc.TxnArgs{Success: []rpc.Op{{Kind: uint8(model.OpPut), Key: b("a")}}, AnyReplica: true}
	require.Equal(t, rpc.CodeNotLeader, refused(c, follows, "kv", rpc.VerbTxn, &write).Code)
	write.Level = uint8(model.LevelLocal)
	require.Equal(t, rpc.CodeBadRequest, refused(c, leads, "kv", rpc.VerbTxn, &write).Code)
}

func TestNoLeader(t *testing.T) {
	t.Parallel()
	alone := newCluster(t, 3, 0)
	e := refused(alone, alone.nodes[0], "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a")})
	require.Equal(t, rpc.CodeUnavailable, e.Code, "a new node waits to be recognised: %v", e)

	c := newCluster(t, 3)
	leads, follows := c.leader("kv")
	for _, n := range c.nodes {
		if n != follows {
			c.network.Cut(n.id, follows.id)
			c.network.Cut(follows.id, n.id)
			c.network.Break(n.id, follows.id)
		}
	}
	for g := follows.node.Group("kv"); g.Role().Leader != ""; {
		_, err := g.AwaitRole(c.context(), g.Role().Seq)
		require.NoError(t, err)
	}
	e = refused(c, follows, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a")})
	require.Equal(t, rpc.CodeNotLeader, e.Code)
	require.Empty(t, e.Leader, "a node that is cut off knows no leader and says so soon")
	require.Empty(t, e.Address)
	e = refused(c, follows, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a"), AnyReplica: true})
	require.Equal(t, rpc.CodeNotLeader, e.Code, "the client is to ask another node")
	call[rpc.GetResult](c, follows, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a"), Level: uint8(model.LevelLocal)})
	call[rpc.PutResult](c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a")})
}

func TestRangesAreBounded(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")
	value := make([]byte, 60<<10)
	const items = 150 // more than 8 MiB
	for i := range items {
		call[rpc.PutResult](c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: fmt.Appendf(nil, "%03d", i), Value: value})
	}
	e := refused(c, n, "kv", rpc.VerbRange, &rpc.RangeArgs{})
	require.Equal(t, rpc.CodeTooLarge, e.Code)
	require.Equal(t, "range", e.Field)
	require.EqualValues(t, items, call[rpc.RangeResult](c, n, "kv", rpc.VerbRange, &rpc.RangeArgs{CountOnly: true}).Count)
	require.EqualValues(t, 10, call[rpc.RangeResult](c, n, "kv", rpc.VerbRange, &rpc.RangeArgs{Limit: 10}).Count)
	seen, from := 0, []byte{}
	for more := true; more; {
		page := call[rpc.RangeResult](c, n, "kv", rpc.VerbRange, &rpc.RangeArgs{From: from, MaxBytes: 1 << 40})
		require.NotEmpty(t, page.Items)
		seen, more = seen+len(page.Items), page.More
		from = append(page.Items[len(page.Items)-1].Key, 0)
	}
	require.Equal(t, items, seen)
}

func TestLogVerbs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("log")
	var at []rpc.AppendResult
	for i := range 20 {
		at = append(at, call[rpc.AppendResult](c, leads, "log", rpc.VerbAppend, &rpc.AppendArgs{Body: fmt.Appendf(nil, "entry %d", i)}))
	}
	require.Equal(t, at[0].Position+uint64(at[0].Length), at[1].Position)
	r := call[rpc.Record](c, leads, "log", rpc.VerbLogGet, &rpc.LogGetArgs{Index: at[3].Index})
	require.Equal(t, b("entry 3"), r.Body)
	require.Equal(t, at[3].Position, r.Position)
	require.Equal(t, at[3].Term, r.Term)
	require.EqualValues(t, 2, r.Kind)
	require.InDelta(t, time.Now().UnixNano(), r.Time, float64(time.Hour))

	require.NoError(t, follows.node.Group("log").WaitApplied(c.context(), leads.node.Group("log").Applied()))
	require.Equal(t, r, call[rpc.Record](c, follows, "log", rpc.VerbLogGet, &rpc.LogGetArgs{Index: at[3].Index}), "every replica has a committed entry")
	require.Equal(t, rpc.CodeNotLeader, refused(c, follows, "log", rpc.VerbLogGet, &rpc.LogGetArgs{Index: at[19].Index + 1}).Code, "that there is none only the leader knows")
	require.Equal(t, rpc.CodeNotFound, refused(c, leads, "log", rpc.VerbLogGet, &rpc.LogGetArgs{Index: at[19].Index + 1}).Code)
}

func TestFollow(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("log")
	const before, after = 30, 30
	appendEntry := func(i int) {
		call[rpc.AppendResult](c, leads, "log", rpc.VerbAppend, &rpc.AppendArgs{Body: fmt.Appendf(nil, "entry %d", i)})
	}
	for i := range before {
		appendEntry(i)
	}
	var streams []*rpc.Stream
	for range 5 { // more than one waits for the same entry
		s, err := follows.conn.Stream(c.context(), "log", rpc.VerbLogFollow, &rpc.LogFollowArgs{From: 1, MaxBytes: 200})
		require.NoError(t, err)
		streams = append(streams, s)
	}
	quiet := false
	for i := range after {
		appendEntry(before + i)
	}
	for _, s := range streams {
		var bodies []string
		next := uint64(1)
		for len(bodies) < before+after {
			var part rpc.LogPart
			require.NoError(t, s.Next(c.context(), &part))
			for _, r := range part.Records {
				require.Equal(t, next, r.Index)
				require.LessOrEqual(t, r.Index, part.Commit)
				next++
				if r.Kind == 2 {
					bodies = append(bodies, string(r.Body))
				}
			}
		}
		for i, body := range bodies {
			require.Equal(t, fmt.Sprintf("entry %d", i), body)
		}
	}
	for !quiet { // a log that does not grow is heard of all the same
		var part rpc.LogPart
		require.NoError(t, streams[0].Next(c.context(), &part))
		quiet = len(part.Records) == 0
		require.Positive(t, part.Commit)
	}
	appendEntry(before + after)
	for done := false; !done; {
		var part rpc.LogPart
		require.NoError(t, streams[0].Next(c.context(), &part))
		done = len(part.Records) == 1
	}
	streams[1].Close()

	ctx, cancel := context.WithTimeout(c.context(), 10*time.Second)
	defer cancel()
	require.NoError(t, follows.server.Shutdown(ctx), "followers do not hold a node up")
	require.NoError(t, <-follows.served)
	var end error
	for end == nil {
		var part rpc.LogPart
		end = streams[0].Next(c.context(), &part)
	}
	require.NotErrorIs(t, end, io.EOF)
}

func TestFollowBelowTheLogsBeginning(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("log")
	body := make([]byte, 8<<10)
	for n.node.Group("log").Ledger().Base().ID.Index == 0 {
		call[rpc.AppendResult](c, n, "log", rpc.VerbAppend, &rpc.AppendArgs{Body: body})
	}
	s, err := n.conn.Stream(c.context(), "log", rpc.VerbLogFollow, &rpc.LogFollowArgs{From: 1})
	require.NoError(t, err)
	var part rpc.LogPart
	var e *rpc.Error
	require.ErrorAs(t, s.Next(c.context(), &part), &e)
	require.Equal(t, rpc.CodeCompacted, e.Code)
	base := n.node.Group("log").Ledger().Base()
	require.GreaterOrEqual(t, uint64(base.ID.Index)+1, e.First)
	require.Positive(t, e.First)
	require.Equal(t, rpc.CodeCompacted, refused(c, n, "log", rpc.VerbLogGet, &rpc.LogGetArgs{Index: 1}).Code)

	s, err = n.conn.Stream(c.context(), "log", rpc.VerbLogFollow, &rpc.LogFollowArgs{})
	require.NoError(t, err)
	require.ErrorAs(t, s.Next(c.context(), &part), &e)
	require.Equal(t, rpc.CodeBadRequest, e.Code)
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("kv")
	call[rpc.Empty](c, leads, "kv", rpc.VerbTransfer, &rpc.TransferArgs{To: string(leads.id)})
	call[rpc.Empty](c, leads, "kv", rpc.VerbTransfer, &rpc.TransferArgs{To: string(follows.id)})
	now, _ := c.leader("kv")
	require.Equal(t, follows.id, now.id)
	require.Equal(t, follows.address, refused(c, leads, "kv", rpc.VerbTransfer, &rpc.TransferArgs{To: "n1"}).Address)
}

func TestStatusMembersAndHash(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, _ := c.leader("kv")
	c.leader("log")
	for i := range 40 {
		call[rpc.PutResult](c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{Key: fmt.Appendf(nil, "k%02d", i%17), Value: bytes.Repeat(b("v"), 40_000)})
	}
	applied := leads.node.Group("kv").Applied()
	var hashes []rpc.HashResult
	var ends []rpc.GroupStatus
	for _, n := range c.nodes {
		require.NoError(t, n.node.Group("kv").WaitApplied(c.context(), applied))
		hashes = append(hashes, call[rpc.HashResult](c, n, "kv", rpc.VerbHash, &rpc.HashArgs{}))
		st := call[rpc.NodeStatus](c, n, "", rpc.VerbStatus, &rpc.Empty{})
		require.Equal(t, string(n.id), st.ID)
		require.Positive(t, st.PID)
		require.Equal(t, []string{n.address, "memory:" + string(n.id), "admin-" + string(n.id), "data", "v0"}, []string{st.Client, st.Peer, st.Admin, st.Dir, st.Version})
		require.Len(t, st.Groups, 3)
		g := st.Groups[0]
		require.Equal(t, "kv", g.Name)
		require.Equal(t, "btree", g.Machine)
		require.Equal(t, string(leads.id), g.Leader)
		require.Equal(t, n == leads, g.Role == "leader")
		require.EqualValues(t, 40, g.Revision)
		require.Len(t, g.Members, 3)
		require.Equal(t, rpc.Member{ID: "n1", Peer: "memory:n1", Client: c.nodes[0].address, Voter: true}, g.Members[0])
		require.EqualValues(t, 1, g.First)
		ends = append(ends, g)
		require.Empty(t, st.Groups[1].Machine)
		require.Equal(t, server.RoleStopped, st.Groups[2].Role)
		require.Equal(t, "its disk is gone", st.Groups[2].Problem)
		require.Len(t, st.Groups[2].Members, 3)
	}
	for i := range c.nodes {
		require.Equal(t, hashes[0].Hash, hashes[i].Hash)
		require.EqualValues(t, 40, hashes[i].Revision)
		require.Equal(t, []any{ends[0].Last, ends[0].Position, ends[0].Checksum}, []any{ends[i].Last, ends[i].Position, ends[i].Checksum})
	}
	past := call[rpc.HashResult](c, leads, "kv", rpc.VerbHash, &rpc.HashArgs{Revision: 39})
	require.NotEqual(t, hashes[0].Hash, past.Hash)
	require.Equal(t, past.Hash, call[rpc.HashResult](c, c.nodes[0], "kv", rpc.VerbHash, &rpc.HashArgs{Revision: 39}).Hash)

	m := call[rpc.MembersResult](c, leads, "kv", rpc.VerbMembers, &rpc.Empty{})
	require.Equal(t, "test", m.Cluster)
	require.Equal(t, string(leads.id), m.Leader)
	require.Len(t, m.Members, 3)
	all := call[rpc.MembersResult](c, leads, "", rpc.VerbMembers, &rpc.Empty{})
	require.Empty(t, all.Leader)
	require.Equal(t, m.Members, all.Members)
}

func TestValidateReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := server.New(server.Options{LeaderWait: -1, Groups: []server.Group{{Name: "a"}, {Name: "a"}, {}}})
	for _, want := range []string{"Options.Node is required", `names "a" twice`, "without a name", "either a group or a reason", "no negative"} {
		require.ErrorContains(t, err, want)
	}
}
