package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// laws knows everything that was committed and applied, and holds each replica against it whenever something has happened on its node.
type laws struct {
	world *World
	// committed are the entries of each group, by index - 1: those that some replica took for committed.
	committed [groupCount][]committedEntry
	// keep is the first entry of the log that the trims committed keep.
	keep raft.Index
	// members are the groups' configurations.
	members [groupCount]membership
	// formats are the entry formats that were put in force, by what is committed.
	formats [groupCount][]formatEntry
	// applied are the entries that some machine has applied, by index - 1; zero where an index has no command.
	applied []appliedEntry
	// segments are the names of files.
	segments map[segmentFile]string
}

// committedEntry is an entry as the first replica had it that took it for committed.
type committedEntry struct {
	term     raft.Term
	checksum uint32
	body     uint32 // its checksum
	kind     raft.Kind
	position raft.Position
	end      raft.Position
	// in is the term in which that replica was: the entry was committed in it or before. at is when it was found.
	in raft.Term
	at time.Duration
}

// appliedEntry is a command and what it gave.
type appliedEntry struct {
	term   uint64
	body   uint32
	result uint64
}

// look holds a node's replicas against the laws. It is called after each turn on the node, so it costs little where nothing has changed.
func (k *laws) look(l *lane) {
	for at, g := range l.groups {
		seen := &l.seen[at]
		commit, applied := g.Committed(), g.Applied()
		if tip := g.Ledger().Tip(); tip != seen.tip {
			k.moved(l, g, &seen.tip, tip)
			k.formatted(l, at)
		}
		if base := g.Ledger().BaseID().Index; base != seen.base {
			if seen.base = base; seen.commit > 0 {
				k.world.delicate(l) // it was trimmed
			}
			if commit > seen.commit {
				k.commits(l, at, commit)
			}
			if at == logAt && base >= k.keep && base > 0 && !l.lost {
				k.world.violate(fmt.Errorf("law 2: the log of %s begins behind %d, and the trims that are committed keep it from %d on", l.id, base, k.keep))
			}
		}
		if c := g.Members(); c.ID != seen.configuration {
			before := seen.configuration
			fresh := k.configured(l, at, &c)
			if commit > seen.commit {
				k.commits(l, at, commit)
				seen.commit = commit
			}
			if fresh && !l.lost && g.Role().Role == raft.Leader && c.ID.Term == g.Role().Term {
				k.proposed(l, at, before, &c)
			}
		}
		if commit == seen.commit && applied == seen.applied {
			k.leases(l, at)
			continue
		}
		if commit < seen.commit || applied < seen.applied {
			k.world.violate(fmt.Errorf("law 6: %s went back from commit %d, applied %d to %d, %d in group %d", l.id, seen.commit, seen.applied, commit, applied, g.ID()))
		}
		if commit > seen.commit {
			k.commits(l, at, commit)
		}
		seen.commit, seen.applied = commit, applied
		for _, x := range k.world.lanes {
			k.leases(x, at)
		}
	}
}

// moved notes where a replica's log ends now, and counts truncations.
func (k *laws) moved(l *lane, g *node.Group, seen *ledger.Tip, tip ledger.Tip) {
	old := *seen
	*seen = tip
	if old.ID.Index == 0 || old.ID.Term == tip.ID.Term && old.ID.Index <= tip.ID.Index || old.ID.Index <= g.Ledger().BaseID().Index {
		return
	}
	if term, err := g.Ledger().TermAt(old.ID.Index); err == nil && term == old.ID.Term {
		return
	}
	k.world.delicate(l)
	k.world.reach.add(truncation)
	if c := g.Members().ID; c.Index > g.Ledger().BaseID().Index {
		if term, err := g.Ledger().TermAt(c.Index); err != nil || term != c.Term {
			k.world.violate(fmt.Errorf("law 7: the log of %s was truncated and ends with %s in group %d, and the configuration of %s, which it does not hold, is still in force", l.id, tip.ID, g.ID(), c))
		}
	}
	if raft.Position(worldSegment) < old.End && tip.End/worldSegment < (old.End-1)/worldSegment {
		k.world.reach.add(truncationAcrossSegments)
	}
}

