package sim

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

const memberSeeds = 5

// members is a cluster whose membership a test changes.
type members struct {
	*Cluster
	t *testing.T
	// acked is the number of entries that were acknowledged.
	acked int
}

// changing runs a test on started clusters of three with several seeds.
func changing(t *testing.T, test func(m *members)) {
	for seed := uint64(1); seed <= memberSeeds; seed++ {
		m := &members{Cluster: NewCluster(powerOptions(seed, false, nil)), t: t}
		for _, s := range m.servers {
			require.NoError(t, s.Start())
		}
		m.write(5)
		test(m)
		require.NoError(t, m.Violation(), "seed %d", seed)
	}
}

func (m *members) until(what string, done func() bool) {
	m.t.Helper()
	require.NoError(m.t, m.Run(what, phaseLimit, done))
}

// leader waits for a leader of the group that everything is done with.
func (m *members) leader() *Server {
	m.t.Helper()
	m.until("a leader", func() bool { return m.Leader(kvGroup) != nil })
	return m.Leader(kvGroup)
}

// write has n more entries acknowledged, one after the other.
func (m *members) write(n int) {
	m.t.Helper()
	for end := m.acked + n; m.acked < end; {
		key := []byte(fmt.Sprintf("key-%05d", m.acked))
		body := kv.AppendPut(nil, key, bytes.Repeat(key, 40))
		p, err := m.leader().node.Group(kvGroup).Submit(body, node.Checksum(body))
		if err != nil {
			m.Step()
			continue
		}
		known, lost := false, m.Now()+time.Second // where its leader was removed, nobody may ever answer
		m.until("an acknowledgement", func() bool {
			_, known, err = p.Poll()
			return known || m.Now() > lost
		})
		if known && err == nil {
			m.acked++
		}
	}
}

// join starts the node of another server and has the leader meet it.
func (m *members) join() *Server {
	m.t.Helper()
	s := m.Add()
	require.NoError(m.t, s.Start())
	m.meet(s)
	return s
}

func (m *members) meet(s *Server) {
	m.t.Helper()
	leader := m.leader()
	require.NoError(m.t, leader.node.StartInvite(s.ID(), s.Address()))
	m.until("an answer to the invitation", func() bool {
		if leader.node == nil {
			return true
		}
		_, met := leader.node.Met(s.ID())
		return met
	})
}

// begin asks the leader for changes.
func (m *members) begin(changes ...raft.MemberChange) *node.PendingChange {
	m.t.Helper()
	p, err := m.leader().node.Group(kvGroup).SubmitChange(changes, nil)
	require.NoError(m.t, err)
	return p
}

// change goes on until the changes are made.
func (m *members) change(changes ...raft.MemberChange) raft.Configuration {
	m.t.Helper()
	for {
		entry, known, err := raft.ConfigurationEntry{}, false, error(nil)
		p := m.begin(changes...)
		at := m.leader()
		m.until("a membership change", func() bool {
			entry, known, err = p.Poll()
			return known || at.node == nil
		})
		if known && err == nil {
			return entry.Configuration
		}
		var elsewhere *raft.NotLeaderError
		require.True(m.t, !known || errors.As(err, &elsewhere) || errors.Is(err, raft.ErrConfigurationPending) || errors.Is(err, node.ErrUncertain), "%v", err)
		m.Step()
	}
}

// settled waits until the servers, and they alone, are the voters and have everything.
func (m *members) settled(voters ...*Server) {
	m.t.Helper()
	var ids []raft.NodeID
	for _, s := range voters {
		ids = append(ids, s.ID())
	}
	m.until(fmt.Sprintf("voters %v with equal logs", ids), func() bool {
		leader := m.Leader(kvGroup)
		if leader == nil {
			return false
		}
		commit := leader.node.Group(kvGroup).Committed()
		for _, s := range voters {
			if s.node == nil {
				return false
			}
			g := s.node.Group(kvGroup)
			c := g.Members().Configuration
			if c.Joint || fmt.Sprint(c.Voters()) != fmt.Sprint(ids) || g.Applied() < commit {
				return false
			}
		}
		return true
	})
	for _, s := range voters {
		require.Equal(m.t, m.state(voters[0]), m.state(s), "%s", s.ID())
	}
}

// state is the digest of what a server's machine holds.
func (m *members) state(s *Server) [32]byte {
	img, err := s.node.Group(kvGroup).Machine().Image()
	require.NoError(m.t, err)
	hash, err := image.Hash(img)
	require.NoError(m.t, errors.Join(err, img.Close()))
	return hash
}

