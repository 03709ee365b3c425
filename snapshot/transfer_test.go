package snapshot_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

const (
	ms     = raft.Monotonic(time.Millisecond)
	second = raft.Monotonic(time.Second)
)

// letter is a frame on its way.
type letter struct {
	from  raft.NodeID
	frame snapshot.Frame
}

// network is a leader's and some followers' sides of image transfers, in virtual time. Everything arrives in order after a
// millisecond unless lose says otherwise.
type network struct {
	t       testing.TB
	now     raft.Monotonic
	offers  map[raft.NodeID]*snapshot.Offers
	fetches map[raft.NodeID]*snapshot.Fetches
	disks   map[raft.NodeID]*disk.Disk
	stores  map[raft.NodeID]*snapshot.Store
	order   []raft.NodeID
	mail    []letter
	lose    func(letter) bool
	sent    []snapshot.Sent
	arrived []snapshot.Arrival
	failed  []snapshot.Failure
	chunks  map[raft.NodeID]int // that reached a node
	bytes   int
	wake    raft.Monotonic
}

func newNetwork(t testing.TB, ids ...raft.NodeID) *network {
	n := &network{t: t, now: second, offers: map[raft.NodeID]*snapshot.Offers{}, fetches: map[raft.NodeID]*snapshot.Fetches{},
		disks: map[raft.NodeID]*disk.Disk{}, stores: map[raft.NodeID]*snapshot.Store{}, chunks: map[raft.NodeID]int{}}
	for i, id := range ids {
		n.disks[id] = disk.New(uint64(i))
		n.start(id, snapshot.OffersOptions{Boot: uint64(i) << 32}, snapshot.FetchesOptions{})
		n.order = append(n.order, id)
	}
	return n
}

// start starts a node on its disk.
func (n *network) start(id raft.NodeID, o snapshot.OffersOptions, f snapshot.FetchesOptions) {
	n.stores[id] = open(n.t, n.disks[id])
	n.offers[id] = snapshot.NewOffers(o)
	n.fetches[id] = snapshot.NewFetches(f, func(g raft.GroupID) (snapshot.Target, bool) {
		return snapshot.Target{Identity: group, Store: n.stores[id]}, g == group.Group
	})
}

// restart kills a node and starts it again.
func (n *network) restart(id raft.NodeID) {
	n.disks[id] = n.disks[id].KillProcess()
	n.start(id, snapshot.OffersOptions{Boot: uint64(n.now)}, snapshot.FetchesOptions{})
}

// offer offers an image that is in from's store.
func (n *network) offer(from, to raft.NodeID, term raft.Term, m snapshot.Meta) {
	r, err := n.stores[from].Open(m)
	require.NoError(n.t, err)
	n.offers[from].Offer(snapshot.Offer{Peer: to, Term: term, Meta: m, Source: r})
}

// step delivers what is under way and lets everybody have a turn; d passes.
func (n *network) step(d raft.Monotonic) {
	n.now += d
	mail := n.mail
	n.mail = nil
	for _, l := range mail {
		n.deliver(l)
	}
	n.wake = 0
	due := func(w raft.Monotonic) {
		if w != 0 && (n.wake == 0 || w < n.wake) {
			n.wake = w
		}
	}
	for _, id := range n.order {
		out := n.offers[id].Turn(n.now)
		n.sent = append(n.sent, out.Sent...)
		n.post(id, out.Frames)
		due(out.Wake)
		back := n.fetches[id].Turn(n.now)
		n.arrived = append(n.arrived, back.Arrived...)
		n.failed = append(n.failed, back.Failed...)
		n.post(id, back.Frames)
		due(back.Wake)
	}
}

func (n *network) post(from raft.NodeID, frames []snapshot.Frame) {
	for _, f := range frames {
		n.bytes += len(f.Body)
		if l := (letter{from, f}); n.lose == nil || !n.lose(l) {
			n.mail = append(n.mail, l)
		}
	}
}

func (n *network) deliver(l letter) {
	if n.offers[l.frame.To] == nil {
		return
	}
	switch l.frame.Head[1] {
	case 2, 5:
		require.NoError(n.t, n.offers[l.frame.To].Handle(n.now, l.from, l.frame.Head))
	default:
		if l.frame.Body != nil {
			n.chunks[l.frame.To]++
		}
		require.NoError(n.t, n.fetches[l.frame.To].Handle(n.now, l.from, l.frame.Head, l.frame.Body))
	}
}

// run steps until done says so, jumping to the next time at which something is due when nothing is under way.
func (n *network) run(done func() bool) {
	n.t.Helper()
	for range 200_000 {
		if done() {
			return
		}
		d := ms
		if len(n.mail) == 0 && n.wake > n.now+ms {
			d = n.wake - n.now
		}
		n.step(d)
	}
	n.t.Fatal("nothing came of it")
}

