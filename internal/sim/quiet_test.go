package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// rest lets virtual time pass.
func (m *members) rest(d time.Duration) {
	m.t.Helper()
	end := m.Now() + d
	m.until("time", func() bool { return m.Now() > end })
}

// silent waits until no group sends heartbeats any more.
func (m *members) silent() {
	m.t.Helper()
	m.rest(15 * time.Second)
	before := m.heartbeats
	m.rest(20 * time.Second) // looks in between for log heads that may go
	require.Equal(m.t, before, m.heartbeats)
}

// A group with nothing to do sends nothing, and is there at once when there is something to do again.
func TestAnIdleGroupIsSilent(t *testing.T) {
	changing(t, func(m *members) {
		m.silent()
		began := m.Now()
		m.write(1)
		require.Less(t, m.Now()-began, 200*time.Millisecond, "nobody had to be elected")
		m.settled(m.servers...)
		m.silent()
		for _, s := range m.servers { // wherever the read is asked for
			p, err := s.node.Group(kvGroup).SubmitRead()
			require.NoError(t, err)
			m.until("a read", func() bool {
				_, known, err := p.Poll()
				require.NoError(t, err)
				return known
			})
		}
	})
}

// The death of a node that leads silent groups is noticed, be it by a connection that breaks or by its silence.
func TestTheLeaderOfASilentGroupIsMissed(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		changing(t, func(m *members) {
			m.silent()
			old := m.leader()
			if breaks {
				old.PowerCut()
			} else {
				for _, x := range m.servers {
					m.network.Cut(x.ID(), old.ID())
					m.network.Cut(old.ID(), x.ID())
				}
			}
			began := m.Now()
			m.until("another leader", func() bool {
				leader := m.Leader(kvGroup)
				return leader != nil && leader != old
			})
			require.Less(t, m.Now()-began, 2*time.Second)
			m.network.HealAll()
			m.startAll()
			m.write(5)
			m.settled(m.servers...)
			m.silent()
		})
	}
}

// A node that was removed while it was away asks the members that it knows for votes, and these miss no leader that is silent, and that it does not know.
func TestARemovedNodeDeposesNoSilentLeader(t *testing.T) {
	changing(t, func(m *members) {
		gone := m.servers[0]
		gone.PowerCut()
		n4 := m.join()
		m.change(raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Promote: true, Replaces: "n1"})
		m.settled(m.servers[1], m.servers[2], n4)
		m.lead(n4)
		m.settled(m.servers[1], m.servers[2], n4)
		m.rest(15 * time.Second) // the store is silent by then; the log, of which n1 is still a member, is not
		term := n4.node.Group(kvGroup).Role().Term
		require.NoError(t, gone.Start())
		m.rest(5 * time.Second)
		require.Equal(t, n4.ID(), m.leader().ID())
		require.Equal(t, term, n4.node.Group(kvGroup).Role().Term)
	})
}
