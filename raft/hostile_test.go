package raft_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func TestStepRefusesWhatNoPeerSends(t *testing.T) {
	id := func(i raft.Index, term raft.Term) raft.EntryID { return raft.EntryID{Index: i, Term: term} }
	entry := func(i raft.Index, term raft.Term) raft.Entry {
		return raft.Entry{ID: id(i, term), Kind: raft.KindData, Size: 64}
	}
	image := func(base raft.EntryID, config raft.Configuration) *raft.ImageMeta {
		return &raft.ImageMeta{Base: raft.Base{ID: base, Configuration: config}}
	}
	for name, c := range map[string]struct {
		m       raft.Message
		entries []raft.Entry
	}{
		"no type":             {m: raft.Message{}},
		"unknown type":        {m: raft.Message{Type: 99}},
		"no term":             {m: raft.Message{Type: raft.MsgHeartbeat, Term: 0}},
		"term out of range":   {m: raft.Message{Type: raft.MsgVote, Term: 1 << 63}},
		"entry of the future": {m: raft.Message{Type: raft.MsgVote, Term: 2, Last: id(1, 3)}},
		"index out of range":  {m: raft.Message{Type: raft.MsgHeartbeat, Term: 2, Commit: 1 << 63}},
		"vote with entries":   {m: raft.Message{Type: raft.MsgVote, Term: 2}, entries: []raft.Entry{entry(1, 1)}},
		"image without meta":  {m: raft.Message{Type: raft.MsgImage, Term: 2}},
		"image of no entry":   {m: raft.Message{Type: raft.MsgImage, Term: 2, Image: image(id(0, 0), three())}},
		"image of the future": {m: raft.Message{Type: raft.MsgImage, Term: 2, Image: image(id(5, 3), three())}},
		"image of nobody":     {m: raft.Message{Type: raft.MsgImage, Term: 2, Image: image(id(5, 1), raft.Configuration{})}},
		"entries missing":     {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 1), Last: id(2, 1)}},
		"last before prev":    {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(2, 1), Last: id(1, 1)}},
		"prev is no entry":    {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 0), Last: id(1, 0)}},
		"wrong index":         {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 1), Last: id(2, 1)}, entries: []raft.Entry{entry(3, 1)}},
		"terms descend":       {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 2), Last: id(2, 1)}, entries: []raft.Entry{entry(2, 1)}},
		"wrong last":          {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 1), Last: id(2, 2)}, entries: []raft.Entry{entry(2, 1)}},
		"other way round":     {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 2), Last: id(1, 1)}},
		"entry without size":  {m: raft.Message{Type: raft.MsgAppend, Term: 2, Prev: id(1, 1), Last: id(2, 1)}, entries: []raft.Entry{{ID: id(2, 1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			core := newLeader(t)
			before := core.Status()
			c.m.From, c.m.To = "n2", "n1"
			var wrong *raft.ProtocolError
			require.ErrorAs(t, core.Step(c.m, c.entries), &wrong)
			require.Equal(t, raft.NodeID("n2"), wrong.From)
			require.NotEmpty(t, wrong.Error())
			if c.m.Term <= before.State.Term || c.m.Type != raft.MsgAppend && c.m.Type != raft.MsgImage {
				require.Equal(t, before, core.Status(), "it was ignored")
			}
			require.Equal(t, before.Last, core.Status().Last)
		})
	}
}

func TestStepRefusesWrongEnds(t *testing.T) {
	core := newLeader(t)
	for _, m := range []raft.Message{{From: "n2", To: "n3"}, {From: "n1", To: "n1"}, {From: "", To: "n1"}} {
		m.Type, m.Term = raft.MsgHeartbeat, 7
		var wrong *raft.ProtocolError
		require.ErrorAs(t, core.Step(m, nil), &wrong)
	}
}

func TestStepRefusesBadConfigurations(t *testing.T) {
	core := newCore(t, three())
	for name, body := range map[string][]byte{"rubbish": {1, 2, 3}, "nobody votes": raft.AppendConfiguration(nil, raft.Configuration{})} {
		last := raft.EntryID{Index: 1, Term: 1}
		err := core.Step(raft.Message{Type: raft.MsgAppend, From: "n2", To: "n1", Term: 1, Last: last},
			[]raft.Entry{{ID: last, Kind: raft.KindConfig, Size: 72, Body: body}})
		require.Error(t, err, name)
		require.Zero(t, core.Status().Last.Index)
	}
}

