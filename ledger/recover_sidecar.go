package ledger

import (
	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// fromSidecar gives what the sidecar of a sealed segment below the mark's says, if there is one that fits the log before and behind it; nil if
// the segment has to be read. It reads the configuration, format and trim entries.
func (r *recovery) fromSidecar(number uint64) (*segment, []prepared, error) {
	src, err := fs.ReadFile(r.fs, r.names.sidecar(r.group.ledgerEpoch, number))
	if err != nil {
		return nil, nil, nil // made again from the segment, as a bad one is
	}
	s, err := decodeSidecar(src)
	if err != nil || !r.fitsLog(s, number) || !r.leadsOn(s) {
		return nil, nil, nil
	}
	if uint64(r.sizes[number]) < pageSize+uint64(s.tip.End)-number*r.size() {
		return nil, nil, nil
	}
	f, err := r.fs.Open(r.path(number))
	if err != nil {
		return nil, nil, r.corrupt(number, r.idx.tip, err)
	}
	defer f.Close()
	r.scan.seek(f, number)
	var specials []prepared
	for _, i := range s.special {
		p, err := r.readSpecial(s, i)
		if err != nil {
			return nil, nil, nil // reading the whole segment says what is wrong, and where
		}
		specials = append(specials, p)
	}
	return s, specials, nil
}

// fitsLog reports whether a sidecar continues the log that was recovered so far.
func (r *recovery) fitsLog(s *segment, number uint64) bool {
	tip, start := r.idx.tip, raft.Position(number*r.size())
	end := start + raft.Position(r.size())
	return s.number == number && s.first.Index == tip.ID.Index+1 && s.first.Term >= tip.ID.Term &&
		s.prev == tip.Checksum && s.firstTime >= tip.Time && s.tip.Time >= s.firstTime &&
		s.points[0].pos == max(tip.End, start) && s.tip.End <= end && s.tip.End > start
}

// leadsOn reports whether the first record of the next segment follows what a sidecar says is the last of its own.
func (r *recovery) leadsOn(s *segment) bool {
	f, err := r.fs.Open(r.path(s.number + 1))
	if err != nil {
		return false
	}
	defer f.Close()
	header := scanner{segmentSize: r.size(), block: headerSize}
	header.seek(f, s.number+1)
	_, _, err = header.next(s.tip, false, true)
	return err == nil
}

// readSpecial reads entry i of a segment and decodes what the index keeps of it.
func (r *recovery) readSpecial(s *segment, i raft.Index) (prepared, error) {
	p := s.pointFor(i)
	tip := Tip{ID: raft.EntryID{Index: p.index - 1}, End: p.pos, Checksum: p.prev, Time: minTime}
	for {
		rec, size, err := r.scan.next(tip, tip.ID.Index+1 == i, true)
		if err != nil {
			return prepared{}, err
		}
		if rec.ID.Index == i {
			return prepare(rec.ID, rec.Kind, rec.Body)
		}
		tip = tipAfter(&rec, size)
	}
}
