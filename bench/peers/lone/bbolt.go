package lone

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Bolt is bbolt as a load.System.
type Bolt struct{}

// Info describes the peer.
func (Bolt) Info() load.Info {
	return load.Info{
		Name:    "bbolt",
		Version: "v1.5.0",
		Flushes: "the file of one machine, fdatasync twice a transaction",
		Durable: true,
		Settings: []string{
			"puts that wait while a transaction commits share the next one (bbolt's own Batch waits up to 10 ms for others instead: slower with few callers)",
			"free list as a map and not written (as etcd sets it); it is rebuilt when the file is opened",
		},
		Shapes: []load.Shape{load.OneNode},
		Kinds:  []load.Kind{load.Put, load.Get, load.GetLocal, load.Range, load.Txn},
	}
}

var items = []byte("items")

// Start opens the store in setup.Dir.
func (Bolt) Start(_ context.Context, setup load.Setup) (load.Cluster, error) {
	if setup.Shape != load.OneNode || setup.Log {
		return nil, load.ErrUnsupported
	}
	db, err := bbolt.Open(filepath.Join(setup.Dir, "bbolt"), 0o600,
		&bbolt.Options{Timeout: 10 * time.Second, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return nil, fmt.Errorf("lone: opening bbolt in %s: %w", setup.Dir, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(items)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lone: preparing bbolt in %s: %w", setup.Dir, err), db.Close())
	}
	b := &boltStore{db: db, writes: make(chan *write, mostWrites), ended: make(chan struct{})}
	b.writer.Go(b.commit)
	return b, nil
}

// mostWrites is how many operations share a transaction at most.
const mostWrites = 1024

type boltStore struct {
	db     *bbolt.DB
	writes chan *write
	ended  chan struct{} // closed by Close
	writer sync.WaitGroup
}

// write is an operation that waits for its transaction. It belongs to the writer until done has got the outcome.
type write struct {
	op   *load.Op
	done chan error // has room for the outcome
}

// commit takes all writes that wait, commits them in one transaction, and begins again, until the store is closed.
func (b *boltStore) commit() {
	var batch []*write
	for {
		select {
		case w := <-b.writes:
			batch = append(batch[:0], w)
		case <-b.ended:
			return
		}
		for len(batch) < mostWrites && len(b.writes) > 0 {
			batch = append(batch, <-b.writes)
		}
		err := b.db.Update(func(tx *bbolt.Tx) error { return put(tx.Bucket(items), batch) })
		for _, w := range batch {
			w.done <- err
		}
	}
}

func put(into *bbolt.Bucket, batch []*write) error {
	for _, w := range batch {
		if w.op.Kind == load.Put {
			if err := into.Put(w.op.Key, w.op.Value); err != nil {
				return err
			}
		}
		for _, key := range w.op.Keys {
			if err := into.Put(key, w.op.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *boltStore) Close() error {
	close(b.ended)
	b.writer.Wait()
	return b.db.Close()
}

func (b *boltStore) Do(_ context.Context, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Put:
		return load.Done{Items: 1, Bytes: len(op.Value)}, b.write(op)
	case load.Txn:
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, b.write(op)
	case load.Get, load.GetLocal:
		return b.read(op.Key, 1, true)
	case load.Range:
		return b.read(op.Key, op.Limit, false)
	}
	return load.Done{}, load.ErrUnsupported
}

// write blocks until the operation is committed: the transaction holds on to op's slices, so it can't be given up.
func (b *boltStore) write(op *load.Op) error {
	w := &write{op: op, done: make(chan error, 1)}
	select {
	case b.writes <- w:
	case <-b.ended:
		return bolterrors.ErrDatabaseNotOpen
	}
	select {
	case err := <-w.done:
		return err
	case <-b.ended:
		b.writer.Wait()
		select {
		case err := <-w.done:
			return err
		default:
			return bolterrors.ErrDatabaseNotOpen
		}
	}
}

// read reads up to limit items from a key on, only that one if exact.
func (b *boltStore) read(key []byte, limit int, exact bool) (done load.Done, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		if exact {
			if value := tx.Bucket(items).Get(key); value != nil {
				done = load.Done{Items: 1, Bytes: len(value)}
			}
			return nil
		}
		c := tx.Bucket(items).Cursor()
		for k, value := c.Seek(key); k != nil && done.Items < limit; k, value = c.Next() {
			done.Items, done.Bytes = done.Items+1, done.Bytes+len(value)
		}
		return nil
	})
	return done, err
}