// begins checks that what a node starts with is durable: who speaks for its disk on the strength of what it has read there must find it there again.
func (k *laws) begins(l *lane) {
	if l.lost || l.excused || l.disk.Crashed() {
		return
	}
	for at, g := range l.groups {
		var now, then *ledger.Inspection
		var err error
		l.disk.Peek(func() { now, err = ledger.Inspect(l.disk, groupDir(at)) })
		if err == nil {
			then, err = l.durableState(at)
		}
		if err != nil {
			k.world.violate(fmt.Errorf("law 5: %s starts group %d, and a power cut would leave no group file: %w", l.id, at+1, err))
			continue
		}
		if now.State != then.State || now.LedgerEpoch != then.LedgerEpoch {
			k.world.violate(fmt.Errorf("law 5: %s starts group %d with %+v in epoch %d, and a power cut would leave %+v in %d", l.id, at+1, now.State, now.LedgerEpoch, then.State, then.LedgerEpoch))
		}
		k.beginsWith(l, at, g.Ledger())
		k.kept(l, at)
	}
}

// beginsWith checks that the last entry with which a log starts is durable.
func (k *laws) beginsWith(l *lane, at int, log *ledger.Ledger) {
	last := log.Last()
	if last.Index == log.BaseID().Index {
		return
	}
	var rec ledger.Record
	var err error
	l.disk.Peek(func() { rec, err = log.Record(last.Index) })
	if err == nil && !l.durable(at, rec.Position, rec.End(), rec.Checksum) {
		k.world.violate(fmt.Errorf("law 5: %s starts group %d with %s, and a power cut would take it away", l.id, at+1, last))
	}
}

// commits checks that what a replica takes for committed is what the others do. The checksum of an entry stands for all before it.
func (k *laws) commits(l *lane, at int, commit raft.Index) {
	known := &k.committed[at]
	log := l.groups[at].Ledger()
	if base := log.BaseID(); base.Index > raft.Index(len(*known)) {
		k.world.violate(fmt.Errorf("law 2: the log of %s begins at %s in group %d, and only %d entries were committed", l.id, base, at+1, len(*known)))
		return
	}
	fresh := commit > raft.Index(len(*known))
	for i := raft.Index(len(*known)) + 1; i <= commit; i++ {
		var rec ledger.Record
		var err error
		l.disk.Peek(func() { rec, err = log.Record(i) })
		if err != nil {
			k.unreadable(l, at, i, err)
			return
		}
		*known = append(*known, committedEntry{rec.ID.Term, rec.Checksum, node.Checksum(rec.Body), rec.Kind, rec.Position, rec.End(), l.groups[at].Role().Term, k.world.Now()})
		k.committing(l, at, &rec)
	}
	if commit == 0 {
		return
	}
	want := (*known)[commit-1]
	if role := l.groups[at].Role(); fresh && role.Role == raft.Leader && want.term < role.Term {
		k.world.violate(fmt.Errorf("law 2: %s leads group %d in term %d and takes %d(t%d) for committed, the entry of an earlier term, before one of its own: another may be elected that lacks it",
			l.id, at+1, role.Term, commit, want.term))
	}
	term, err := log.TermAt(commit)
	if err != nil {
		k.unreadable(l, at, commit, err)
		return
	}
	sum, ok := log.ChecksumAt(raft.EntryID{Index: commit, Term: term})
	if term != want.term || ok && sum != want.checksum {
		k.world.violate(fmt.Errorf("law 2: %s takes %d(t%d) with checksum %08x for committed in group %d, others %d(t%d) with %08x",
			l.id, commit, term, sum, at+1, commit, want.term, want.checksum))
	}
	k.readsAlike(l, at, commit)
}

// committing looks at an entry that is committed for the first time.
func (k *laws) committing(l *lane, at int, rec *ledger.Record) {
	w := k.world
	if rec.Kind == raft.KindTrim {
		if keep, err := raft.DecodeTrim(rec.Body); err == nil && at == logAt {
			w.trimmed(keep)
			k.keep = max(k.keep, keep)
		}
	}
	if holders, enough := w.held(at, rec.ID.Index); !enough {
		w.violate(fmt.Errorf("law 2: %s takes %s for committed in group %d, and those on which it is durable are no quorum of %v: %v", l.id, rec.ID, at+1,
			k.members[at].possible(), holders))
	}
	switch rec.Kind {
	case raft.KindConfig:
		k.commitsConfiguration(l, at, rec)
	case raft.KindFormat:
		k.commitsFormat(l, at, rec)
	}
}

// held lists the nodes that would have a committed entry after any power cut now, and says whether they are a quorum of a configuration by which it can
// have been committed.
func (w *World) held(at int, i raft.Index) (holders []raft.NodeID, enough bool) {
	for _, x := range w.lanes {
		if x.boots > 0 && x.holds(at, i) {
			holders = append(holders, x.id)
		}
	}
	return holders, slices.ContainsFunc(w.laws.members[at].possible(), func(c raft.ConfigurationEntry) bool {
		return decides(&c.Configuration, func(id raft.NodeID) bool { return slices.Contains(holders, id) })
	})
}

