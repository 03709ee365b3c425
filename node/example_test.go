package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A node on its own with a group that has no machine: a log. Append, read by index, read in place by position, follow the role.
func Example() {
	dir, err := os.MkdirTemp("", "node-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := keepLog(context.Background(), dir); err != nil {
		fmt.Println(err)
	}
	// Output:
	// n1 leads and is ready
	// "order 1" is entry 2 at position 64, 72 bytes
	// "order 2" is entry 3 at position 136, 72 bytes
	// by index: "order 1"
	// in place: "order 2"
}

func keepLog(ctx context.Context, dir string) (err error) {
	n, err := node.Open(node.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}) // more nodes: ID, Listen, Peers
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	group, err := n.OpenGroup(node.GroupOptions{ID: 1, Name: "orders"})
	if err != nil {
		return err
	}
	role := group.Role()
	for !role.Ready { // as many changes as it takes: follower, candidate, leader, leader that has caught up
		if role, err = group.AwaitRole(ctx, role.Seq); err != nil {
			return err
		}
	}
	fmt.Println(role.Leader, "leads and is ready")

	var last node.Proposed
	for _, body := range []string{"order 1", "order 2"} {
		if last, err = group.Propose(ctx, []byte(body)); err != nil { // back when a quorum has flushed it
			return err
		}
		fmt.Printf("%q is entry %d at position %d, %d bytes\n", body, last.Index, last.Position, last.Length)
	}
	record, err := group.Record(last.Index - 1)
	if err != nil {
		return err
	}
	fmt.Printf("by index: %q\n", record.Body)
	body, err := group.Ledger().ReadAt(last.Position+raft.RecordHeaderSize, len("order 2"))
	if err != nil {
		return err
	}
	fmt.Printf("in place: %q\n", body)
	return nil
}

// A broker follows its replica's role: it is master while the replica leads and is ready, and slave otherwise.
func ExampleGroup_AwaitRole() {
	dir, err := os.MkdirTemp("", "node-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	n, err := node.Open(node.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	group, err := n.OpenGroup(node.GroupOptions{ID: 1, Name: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	master := false
	for seq := uint64(0); !master; {
		role, err := group.AwaitRole(context.Background(), seq)
		if err != nil {
			fmt.Println(err)
			return
		}
		seq = role.Seq
		if is := role.Role == raft.Leader && role.Ready; is != master {
			master = is
			fmt.Printf("master: %v, term %d\n", master, role.Term)
		}
	}
	// Output: master: true, term 1
}
