package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// formatEntry is a committed entry that put an entry format in force.
type formatEntry struct {
	index  raft.Index
	format uint32
}

// raising is an entry format that the operator asks a group's leader for until it is in force, or until it is too late.
type raising struct {
	fault  int
	at     int
	format uint32
	until  time.Duration
	// apart says who is cut off from all others when the format can be raised at last, for how long that lasts.
	apart cutOff
	away  time.Duration
	// feed is until when the leader is asked for more than its log keeps, so that a follower that is cut off needs an image.
	feed time.Duration
	done bool
	// pending is the answer that is waited for, of a node in one life of it.
	pending *node.Pending
	of      *lane
	life    int
}

// cutOff says whom a plot against the raising of a format cuts off.
type cutOff uint8

const (
	nobody    cutOff = iota
	theLeader        // which appends an entry that the others replace
	aFollower        // which learns of it late, by an image perhaps
)

// release brings a newer program to one node after the other; nodes that have never run get it or not. From the beginning, when hardly anybody knows
// its format, the operator asks for that.
func (w *World) release(i int, f *Fault, r *rand.Rand) {
	w.program++
	plotted, apart, away := r.IntN(groupCount), [...]cutOff{nobody, theLeader}[r.IntN(2)], between(r, 600*time.Millisecond, 4*time.Second)
	if w.Plan.Large && r.IntN(2) == 0 {
		plotted, apart, away = logAt, aFollower, 2*time.Second+away/2
	}
	for _, l := range w.lanes {
		after := time.Duration(r.Int64N(int64(f.For)))
		if l.boots > 0 || r.IntN(2) == 0 {
			w.agenda.add(w.Now()+after, upgradeEvent, l.number, int(w.program))
		}
	}
	for at := range groupCount {
		x := &raising{fault: i, at: at, format: w.program, until: w.Now() + 3*f.For}
		if at == plotted {
			x.apart, x.away = apart, away
		}
		w.raises = append(w.raises, x)
		w.agenda.add(w.Now(), raiseEvent, 0, len(w.raises)-1)
	}
}

// upgrade has a node go on with a program that knows a format. At the latest when it starts the next time it does.
func (w *World) upgrade(l *lane, format uint32) {
	if l.format = max(l.format, format); !l.up() || w.calm {
		return
	}
	l.die(w.random.IntN(3) > 0)
	l.restartIn(time.Duration(w.random.Int64N(int64(300 * time.Millisecond))))
}

// pursueFormat goes on with the raising of a format.
func (w *World) pursueFormat(i int) {
	x := w.raises[i]
	if w.calm {
		return
	}
	feeding, late := w.Now() < x.feed, w.Now() > x.until && x.pending == nil
	if x.done = x.done || w.raised(x); (x.done || late) && !feeding {
		return
	}
	w.agenda.add(w.Now()+pursueEvery, raiseEvent, 0, i)
	l := w.leads(x.at)
	if l == nil || l.paused > w.Now() {
		return
	}
	if feeding && x.done {
		w.burst(l, x.at, 3)
	}
	if x.pending == nil && !x.done && !late {
		if x.apart != nobody && w.allKnow(x) {
			w.cutApart(x, l)
		}
		if p, err := l.groups[x.at].SubmitFormat(x.format); err == nil {
			x.pending, x.of, x.life = p, l, l.life
		}
	}
}

// allKnow says whether the format can be raised.
func (w *World) allKnow(x *raising) bool {
	return !slices.ContainsFunc(w.laws.members[x.at].last().Configuration.Members, func(m raft.Member) bool {
		l := w.lanes[w.number(m.ID)]
		return !l.up() || l.knows < x.format
	})
}

// cutApart cuts the leader, or another member, off from all others. Connections stay up.
func (w *World) cutApart(x *raising, leader *lane) {
	from := leader
	if x.apart == aFollower {
		x.feed = w.Now() + x.away
	}
	for _, m := range w.laws.members[x.at].last().Configuration.Members {
		if x.apart == aFollower && m.ID != leader.id {
			from = w.lanes[w.number(m.ID)]
		}
	}
	c := &w.chosen[x.fault]
	for _, l := range w.lanes {
		if l != from {
			c.ways = append(c.ways, way{l.number, from.number}, way{from.number, l.number})
		}
	}
	for _, d := range c.ways {
		w.sever(d, Isolate, 1)
	}
	w.note(happening{what: faultBegan, fault: x.fault, lane: from.number, ways: c.ways, text: "isolation while a format is raised"})
	w.agenda.add(w.Now()+x.away, mendEvent, 0, x.fault)
	x.apart = nobody
}

