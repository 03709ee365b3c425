package ledger

import (
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// loops runs a ledger's goroutines as a node does: an owner that appends and truncates, a syncer, a provisioner, and readers.
type loops struct {
	t      *testing.T
	l      *Ledger
	writes chan Write
	done   chan struct{}
	wg     sync.WaitGroup
	// commit is how far the log will not be truncated, and may be trimmed.
	mu     sync.Mutex
	commit raft.Index
}

func (p *loops) committed() raft.Index {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commit
}

func (p *loops) start(run func() error) {
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		if err := run(); err != nil {
			p.t.Errorf("%v", err)
		}
	}()
}

// own appends entries, truncates what is above the commit index now and then, and raises it.
func (p *loops) own(rounds int) error {
	defer close(p.writes)
	term := raft.Term(1)
	for round := range rounds {
		for range 1 + round%9 {
			e := entryAt(p.l.Last().Index+1, term, 50+round*7%3000)
			if _, err := p.l.Append(e, BodyChecksum(e.Body), int64(round)); err != nil {
				return err
			}
		}
		if round%17 == 16 {
			term++
			if err := p.l.Truncate(max(p.committed()+1, p.l.Last().Index-20)); err != nil {
				return err
			}
		}
		if w, ok := p.l.Cut(&raft.HardState{Term: term}); ok {
			p.writes <- w
		}
		if round%5 == 0 {
			p.mu.Lock()
			p.commit = max(p.commit, p.l.Last().Index-min(p.l.Last().Index, 15))
			p.mu.Unlock()
		}
	}
	return nil
}

// sync writes and flushes, and trims far behind.
func (p *loops) sync() error {
	defer close(p.done)
	n := 0
	for w := range p.writes {
		if err := p.l.Write(w); err != nil {
			return err
		}
		if n++; len(p.writes) > 0 && n%8 != 0 {
			continue
		}
		if _, err := p.l.Flush(); err != nil {
			return err
		}
		if n%50 == 0 {
			if err := p.l.Idle(); err != nil {
				return err
			}
			if c := p.committed(); c > 400 {
				if _, _, err := p.l.Trim(c - 400); err != nil {
					return err
				}
			}
		}
	}
	_, err := p.l.Flush()
	return err
}

func (p *loops) stopped() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *loops) provision() error {
	for !p.stopped() {
		if _, err := p.l.Provision(); err != nil {
			return err
		}
	}
	return nil
}

// apply reads the committed entries in order.
func (p *loops) apply() error {
	rd := p.l.Reader(1)
	defer rd.Close()
	var recs []Record
	next := raft.Index(1)
	for !p.stopped() {
		var err error
		recs, err = rd.Batch(p.committed(), 20_000, recs[:0])
		var compacted *CompactedError
		switch {
		case errors.As(err, &compacted):
			next = compacted.FirstIndex
			rd.Seek(next)
			continue
		case err == io.EOF:
			continue
		case err != nil:
			return err
		}
		for n := range recs {
			if recs[n].ID.Index != next || string(recs[n].Body) != string(bodyFor(recs[n].ID, len(recs[n].Body))) {
				return errors.New("the reader gave a wrong record")
			}
			next++
		}
	}
	return nil
}

// send resolves ranges as a sender does, some of them truncated meanwhile.
func (p *loops) send(back raft.Index) error {
	for !p.stopped() {
		last := p.l.Last()
		from := last.Index - min(last.Index, back)
		base, err := p.l.BaseAt(from)
		if err == nil {
			var bufs [][]byte
			bufs, _, _, err = p.l.Records(base.ID, last, 30_000, nil)
			for _, b := range bufs {
				for len(b) > 0 {
					_, n, err := DecodeRecord(b)
					if err != nil {
						return err
					}
					b = b[n:]
				}
			}
		}
		var compacted *CompactedError
		if err != nil && !errors.Is(err, ErrMismatch) && !errors.As(err, &compacted) {
			return err
		}
	}
	return nil
}

// TestLoopsTogether is for the race detector, and for what readers see while the log changes under them.
func TestLoopsTogether(t *testing.T) {
	r := newRig(t, func(o *Options) { o.TailBytes = 4 << 10 })
	p := &loops{t: t, l: r.l, writes: make(chan Write, 64), done: make(chan struct{})}
	p.start(func() error { return p.own(1500) })
	p.start(p.sync)
	p.start(p.provision)
	p.start(p.apply)
	p.start(func() error { return p.send(10) })
	p.start(func() error { return p.send(350) })
	p.wg.Wait()
	tip := r.l.Tip()
	require.Greater(t, tip.ID.Index, raft.Index(1000))
	r.check()
	require.NoError(t, r.l.Close())
	r.onto(r.disk.Crash(disk.Cut{Keep: disk.Nothing}))
	r.open()
	require.Equal(t, tip, r.l.Tip())
	r.check()
}

// TestResetBesideTheOwner: while a reset is put in force, the owner may still cut hard states, and readers see the old log or the new one.
func TestResetBesideTheOwner(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	p := &loops{t: t, l: r.l, writes: make(chan Write, 64), done: make(chan struct{}), commit: 300}
	b := raft.Base{ID: raft.EntryID{Index: 1000, Term: 8}, Position: 999_936, Checksum: 5, Format: 1, Configuration: testBoot}
	p.start(func() error {
		defer close(p.writes)
		for term := raft.Term(9); term < 200; term++ {
			if w, ok := r.l.Cut(&raft.HardState{Term: term, Vote: "n1"}); ok {
				p.writes <- w
			}
		}
		return nil
	})
	p.start(p.provision)
	p.start(func() error { return p.send(20) })
	p.start(func() error {
		defer close(p.done)
		n := 0
		for w := range p.writes {
			if err := r.l.Write(w); err != nil {
				return err
			}
			if n++; n == 50 {
				reset, err := r.l.PrepareReset(b)
				if err != nil {
					return err
				}
				if err := r.l.CommitReset(reset, 2); err != nil {
					return err
				}
			}
		}
		_, err := r.l.Flush()
		return err
	})
	p.wg.Wait()
	require.Equal(t, baseTip(b), r.l.Tip())
	r.append(200, 30, 2000)
	r.flush()
	r.reopen()
	r.check()
	require.Equal(t, raft.HardState{Term: 200}, r.l.Restart().State, "raised to the log's last term")
}
