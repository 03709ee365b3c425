package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// The format of an entry is what the last Format entry below it says (docs/format.md, "Format entries"). A leader appends one when it is asked to, and
// only if every member has announced that it knows the format. From then on nobody is added who has not, so whoever is to read an entry can.

// Laggard is a member that keeps a format from being raised.
type Laggard struct {
	ID NodeID
	// Knows is the highest format that it has announced; 0: the leader has no connection with it at the moment.
	Knows uint32
}

// FormatRefusedError says that a format was not raised. Nothing was done.
type FormatRefusedError struct {
	// Asked is the format that was asked for, InForce the one in force.
	Asked, InForce uint32
	// Laggards are the members that do not know the format, or can't be asked; empty when Asked is below InForce, which can't be taken back.
	Laggards []Laggard
}

// Error says who or what is in the way, and what to do.
func (e *FormatRefusedError) Error() string {
	if len(e.Laggards) == 0 {
		return fmt.Sprintf("node: format %d is in force, and a lower one, %d, was asked for; a format is never taken back", e.InForce, e.Asked)
	}
	var who []string
	for _, l := range e.Laggards {
		if l.Knows == 0 {
			who = append(who, fmt.Sprintf("%s, with which there is no connection", l.ID))
		} else {
			who = append(who, fmt.Sprintf("%s, which knows them up to %d", l.ID, l.Knows))
		}
	}
	return fmt.Sprintf("node: format %d stays in force: every member has to know format %d, and these keep it from being raised: %s; start them with a newer program, or remove them",
		e.InForce, e.Asked, strings.Join(who, "; "))
}

// Format is the entry format in force behind the last entry that this replica knows to be committed. It does not block.
func (g *Group) Format() uint32 { return g.r.committedFormat() }

// RaiseFormat puts a higher entry format in force, and blocks until that is committed or ctx is done; 0 stands for the highest that the leader knows. It
// gives the format asked for. It can't be taken back: a program that does not know the format can't be a member's any more. What is in
// force already is no error.
//
// Errors: *NotLeaderError, *FormatRefusedError, raft.ErrConfigurationPending (the members are being changed, a format is being raised, or the term has only
// begun; try again), ErrNotAdmitted, ErrClosed, *FailedError: nothing was done. ErrUncertain: unknown; it may be repeated.
func (g *Group) RaiseFormat(ctx context.Context, to uint32) (uint32, error) {
	if to == 0 {
		to = g.r.node.opts.Format
	}
	p := newFormat(to)
	if err := g.ask(ctx, func(r *replica) error { return r.raiseFormat(p, to) }); err != nil {
		if ctx.Err() != nil {
			err = uncertain(err)
		}
		return 0, err
	}
	_, err := p.Wait(ctx)
	return to, err
}

// SubmitFormat is RaiseFormat without the wait, for a harness that turns the loops.
func (g *Group) SubmitFormat(to uint32) (*Pending, error) {
	if err := g.usable(); err != nil {
		return nil, err
	}
	p := newFormat(to)
	g.r.tell(func(r *replica) {
		if err := r.raiseFormat(p, to); err != nil {
			p.complete(Proposed{}, err)
		}
	})
	return p, nil
}

// newFormat is the proposal of a Format entry.
func newFormat(to uint32) *Pending {
	body := binary.LittleEndian.AppendUint32(nil, to)
	return newPending(raft.KindFormat, body, Checksum(body))
}