// raised takes an answer in, and reports whether the format is in force.
func (w *World) raised(x *raising) bool {
	if x.pending == nil {
		return false
	}
	if x.of.life != x.life {
		x.pending = nil // whoever would have answered is gone
		return false
	}
	_, known, err := x.pending.Poll()
	if !known {
		return false
	}
	x.pending = nil
	var refused *node.FormatRefusedError
	if errors.As(err, &refused) && slices.ContainsFunc(refused.Laggards, func(l node.Laggard) bool { return l.Knows > 0 }) {
		w.reach.add(formatRefused)
	}
	if err == nil && w.laws.formatAt(x.at, raft.Index(len(w.laws.committed[x.at]))) < x.format {
		w.violate(fmt.Errorf("law 5: %s says that format %d is in force in group %d, and no such entry is committed", x.of.id, x.format, x.at+1))
	}
	return err == nil
}

// tryOlder starts the program before the one that ran last on a node whose log has entries behind the raising of a format. It has to refuse the log; the
// newer one then goes on with it as if nothing had been.
func (w *World) tryOlder(l *lane, away time.Duration) bool {
	older := l.knows - 1
	behind := slices.ContainsFunc(l.groups[:], func(g *node.Group) bool { return g.Ledger().FormatAt(g.Synced()) > older })
	if older < ledger.FormatInitial || !behind || !l.well() || l.rotten || l.full || l.troubled > 0 || l.disk.Crashed() {
		return false
	}
	l.die(true)
	active, newest := w.active, l.format
	w.active, l.format = nil, older
	err := l.Start()
	w.active, l.format = active, newest
	var unknown *ledger.FormatError
	switch {
	case errors.As(err, &unknown):
		w.reach.add(oldProgramRefused)
		l.Err = nil
		l.Kill()
	case err != nil:
		w.violate(err)
	case l.node != nil:
		w.violate(fmt.Errorf("%s was started with a program that knows formats up to %d, and went on with a log in which a higher one is in force", l.id, older))
	}
	l.restartIn(away)
	return true
}

// formatted looks at the format in force behind the last entry of a replica: whenever it rises every member that the replica knows of can read what comes.
func (k *laws) formatted(l *lane, at int) {
	g, seen := l.groups[at], &l.seen[at]
	before, now := seen.format, g.Ledger().Format()
	if seen.format = now; now == before {
		return
	}
	switch {
	case before == 0: // the node has just started
	case now < before:
		k.world.reach.add(formatTruncated)
	case g.Ledger().FormatAt(g.Ledger().BaseID().Index) == now:
		k.world.reach.add(imageOverFormat)
	}
	for _, m := range g.Members().Configuration.Members {
		if x := k.world.lanes[k.world.number(m.ID)]; x.knows < now && !l.lost {
			k.world.violate(fmt.Errorf("format: %s has format %d in force in group %d, and %s, a member, knows them up to %d", l.id, now, at+1, x.id, x.knows))
		}
	}
}

// commitsFormat takes in a committed Format entry: it raises the format.
func (k *laws) commitsFormat(l *lane, at int, rec *ledger.Record) {
	to := binary.LittleEndian.Uint32(rec.Body)
	if from := k.formatAt(at, rec.ID.Index); to <= from {
		k.world.violate(fmt.Errorf("format: %s takes %s of group %d for committed, which puts format %d in force after %d", l.id, rec.ID, at+1, to, from))
	}
	k.formats[at] = append(k.formats[at], formatEntry{rec.ID.Index, to})
	k.world.reach.add(formatRaised)
}

// formatAt is the format in force behind a committed entry.
func (k *laws) formatAt(at int, i raft.Index) uint32 {
	format := uint32(ledger.FormatInitial)
	for _, e := range k.formats[at] {
		if e.index <= i {
			format = e.format
		}
	}
	return format
}

// readsAlike checks that a replica takes the entries behind a committed one for what all others do.
func (k *laws) readsAlike(l *lane, at int, commit raft.Index) {
	if got, want := l.groups[at].Ledger().FormatAt(commit), k.formatAt(at, commit); got != want && !l.lost {
		k.world.violate(fmt.Errorf("format: %s has format %d in force behind entry %d of group %d, where by what is committed it is %d", l.id, got, commit, at+1, want))
	}
}
