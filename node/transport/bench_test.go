package transport_test

import (
	"fmt"
	"testing"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/node/transport/transporttest"
	"github.com/ledgerkv/ledgerkv/raft"
)

// counting hands every frame to a function and writes nothing down.
type counting struct {
	transport.Handler
	receive func(c transport.Class, head, body []byte)
}

func (h *counting) Receive(_ raft.NodeID, c transport.Class, _ uint8, head, body []byte) {
	h.receive(c, head, body)
}

// benchPair gives two nodes over TCP, and their handlers.
func benchPair(b *testing.B) (t1, t2 transport.Transport, h1, h2 *counting) {
	bench := transporttest.NewBench(b, transporttest.Fabric{})
	r1, r2 := bench.Recorder(), bench.Recorder()
	h1, h2 = &counting{Handler: r1}, &counting{Handler: r2}
	start := func(id raft.NodeID, h transport.Handler) transport.Transport {
		t, err := transport.NewTCP(transport.TCPOptions{Address: "127.0.0.1:0"})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = t.Close() })
		if err := t.Start(bench.Hello(id), h); err != nil {
			b.Fatal(err)
		}
		return t
	}
	t1, t2 = start("n1", h1), start("n2", h2)
	t1.SetPeers(map[raft.NodeID]string{"n2": t2.Addr()})
	t2.SetPeers(map[raft.NodeID]string{"n1": t1.Addr()})
	bench.AwaitLinks(&transporttest.Node{Recorder: r1, ID: "n1"}, "n2")
	bench.AwaitLinks(&transporttest.Node{Recorder: r2, ID: "n2"}, "n1")
	return t1, t2, h1, h2
}

// BenchmarkRoundTrip sends an append of one record of 216 bytes and waits for an answer.
func BenchmarkRoundTrip(b *testing.B) {
	t1, t2, h1, h2 := benchPair(b)
	back := make(chan struct{}, 1)
	answer := transport.AppendMessage(nil, 1, &raft.Message{Type: raft.MsgAppendResp}, 0)
	h2.receive = func(transport.Class, []byte, []byte) {
		if err := t2.Send("n1", transport.Control, []transport.Frame{{Kind: transport.KindMessages, Head: answer}}); err != nil {
			b.Error(err)
		}
	}
	h1.receive = func(transport.Class, []byte, []byte) { back <- struct{}{} }
	records := make([]byte, 216)
	frames := []transport.Frame{{
		Kind: transport.KindMessages,
		Head: transport.AppendMessage(nil, 1, &raft.Message{Type: raft.MsgAppend}, uint32(len(records))),
		Body: [][]byte{records},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if err := t1.Send("n2", transport.Bulk, frames); err != nil {
			b.Fatal(err)
		}
		<-back
	}
}

// BenchmarkCoalesced sends appends, each with 32 records of 216 bytes, many to a frame, one frame to a Send.
func BenchmarkCoalesced(b *testing.B) {
	for _, perFrame := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("messages=%d", perFrame), func(b *testing.B) { benchCoalesced(b, perFrame, 32*216) })
	}
	// Heartbeats of many groups: no records.
	b.Run("heartbeats=512", func(b *testing.B) { benchCoalesced(b, 512, 0) })
}

func benchCoalesced(b *testing.B, perFrame, recordBytes int) {
	t1, _, _, h2 := benchPair(b)
	records := make([]byte, recordBytes)
	frame := transport.Frame{Kind: transport.KindMessages}
	for range perFrame {
		frame.Body = append(frame.Body, records)
	}
	received, done := 0, make(chan struct{})
	h2.receive = func(_ transport.Class, head, body []byte) {
		r := transport.NewMessageReader("n1", "n2", head, body)
		for r.Next() {
			if received++; received == b.N*perFrame {
				close(done)
			}
		}
		if r.Err() != nil {
			b.Error(r.Err())
		}
	}
	m := raft.Message{Type: raft.MsgAppend}
	frames := []transport.Frame{frame}
	b.SetBytes(int64(perFrame * recordBytes))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		head := frames[0].Head[:0]
		for g := range perFrame {
			head = transport.AppendMessage(head, raft.GroupID(g+1), &m, uint32(recordBytes))
		}
		frames[0].Head = head
		if err := t1.Send("n2", transport.Bulk, frames); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.ReportMetric(float64(b.N*perFrame)/b.Elapsed().Seconds(), "messages/s")
}