// kept checks that what was committed is still on a quorum, after a node's log was read from its disk or replaced.
func (k *laws) kept(l *lane, at int) {
	last := raft.Index(len(k.committed[at]))
	if last == 0 {
		return
	}
	if holders, enough := k.world.held(at, last); !enough {
		k.world.violate(fmt.Errorf("law 2: entry %d of group %d is committed, and when the log of %s had been read again those on which it was durable were no quorum of %v: %v",
			last, at+1, l.id, k.members[at].possible(), holders))
	}
}

// unreadable is an entry that a replica can't show. That is no violation where its disk is at fault, or where an image has just taken the
// log's place.
func (k *laws) unreadable(l *lane, at int, i raft.Index, err error) {
	var compacted *ledger.CompactedError
	if l.lost || l.disk.Crashed() || l.excused || errors.As(err, &compacted) {
		return
	}
	k.world.violate(fmt.Errorf("%s can't show entry %d of group %d, which it takes for committed: %w", l.id, i, at+1, err))
}

// holds says whether a node would have a committed entry after any power cut now. A disk that has lost something is taken at its word: the
// budget of faults allows for it.
func (l *lane) holds(at int, i raft.Index) bool {
	if l.lost || l.gone || l.foreign {
		return true
	}
	if l.up() && l.groups[at] != nil {
		l.base[at] = l.groups[at].Ledger().BaseID()
	}
	if i <= l.base[at].Index {
		return true
	}
	e := &l.world.laws.committed[at][i-1]
	if l.up() && l.groups[at] != nil {
		if log := l.groups[at].Ledger(); log.Last().Index < i {
			return false // its bytes are still there, and it was cut off
		}
	}
	return l.durable(at, e.position, e.end, e.checksum)
}

// durable says whether a record is on the lane's disk for good. The ledger directory in which one was found last is looked at first. An image
// begins another one, and each attempt to install it that comes to nothing uses up an epoch.
func (l *lane) durable(at int, begin, end raft.Position, checksum uint32) bool {
	k := &l.world.laws
	if k.holdsRecord(l.disk, at, l.epochs[at], begin, end, checksum) {
		return true
	}
	var names []string
	l.disk.Peek(func() { names, _ = l.disk.List(fmt.Sprintf("data/groups/%016x", at+1)) })
	for _, name := range names {
		var epoch uint32
		if _, err := fmt.Sscanf(name, "ledger-%08x", &epoch); err == nil && k.holdsRecord(l.disk, at, epoch, begin, end, checksum) {
			l.epochs[at] = epoch
			return true
		}
	}
	return false
}

// segmentFile is a segment of a group's log.
type segmentFile struct {
	at     int
	epoch  uint32
	number raft.Position
}

// segment is the name of the file that holds a position. Names are made once, as it is asked for often.
func (k *laws) segment(at int, epoch uint32, begin raft.Position) string {
	file := segmentFile{at, epoch, begin / worldSegment}
	name, known := k.segments[file]
	if !known {
		name = fmt.Sprintf("data/groups/%016x/ledger-%08x/%016x.seg", at+1, epoch, file.number)
		k.segments[file] = name
	}
	return name
}

// holdsRecord says whether the record in [begin, end) is in a ledger directory for good.
func (k *laws) holdsRecord(d *disk.Disk, at int, epoch uint32, begin, end raft.Position, checksum uint32) bool {
	raw, ok := d.Durable(k.segment(at, epoch, begin), localPage+int64(begin%worldSegment), int64(end-begin))
	if !ok {
		return false
	}
	got, _, err := ledger.DecodeRecord(raw)
	return err == nil && got.Checksum == checksum
}

// applies checks that machines apply the same entries and that these give the same.
func (k *laws) applies(l *lane, entries []statemachine.Entry, results []statemachine.Result) {
	for i := range entries {
		e := &entries[i]
		for statemachine.Index(len(k.applied)) < e.Index {
			k.applied = append(k.applied, appliedEntry{})
		}
		got := appliedEntry{e.Term, node.Checksum(e.Body), digest(&results[i])}
		known := &k.applied[e.Index-1]
		if *known == (appliedEntry{}) {
			*known = got
		} else if *known != got {
			k.world.violate(fmt.Errorf("law 4: %s applied entry %d of term %d with body %08x and result %016x, another replica one of term %d, %08x, %016x",
				l.id, e.Index, got.term, got.body, got.result, known.term, known.body, known.result))
		}
	}
	k.appliedDurably(l, entries)
}

