package ledger

import (
	"encoding/binary"
	"sort"

	"github.com/ledgerkv/ledgerkv/raft"
)

// formatEntry is an entry of raft.KindFormat.
type formatEntry struct {
	index  raft.Index
	format uint32
}

// TrimEntry is an entry of raft.KindTrim: once it is committed, what is below KeepFrom may go.
type TrimEntry struct {
	At       raft.Index
	KeepFrom raft.Index
}

// index says what the log is and where: what the owner changes and everybody reads, under the ledger's mutex.
type index struct {
	base raft.Base
	// epoch names the ledger directory; a reset makes another.
	epoch uint32
	// truncations counts the owner's truncations since Open: a reader that finds bytes it can't understand looks whether the log
	// was changed below it.
	truncations uint64
	tip         Tip
	// segs holds the segments that hold records, ascending.
	segs []*segment
	// configs and formats are the configuration and format entries above the base, ascending.
	configs []raft.ConfigurationEntry
	formats []formatEntry
	// trims are the trim entries above the base, ascending.
	trims []TrimEntry
	tail  tail
}

// first is the first index that is, or will be, in the log.
func (x *index) first() raft.Index { return x.base.ID.Index + 1 }

func (x *index) compacted() *CompactedError {
	return &CompactedError{FirstIndex: x.first(), FirstPosition: x.base.Position}
}

// prepared is what extending the index by a record needs beyond its header: decoded before anything is changed.
type prepared struct {
	config *raft.ConfigurationEntry
	format *formatEntry
	trim   *TrimEntry
}

// prepare decodes the bodies that the index keeps.
func prepare(id raft.EntryID, k raft.Kind, body []byte) (p prepared, err error) {
	switch k {
	case raft.KindConfig:
		c, err := raft.DecodeConfiguration(body)
		if err != nil {
			return p, err
		}
		p.config = &raft.ConfigurationEntry{ID: id, Configuration: c}
	case raft.KindFormat:
		if err := checkBodyLen(k, len(body)); err != nil {
			return p, err
		}
		p.format = &formatEntry{index: id.Index, format: binary.LittleEndian.Uint32(body)}
	case raft.KindTrim:
		if keep, err := raft.DecodeTrim(body); err == nil { // one that says nothing removes nothing
			p.trim = &TrimEntry{At: id.Index, KeepFrom: keep}
		}
	}
	return p, nil
}

// extend takes note of the record behind the tip. segmentSize is S.
func (x *index) extend(r *Record, p prepared, segmentSize uint64) {
	number := segmentOf(r.Position, segmentSize)
	n := len(x.segs)
	if n == 0 || x.segs[n-1].number != number {
		x.segs = append(x.segs, &segment{number: number})
		n++
	}
	s := x.segs[n-1]
	s.add(r)
	s.serial, s.sidecar = x.tail.appended, false
	x.note(p)
	x.tip = r.tip()
}

func (x *index) note(p prepared) {
	if p.config != nil {
		x.configs = append(x.configs, *p.config)
	}
	if p.format != nil {
		x.formats = append(x.formats, *p.format)
	}
	if p.trim != nil {
		x.trims = append(x.trims, *p.trim)
	}
}

// truncate makes to the last entry. Segments are replaced, not changed: others may hold them.
func (x *index) truncate(to Tip) {
	next := to.ID.Index + 1
	x.truncations++
	x.tip = to
	x.tail.truncate(next)
	for n := len(x.segs); n > 0 && x.segs[n-1].first.Index >= next; n-- {
		x.segs = x.segs[:n-1]
	}
	if n := len(x.segs); n > 0 && x.segs[n-1].tip.ID.Index >= next {
		s := *x.segs[n-1]
		s.tip, s.sidecar = to, false
		s.terms = s.terms[:sort.Search(len(s.terms), func(i int) bool { return s.terms[i].Index >= next }):len(s.terms)]
		s.special = s.special[:sort.Search(len(s.special), func(i int) bool { return s.special[i] >= next }):len(s.special)]
		s.points = s.points[:sort.Search(len(s.points), func(i int) bool { return s.points[i].index >= next }):len(s.points)]
		s.terms, s.special, s.points = clip(s.terms), clip(s.special), clip(s.points)
		x.segs[n-1] = &s
	} else if n > 0 {
		s := *x.segs[n-1]
		s.sidecar = false
		x.segs[n-1] = &s
	}
	x.configs = clip(x.configs[:sort.Search(len(x.configs), func(i int) bool { return x.configs[i].ID.Index >= next })])
	x.formats = clip(x.formats[:sort.Search(len(x.formats), func(i int) bool { return x.formats[i].index >= next })])
	x.trims = clip(x.trims[:sort.Search(len(x.trims), func(i int) bool { return x.trims[i].At >= next })])
}