// TestTwoLeadersInATermAreRefused is law 1 as far as one replica can see it.
func TestTwoLeadersInATermAreRefused(t *testing.T) {
	var wrong *raft.ProtocolError
	leader := newLeader(t)
	require.ErrorAs(t, appendTo(leader, 1, raft.EntryID{}, 0, 1), &wrong)
	require.ErrorContains(t, wrong, "law 1")

	follower := newCore(t, three())
	require.NoError(t, appendTo(follower, 1, raft.EntryID{}, 0, 1))
	err := follower.Step(raft.Message{Type: raft.MsgHeartbeat, From: "n3", To: "n1", Term: 1}, nil)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, raft.NodeID("n2"), follower.Status().Leader)
}

func TestLeaderRefusesAnswersToNothing(t *testing.T) {
	var wrong *raft.ProtocolError
	core := newLeader(t)
	ack := raft.Message{Type: raft.MsgAppendResp, From: "n2", To: "n1", Term: 1, Last: raft.EntryID{Index: 9, Term: 1}}
	require.ErrorAs(t, core.Step(ack, nil), &wrong, "an entry that does not exist")
	round := raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", To: "n1", Term: 1, Round: 99}
	require.ErrorAs(t, core.Step(round, nil), &wrong, "a round that was never begun")
	stranger := raft.Message{Type: raft.MsgAppendResp, From: "n9", To: "n1", Term: 1, Last: raft.EntryID{Index: 1, Term: 1}}
	require.NoError(t, core.Step(stranger, nil))
	require.False(t, core.HasOutput(), "a stranger counts for nothing")
}

// TestStrangersVotesDoNotCount: n9 is not in the configuration.
func TestStrangersVotesDoNotCount(t *testing.T) {
	core := newCore(t, three())
	core.Tick(2 * second)
	core.Tick(4 * second)
	require.Equal(t, raft.PreCandidate, carryOut(core).Role)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgPreVoteResp, From: "n9", To: "n1", Term: 1}, nil))
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgPreVoteResp, From: "n2", To: "n1", Term: 7}, nil))
	require.Equal(t, raft.PreCandidate, carryOut(core).Role, "nor does a vote for another term")
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgPreVoteResp, From: "n3", To: "n1", Term: 1}, nil))
	require.Equal(t, raft.Candidate, carryOut(core).Role)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgVoteResp, From: "n9", To: "n1", Term: 1}, nil))
	require.Equal(t, raft.Candidate, carryOut(core).Role)
}

// TestTheLastTermIsNotLeft: a peer that forged the highest term can't make the term overflow.
func TestTheLastTermIsNotLeft(t *testing.T) {
	core := newCore(t, three())
	const last = raft.Term(1) << 62
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgHeartbeat, From: "n2", To: "n1", Term: last}, nil))
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgTransfer, From: "n2", To: "n1", Term: last}, nil))
	for now := raft.Monotonic(0); now < 5*second; now += second / 100 {
		core.Tick(now)
	}
	require.Equal(t, raft.Follower, core.Status().Role)
	require.Equal(t, last, core.Status().State.Term)
}

// hostile makes arbitrary messages, most of them nearly right.
type hostile struct{ *rand.Rand }

func (h hostile) id() raft.EntryID {
	return raft.EntryID{Index: raft.Index(h.number(20)), Term: raft.Term(h.number(6))}
}

// number is mostly below n, and sometimes extreme.
func (h hostile) number(n int) uint64 {
	switch h.IntN(60) {
	case 0:
		return h.Uint64()
	case 1:
		return 1<<62 - uint64(h.IntN(3))
	}
	return uint64(h.IntN(n))
}

func (h hostile) node() raft.NodeID { return raft.NodeID(fmt.Sprintf("n%d", h.IntN(5))) }

