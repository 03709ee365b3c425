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

// A ledger without a node around it: one goroutine is the owner, the syncer and a reader in turn. What is appended is durable once
// the flush after its write has returned, and it stands at the same position ever after.
func Example() {
	dir, err := os.MkdirTemp("", "ledger-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := keepBooks(filepath.Join(dir, "group")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1(t1) empty at 0, 64 bytes
	// 2(t1) data at 64, 72 bytes
	// durable up to 2(t1)
	// after a restart: term 1, 2 entries, "an order" at 64
	// in place: "order"
}

func keepBooks(dir string) error {
	opts := ledger.Options{FS: fs.OS, Dir: dir, Identity: ledger.Identity{Group: 1, Incarnation: 1, Node: "n1"}}
	members := raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "127.0.0.1:7412", Voter: true}}}
	if err := ledger.Create(opts, members); err != nil {
		return err
	}
	l, err := ledger.Open(opts)
	if err != nil {
		return err
	}
	if err := errors.Join(writeTwo(l), l.Close()); err != nil {
		return err
	}
	if l, err = ledger.Open(opts); err != nil {
		return err
	}
	return errors.Join(readBack(l), l.Close())
}

func writeTwo(l *ledger.Ledger) error {
	body := []byte("an order")
	entries := []raft.Entry{
		{ID: raft.EntryID{Index: 1, Term: 1}, Kind: raft.KindEmpty},
		{ID: raft.EntryID{Index: 2, Term: 1}, Kind: raft.KindData, Body: body},
	}
	kinds := map[raft.Kind]string{raft.KindEmpty: "empty", raft.KindData: "data"}
	for _, e := range entries {
		placed, err := l.Append(e, ledger.BodyChecksum(e.Body), 1_700_000_000_000_000_000) // owner: in memory
		if err != nil {
			return err
		}
		fmt.Printf("%s %s at %d, %d bytes\n", e.ID, kinds[e.Kind], placed.Position, placed.Length)
	}
	write, _ := l.Cut(&raft.HardState{Term: 1, Vote: "n1"}) // owner: one unit for the syncer
	if err := l.Write(write); err != nil {                  // syncer: whole pages
		return err
	}
	synced, err := l.Flush() // syncer: durable from here on
	if err != nil {
		return err
	}
	fmt.Println("durable up to", synced.Tip.ID)
	return nil
}

func readBack(l *ledger.Ledger) error {
	r := l.Reader(1)
	defer r.Close()
	count := 0
	var last ledger.Record
	for {
		record, err := r.Next(l.Last().Index)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		count, last = count+1, record
	}
	fmt.Printf("after a restart: term %d, %d entries, %q at %d\n", l.Restart().State.Term, count, last.Body, last.Position)
	word, err := l.ReadAt(last.Position+raft.RecordHeaderSize+3, 5)
	if err != nil {
		return err
	}
	fmt.Printf("in place: %q\n", word)
	return nil
}