func (n *network) results(count int) func() bool { return func() bool { return len(n.sent) >= count } }

// bigImage makes an image of 40 chunks at a node.
func (n *network) bigImage(id raft.NodeID) (snapshot.Meta, [][]byte) {
	data := chunks(9, 40, 2000)
	return mustWrite(n.t, n.stores[id], 9, data), data
}

func TestAnImageIsTransferred(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, data := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(n.results(1))
	require.Equal(t, []snapshot.Sent{{Peer: "b", Group: 7, ID: m.Base.ID}}, n.sent)
	require.Equal(t, []snapshot.Arrival{{Group: 7, From: "a", Term: 5, Meta: m}}, n.arrived)
	requireImage(t, n.stores["b"], m, data)
	require.Equal(t, 40, n.chunks["b"], "each chunk is sent once")
	require.Less(t, n.now, second+40*ms, "chunks are under way while more are asked for")
	requireImage(t, open(t, n.disks["b"].Crash(disk.Cut{Keep: disk.Nothing})), m, data)
	require.NoError(t, n.stores["a"].Retain(1, ^raft.Index(0)))
	n.step(ms)
	require.Zero(t, n.wake, "nothing is due when nothing goes on")
}

func TestABaseIsTransferredWithoutAnImage(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.stores["b"] = nil
	m := snapshot.BaseOnly(group, base(9))
	n.offers["a"].Offer(snapshot.Offer{Peer: "b", Term: 5, Meta: m})
	n.run(n.results(1))
	require.NoError(t, n.sent[0].Err)
	require.Equal(t, []snapshot.Arrival{{Group: 7, From: "a", Term: 5, Meta: m}}, n.arrived)
}

func TestAnEmptyImageIsTransferred(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m := mustWrite(t, n.stores["a"], 9, nil)
	n.offer("a", "b", 5, m)
	n.run(n.results(1))
	require.NoError(t, n.sent[0].Err)
	require.True(t, n.stores["b"].Has(m))
}

func TestAnImageThatIsThereIsNotFetched(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, data := n.bigImage("a")
	mustWrite(t, n.stores["b"], 9, data)
	n.offer("a", "b", 5, m)
	n.run(n.results(1))
	require.NoError(t, n.sent[0].Err)
	require.Zero(t, n.chunks["b"])
	require.Len(t, n.arrived, 1)
}

func TestTheSameOfferAgainSendsNothingTwice(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	for range 3 {
		n.offer("a", "b", 5, m)
		n.step(ms)
	}
	n.run(n.results(1))
	require.Len(t, n.sent, 3, "each offer has its result")
	require.Equal(t, 40, n.chunks["b"])
}

// Whatever single frame is lost, the transfer completes, and only what was lost is sent again.
func TestEverySingleLoss(t *testing.T) {
	for lost := range 70 {
		n := newNetwork(t, "a", "b")
		m, data := n.bigImage("a")
		count := 0
		n.lose = func(letter) bool {
			count++
			return count == lost+1
		}
		n.offer("a", "b", 5, m)
		n.run(n.results(1))
		require.NoError(t, n.sent[0].Err, "loss of frame %d", lost)
		requireImage(t, n.stores["b"], m, data)
		require.LessOrEqual(t, n.chunks["b"], 48, "loss of frame %d", lost)
	}
}

func TestHeavyLossDuplicationAndDisorder(t *testing.T) {
	for seed := range uint64(20) {
		n := newNetwork(t, "a", "b")
		random := rand.New(rand.NewPCG(seed, 2))
		m, data := n.bigImage("a")
		n.lose = func(l letter) bool {
			if random.IntN(10) == 0 {
				n.mail = append(n.mail, l)
			}
			if random.IntN(20) == 0 && len(n.mail) > 1 {
				n.mail[0], n.mail[len(n.mail)-1] = n.mail[len(n.mail)-1], n.mail[0]
			}
			return random.IntN(10) == 0
		}
		for term := raft.Term(5); ; term++ { // A leader offers again what failed.
			n.offer("a", "b", term, m)
			count := len(n.sent)
			n.run(n.results(count + 1))
			if n.sent[count].Err == nil {
				break
			}
			require.Less(t, term, raft.Term(20), "seed %d", seed)
		}
		requireImage(t, n.stores["b"], m, data)
	}
}

func TestADamagedChunkIsFetchedAgain(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, data := n.bigImage("a")
	hurt := 0
	n.lose = func(l letter) bool {
		if len(l.frame.Body) > 0 && hurt < 3 {
			hurt++
			l.frame.Body[0] ^= 1
		}
		return false
	}
	n.offer("a", "b", 5, m)
	n.run(n.results(1))
	require.NoError(t, n.sent[0].Err)
	requireImage(t, n.stores["b"], m, data)
}