// raiseFormat appends a Format entry, or completes p where its format is in force. With an error nothing was done, and p is not completed. Owner.
func (r *replica) raiseFormat(p *Pending, to uint32) error {
	if failure := r.failure.Load(); failure != nil {
		return failure
	}
	if !r.leading {
		return &raft.NotLeaderError{Leader: r.roles.load().Leader}
	}
	inForce := r.ledger.Format()
	switch {
	case r.committedFormat() != inForce:
		return raft.ErrConfigurationPending
	case to < inForce:
		return &FormatRefusedError{Asked: to, InForce: inForce}
	case to == inForce:
		p.complete(Proposed{}, nil)
		return nil
	}
	if err := r.core.MayReconfigure(); err != nil {
		return err
	}
	if behind := r.laggards(to); len(behind) > 0 {
		return &FormatRefusedError{Asked: to, InForce: inForce, Laggards: behind}
	}
	r.propose([]*Pending{p})
	return nil
}

// laggards are the members of the configuration in force that have not announced that they know a format. Owner.
func (r *replica) laggards(format uint32) (behind []Laggard) {
	for _, m := range r.core.Configuration().Configuration.Members {
		if knows := r.node.announced(m.ID); knows < format {
			behind = append(behind, Laggard{m.ID, knows})
		}
	}
	return behind
}

// tooOld says why a node can't be added for the sake of the format in force, committed or not, or nothing. Owner.
func (r *replica) tooOld(id raft.NodeID) string {
	inForce := r.ledger.Format()
	switch knows := r.node.announced(id); {
	case inForce == ledger.FormatInitial || knows >= inForce: // everybody knows the first
		return ""
	case knows == 0:
		return fmt.Sprintf("entries of format %d are in force, and there is no connection with it to say whether it knows them; invite it on this node first", inForce)
	default:
		return fmt.Sprintf("entries of format %d are in force, and it knows them up to format %d; start it with a newer program", inForce, knows)
	}
}

// committedFormat is the format in force behind the last entry that is known to be committed. Any goroutine.
func (r *replica) committedFormat() uint32 { return r.ledger.FormatAt(raft.Index(r.commit.load())) }

// knows refuses records that put a format in force which this node does not know: behind them it could not read the log any more. Owner.
func (r *replica) knows(records []ledger.Record) error {
	for i := range records {
		if rec := &records[i]; rec.Kind == raft.KindFormat {
			if f := binary.LittleEndian.Uint32(rec.Body); f > r.node.opts.Format {
				return fmt.Errorf("entry %s: %w", rec.ID, r.node.newerFormat(f))
			}
		}
	}
	return nil
}

// newerFormat is the error of something of a format that this node does not know.
func (n *Node) newerFormat(f uint32) error {
	return fmt.Errorf("it is for readers of entries of format %d, and node %s knows them up to format %d: start it with a newer program", f, n.opts.ID, n.opts.Format)
}

// understands says why a member can't take part in the groups of this node for the sake of their formats. It knew the format when that came into force, or
// when it was added, so it was started with an older program since. Whoever is no member of such a group, as far as is known here, may be one of another,
// and lead it. Only what is committed counts: an entry that is not may be truncated by a leader that never had it.
func (n *Node) understands(h transport.Hello) error {
	for _, r := range n.replicas() {
		_, member := r.configuration.Load().Configuration.Member(h.Node)
		if f := r.committedFormat(); member && f > h.Format.Max {
			return fmt.Errorf("expected of a member of group %q that it knows entries of format %d, which is in force, found %s, which knows them up to format %d: start it with a newer program",
				r.opts.Name, f, h.Node, h.Format.Max)
		}
	}
	return nil
}

// announced is the highest format that a node has said it knows, this one included; 0 when the control connection with it has broken since.
func (n *Node) announced(id raft.NodeID) uint32 {
	if id == n.opts.ID {
		return n.opts.Format
	}
	return n.met.formatOf(id)
}

// formatOf is the format in a node's last hello, 0 when there was none since the control connection with it broke last.
func (m *met) formatOf(id raft.NodeID) uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nodes[id].format
}

// forgetFormat forgets what a node has announced: what comes back may be an older program. Any goroutine.
func (m *met) forgetFormat(id raft.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x, ok := m.nodes[id]; ok {
		x.format = 0
		m.nodes[id] = x
	}
}
