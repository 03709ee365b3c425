package rpc_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

func msgpackOf(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	require.NoError(t, e.Encode(v))
	return b.Bytes()
}

func dialRaw(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// send writes frames and reads until the node hangs up; it gives what the node said.
func send(t testing.TB, address string, frames ...wire.Frame) []wire.Frame {
	t.Helper()
	conn := dialRaw(t, address)
	w := wire.NewWriter(conn, wire.Limits{MaxBody: 1 << 30})
	for _, f := range frames {
		require.NoError(t, w.Append(f.Kind, true, f.Head, f.Body))
	}
	w.Flush() // The node may hang up before all is written.
	var said []wire.Frame
	for r := wire.NewReader(conn, wire.Limits{}); ; {
		f, err := r.Next()
		if err != nil {
			return said
		}
		said = append(said, f)
	}
}

func TestHostileClientsAreDisconnected(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	hello := wire.Frame{Kind: 1, Head: msgpackOf(t, []any{1, 1, "c", "hostile"})}
	head := func(v ...any) []byte { return msgpackOf(t, v) }
	for name, frames := range map[string][]wire.Frame{
		"a request before the hello":   {{Kind: 3, Head: head(1, 1, 0, "g", 0)}},
		"a hello that is none":         {{Kind: 1, Head: []byte{0xc1}}},
		"a long hello":                 {{Kind: 1, Head: head(1, 1, "c", string(make([]byte, 8<<10)))}},
		"another hello":                {hello, hello},
		"an unknown kind":              {hello, {Kind: 99}},
		"a request without a head":     {hello, {Kind: 3}},
		"a map for a head":             {hello, {Kind: 3, Head: head(map[string]any{"a": 1})}},
		"a credit that is none":        {hello, {Kind: 5, Head: []byte{0x91}}},
		"a cancel that is none":        {hello, {Kind: 6, Head: []byte{0x91}}},
		"an answer":                    {hello, {Kind: 4, Head: head(1, 0, false)}},
		"a body over the limit":        {hello, {Kind: 3, Head: head(1, 1, 0, "g", 0), Body: make([]byte, 17<<20)}},
		"a head over the limit":        {hello, {Kind: 3, Head: make([]byte, 8<<10)}},
		"a protocol from the future":   {{Kind: 1, Head: head(2, 3, "c", "")}},
		"a protocol from the past":     {{Kind: 1, Head: head(0, 0, "c", "")}},
		"the hello of another cluster": {{Kind: 1, Head: head(1, 1, "other", "")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range send(t, p.address, frames...) {
				require.Contains(t, []uint8{2}, f.Kind, "nothing is served")
			}
		})
	}
}

func TestARequestUnderWayMayNotBeRepeated(t *testing.T) {
	p := listen(t, rpc.ServerOptions{Handler: newGate()})
	request := wire.Frame{Kind: 3, Head: msgpackOf(t, []any{7, 1, 0, "g", 0}), Body: msgpackOf(t, []any{nil, []byte("x")})}
	said := send(t, p.address, wire.Frame{Kind: 1, Head: msgpackOf(t, []any{1, 1})}, request, request)
	require.Len(t, said, 1)
}

func TestHTTPIsNoClient(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	conn := dialRaw(t, p.address)
	_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestAClientThatSaysNothingIsDisconnected(t *testing.T) {
	p := listen(t, rpc.ServerOptions{HelloTimeout: 10 * time.Millisecond})
	_, err := dialRaw(t, p.address).Read(make([]byte, 1))
	require.Error(t, err)
}

func TestCreditAndCancelOfNothingAreIgnored(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	conn := dialRaw(t, p.address)
	w := wire.NewWriter(conn, wire.Limits{})
	for _, f := range []wire.Frame{
		{Kind: 1, Head: msgpackOf(t, []any{1, 1})},
		{Kind: 5, Head: msgpackOf(t, []any{9, 9})},
		{Kind: 6, Head: msgpackOf(t, []any{9})},
		{Kind: 3, Head: msgpackOf(t, []any{1, 6, 0, "g", 0, "a field of a later version"}), Body: msgpackOf(t, []any{5})},
	} {
		require.NoError(t, w.Append(f.Kind, true, f.Head, f.Body))
	}
	require.NoError(t, w.Flush())
	r := wire.NewReader(conn, wire.Limits{})
	for _, kind := range []uint8{2, 4} {
		f, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, kind, f.Kind)
	}
}

// rogue is a node that answers the hello with a frame, and each request with others.
func rogue(t *testing.T, first wire.Frame, then ...wire.Frame) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, w := wire.NewReader(conn, wire.Limits{}), wire.NewWriter(conn, wire.Limits{})
				say := [][]wire.Frame{{first}, then}
				for i := 0; ; i++ {
					if _, err := r.Next(); err != nil {
						return
					}
					for _, f := range say[min(i, 1)] {
						w.Append(f.Kind, true, f.Head, f.Body)
					}
					w.Flush()
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestRogueNodes(t *testing.T) {
	welcome := wire.Frame{Kind: 2, Head: msgpackOf(t, []any{1, "c", "n1", ""})}
	for name, c := range map[string]struct {
		first wire.Frame
		then  []wire.Frame
	}{
		"another frame first":  {first: wire.Frame{Kind: 4}},
		"a welcome of rubbish": {first: wire.Frame{Kind: 2, Head: []byte{0xc1}}},
		"another cluster":      {first: wire.Frame{Kind: 2, Head: msgpackOf(t, []any{1, "other", "n1", ""})}},
	} {
		_, err := rpc.Dial(context.Background(), rogue(t, c.first), rpc.ConnOptions{Cluster: "c"})
		require.Error(t, err, name)
	}
	answer := func(v ...any) wire.Frame {
		return wire.Frame{Kind: 4, Head: msgpackOf(t, v), Body: msgpackOf(t, []any{})}
	}
	for name, then := range map[string][]wire.Frame{
		"an unknown kind":       {{Kind: 77}},
		"a head of rubbish":     {{Kind: 4, Head: []byte{0xc1}}},
		"a body of rubbish":     {{Kind: 4, Head: msgpackOf(t, []any{1, 0, false}), Body: []byte{0xc1}}},
		"an error of rubbish":   {{Kind: 4, Head: msgpackOf(t, []any{1, 3, false}), Body: []byte{0xc1}}},
		"parts nobody wanted":   {answer(1, 0, true), answer(1, 0, true), answer(1, 0, true)},
		"an answer to nobody":   {answer(99, 0, false), {Kind: 77}},
		"a body over the limit": {{Kind: 4, Head: msgpackOf(t, []any{1, 0, false}), Body: make([]byte, 1<<20)}},
	} {
		conn, err := rpc.Dial(context.Background(), rogue(t, welcome, then...), rpc.ConnOptions{Cluster: "c", MaxFrame: 1 << 16})
		require.NoError(t, err, name)
		if _, err := put(conn, "x"); name != "parts nobody wanted" {
			require.True(t, rpc.IsSent(err), "%s: what became of the request is not known: %v", name, err)
		} else {
			await(t, conn.Done())
		}
		require.NoError(t, conn.Close())
	}
}

func TestDialGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = rpc.Dial(ctx, l.Addr().String(), rpc.ConnOptions{}) // nobody says welcome
	require.Error(t, err)
	_, err = rpc.Dial(context.Background(), l.Addr().String(), rpc.ConnOptions{HelloTimeout: 10 * time.Millisecond})
	require.Error(t, err)
	require.NoError(t, l.Close())
	_, err = rpc.Dial(context.Background(), l.Addr().String(), rpc.ConnOptions{})
	require.ErrorContains(t, err, "connecting to")
}

func FuzzServer(f *testing.F) {
	p := listen(f, rpc.ServerOptions{HelloTimeout: time.Second})
	f.Add(uint8(3), []byte{0x95, 1, 1, 0, 0xa1, 'g', 0}, []byte{0x90})
	f.Add(uint8(3), []byte{0x95, 1, 10, 0, 0xa1, 'g', 0}, []byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add(uint8(5), []byte{0x92, 1, 1}, []byte(nil))
	f.Add(uint8(6), []byte{0x91, 1}, []byte(nil))
	f.Fuzz(func(t *testing.T, kind uint8, head, body []byte) {
		if len(head) > 4<<10 || len(body) > 1<<20 {
			return
		}
		conn := dialRaw(t, p.address)
		defer conn.Close()
		w := wire.NewWriter(conn, wire.Limits{})
		require.NoError(t, w.Append(1, true, []byte{0x92, 1, 1}))
		require.NoError(t, w.Append(kind, true, head, body))
		require.NoError(t, w.Flush())
		_, err := wire.NewReader(conn, wire.Limits{}).Next()
		require.NoError(t, err)
	})
}
