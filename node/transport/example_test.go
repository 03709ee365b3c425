package transport_test

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// printer is a handler that admits everybody and prints what it gets.
type printer struct{ id raft.NodeID }

func (p printer) Admit(transport.Hello, bool) error { return nil }

func (p printer) Receive(from raft.NodeID, c transport.Class, kind uint8, head, body []byte) {
	r := transport.NewMessageReader(from, p.id, head, body)
	for r.Next() {
		m := r.Message()
		fmt.Printf("%s got, on %s, for group %d: %s of term %d with %q\n", p.id, c, r.Group(), m.Type, m.Term, r.Records())
	}
	if r.Err() != nil {
		fmt.Println(r.Err())
	}
}

func (p printer) Connected(raft.NodeID, transport.Class) {}

func (p printer) Disconnected(peer raft.NodeID, c transport.Class, _ error) {
	if c == transport.Bulk {
		fmt.Printf("%s lost %s\n", p.id, peer)
	}
}

func (p printer) Refused(_ raft.NodeID, reason string) { fmt.Println(reason) }

func Example() {
	network := transport.NewManualNetwork(1) // or transport.NewTCP on each node
	n1, n2 := network.Transport("n1"), network.Transport("n2")
	for id, t := range map[raft.NodeID]transport.Transport{"n1": n1, "n2": n2} {
		t.SetPeers(map[raft.NodeID]string{"n1": n1.Addr(), "n2": n2.Addr()})
		hello := transport.Hello{
			Format: transport.Range{Min: 1, Max: 1}, ClusterName: "example", Node: id, Directory: [16]byte{1},
		}
		if err := t.Start(hello, printer{id}); err != nil {
			fmt.Println(err)
		}
	}
	network.Dial()

	// Two messages of two groups in one frame, the first with the records that it names.
	var f transport.Frame
	records := []byte("the records.....")
	f.Kind = transport.KindMessages
	f.Head = transport.AppendMessage(f.Head, 1, &raft.Message{Type: raft.MsgAppend, Term: 3}, uint32(len(records)))
	f.Head = transport.AppendMessage(f.Head, 2, &raft.Message{Type: raft.MsgAppend, Term: 8}, 0)
	f.Body = [][]byte{records}
	if err := n1.Send("n2", transport.Bulk, []transport.Frame{f}); err != nil {
		fmt.Println(err)
	}
	for network.Step() {
		continue
	}
	_ = n2.Close()
	// Output:
	// n2 got, on bulk, for group 1: Append of term 3 with "the records....."
	// n2 got, on bulk, for group 2: Append of term 8 with ""
	// n1 lost n2
	// n1 lost n2
}
