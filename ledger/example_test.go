package ledger_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

func exampleOptions() (o ledger.Options, cleanup func()) {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	o = ledger.Options{
		FS:          fs.OS,
		Dir:         filepath.Join(dir, "0000000000000001"),
		Identity:    ledger.Identity{Group: 1, Incarnation: 1, Node: "n1"},
		SegmentSize: 1 << 20,
	}
	return o, func() { os.RemoveAll(dir) }
}

// A ledger's owner appends, its syncer writes and flushes; here both are one goroutine. After a restart everything that was
// flushed is there.
func Example() {
	o, cleanup := exampleOptions()
	defer cleanup()
	boot := raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "127.0.0.1:7412", Voter: true}}}
	if err := ledger.Create(o, boot); err != nil {
		panic(err)
	}
	l, err := ledger.Open(o)
	if err != nil {
		panic(err)
	}
	for i, text := range []string{"one", "two", "three"} {
		body := []byte(text)
		e := raft.Entry{ID: raft.EntryID{Index: raft.Index(i + 1), Term: 1}, Kind: raft.KindData, Body: body}
		placed, err := l.Append(e, ledger.BodyChecksum(body), 0)
		if err != nil {
			panic(err)
		}
		fmt.Printf("entry %d at position %d, %d bytes\n", e.ID.Index, placed.Position, placed.Length)
	}
	if w, ok := l.Cut(&raft.HardState{Term: 1, Vote: "n1"}); ok {
		if err := l.Write(w); err != nil {
			panic(err)
		}
	}
	synced, err := l.Flush()
	if err != nil {
		panic(err)
	}
	fmt.Println("durable up to", synced.Tip.ID)
	if err := l.Close(); err != nil {
		panic(err)
	}

	l, err = ledger.Open(o)
	if err != nil {
		panic(err)
	}
	defer l.Close()
	restart := l.Restart()
	fmt.Printf("term %d, vote %s, last %v\n", restart.State.Term, restart.State.Vote, restart.Last)
	r := l.Reader(1)
	defer r.Close()
	for {
		rec, err := r.Next(restart.Last.Index)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		fmt.Printf("%v %s\n", rec.ID, rec.Body)
	}
	// Output:
	// entry 1 at position 0, 72 bytes
	// entry 2 at position 72, 72 bytes
	// entry 3 at position 144, 72 bytes
	// durable up to 3(t1)
	// term 1, vote n1, last 3(t1)
	// 1(t1) one
	// 2(t1) two
	// 3(t1) three
}

// Inspect looks at a directory without changing it.
func ExampleInspect() {
	o, cleanup := exampleOptions()
	defer cleanup()
	boot := raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "127.0.0.1:7412", Voter: true}}}
	if err := ledger.Create(o, boot); err != nil {
		panic(err)
	}
	in, err := ledger.Inspect(o.FS, o.Dir)
	if err != nil {
		panic(err)
	}
	digest, faults, err := in.Walk(func(ledger.Record) error { return nil })
	fmt.Println(digest.Records, digest.Last, len(faults), err)
	// Output: 0 0(t0) 0 <nil>
}