func TestATransferGoesOnAfterTheReceiversRestart(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, data := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 20 })
	n.mail = nil
	n.offers["a"].Unreachable("b")
	n.restart("b")
	n.run(n.results(1))
	require.ErrorIs(t, n.sent[0].Err, snapshot.ErrUnreachable)
	n.offer("a", "b", 5, m)
	n.run(n.results(2))
	require.NoError(t, n.sent[1].Err)
	requireImage(t, n.stores["b"], m, data)
	require.LessOrEqual(t, n.chunks["b"], 49, "what was there is not fetched again")
}

// Restarted without a word, the receiver does not know the transfer any more: the sender offers again, and it goes on.
func TestATransferSurvivesARestartThatNobodyNoticed(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, data := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 20 })
	n.restart("b")
	n.run(n.results(1))
	require.NoError(t, n.sent[0].Err)
	requireImage(t, n.stores["b"], m, data)
	require.LessOrEqual(t, n.chunks["b"], 60)
}

func TestATransferGoesOnFromAnotherSender(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	m, data := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 20 })
	require.Equal(t, m, mustWrite(t, n.stores["c"], 9, data), "another replica makes the same image")
	n.offer("c", "b", 6, m)
	n.run(n.results(2))
	for _, s := range n.sent {
		if s.Err != nil {
			require.ErrorIs(t, s.Err, snapshot.ErrRefused)
		}
	}
	require.Equal(t, []snapshot.Arrival{{Group: 7, From: "c", Term: 6, Meta: m}}, n.arrived)
	requireImage(t, n.stores["b"], m, data)
	require.LessOrEqual(t, n.chunks["b"], 60)
}

func TestAnOfferOfAPastTermIsRefused(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	m, data := n.bigImage("a")
	mustWrite(t, n.stores["c"], 9, data)
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	n.offer("c", "b", 4, m)
	n.run(n.results(2))
	require.ErrorIs(t, n.sent[0].Err, snapshot.ErrRefused)
	require.ErrorContains(t, n.sent[0].Err, "term 4 is over")
	require.NoError(t, n.sent[1].Err)
	require.Equal(t, raft.NodeID("a"), n.arrived[0].From)
}

func TestAnOfferOfAnotherTermTakesAnOldersPlace(t *testing.T) {
	n := newNetwork(t, "a", "b")
	older, _ := n.bigImage("a")
	n.offer("a", "b", 5, older)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	data := chunks(10, 5, 100)
	newer := mustWrite(t, n.stores["a"], 10, data)
	n.mail = nil // or the answer to a fetch under way may end the transfer before the offer does
	n.offer("a", "b", 6, newer)
	n.run(n.results(2))
	require.ErrorIs(t, n.sent[0].Err, snapshot.ErrSuperseded)
	require.NoError(t, n.sent[1].Err)
	require.Equal(t, newer.Base.ID, n.sent[1].ID)
	requireImage(t, n.stores["b"], newer, data)
	require.Len(t, n.failed, 1)
	require.ErrorIs(t, n.failed[0].Err, snapshot.ErrSuperseded)
	require.Empty(t, files(t, n.disks["b"], ".part"))
}

// Images that are made faster than they are sent don't keep one from arriving.
func TestANewerImageWaitsForTheOneUnderWay(t *testing.T) {
	n := newNetwork(t, "a", "b")
	older, data := n.bigImage("a")
	n.offer("a", "b", 5, older)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	newer := mustWrite(t, n.stores["a"], 10, chunks(10, 5, 100))
	n.offer("a", "b", 5, newer)
	n.run(n.results(2))
	for _, sent := range n.sent {
		require.NoError(t, sent.Err)
		require.Equal(t, older.Base.ID, sent.ID)
	}
	requireImage(t, n.stores["b"], older, data)
	require.Empty(t, n.failed)
}

func TestASilentPeerIsGivenUp(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	n.lose = func(l letter) bool { return l.from == "b" }
	begin := n.now
	n.offer("a", "b", 5, m)
	n.run(n.results(1))
	require.ErrorIs(t, n.sent[0].Err, snapshot.ErrQuiet)
	require.Equal(t, 20*second, n.now-begin-ms, "after the default time-out")
	require.NoError(t, n.stores["a"].Retain(1, ^raft.Index(0)))
}

