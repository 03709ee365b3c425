package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Sizes in bytes, and the tags that items begin with (docs/format.md, "Image").
const (
	headerBytes  = 32
	keyBytes     = 5
	putBytes     = 41
	deleteBytes  = 13
	trailerBytes = 49

	tagKey    = 1
	tagPut    = 2
	tagDelete = 3
	tagEnd    = 4
)

// magic opens an image; its last byte is the version of the encoding.
const magic = "LKVIMG\x00\x01"

// Header is what an image says of the state as a whole.
type Header struct {
	Applied   statemachine.Index
	Revision  statemachine.Revision
	Compacted statemachine.Revision
}

// Cursor walks the versions that an engine holds: in ascending order of key, and within a key in ascending order of revision.
// A version is an Event: a put with all of its item, or a delete. A cursor may give more than belongs into the image, namely
// versions above the header's revision and those that compaction has hidden but not yet removed; they are left out here.
type Cursor interface {
	// Next gives the next version, or io.EOF. Its slices are valid until the following call.
	Next() (statemachine.Event, error)
	// Close releases what the cursor holds.
	Close() error
}

// New makes an image of the versions that a cursor gives. It closes the cursor with the image. The cursor is called
// from Image.Next only, on the goroutine that calls it.
func New(head Header, cursor Cursor) statemachine.Image {
	return &encoder{
		head:     head,
		cursor:   cursor,
		retained: retained{head: head, cursor: cursor},
		order:    order{head: head},
		hash:     sha256.New(),
	}
}

// encoder cuts the stream of versions into chunks.
type encoder struct {
	head     Header
	cursor   Cursor
	retained retained
	order    order
	hash     hash.Hash
	buf      []byte // the chunk given last, used again for the next
	opened   bool   // the header has been written
	err      error  // what Next says from now on; io.EOF once the trailer was given
}

func (e *encoder) Applied() statemachine.Index { return e.head.Applied }

func (e *encoder) Close() error {
	if errors.Is(e.err, errClosed) {
		return nil
	}
	e.err = errClosed
	return e.cursor.Close()
}

// errClosed is what Next says after Close.
var errClosed = errors.New("image: closed")

func (e *encoder) Next() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	if e.buf == nil {
		e.buf = make([]byte, 0, statemachine.ImageChunkBytes+statemachine.ImageChunkBytes/8)
	}
	e.buf = e.buf[:0]
	if !e.opened {
		e.opened = true
		e.buf = appendHeader(e.buf, e.head)
	}
	for len(e.buf) < statemachine.ImageChunkBytes {
		ev, err := e.retained.next()
		if err == io.EOF {
			e.err = io.EOF
			return e.end(), nil
		}
		if err == nil {
			err = e.item(ev)
		}
		if err != nil {
			e.err = err
			return nil, err
		}
	}
	e.hash.Write(e.buf)
	return e.buf, nil
}

// item appends a version, and before a key's first one the key.
func (e *encoder) item(ev statemachine.Event) error {
	fresh, err := e.order.check(ev)
	if err != nil {
		return fmt.Errorf("image: the engine's versions make no sense: %w", err)
	}
	if fresh {
		e.buf = append(e.buf, tagKey)
		e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(len(ev.Item.Key)))
		e.buf = append(e.buf, ev.Item.Key...)
	}
	e.buf = appendVersion(e.buf, ev)
	return nil
}

// end appends the trailer, whose hash covers all that went before it.
func (e *encoder) end() []byte {
	e.buf = append(e.buf, tagEnd)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, e.order.keys)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, e.order.versions)
	e.hash.Write(e.buf)
	e.buf = e.hash.Sum(e.buf)
	return e.buf
}

func appendHeader(buf []byte, head Header) []byte {
	buf = append(buf, magic...)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(head.Applied))
	buf = binary.LittleEndian.AppendUint64(buf, uint64(head.Revision))
	return binary.LittleEndian.AppendUint64(buf, uint64(head.Compacted))
}

func appendVersion(buf []byte, ev statemachine.Event) []byte {
	if ev.Deleted {
		buf = append(buf, tagDelete)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(ev.Item.Mod))
		return binary.LittleEndian.AppendUint32(buf, ev.Sub)
	}
	buf = append(buf, tagPut)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(ev.Item.Mod))
	buf = binary.LittleEndian.AppendUint32(buf, ev.Sub)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(ev.Item.Create))
	buf = binary.LittleEndian.AppendUint64(buf, ev.Item.Version)
	buf = binary.LittleEndian.AppendUint64(buf, ev.Item.Lease)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(ev.Item.Value)))
	return append(buf, ev.Item.Value...)
}

// retained passes on those of a cursor's versions that belong into the image, so that no engine can show how far it has got
// with removing the others.
type retained struct {
	head   Header
	cursor Cursor
	// held is the newest version seen so far at or below the compacted revision of the key at hand. It owns its slices.
	held    statemachine.Event
	holding bool
	// pending is a version that was taken from the cursor but must wait for held.
	pending bool
	waiting statemachine.Event
}

func (r *retained) next() (statemachine.Event, error) {
	for {
		ev, err := r.take()
		if err == io.EOF && r.holding {
			r.holding = false
			return r.held, nil
		}
		if err != nil {
			return statemachine.Event{}, err
		}
		if r.holding && !bytes.Equal(ev.Item.Key, r.held.Item.Key) {
			return r.release(ev), nil
		}
		switch mod := ev.Item.Mod; {
		case mod > r.head.Revision:
		case mod <= r.head.Compacted:
			r.hold(ev)
		case r.holding:
			return r.release(ev), nil
		default:
			return ev, nil
		}
	}
}

// take gives the version that had to wait, or the cursor's next.
func (r *retained) take() (statemachine.Event, error) {
	if r.pending {
		r.pending = false
		return r.waiting, nil
	}
	return r.cursor.Next()
}

// release gives out the held version and lets ev wait; the cursor is not moved meanwhile, so ev stays valid.
func (r *retained) release(ev statemachine.Event) statemachine.Event {
	r.waiting, r.pending, r.holding = ev, true, false
	return r.held
}

// hold keeps a copy of a version at or below the compacted revision until it is known to be the newest; a delete leaves
// nothing of its key.
func (r *retained) hold(ev statemachine.Event) {
	key := append(r.held.Item.Key[:0], ev.Item.Key...)
	value := append(r.held.Item.Value[:0], ev.Item.Value...)
	r.held = ev
	r.held.Item.Key, r.held.Item.Value = key, value
	r.holding = !ev.Deleted
}
