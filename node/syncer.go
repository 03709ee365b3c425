package node

import (
	"errors"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// unit is what one turn of an owner hands to the syncer for one group.
type unit struct {
	// seq is the core's output that is durable once this unit and all before it are.
	seq   uint64
	write ledger.Write
	// dirty: write has something in it. written: the files have it, and it is not durable yet.
	dirty, written bool
	// messages may leave once the unit is durable.
	messages []raft.Message
	// job, when not nil, is rare work that must run between writes, on the only goroutine that writes the group's files: a trim, or
	// the flip to an installed image.
	job func() error
}

// unitQueue takes units to the syncer. It is bounded by the owner, which takes nothing in while too much is unsynced.
type unitQueue struct {
	mu    sync.Mutex
	items []unit
	spare []unit
}

func (q *unitQueue) push(u unit) {
	q.mu.Lock()
	q.items = append(q.items, u)
	q.mu.Unlock()
}

func (q *unitQueue) take() []unit {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.spare)
	taken := q.items
	q.items = q.spare[:0]
	q.spare = taken
	return taken
}

// putBack returns units that could not be written, ahead of what has come since.
func (q *unitQueue) putBack(units []unit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(append([]unit(nil), units...), q.items...)
}

// flusher makes the units of several groups durable. There is one implementation so far, a flush for each dirty file; a journal that
// several groups share is the other one that is planned.
type flusher interface {
	// flush writes and flushes what is in work and sets each one's done and err.
	flush(work []syncWork)
}

// syncWork is what one syncer turn does for one group.
type syncWork struct {
	replica *replica
	units   []unit
	// done is how many of the units are durable. The rest found no space and wait for it.
	done int
	err  error
}

// syncer is the loop that writes and flushes. It knows ledgers and units, and never touches a core.
type syncer struct {
	node    *Node
	loop    *Loop
	work    worklist
	flusher flusher
	batch   []syncWork
	// flushes is odd while a group's files are being written or flushed, and rises with each beginning and end. Syncer to ticker.
	flushes watermark
}

func newSyncer(n *Node) *syncer {
	s := &syncer{node: n, flusher: perFile{n}}
	s.loop = n.newLoop("syncer", s.turn)
	s.work = worklist{stage: syncerStage, loop: s.loop}
	return s
}

// turn takes everything that is queued, makes it durable, and only then says so: to the owners by watermark, to peers by the messages
// that were waiting.
func (s *syncer) turn() (more bool) {
	s.batch = s.batch[:0]
	for _, r := range s.work.take() {
		units := r.units.take()
		if len(units) > 0 && !r.failed() {
			s.batch = append(s.batch, syncWork{replica: r, units: units})
		}
	}
	s.flusher.flush(s.batch)
	for i := range s.batch {
		w := &s.batch[i]
		if w.err != nil {
			w.replica.fail(w.err)
			continue
		}
		s.release(w)
	}
	clear(s.batch)
	return false
}

// release tells who waited for the flush, and keeps what found no space until the provisioner finds some.
func (s *syncer) release(w *syncWork) {
	r := w.replica
	for _, u := range w.units[:w.done] {
		r.syncedSeq.raise(u.seq)
	}
	r.owner.work.add(r)
	for _, u := range w.units[:w.done] {
		s.node.send(r, u.messages)
	}
	if w.done < len(w.units) {
		r.units.putBack(w.units[w.done:])
		r.diskFull.Store(true) // the provisioner looks again from time to time
		return
	}
	s.node.provisioner.work.add(r)
}

// perFile flushes each group's files by themselves.
type perFile struct{ node *Node }

func (f perFile) flush(work []syncWork) {
	for i := range work {
		w := &work[i]
		f.node.syncer.flushes.v.Add(1)
		w.err = f.flushOne(w)
		f.node.syncer.flushes.v.Add(1)
	}
}

func (f perFile) flushOne(w *syncWork) error {
	start, written := time.Now(), 0
	l := w.replica.ledger
	for ; written < len(w.units); written++ {
		u := &w.units[written]
		if u.dirty && !u.written {
			err := l.Write(u.write)
			if errors.Is(err, ledger.ErrNoSpace) {
				break
			}
			if err != nil {
				return err
			}
			u.written = true
		}
		if u.job == nil {
			continue
		}
		if full, err := f.settle(w, written); full || err != nil {
			return err
		}
		if err := u.job(); err != nil {
			return err
		}
	}
	if full, err := f.settle(w, written); full || err != nil {
		return err
	}
	if h := f.node.opts.Hooks.Flushed; h != nil && w.done > 0 {
		h(w.replica.opts.ID, w.done, time.Since(start))
	}
	return nil
}

// settle makes the units up to written durable, if any of them wrote something. full: there was no space for that, on a file system that needs
// some even to write over what is there; they wait.
func (f perFile) settle(w *syncWork, written int) (full bool, err error) {
	dirty := false
	for _, u := range w.units[w.done:written] {
		dirty = dirty || u.dirty
	}
	if dirty {
		_, err := w.replica.ledger.Flush()
		if errors.Is(err, ledger.ErrNoSpace) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	w.done = written
	return false, nil
}
