package node_test

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// tally is a machine in memory that keeps every body in order; an entry's result is how many there are.
type tally struct {
	mu      sync.Mutex
	bodies  [][]byte
	applied statemachine.Index
}

func (t *tally) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, e := range entries {
		t.bodies = append(t.bodies, append([]byte(nil), e.Body...))
		results[i].Value = uint64(len(t.bodies))
	}
	t.applied = applied
	return nil
}

func (t *tally) Applied() statemachine.Index {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.applied
}

func (t *tally) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, b := range t.bodies {
		all = append(all, string(b))
	}
	return all
}

func (t *tally) Durable() statemachine.Index { return 0 }
func (t *tally) Flush() error                { return nil }
func (t *tally) Close() error                { return nil }

func (t *tally) Image() (statemachine.Image, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &tallyImage{bodies: t.bodies[:len(t.bodies):len(t.bodies)], applied: t.applied, header: true}, nil
}

type tallyImage struct {
	bodies  [][]byte
	applied statemachine.Index
	header  bool
}

func (i *tallyImage) Applied() statemachine.Index { return i.applied }
func (i *tallyImage) Close() error                { return nil }

func (i *tallyImage) Next() ([]byte, error) {
	if i.header {
		i.header = false
		return binary.LittleEndian.AppendUint64(nil, uint64(i.applied)), nil
	}
	if len(i.bodies) == 0 {
		return nil, io.EOF
	}
	b := i.bodies[0]
	i.bodies = i.bodies[1:]
	return b, nil
}

func (t *tally) Restore(chunks statemachine.ChunkSource) error {
	head, err := chunks.Next()
	if err != nil {
		return err
	}
	applied := statemachine.Index(binary.LittleEndian.Uint64(head))
	for {
		b, err := chunks.Next()
		if err == io.EOF {
			t.applied = applied
			return nil
		}
		if err != nil {
			return err
		}
		t.bodies = append(t.bodies, append([]byte(nil), b...))
	}
}

type tallies struct{}

func (tallies) Open(statemachine.Place) (statemachine.Machine, error) { return &tally{}, nil }
func (tallies) Drop(statemachine.Place) error                         { return nil }
func (tallies) Epochs(uint64, string) ([]uint64, error)               { return nil, nil }
