package kv

import (
	"encoding/binary"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// command is a decoded log entry. Its slices are parts of the entry's body.
type command struct {
	kind uint8
	// op is that of a put, delete or delete range.
	op model.Op
	// revision is that of a compact.
	revision model.Revision
	// txn is that of a transaction. Its lists are used again by the next decode.
	txn model.Txn
}

// decode gives the command of a log entry into c, validated. It keeps c's memory, and parts of body in it. It accepts exactly what the encoder can produce and fails with an
// *model.InvalidError.
func (c *command) decode(body []byte) error {
	rest, err := openEnvelope(body)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return malformed("command", "expected one, found none")
	}
	c.kind, c.op, c.revision = rest[0], model.Op{}, 0
	r := cursor{rest: rest}
	switch c.kind {
	case commandPut, commandDelete, commandDeleteRange:
		r.op(&c.op)
	case commandCompact:
		c.revision = r.compact()
	case commandTxn:
		r.txn(&c.txn)
	default:
		return unsupported("command", "expected a kind that this format knows, found %d", c.kind)
	}
	if r.err != nil {
		return r.err
	}
	if len(r.rest) != 0 {
		return malformed("command", "expected its end, found %d bytes more", len(r.rest))
	}
	return c.validate()
}

func (c *command) validate() error {
	switch c.kind {
	case commandCompact:
		return validateCompact(c.revision)
	case commandTxn:
		return c.txn.Validate()
	}
	return c.op.Validate()
}

func validateCompact(revision model.Revision) error {
	if revision == 0 {
		return &model.InvalidError{Field: "revision", Problem: "expected the revision to compact below, found 0"}
	}
	return nil
}

// cursor reads a command from its beginning. After the first fault everything it gives is empty.
type cursor struct {
	rest []byte
	err  error
}

// take gives the next n bytes, or nil after setting the fault.
func (r *cursor) take(what string, n int) []byte {
	if r.err == nil && (n < 0 || n > len(r.rest)) {
		r.fail(what, "expected %d bytes, found %d", n, len(r.rest))
	}
	if r.err != nil {
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *cursor) fail(what, format string, args ...any) {
	if r.err == nil {
		r.err = malformed(what, format, args...)
	}
}

// zero demands that bytes which mean nothing yet are zero, so that they can mean something later.
func (r *cursor) zero(what string, reserved []byte) {
	for _, b := range reserved {
		if b != 0 {
			r.fail(what, "expected zeros in its reserved bytes, found %x", reserved)
			return
		}
	}
}

func (r *cursor) compact() model.Revision {
	h := r.take("compact", compactSize)
	if h == nil {
		return 0
	}
	r.zero("compact", h[1:8])
	return model.Revision(binary.LittleEndian.Uint64(h[8:]))
}

func (r *cursor) txn(t *model.Txn) {
	h := r.take("transaction", txnHeaderSize)
	if h == nil {
		return
	}
	r.zero("transaction", h[1:4])
	compares := r.count("comparisons", h[4:], compareHeaderSize)
	success := r.count("success operations", h[8:], keyHeaderSize)
	failure := r.count("failure operations", h[12:], keyHeaderSize)
	t.Compares = cleared(t.Compares, compares)
	t.Success = cleared(t.Success, success)
	t.Failure = cleared(t.Failure, failure)
	for i := range t.Compares {
		r.compare(&t.Compares[i])
	}
	for _, ops := range [...][]model.Op{t.Success, t.Failure} {
		for i := range ops {
			r.op(&ops[i])
		}
	}
}

// cleared gives n zero elements, in list's memory where there is enough.
func cleared[T any](list []T, n int) []T {
	list = slices.Grow(list[:0], n)[:n]
	clear(list)
	return list
}

// count reads how many parts of at least size bytes follow. What is not there is not allocated for.
func (r *cursor) count(what string, field []byte, size int) int {
	n := binary.LittleEndian.Uint32(field)
	if n > model.MaxOps || int(n)*size > len(r.rest) {
		r.fail(what, "expected at most %d, each of at least %d bytes, found %d in %d bytes", model.MaxOps, size, n, len(r.rest))
		return 0
	}
	return int(n)
}

func (r *cursor) op(op *model.Op) {
	if len(r.rest) == 0 {
		r.fail("operation", "expected one, found the end")
		return
	}
	op.Kind = model.OpKind(r.rest[0])
	switch op.Kind {
	case model.OpPut:
		if h := r.take("put", putHeaderSize); h != nil {
			r.zero("put", h[1:2])
			op.Lease = model.LeaseID(binary.LittleEndian.Uint64(h[8:]))
			op.Key = r.take("key", int(binary.LittleEndian.Uint16(h[2:])))
			op.Value = r.take("value", int(binary.LittleEndian.Uint32(h[4:])))
		}
	case model.OpDelete, model.OpGet:
		if h := r.take("operation", keyHeaderSize); h != nil {
			r.zero("operation", h[1:2])
			r.zero("operation", h[4:8])
			op.Key = r.take("key", int(binary.LittleEndian.Uint16(h[2:])))
		}
	case model.OpDeleteRange, model.OpRange:
		r.interval(op)
	default:
		r.fail("operation", "expected a kind that this format knows, found %d", r.rest[0])
	}
}

func (r *cursor) interval(op *model.Op) {
	size, flags := deleteRangeHeaderSize, uint8(0)
	if op.Kind == model.OpRange {
		size, flags = rangeHeaderSize, rangeFlags
	}
	h := r.take("range", size)
	if h == nil {
		return
	}
	if h[1]&^flags != 0 {
		r.fail("range", "expected no flags but %#x, found %#x", flags, h[1])
	}
	r.zero("range", h[6:8])
	op.Range.Reverse = h[1]&rangeReverse != 0
	op.Range.KeysOnly = h[1]&rangeKeysOnly != 0
	op.Range.CountOnly = h[1]&rangeCountOnly != 0
	if op.Kind == model.OpRange {
		limit := binary.LittleEndian.Uint32(h[8:])
		if limit > model.MaxLimit {
			r.fail("limit", "expected at most %d, found %d", model.MaxLimit, limit)
			return
		}
		op.Range.Limit = int(limit)
	}
	op.Range.From = r.take("from", int(binary.LittleEndian.Uint16(h[2:])))
	op.Range.To = r.take("to", int(binary.LittleEndian.Uint16(h[4:])))
}

func (r *cursor) compare(c *model.Compare) {
	h := r.take("comparison", compareHeaderSize)
	if h == nil {
		return
	}
	c.Target = model.Target(h[0])
	c.Operator = model.Operator(h[1])
	c.Number = binary.LittleEndian.Uint64(h[8:])
	c.Key = r.take("key", int(binary.LittleEndian.Uint16(h[2:])))
	c.Value = r.take("value", int(binary.LittleEndian.Uint32(h[4:])))
}
