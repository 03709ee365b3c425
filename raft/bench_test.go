package raft_test

import (
	"testing"

	"github.com/ledgerkv/ledgerkv/raft"
)

// BenchmarkStep is one batch through a leader and one follower of three nodes: proposal, append, acknowledgement, commit. An
// operation is a batch; the allocations are the outputs, which their takers own.
func BenchmarkStep(b *testing.B) {
	for _, size := range []int{1, 64} {
		b.Run(map[int]string{1: "batch=1", 64: "batch=64"}[size], func(b *testing.B) { benchmarkStep(b, size) })
	}
}

func benchmarkStep(b *testing.B, size int) {
	boot := raft.Restart{State: raft.HardState{Term: 1, Vote: "n1"}, Base: raft.Base{Configuration: three()}}
	leader, follower := must(b, "n1", boot), must(b, "n2", boot)
	elect(b, leader)
	batch := make([]raft.Entry, size)
	for i := range batch {
		batch[i] = raft.Entry{Kind: raft.KindData, Size: raft.RecordSize(128)}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := leader.Propose(batch); err != nil {
			b.Fatal(err)
		}
		exchange(b, leader, follower)
	}
	b.StopTimer()
	for range 4 {
		exchange(b, leader, follower)
	}
	if s := leader.Status(); s.Commit != s.Last.Index || s.Commit < raft.Index(b.N*size) {
		b.Fatalf("%+v", s)
	}
}

// exchange carries out one output of each, and hands what they say to each other over.
func exchange(b *testing.B, leader, follower *raft.Core) {
	o := leader.Output()
	leader.Synced(o.Seq)
	for _, m := range o.Send {
		if m.To != "n2" {
			continue
		}
		if err := follower.Step(m, resolve(m)); err != nil {
			b.Fatal(err)
		}
	}
	o = follower.Output()
	follower.Synced(o.Seq)
	for _, m := range append(o.SendSynced, o.Send...) {
		if err := leader.Step(m, nil); err != nil {
			b.Fatal(err)
		}
	}
}

var resolved []raft.Entry

// resolve makes the entries that a message names, all of the leader's term.
func resolve(m raft.Message) []raft.Entry {
	resolved = resolved[:0]
	for i := m.Prev.Index + 1; i <= m.Last.Index; i++ {
		resolved = append(resolved, raft.Entry{ID: raft.EntryID{Index: i, Term: m.Term}, Kind: raft.KindData, Size: raft.RecordSize(128)})
	}
	return resolved
}

func must(b *testing.B, id raft.NodeID, at raft.Restart) *raft.Core {
	core, err := raft.New(raft.Config{ID: id, MaxUncommittedBytes: 1 << 40}, at)
	if err != nil {
		b.Fatal(err)
	}
	core.Tick(0)
	return core
}

// elect makes n1 leader of term 2 by the votes of n3.
func elect(b *testing.B, core *raft.Core) {
	core.Tick(2 * second)
	core.Tick(4 * second)
	for _, answer := range []raft.MessageType{raft.MsgPreVoteResp, raft.MsgVoteResp} {
		core.Synced(core.Output().Seq)
		if err := core.Step(raft.Message{Type: answer, From: "n3", To: "n1", Term: 2}, nil); err != nil {
			b.Fatal(err)
		}
	}
	if core.Status().Role != raft.Leader {
		b.Fatal("not elected")
	}
}
