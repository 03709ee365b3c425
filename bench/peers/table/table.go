// Package table is the state machine that stands behind the peers that have none of their own, hashicorp/raft and dragonboat: a Go map, which is the fastest that
// there is for puts and gets. It has no order, so no ranges.
//
// A command is pairs of keys and values that are set in one step. Table.Apply runs on the peer's applying goroutine, Table.Get and Table.Freeze on any.
package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
)

// Table is a map from keys to values. The zero Table is empty.
type Table struct {
	mu    sync.RWMutex
	items map[string][]byte // a value is never changed once it is here
}

// Put is the command that sets a key. It shares nothing with its arguments.
func Put(key, value []byte) []byte {
	return appendPair(make([]byte, 0, len(key)+len(value)+2*binary.MaxVarintLen32), key, value)
}

// PutAll is the command that sets all of some keys to a value.
func PutAll(keys [][]byte, value []byte) []byte {
	var command []byte
	for _, key := range keys {
		command = appendPair(command, key, value)
	}
	return command
}

func appendPair(to, key, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(key)))
	to = append(to, key...)
	to = binary.AppendUvarint(to, uint64(len(value)))
	return append(to, value...)
}

// Apply carries out commands, in order and under one lock. It keeps nothing of them. The error says that one is not a command; what came before it was done.
func (t *Table) Apply(n int, command func(i int) []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.items == nil {
		t.items = map[string][]byte{}
	}
	for i := range n {
		for rest := command(i); len(rest) > 0; {
			key, after, ok1 := cut(rest)
			value, after, ok2 := cut(after)
			if !ok1 || !ok2 {
				return errors.New("table: a command ends within a pair")
			}
			t.items[string(key)] = append(make([]byte, 0, len(value)), value...)
			rest = after
		}
	}
	return nil
}

// cut takes a length and so many bytes from the front.
func cut(from []byte) (taken, rest []byte, ok bool) {
	length, n := binary.Uvarint(from)
	if n <= 0 || length > uint64(len(from)-n) {
		return nil, nil, false
	}
	return from[n : n+int(length)], from[n+int(length):], true
}

// Get is the value of a key, nil if it has none. Nobody may change it.
func (t *Table) Get(key []byte) []byte {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.items[string(key)]
}

// Frozen is what a Table held at a moment.
type Frozen map[string][]byte

// Freeze holds on to what there is now. It takes time in proportion to the number of keys, in which nothing is applied.
func (t *Table) Freeze() Frozen {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.items)
}

// WriteTo writes the number of pairs and the pairs, in no order.
func (f Frozen) WriteTo(w io.Writer) (int64, error) {
	out := bufio.NewWriterSize(w, 1<<16)
	var written int64
	emit := func(b []byte) error {
		n, err := out.Write(b)
		written += int64(n)
		return err
	}
	if err := emit(binary.AppendUvarint(nil, uint64(len(f)))); err != nil {
		return written, err
	}
	var pair []byte
	for key, value := range f {
		pair = appendPair(pair[:0], []byte(key), value)
		if err := emit(pair); err != nil {
			return written, err
		}
	}
	return written, out.Flush()
}

// Restore replaces what the table holds by what Frozen.WriteTo has written.
func (t *Table) Restore(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return fmt.Errorf("table: expected the number of pairs: %w", err)
	}
	items := map[string][]byte{}
	for range n {
		key, err1 := readPart(in)
		value, err2 := readPart(in)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("table: expected %d pairs, found %d: %w", n, len(items), err)
		}
		items[string(key)] = value
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items = items
	return nil
}

func readPart(in *bufio.Reader) ([]byte, error) {
	length, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	part := make([]byte, length)
	_, err = io.ReadFull(in, part)
	return part, err
}