// appliedDurably checks that what a machine has applied is on the same disk for good: after a power cut it must not be ahead of its log.
func (k *laws) appliedDurably(l *lane, entries []statemachine.Entry) {
	if !l.up() || l.lost || l.disk.Crashed() || len(entries) == 0 {
		return
	}
	last := raft.Index(entries[len(entries)-1].Index)
	if known := k.committed[kvAt]; int(last) <= len(known) && !l.holds(kvAt, last) {
		k.world.violate(fmt.Errorf("law 12: %s has applied entry %d of group %d, and a power cut would take it from its log", l.id, last, kvAt+1))
	}
}

// leads checks that a leader has every entry that was committed in an earlier term. One that was elected late may lack those of later ones.
func (k *laws) leads(l *lane, at int, term raft.Term) {
	for _, x := range k.world.lanes { // what has just been committed by another's turn is noticed at the latest now
		if x.up() && x != l {
			k.look(x)
		}
	}
	k.elected(l, at, term)
	known := k.committed[at]
	log := l.node.Group(groupName(at)).Ledger()
	last := raft.Index(len(known))
	for last > 0 && known[last-1].in >= term {
		last--
	}
	if last == 0 {
		return
	}
	if base := log.BaseID(); base.Index > last {
		return
	}
	if got, err := log.TermAt(last); err != nil || got != known[last-1].term {
		k.world.violate(fmt.Errorf("law 3: %s leads group %d in term %d without the committed %d(t%d): it has term %d there (%v)",
			l.id, at+1, term, last, known[last-1].term, got, err))
	}
}

// ready checks that a leader that says that it is ready has applied whatever was committed in earlier terms.
func (k *laws) ready(l *lane, at int, term raft.Term) {
	known := k.committed[at]
	last := len(known)
	for last > 0 && known[last-1].term >= term {
		last--
	}
	if applied := l.node.Group(groupName(at)).Applied(); applied < raft.Index(last) {
		k.world.violate(fmt.Errorf("law 3: %s is ready to lead group %d in term %d, and has applied %d of %d entries of earlier terms", l.id, at+1, term, applied, last))
	}
}

// elected checks that a quorum of the leader's own configuration has voted for it, each by the directory that the configuration names, and that it does not know
// of its own that it has no vote any more: until then its log may be what keeps the others from electing anybody (docs/safety.md).
func (k *laws) elected(l *lane, at int, term raft.Term) {
	w, c := k.world, l.node.Group(groupName(at)).Members()
	voted := func(id raft.NodeID) bool {
		v, ok := w.votes[ballot{id, raft.GroupID(at + 1), term}]
		m, _ := c.Configuration.Member(id)
		return id == l.id || ok && v.choice == l.id && (m.Directory == [16]byte{} || m.Directory == v.directory)
	}
	if !decides(&c.Configuration, voted) {
		w.violate(fmt.Errorf("law 7: %s leads group %d in term %d, and those who voted for it are no quorum of %v", l.id, at+1, term, c.Configuration))
	}
	if l.node.Group(groupName(at)).Committed() >= c.ID.Index && !c.Configuration.IsVoter(l.id) {
		w.violate(fmt.Errorf("law 7: %s leads group %d in term %d, and has no vote in %v, which it knows to be committed", l.id, at+1, term, c.Configuration))
	}
}

func groupName(at int) string { return [...]string{kvGroup, logGroup}[at] }

// acknowledges checks that what a client is told of a write is what was committed.
func (k *laws) acknowledges(l *lane, o *operation, out node.Proposed) {
	known := k.committed[o.group]
	body := node.Checksum(o.body)
	if raft.Index(len(known)) < out.Index {
		if l.lost || l.excused {
			return // it could not be read here (unreadable), and nobody else has it for committed yet
		}
		k.world.violate(fmt.Errorf("law 5: %s acknowledges %d(t%d) of group %d, and only %d entries are committed", l.id, out.Index, out.Term, o.group+1, len(known)))
		return
	}
	e := &known[out.Index-1]
	if e.term != out.Term || e.body != body || e.position != out.Position || e.kind != raft.KindData {
		k.world.violate(fmt.Errorf("law 5: %s acknowledges %d(t%d) of group %d with body %08x at %d; committed there is one of term %d with %08x at %d",
			l.id, out.Index, out.Term, o.group+1, body, out.Position, e.term, e.body, e.position))
	}
}
