package client

import (
	"context"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// Kind says what an entry of a log is. The numbers are those of the record header (docs/format.md).
type Kind uint8

// The kinds of entries. Everything but KindData is the group's own business.
const (
	KindEmpty         Kind = 1
	KindData          Kind = 2
	KindConfiguration Kind = 3
	KindTrim          Kind = 4
	KindFormat        Kind = 5
)

// Record is a committed entry of a log.
type Record struct {
	Index Index
	Term  uint64
	Kind  Kind
	// Position is where the record begins in the log, in bytes, the same on every replica.
	Position uint64
	// Time is when the leader appended the entry, by its clock, never before its predecessor's.
	Time time.Time
	Body []byte
}

// Appended says where an appended entry is.
type Appended struct {
	Index Index
	Term  uint64
	// Position and Length say where the record is in the log, in bytes, header and padding included.
	Position uint64
	Length   uint32
}

// Log is a log group. Its methods are safe for concurrent use.
type Log struct {
	client *Client
	group  string
}

// Log gives a log group by its name.
func (c *Client) Log(group string) *Log { return &Log{client: c, group: group} }

// Append appends an entry and returns once a quorum has it on disk.
func (l *Log) Append(ctx context.Context, body []byte) (Appended, error) {
	var result rpc.AppendResult
	if err := l.client.do(ctx, newRequest(l.group, rpc.VerbAppend, &rpc.AppendArgs{Body: body}, &result)); err != nil {
		return Appended{}, err
	}
	return Appended{Index: Index(result.Index), Term: result.Term, Position: result.Position, Length: result.Length}, nil
}

// Get reads a committed entry. It fails with *CompactedError when it was removed, and with ErrNoEntry when the log has not
// come so far.
func (l *Log) Get(ctx context.Context, index Index) (Record, error) {
	if index == 0 {
		return Record{}, &InvalidError{Field: "index", Problem: "expected 1 or more, found 0"}
	}
	var result rpc.Record
	if err := l.client.do(ctx, newRequest(l.group, rpc.VerbLogGet, &rpc.LogGetArgs{Index: uint64(index)}, &result)); err != nil {
		return Record{}, err
	}
	return recordFrom(result), nil
}

func recordFrom(r rpc.Record) Record {
	return Record{Index: Index(r.Index), Term: r.Term, Kind: Kind(r.Kind), Position: r.Position, Time: time.Unix(0, r.Time), Body: r.Body}
}
