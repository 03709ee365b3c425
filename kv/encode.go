package kv

import (
	"encoding/binary"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// Commands and their parts (docs/format.md, "KV commands"). The kinds of operations are model.OpKind's; the first three of them
// are commands on their own as well.
const (
	commandPut         = uint8(model.OpPut)
	commandDelete      = uint8(model.OpDelete)
	commandDeleteRange = uint8(model.OpDeleteRange)
	commandCompact     = 8
	commandTxn         = 9

	putHeaderSize         = 16 // kind, 0, key length 2, value length 4, lease 8
	keyHeaderSize         = 8  // kind, 0, key length 2, 0 (4); delete and get
	deleteRangeHeaderSize = 8  // kind, 0, from length 2, to length 2, 0 (2)
	rangeHeaderSize       = 12 // kind, flags, from length 2, to length 2, 0 (2), limit 4
	compactSize           = 16 // kind, 0 (7), revision 8
	txnHeaderSize         = 16 // kind, 0 (3), comparisons 4, success operations 4, failure operations 4
	compareHeaderSize     = 16 // target, operator, key length 2, value length 4, number 8

	rangeReverse   = 1 << 0
	rangeKeysOnly  = 1 << 1
	rangeCountOnly = 1 << 2
	rangeFlags     = rangeReverse | rangeKeysOnly | rangeCountOnly
)

// AppendPut appends the log entry that puts value under key to dst.
// REQUIRES: as for AppendTxn of model.Do(model.Put(key, value)).
func AppendPut(dst, key, value []byte) []byte {
	return appendSingle(dst, model.Put(key, value))
}

// AppendDelete appends the log entry that deletes key to dst.
// REQUIRES: as for AppendTxn of model.Do(model.Delete(key)).
func AppendDelete(dst, key []byte) []byte {
	return appendSingle(dst, model.Delete(key))
}

// AppendDeleteRange appends the log entry that deletes the keys in [from, to) to dst. An empty to means no upper bound.
// REQUIRES: as for AppendTxn of model.Do(model.DeleteRange(from, to)).
func AppendDeleteRange(dst, from, to []byte) []byte {
	return appendSingle(dst, model.DeleteRange(from, to))
}

// AppendCompact appends the log entry that makes everything below revision unreadable to dst.
func AppendCompact(dst []byte, revision model.Revision) []byte {
	dst = slices.Grow(dst, envelopeHeaderSize+compactSize)
	dst = appendEnvelope(dst, compactSize)
	dst = append(dst, commandCompact, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint64(dst, uint64(revision))
}

// AppendTxn appends the log entry that carries txn out to dst.
// REQUIRES: txn.Validate returns nil. Of a transaction that is not valid the encoding means nothing.
func AppendTxn(dst []byte, txn model.Txn) []byte {
	size := txnHeaderSize
	for i := range txn.Compares {
		c := &txn.Compares[i]
		size += compareHeaderSize + len(c.Key) + len(c.Value)
	}
	size += opsSize(txn.Success) + opsSize(txn.Failure)

	dst = slices.Grow(dst, envelopeHeaderSize+size)
	dst = appendEnvelope(dst, size)
	dst = append(dst, commandTxn, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(txn.Compares)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(txn.Success)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(txn.Failure)))
	for i := range txn.Compares {
		dst = appendCompare(dst, &txn.Compares[i])
	}
	for _, ops := range [...][]model.Op{txn.Success, txn.Failure} {
		for i := range ops {
			dst = appendOp(dst, &ops[i])
		}
	}
	return dst
}

// appendSingle appends the entry whose command is one operation.
func appendSingle(dst []byte, op model.Op) []byte {
	size := opSize(&op)
	dst = slices.Grow(dst, envelopeHeaderSize+size)
	return appendOp(appendEnvelope(dst, size), &op)
}

func opsSize(ops []model.Op) int {
	size := 0
	for i := range ops {
		size += opSize(&ops[i])
	}
	return size
}

func opSize(op *model.Op) int {
	switch op.Kind {
	case model.OpPut:
		return putHeaderSize + len(op.Key) + len(op.Value)
	case model.OpDelete, model.OpGet:
		return keyHeaderSize + len(op.Key)
	}
	from, to := op.Range.Bounds()
	if op.Kind == model.OpDeleteRange {
		return deleteRangeHeaderSize + len(from) + len(to)
	}
	return rangeHeaderSize + len(from) + len(to)
}

func appendOp(dst []byte, op *model.Op) []byte {
	switch op.Kind {
	case model.OpPut:
		dst = append(dst, uint8(op.Kind), 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(op.Key)))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(op.Value)))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(op.Lease))
		dst = append(dst, op.Key...)
		return append(dst, op.Value...)
	case model.OpDelete, model.OpGet:
		dst = append(dst, uint8(op.Kind), 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(op.Key)))
		dst = append(dst, 0, 0, 0, 0)
		return append(dst, op.Key...)
	}
	return appendInterval(dst, op)
}

// appendInterval appends an operation on an interval. A prefix is written as the interval that it selects.
func appendInterval(dst []byte, op *model.Op) []byte {
	var flags uint8
	if op.Range.Reverse {
		flags |= rangeReverse
	}
	if op.Range.KeysOnly {
		flags |= rangeKeysOnly
	}
	if op.Range.CountOnly {
		flags |= rangeCountOnly
	}
	from, to := op.Range.Bounds()
	dst = append(dst, uint8(op.Kind), flags)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(from)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(to)))
	dst = append(dst, 0, 0)
	if op.Kind == model.OpRange {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(op.Range.Limit))
	}
	dst = append(dst, from...)
	return append(dst, to...)
}

func appendCompare(dst []byte, c *model.Compare) []byte {
	dst = append(dst, uint8(c.Target), uint8(c.Operator))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(c.Key)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(c.Value)))
	dst = binary.LittleEndian.AppendUint64(dst, c.Number)
	dst = append(dst, c.Key...)
	return append(dst, c.Value...)
}
