package transporttest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/node/transport"
)

// text is a frame with a head alone.
func text(kind uint8, format string, args ...any) transport.Frame {
	return transport.Frame{Kind: kind, Head: fmt.Appendf(nil, format, args...)}
}

func framesArrive(b *Bench) {
	n1, n2 := b.Pair()
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<10)
	frames := []transport.Frame{
		{Kind: transport.KindMessages, Head: []byte("head"), Body: [][]byte{[]byte("bo"), nil, []byte("dy"), long}},
		{Kind: transport.KindImage, Head: long, Body: [][]byte{long, []byte("x"), long}},
		{Kind: transport.KindBeat, Head: []byte("no body")},
		{Kind: transport.MaxKind, Body: [][]byte{[]byte("no head")}},
		{Kind: transport.KindMessages},
	}
	for _, c := range transport.Classes {
		require.NoError(b, n1.Send("n2", c, frames[:2]))
		require.NoError(b, n1.Send("n2", c, nil))
		require.NoError(b, n1.Send("n2", c, frames[2:]))
	}
	for _, c := range transport.Classes {
		got := b.AwaitFrames(n2, "n1", c, len(frames))
		require.Len(b, got, len(frames))
		for i, f := range frames {
			require.Equal(b, f.Kind, got[i].Kind)
			require.True(b, bytes.Equal(f.Head, got[i].Head), "head of frame %d", i)
			require.True(b, bytes.Equal(bytes.Join(f.Body, nil), got[i].Body), "body of frame %d", i)
		}
	}
	require.NoError(b, n2.Send("n1", transport.Bulk, []transport.Frame{text(1, "back")}))
	require.Equal(b, "back", string(b.AwaitFrames(n1, "n2", transport.Bulk, 1)[0].Head))
}

func slicesStay(b *Bench) {
	n1, n2 := b.Pair()
	n2.OnReceive(func(r Received) {
		// The receiver may write over and append to what it was given.
		for i := range r.Head {
			r.Head[i] = '*'
		}
		_ = append(r.Head, "beyond the head"...)
		_ = append(r.Body, "beyond the body"...)
	})
	head, body := make([]byte, 100), make([]byte, 5000)
	const rounds = 20
	for i := range rounds {
		for j := range head {
			head[j] = byte(i)
		}
		for j := range body {
			body[j] = byte(i)
		}
		f := transport.Frame{Kind: 1, Head: head, Body: [][]byte{body[:10], body[10:]}}
		require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{f, f}))
		require.Equal(b, byte(i), head[0], "a sender's slice was changed")
	}
	for i, r := range b.AwaitFrames(n2, "n1", transport.Bulk, 2*rounds) {
		require.Equal(b, bytes.Repeat([]byte{byte(i / 2)}, len(body)), r.Body, "frame %d", i)
		require.Equal(b, bytes.Repeat([]byte{'*'}, len(head)), r.Head, "frame %d", i)
	}
}

func largeBatch(b *Bench) {
	n1, n2 := b.Pair()
	// More pieces than one system call takes, short and long, and more bytes than a socket's buffer holds.
	const count, pieces = 100, 30
	frames := make([]transport.Frame, count)
	for i := range frames {
		frames[i].Kind = transport.KindMessages
		frames[i].Head = fmt.Appendf(nil, "frame %d", i)
		for j := range pieces {
			frames[i].Body = append(frames[i].Body, bytes.Repeat([]byte{byte(i + j)}, 1+4000*(j%2)))
		}
	}
	require.NoError(b, n1.Send("n2", transport.Bulk, frames))
	got := b.AwaitFrames(n2, "n1", transport.Bulk, count)
	for i := range frames {
		require.Equal(b, string(frames[i].Head), string(got[i].Head))
		require.True(b, bytes.Equal(bytes.Join(frames[i].Body, nil), got[i].Body), "body of frame %d", i)
	}
}

func badFrames(b *Bench) {
	n1, n2 := b.Pair()
	good := text(1, "good")
	for name, bad := range map[string]transport.Frame{
		"kind 0":              {Kind: 0},
		"kind of the library": {Kind: transport.MaxKind + 1},
		"head too long":       {Kind: 1, Head: make([]byte, wire.DefaultMaxHead+1)},
	} {
		err := n1.Send("n2", transport.Bulk, []transport.Frame{good, bad})
		var frame *wire.FrameError
		require.ErrorAs(b, err, &frame, name)
	}
	require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{text(1, "after")}))
	got := b.AwaitFrames(n2, "n1", transport.Bulk, 1)
	require.Equal(b, "after", string(got[0].Head), "nothing of a bad batch is sent")
	require.Empty(b, n1.Breaks("n2", transport.Bulk))
}

func sendFromHandler(b *Bench) {
	n1, n2 := b.Start("n1", "n2"), b.Start("n2", "n1")
	const rounds = 50
	back := func(n *Node) func(Received) {
		return func(r Received) {
			round := binary.LittleEndian.Uint32(r.Head)
			if round < rounds {
				f := transport.Frame{Kind: 1, Head: binary.LittleEndian.AppendUint32(nil, round+1)}
				_ = n.Send(r.From, r.Class, []transport.Frame{f})
			}
		}
	}
	n1.OnReceive(back(n1))
	n2.OnReceive(back(n2))
	b.AwaitLinks(n1, "n2")
	b.AwaitLinks(n2, "n1")
	for _, c := range transport.Classes {
		require.NoError(b, n1.Send("n2", c, []transport.Frame{{Kind: 1, Head: []byte{0, 0, 0, 0}}}))
	}
	for _, c := range transport.Classes {
		b.AwaitFrames(n2, "n1", c, rounds/2+1)
		b.AwaitFrames(n1, "n2", c, rounds/2)
	}
}

func concurrentSenders(b *Bench) {
	n1, n2 := b.Pair()
	const senders, batches = 4, 50
	var running sync.WaitGroup
	errs := make(chan error, senders*len(transport.Classes))
	for _, c := range transport.Classes {
		for s := range senders {
			running.Go(func() {
				body := bytes.Repeat([]byte{byte(s)}, 3000)
				for i := range batches {
					f := transport.Frame{Kind: 1, Head: []byte{byte(s), byte(i)}, Body: [][]byte{body[:500], body[500:]}}
					if err := n1.Send("n2", c, []transport.Frame{f, f}); err != nil {
						errs <- err
						return
					}
				}
			})
		}
	}
	running.Wait()
	close(errs)
	require.NoError(b, <-errs)
	for _, c := range transport.Classes {
		var next [senders]int
		for _, r := range b.AwaitFrames(n2, "n1", c, 2*senders*batches) {
			s := r.Head[0]
			require.Equal(b, next[s]/2, int(r.Head[1]), "the frames of sender %d are in order", s)
			require.Equal(b, bytes.Repeat([]byte{s}, 3000), r.Body)
			next[s]++
		}
	}
}