// thinAt thins segment n of the log, if there is one, unless it is among those that keep all waypoints or has no sidecar that keeps them.
func (x *index) thinAt(n int) {
	if n >= 0 && n < len(x.segs)-fullSegments && x.segs[n].sidecar && !x.segs[n].thinned {
		x.segs[n] = x.segs[n].thin()
	}
}

// clip makes an append copy instead of writing into what others may read.
func clip[T any](s []T) []T { return s[:len(s):len(s)] }

// rebase moves the base up to b, which lies in the log, and gives up the segments before the one that begins there. It returns
// their numbers.
func (x *index) rebase(b raft.Base) []uint64 {
	var gone []uint64
	for len(x.segs) > 0 && x.segs[0].first.Index <= b.ID.Index {
		gone = append(gone, x.segs[0].number)
		x.segs = x.segs[1:]
	}
	x.segs = append([]*segment(nil), x.segs...)
	x.configs = append([]raft.ConfigurationEntry(nil),
		x.configs[sort.Search(len(x.configs), func(i int) bool { return x.configs[i].ID.Index > b.ID.Index }):]...)
	x.formats = append([]formatEntry(nil),
		x.formats[sort.Search(len(x.formats), func(i int) bool { return x.formats[i].index > b.ID.Index }):]...)
	x.trims = append([]TrimEntry(nil), x.trims[sort.Search(len(x.trims), func(i int) bool { return x.trims[i].At > b.ID.Index }):]...)
	x.base = b
	return gone
}

// segmentFor gives the segment that holds an entry. REQUIRES: the entry is in the log.
func (x *index) segmentFor(i raft.Index) *segment {
	return x.segs[lastWhere(len(x.segs), func(n int) bool { return x.segs[n].first.Index <= i })]
}

// termAt gives the term of an entry, the base's included.
func (x *index) termAt(i raft.Index) (raft.Term, bool) {
	switch {
	case i == x.base.ID.Index:
		return x.base.ID.Term, true
	case i < x.base.ID.Index || i > x.tip.ID.Index:
		return 0, false
	}
	return x.segmentFor(i).termAt(i), true
}

// has reports whether id is an entry of the log or its base.
func (x *index) has(id raft.EntryID) bool {
	t, ok := x.termAt(id.Index)
	return ok && t == id.Term
}

// baseAt is what an image of the state after entry tip.ID needs to know. The configuration and format are those in force there.
func (x *index) baseAt(tip Tip) raft.Base {
	b := raft.Base{ID: tip.ID, Position: tip.End, Checksum: tip.Checksum, LogTime: tip.Time,
		Configuration: x.base.Configuration}
	if n := sort.Search(len(x.configs), func(i int) bool { return x.configs[i].ID.Index > tip.ID.Index }); n > 0 {
		b.Configuration = x.configs[n-1].Configuration
	}
	b.Format = x.formatAt(tip.ID.Index)
	b.Configuration = b.Configuration.Clone()
	return b
}

// formatAt is the format in force behind an entry; below the base it is the base's.
func (x *index) formatAt(i raft.Index) uint32 {
	if n := sort.Search(len(x.formats), func(n int) bool { return x.formats[n].index > i }); n > 0 {
		return x.formats[n-1].format
	}
	return x.base.Format
}

// restart is what a core is started from.
func (x *index) restart(hard raft.HardState) raft.Restart {
	r := raft.Restart{State: hard, Base: x.base, Last: x.tip.ID, Commit: x.base.ID.Index}
	r.Base.Configuration = x.base.Configuration.Clone()
	for _, s := range x.segs {
		for _, t := range s.terms {
			if n := len(r.Terms); n == 0 || r.Terms[n-1].Term != t.Term {
				r.Terms = append(r.Terms, t)
			}
		}
		for _, p := range s.points {
			if p.index > x.base.ID.Index+1 {
				r.Waypoints = append(r.Waypoints, raft.Waypoint{Index: p.index - 1, End: p.pos})
			}
		}
	}
	if x.tip.ID.Index > x.base.ID.Index {
		r.Waypoints = append(r.Waypoints, raft.Waypoint{Index: x.tip.ID.Index, End: x.tip.End})
	}
	for _, c := range x.configs {
		r.Configurations = append(r.Configurations,
			raft.ConfigurationEntry{ID: c.ID, Configuration: c.Configuration.Clone()})
	}
	return r
}