func (h hostile) message(last raft.EntryID) (raft.Message, []raft.Entry) {
	m := raft.Message{
		Type: raft.MessageType(h.IntN(int(raft.LastMessageType) + 2)), From: h.node(), To: "n1", Term: raft.Term(h.number(6)), Prev: h.id(), Last: h.id(), Hint: h.id(),
		Commit: raft.Index(h.number(20)), Round: h.number(10), SentAt: raft.Monotonic(h.Uint64()), Reject: h.IntN(2) == 0, Force: h.IntN(2) == 0,
		Quiet: h.IntN(2) == 0, Read: raft.ReadID{Counter: h.number(5)}, Lease: time.Duration(h.Uint64()),
	}
	if h.IntN(4) == 0 {
		m.Image = &raft.ImageMeta{Base: raft.Base{ID: h.id(), Position: raft.Position(h.Uint64()), Configuration: three()}}
	}
	if h.IntN(3) > 0 {
		m.Prev = last
	}
	var entries []raft.Entry
	if m.Type == raft.MsgAppend && h.IntN(8) > 0 {
		m.Last = m.Prev
		for range h.IntN(4) {
			m.Last.Index++
			m.Last.Term = max(m.Last.Term, 1) + raft.Term(h.IntN(8)/7)
			e := raft.Entry{ID: m.Last, Kind: raft.Kind(1 + h.IntN(4)), Size: 64 + uint32(h.number(1000))}
			if e.Kind == raft.KindConfig {
				e.Body = raft.AppendConfiguration(nil, randomConfiguration(h.Rand))
			}
			entries = append(entries, e)
		}
	}
	return m, entries
}

func (h hostile) changes() []raft.MemberChange {
	changes := make([]raft.MemberChange, h.IntN(4))
	for i := range changes {
		changes[i] = raft.MemberChange{Kind: raft.ChangeKind(h.IntN(9)), ID: h.node(), Priority: uint16(h.IntN(300)), Promote: h.IntN(2) == 0}
		if h.IntN(3) == 0 {
			changes[i].Replaces = h.node()
		}
	}
	return changes
}

// hostileConfig turns leases and silence on and off.
func hostileConfig(seed uint64) raft.Config {
	cfg := raft.Config{ID: "n1", Seed: seed}
	if seed%2 == 0 {
		cfg.LeaseDuration = 300 * time.Millisecond
	}
	if seed%3 == 0 {
		cfg.QuietAfter = 100 * time.Millisecond
	}
	return cfg
}

// attack drives a core with hostile messages among honest calls; it panics when an invariant breaks.
func attack(seed uint64, steps int) {
	h := hostile{rand.New(rand.NewPCG(seed, 0))}
	core, err := raft.New(hostileConfig(seed), raft.Restart{Base: raft.Base{Configuration: three()}})
	if err != nil {
		panic(err)
	}
	now, emitted := raft.Monotonic(0), (*raft.ImageMeta)(nil)
	for range steps {
		switch h.IntN(12) {
		case 0:
			now += raft.Monotonic(h.IntN(int(second / 4)))
			core.Tick(now)
		case 1:
			_ = core.Propose([]raft.Entry{{Kind: raft.KindData, Size: 64}})
			_ = core.ReadIndex(raft.ReadID{Counter: h.Uint64()})
			_ = core.ForwardRead(raft.ReadID{Counter: h.Uint64()})
			core.LeaseRead(now + raft.Monotonic(h.IntN(int(second))))
		case 2:
			_, _ = core.ChangeMembers(h.changes(), nil)
			_ = core.Transfer(h.node())
		case 3:
			o := carryOut(core)
			if emitted = o.Install; emitted == nil && h.IntN(3) == 0 {
				core.Applied(o.Commit)
			}
		case 4:
			if emitted != nil {
				core.Installed(emitted.Base, h.IntN(2) == 0)
				emitted = nil
			}
			core.Unreachable(h.node())
			core.Unreadable(h.node(), h.IntN(2) == 0)
			core.DiskStalled(h.IntN(2) == 0)
			core.Wake()
			core.ImageSent(h.node(), h.id(), h.IntN(2) == 0)
		default:
			_ = core.Step(h.message(core.Status().Last))
		}
	}
	core.Output()
}

func TestNoMessageMakesACorePanic(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		require.NotPanics(t, func() { attack(seed, 300) }, "seed %d", seed)
	}
}

func FuzzStep(f *testing.F) {
	f.Add(uint64(1), uint16(100))
	f.Add(uint64(42), uint16(2000))
	f.Fuzz(func(_ *testing.T, seed uint64, steps uint16) { attack(seed, int(steps)) })
}