// A learner that asked for it becomes a voter once it has caught up, and serves reads as soon as it is a member.
func TestALearnerCatchesUpAndVotes(t *testing.T) {
	changing(t, func(m *members) {
		m.write(60) // more than the log keeps: it begins with an image
		n4 := m.join()
		c := m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Promote: true})
		for _, x := range c.Members {
			require.NotZero(m.t, x.Directory, "%s: who joins learns who everybody is", x.ID)
		}
		m.write(5)
		m.settled(m.servers...)
		p, err := n4.node.Group(kvGroup).SubmitRead()
		require.NoError(t, err)
		m.until("a read", func() bool {
			_, known, err := p.Poll()
			require.NoError(t, err)
			return known
		})
		m.servers[0].PowerCut() // n4's vote and log count from now on
		m.write(5)
		n4.PowerCut()
		require.NoError(t, n4.Start())
		require.NoError(t, m.servers[0].Start())
		m.settled(m.servers...)
	})
}

// A node that is gone for good is replaced in one step, and what comes back under its name with an empty disk is refused.
func TestANodeIsReplaced(t *testing.T) {
	changing(t, func(m *members) {
		n2 := m.servers[1]
		n2.Wipe()
		n2.joins = true
		require.NoError(t, n2.Start())
		n4 := m.join()
		m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Promote: true, Replaces: "n2"})
		m.write(5)
		m.settled(m.servers[0], m.servers[2], n4)
		require.Zero(t, n2.node.Group(kvGroup).Ledger().Last().Index, "nobody has spoken to it")
		p := m.begin(raft.MemberChange{Kind: raft.AddLearner, ID: "n2", Directory: n2.node.Directory()})
		var refused *raft.ChangeError
		m.until("a refusal", func() bool {
			_, known, err := p.Poll()
			return known && errors.As(err, &refused)
		})
		require.Contains(t, refused.Reason, "choose a new id")
	})
}

// A leader that is removed commits that, and leaves office; the links to it end.
func TestTheLeaderIsRemoved(t *testing.T) {
	changing(t, func(m *members) {
		old := m.leader()
		for _, group := range []string{kvGroup, logGroup} {
			m.until("the leader of both groups", func() bool {
				leader := m.Leader(group)
				if leader != nil && leader != old {
					require.NoError(t, leader.node.Group(group).StartTransfer(old.ID()))
					end := m.Now() + time.Second
					m.until("a transfer", func() bool { return m.Leader(group) == old || m.Now() > end })
				}
				return m.Leader(group) == old
			})
			p, err := old.node.Group(group).SubmitChange([]raft.MemberChange{{Kind: raft.RemoveMember, ID: old.ID()}}, nil)
			require.NoError(t, err)
			m.until("the removal", func() bool {
				_, known, err := p.Poll()
				require.NoError(t, err)
				return known
			})
		}
		var rest []*Server
		for _, s := range m.servers {
			if s != old {
				rest = append(rest, s)
			}
		}
		m.until("another leader", func() bool { return m.Leader(kvGroup) != nil && m.Leader(kvGroup) != old })
		m.write(5)
		m.settled(rest...)
		fixed := len(rest[0].node.Loops())
		m.until("the end of the links", func() bool { return len(rest[0].node.Loops()) < fixed || !linked(rest[0], old) })
		require.True(t, linked(rest[0], rest[1]))
		m.until("the end of its own links", func() bool { return !linked(old, rest[0]) && !linked(old, rest[1]) })
	})
}

// linked says whether a node has links to another.
func linked(from, to *Server) bool {
	for _, l := range from.node.Loops() {
		if l.Name() == "control-"+string(to.ID()) {
			return true
		}
	}
	return false
}

