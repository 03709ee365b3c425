package node

import (
	"time"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A group with nothing to do falls silent (raft.Config.QuietAfter): its leader sends no heartbeats and its followers wait for none. Here nothing is
// done for it any more either, until something happens: nobody looks at it. In place of its heartbeats every node sends every other a
// beat, one for all groups; a node that is not heard for an ElectionTimeout is taken for dead, and so are the leaders on it. A connection that
// breaks says so at once.

// fallSilent notes whether the group is silent. A node that is held for dead was so before its groups fell silent here, and is not
// told of again: the core hears it now. Owner.
func (r *replica) fallSilent(out *raft.Output) {
	if out.Quiet && !r.silent.Load() && r.node.peers.dead(out.Leader) {
		r.lose(out.Leader)
	}
	r.silent.Store(out.Quiet)
}

// lose has a silent group look for another leader than one on a node that is dead. Any goroutine.
func (r *replica) lose(peer raft.NodeID) {
	r.tell(func(r *replica) {
		if r.silent.Load() && !r.failed() {
			r.core.Unreachable(peer)
		}
	})
}

// stray has a follower that sleeps see whether its leader lives: it was asked for what only a leader can do, and whoever stopped leading may have been
// heard by nobody. Any goroutine.
func (r *replica) stray() {
	if r.silent.Load() {
		r.tell(func(r *replica) {
			if !r.failed() {
				r.core.Wake()
			}
		})
	}
}

// beat sends every peer a sign of life, and looks who has given none. Ticker.
func (p *peers) beat(now uint64) {
	o := &p.node.opts
	every := max(1, uint64(o.HeartbeatInterval/o.TickInterval))
	if o.QuietAfter < 0 || now%every != 0 {
		return
	}
	patience := uint64(o.ElectionTimeout / o.TickInterval)
	for _, x := range p.table.Load().order {
		x.control.beat()
		dead := x.heard.Load()+patience < now
		if was := x.dead.Swap(dead); dead && !was {
			for _, r := range p.node.replicas() {
				if r.roles.load().Leader == x.id {
					r.lose(x.id)
				}
			}
		}
	}
}

// dead says whether a node has been silent for long. Any goroutine.
func (p *peers) dead(id raft.NodeID) bool {
	x := p.find(id)
	return x != nil && x.dead.Load()
}

// beat has the link send a beat, unless the peer has heard something since the last one was due. Ticker.
func (l *link) beat() {
	if !l.spoke.Swap(false) {
		l.beatDue.Store(true)
		l.loop.notify()
	}
}

// sendBeat sends a beat if one is due and nothing else is about to be sent, which says the same. A link that is down needs none.
func (l *link) sendBeat(busy bool) {
	if l.beatDue.Swap(false) && !busy {
		_ = l.node.transport.Send(l.peer, l.class, []transport.Frame{{Kind: transport.KindBeat}})
	}
}

// quietAfter is Options.QuietAfter for the core, where 0 is never.
func (o *Options) quietAfter() time.Duration { return max(o.QuietAfter, 0) }