func TestASilentSenderIsGivenUp(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	n.offers["a"].Close()
	n.offers["a"] = snapshot.NewOffers(snapshot.OffersOptions{})
	n.lose = func(l letter) bool { return l.from == "a" }
	n.run(func() bool { return len(n.failed) > 0 })
	require.ErrorIs(t, n.failed[0].Err, snapshot.ErrQuiet)
	require.Len(t, files(t, n.disks["b"], ".part"), 1, "what is here stays")
	n.step(ms)
	require.Zero(t, n.wake)
}

func TestASenderThatForgotSaysSo(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	n.restart("a")
	n.run(func() bool { return len(n.failed) > 0 })
	require.ErrorIs(t, n.failed[0].Err, snapshot.ErrPeerFailed)
	require.ErrorContains(t, n.failed[0].Err, "no such transfer")
	require.Less(t, n.now, 10*second)
}

func TestALeaderThatStepsDownCancels(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	n.offers["a"].Cancel(99, "not this group")
	n.offers["a"].Cancel(7, "stepped down")
	n.offer("a", "c", 6, m)
	n.offers["a"].Cancel(7, "stepped down") // not begun yet
	n.run(func() bool { return len(n.failed) > 0 })
	require.ErrorContains(t, n.failed[0].Err, "stepped down")
	require.Empty(t, n.sent, "a former leader's core is told nothing")
	require.Len(t, files(t, n.disks["b"], ".part"), 1)
}

func TestTheReceiverStops(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 10 })
	n.fetches["b"].Stop(99)
	n.fetches["b"].Stop(7)
	n.run(n.results(1))
	require.ErrorIs(t, n.sent[0].Err, snapshot.ErrRefused)
	n.offer("a", "b", 5, m)
	n.run(func() bool { return n.chunks["b"] >= 30 })
	n.fetches["b"].Unreachable("c")
	n.fetches["b"].Unreachable("a")
	n.step(ms)
	require.ErrorIs(t, n.failed[0].Err, snapshot.ErrUnreachable)
	n.offer("a", "b", 6, m)
	n.run(n.results(3))
	require.NoError(t, n.sent[len(n.sent)-1].Err)
	n.fetches["b"].Close()
}

func TestWhatTheReceiverCannotTakeFails(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(n *network, m *snapshot.Meta)
		is      error
		says    string
	}{
		"a full disk":     {func(n *network, _ *snapshot.Meta) { n.disks["b"].SetCapacity(n.disks["b"].Used() + 8192) }, snapshot.ErrPeerFailed, "no space"},
		"no space at all": {func(n *network, _ *snapshot.Meta) { n.disks["b"].SetCapacity(1) }, snapshot.ErrPeerFailed, "no space"},
		"a failed flush": {func(n *network, _ *snapshot.Meta) {
			n.disks["b"].Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}})
		}, snapshot.ErrPeerFailed, "flushing"},
		"an unknown group":   {func(_ *network, m *snapshot.Meta) { m.Identity.Group++ }, snapshot.ErrRefused, "does not host"},
		"a past incarnation": {func(_ *network, m *snapshot.Meta) { m.Identity.Incarnation++ }, snapshot.ErrRefused, "expected group"},
		"no machine":         {func(n *network, _ *snapshot.Meta) { n.stores["b"] = nil }, snapshot.ErrRefused, "machine"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, "a", "b")
			m, _ := n.bigImage("a")
			r, err := n.stores["a"].Open(m)
			require.NoError(t, err)
			c.prepare(n, &m)
			n.offers["a"].Offer(snapshot.Offer{Peer: "b", Term: 5, Meta: m, Source: r})
			n.run(n.results(1))
			require.ErrorIs(t, n.sent[0].Err, c.is)
			require.ErrorContains(t, n.sent[0].Err, c.says)
			require.Empty(t, n.arrived)
		})
	}
}

func TestADamagedImageIsNotSent(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	size, err := n.disks["a"].Stat(onlyFile(t, n.disks["a"], ".img"))
	require.NoError(t, err)
	require.NoError(t, n.disks["a"].Flip(onlyFile(t, n.disks["a"], ".img"), size/2, 1))
	n.run(func() bool { return len(n.sent) > 0 && len(n.failed) > 0 })
	var bad *snapshot.CorruptionError
	require.ErrorAs(t, n.sent[0].Err, &bad)
	require.ErrorIs(t, n.failed[0].Err, snapshot.ErrPeerFailed)
	require.NotEmpty(t, n.stores["a"].Problems())
}

func TestAnOfferWithoutASourceFails(t *testing.T) {
	n := newNetwork(t, "a", "b")
	m, _ := n.bigImage("a")
	n.offers["a"].Offer(snapshot.Offer{Peer: "b", Term: 5, Meta: m})
	n.run(n.results(1))
	require.ErrorIs(t, n.sent[0].Err, snapshot.ErrNotFound)
}