// A joint configuration is left whatever happens in it: the leader crashes, everybody does, or a member gets it by an image.
func TestAJointConfigurationIsLeft(t *testing.T) {
	for name, disturb := range map[string]func(m *members){
		"the leader crashes": func(m *members) { m.leader().PowerCut() },
		"all crash":          func(m *members) { m.cutAll() },
		"all restart twice": func(m *members) {
			m.cutAll()
			m.startAll()
			for range 200 {
				m.Step()
			}
			m.cutAll()
		},
	} {
		t.Run(name, func(t *testing.T) {
			changing(t, func(m *members) {
				m.join()
				m.join()
				p := m.begin(
					raft.MemberChange{Kind: raft.AddVoter, ID: "n4", Directory: m.servers[3].node.Directory(), Address: m.servers[3].Address()},
					raft.MemberChange{Kind: raft.AddVoter, ID: "n5", Directory: m.servers[4].node.Directory(), Address: m.servers[4].Address()},
					raft.MemberChange{Kind: raft.RemoveMember, ID: "n1"})
				joint := false
				m.until("a joint configuration at two members", func() bool {
					if _, known, err := p.Poll(); known {
						require.ErrorAs(t, err, new(*raft.NotLeaderError))
						return true
					}
					at := 0
					for _, s := range m.servers {
						if s.node != nil && s.node.Group(kvGroup).Members().Configuration.Joint {
							at++
						}
					}
					joint = at >= 2
					return joint
				})
				disturb(m)
				m.startAll()
				m.change(
					raft.MemberChange{Kind: raft.AddVoter, ID: "n4", Directory: m.servers[3].node.Directory(), Address: m.servers[3].Address()},
					raft.MemberChange{Kind: raft.AddVoter, ID: "n5", Directory: m.servers[4].node.Directory(), Address: m.servers[4].Address()},
					raft.MemberChange{Kind: raft.RemoveMember, ID: "n1"})
				m.write(5)
				m.settled(m.servers[1:]...)
			})
		})
	}
}

func (m *members) startAll() {
	for _, s := range m.servers {
		if s.node == nil {
			require.NoError(m.t, s.Start())
		}
	}
}

// A member that was away during the change gets the new configuration with an image, from members that it has never heard of.
func TestAnImageBringsTheConfiguration(t *testing.T) {
	changing(t, func(m *members) {
		n3 := m.servers[2]
		n3.PowerCut()
		m.join()
		m.join()
		for _, s := range []*Server{m.servers[0], m.servers[1]} {
			next := m.servers[3+s.number]
			m.meet(next)
			m.change(raft.MemberChange{Kind: raft.AddLearner, ID: next.ID(), Directory: next.node.Directory(), Address: next.Address(), Promote: true, Replaces: s.ID()})
			m.until("the promotion", func() bool {
				leader := m.Leader(kvGroup)
				return leader != nil && leader.node.Group(kvGroup).Members().Configuration.IsVoter(next.ID())
			})
			m.write(40)
		}
		m.servers[0].PowerCut()
		m.servers[1].PowerCut()
		m.write(40) // by n4 and n5 alone
		require.NoError(t, n3.Start())
		m.settled(n3, m.servers[3], m.servers[4])
	})
}

// A node that was away while a format was raised learns of it by an image, or by the log; and the raising that a leader cut off has begun is undone.
func TestAFormatIsUndoneAndCaughtUpWith(t *testing.T) {
	changing(t, func(m *members) {
		for _, s := range m.servers {
			m.leader()
			s.format = 2
			s.Kill()
			require.NoError(m.t, s.Start())
		}
		alone, p := m.appendFormatAlone(2)
		m.until("another leader", func() bool { return m.Leader(kvGroup) != nil && m.Leader(kvGroup) != alone })
		m.write(5)
		m.network.HealAll()
		m.until("the end of an entry that nobody else has", func() bool {
			g := alone.node.Group(kvGroup)
			return g.Format() == 1 && g.Ledger().Format() == 1 && g.Applied() > 5
		})
		_, known, err := p.Poll()
		require.True(m.t, !known || err != nil, "nothing was raised, and nobody is told that it was")

		away := m.servers[(m.leader().number+1)%3]
		m.silence(away)
		m.until("the raising of the format", func() bool {
			l := m.Leader(kvGroup)
			if l == nil {
				return false
			}
			_, _ = l.node.Group(kvGroup).SubmitFormat(2)
			return l.node.Group(kvGroup).Format() == 2
		})
		m.write(60)
		m.network.HealAll()
		m.settled(m.servers...)
		for _, s := range m.servers {
			require.Equal(m.t, uint32(2), s.node.Group(kvGroup).Format(), "%s", s.ID())
			s.Kill()
			require.NoError(m.t, s.Start())
			require.Equal(m.t, uint32(2), s.node.Group(kvGroup).Ledger().Format(), "%s", s.ID())
		}
		m.write(3)
	})
}

// appendFormatAlone has a leader that nobody hears append a Format entry, and gives it with the answer that is waited for.
func (m *members) appendFormatAlone(format uint32) (*Server, *node.Pending) {
	m.t.Helper()
	for {
		alone := m.leader()
		m.silence(alone)
		g := alone.node.Group(kvGroup)
		p, err := g.SubmitFormat(format)
		require.NoError(m.t, err)
		known := false
		m.until("a Format entry, or a refusal", func() bool {
			_, known, err = p.Poll()
			return known || g.Ledger().Format() == format
		})
		if !known {
			return alone, p
		}
		require.Error(m.t, err) // a connection was not up yet, say
		m.network.HealAll()
		later := m.Now() + 100*time.Millisecond
		m.until("connections", func() bool { return m.Now() > later })
	}
}

