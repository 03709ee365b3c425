package lone

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// Pebble is bare Pebble as a load.System.
type Pebble struct{}

// Info describes the peer.
func (Pebble) Info() load.Info {
	return load.Info{
		Name:    "pebble",
		Version: "v2.1.7",
		Flushes: "the log of one machine, fdatasync",
		Durable: true,
		Counts:  "calls of fsync and fdatasync, in the file layer that Pebble takes (partial flushes that nobody waits for are not counted)",
		Settings: []string{
			"every write with Sync; writes that wait together are flushed together, as Pebble does it",
			"memtable and block cache of 64 MiB (4 and 8 by default): fewer flushes of tables and compactions in the way",
		},
		Shapes: []load.Shape{load.OneNode},
		Kinds:  []load.Kind{load.Put, load.Get, load.GetLocal, load.Range, load.Txn},
	}
}

// Start opens the store in setup.Dir.
func (Pebble) Start(_ context.Context, setup load.Setup) (load.Cluster, error) {
	if setup.Shape != load.OneNode || setup.Log {
		return nil, load.ErrUnsupported
	}
	p := &pebbleStore{gate: &trio.Gate{}}
	cache := pebble.NewCache(64 << 20)
	defer cache.Unref()
	var err error
	p.db, err = pebble.Open(filepath.Join(setup.Dir, "pebble"), &pebble.Options{FS: gatedFS{vfs.Default, p.gate}, Cache: cache, MemTableSize: 64 << 20, Logger: silent{}})
	if err != nil {
		return nil, fmt.Errorf("lone: opening Pebble in %s: %w", setup.Dir, err)
	}
	return p, nil
}

type pebbleStore struct {
	db   *pebble.DB
	gate *trio.Gate
}

func (p *pebbleStore) Flushes() uint64 { return p.gate.Flushes() }

func (p *pebbleStore) Close() error { return p.db.Close() }

func (p *pebbleStore) Do(_ context.Context, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Put:
		return load.Done{Items: 1, Bytes: len(op.Value)}, p.db.Set(op.Key, op.Value, pebble.Sync)
	case load.Get, load.GetLocal:
		return p.get(op.Key)
	case load.Range:
		return p.scan(op.Key, op.Limit)
	case load.Txn:
		batch := p.db.NewBatch()
		defer batch.Close()
		for _, key := range op.Keys {
			if err := batch.Set(key, op.Value, nil); err != nil {
				return load.Done{}, err
			}
		}
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, batch.Commit(pebble.Sync)
	}
	return load.Done{}, load.ErrUnsupported
}

func (p *pebbleStore) get(key []byte) (load.Done, error) {
	value, closer, err := p.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return load.Done{}, nil
	}
	if err != nil {
		return load.Done{}, err
	}
	return load.Done{Items: 1, Bytes: len(value)}, closer.Close()
}

func (p *pebbleStore) scan(from []byte, limit int) (done load.Done, err error) {
	it, err := p.db.NewIter(&pebble.IterOptions{LowerBound: from})
	if err != nil {
		return load.Done{}, err
	}
	for ok := it.First(); ok && done.Items < limit; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return load.Done{}, errors.Join(err, it.Close())
		}
		done.Items, done.Bytes = done.Items+1, done.Bytes+len(value)
	}
	return done, it.Close()
}

// silent drops what Pebble tells of its compactions; a fatal fault is a panic.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("lone: Pebble gave up: "+format, args...))
}
