package kv

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

// EngineKind is what a replica keeps its state in. It is a replica's own choice: replicas of one group may differ.
type EngineKind string

const (
	// BTree keeps the state in memory. A restart reads it from the newest image and the log behind it.
	BTree EngineKind = "btree"
	// Pebble keeps the state on disk, for more of it than fits into memory and for quick restarts.
	Pebble EngineKind = "pebble"
)

// Validate says whether there is such an engine.
func (k EngineKind) Validate() error {
	if k != BTree && k != Pebble {
		return fmt.Errorf("kv: unknown engine %q, expected %q or %q", string(k), BTree, Pebble)
	}
	return nil
}

// EngineOptions are the settings of a node's engines. Zero values mean the defaults.
type EngineOptions struct {
	// Dir is the directory of the engines on disk, which all groups of the node share; it is made when it is needed. Required
	// for Pebble; BTree keeps nothing on disk.
	Dir string
	// CacheBytes is the memory that engines on disk may use for what they have read. Default 32 MiB; at least 1 MiB.
	CacheBytes int64
	// Logger gets what an operator should know of the engines. Default: slog.Default().
	Logger *slog.Logger
}

// Factory opens the machines of a node's key-value groups; it implements statemachine.Factory. Its methods may be called
// from any goroutine. It is closed after the node that uses it.
type Factory struct {
	kind EngineKind
	opts EngineOptions

	mu     sync.Mutex
	store  *pebble.Store // opened when it is first needed: the node has locked its directory then
	closed bool
}

var _ statemachine.Factory = (*Factory)(nil)

// NewFactory makes the factory of machines on engines of a kind. It touches no file yet.
func NewFactory(kind EngineKind, opts EngineOptions) (*Factory, error) {
	if err := kind.Validate(); err != nil {
		return nil, err
	}
	if kind == Pebble && opts.Dir == "" {
		return nil, fmt.Errorf("kv: EngineOptions.Dir is required for the engine %q", kind)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &Factory{kind: kind, opts: opts}, nil
}

// Open opens the machine at a place; see statemachine.Factory. A second machine at one place is an error while the first is open.
func (f *Factory) Open(at statemachine.Place) (statemachine.Machine, error) {
	if f.kind == BTree {
		return NewMachine(btree.New()), nil
	}
	store, err := f.shared()
	if err != nil {
		return nil, err
	}
	engine, err := store.Engine(at.Group, at.Epoch)
	if err != nil {
		return nil, err
	}
	return NewMachine(engine), nil
}

// Drop removes what is at a place; see statemachine.Factory.
func (f *Factory) Drop(at statemachine.Place) error {
	if f.kind == BTree {
		return nil
	}
	store, err := f.shared()
	if err != nil {
		return err
	}
	return store.Drop(at.Group, at.Epoch)
}

// Epochs names the epochs at which something of a group is kept; see statemachine.Factory.
func (f *Factory) Epochs(group uint64, _ string) ([]uint64, error) {
	if f.kind == BTree {
		return nil, nil
	}
	store, err := f.shared()
	if err != nil {
		return nil, err
	}
	return store.Epochs(group)
}

// shared gives the store that the node's groups share.
func (f *Factory) shared() (*pebble.Store, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, statemachine.ErrClosed
	}
	if f.store == nil {
		store, err := pebble.Open(f.opts.Dir, pebble.Options{CacheBytes: f.opts.CacheBytes, Logger: f.opts.Logger})
		if err != nil {
			return nil, err
		}
		f.store = store
	}
	return f.store, nil
}

// Close flushes and closes what the machines shared. Every machine has to be closed before.
func (f *Factory) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.store == nil {
		return nil
	}
	return f.store.Close()
}