// silence has nothing arrive at a server, or of it; its connections stay up.
func (m *members) silence(s *Server) {
	for _, x := range m.servers {
		if x != s {
			m.network.Cut(x.ID(), s.ID())
			m.network.Cut(s.ID(), x.ID())
		}
	}
}

// A node that was removed while it was cut off asks for votes when it is back, and neither disturbs the leader nor goes on for ever.
func TestARemovedNodeDisturbsNobody(t *testing.T) {
	changing(t, func(m *members) {
		leader := m.leader()
		gone := m.servers[(leader.number+1)%3]
		m.join()
		m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Promote: true})
		m.settled(m.servers...)
		leader = m.leader()
		if gone == leader {
			gone = m.servers[(leader.number+1)%3]
		}
		m.isolate(gone)
		for range 2 { // both groups, so that nothing is left between them
			m.change(raft.MemberChange{Kind: raft.RemoveMember, ID: gone.ID()})
		}
		m.until("despair", func() bool { return gone.node.Group(kvGroup).Role().Role == raft.PreCandidate })
		term := m.leader().node.Group(kvGroup).Role().Term
		m.network.HealAll()
		m.until("the word that it was removed", func() bool {
			r := gone.node.Group(kvGroup).Role().Role
			return r == raft.Follower || r == raft.Learner
		})
		end := m.Now() + 5*time.Second
		m.until("five seconds", func() bool { return m.Now() > end })
		m.write(5)
		require.Equal(t, term, m.leader().node.Group(kvGroup).Role().Term)
	})
}

func (m *members) isolate(s *Server) {
	for _, x := range m.servers {
		if x != s {
			m.network.Cut(x.ID(), s.ID())
			m.network.Cut(s.ID(), x.ID())
			m.network.Break(x.ID(), s.ID())
		}
	}
}

// A node that loses its disk while it is being added is not taken for the one that was added.
func TestAJoinerThatLosesItsDiskIsRefused(t *testing.T) {
	changing(t, func(m *members) {
		n4 := m.join()
		m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n4"})
		m.until("entries", func() bool { return n4.node.Group(kvGroup).Applied() > 0 })
		n4.Wipe()
		require.NoError(t, n4.Start())
		m.write(10)
		end := m.Now() + 5*time.Second
		m.until("five seconds", func() bool { return m.Now() > end })
		require.Zero(t, n4.node.Group(kvGroup).Ledger().Last().Index)
		m.change(raft.MemberChange{Kind: raft.RemoveMember, ID: "n4"})
		m.join()
		m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n5", Promote: true})
		m.settled(m.servers[0], m.servers[1], m.servers[2], m.servers[4])
	})
}

// A node that joined and led, and that alone knows that it removed itself, brings that about after a restart: nobody else could win.
func TestALeaderThatAloneKnowsOfItsRemovalFinishesIt(t *testing.T) {
	changing(t, func(m *members) {
		n4 := m.join()
		m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Promote: true})
		m.settled(m.servers...)
		m.lead(n4)
		m.change(raft.MemberChange{Kind: raft.RemoveMember, ID: "n2"}, raft.MemberChange{Kind: raft.RemoveMember, ID: "n3"})
		m.lead(n4)
		for _, x := range m.servers[:3] {
			m.network.Cut(n4.ID(), x.ID())
		}
		group := n4.node.Group(kvGroup)
		_, err := group.SubmitChange([]raft.MemberChange{{Kind: raft.RemoveMember, ID: "n4"}}, nil)
		require.NoError(t, err)
		m.until("its removal on its own disk", func() bool {
			return !group.Members().Configuration.IsVoter("n4") && group.Synced() >= group.Members().ID.Index
		})
		n4.PowerCut()
		m.network.HealAll()
		require.NoError(t, n4.Start())
		m.settled(m.servers[0])
		m.write(3)
	})
}

// lead has a server lead the store.
func (m *members) lead(s *Server) {
	m.t.Helper()
	for m.leader() != s {
		require.NoError(m.t, m.leader().node.Group(kvGroup).StartTransfer(s.ID()))
		end := m.Now() + time.Second
		m.until("a transfer", func() bool { return m.Leader(kvGroup) == s || m.Now() > end })
	}
}
