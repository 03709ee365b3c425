package transport_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
)

func sampleHello() transport.Hello {
	return transport.Hello{
		Protocol:    transport.Range{Min: 1, Max: 2},
		Format:      transport.Range{Min: 3, Max: 4},
		Cluster:     [16]byte{5, 6},
		ClusterName: "cluster",
		Node:        "node",
		Directory:   [16]byte{7, 8},
		To:          "to",
		Class:       transport.Image,
		Address:     "h:1",
		Newcomer:    true,
	}
}

// TestHelloBytes pins the encoding that docs/format.md draws.
func TestHelloBytes(t *testing.T) {
	want := []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}
	want = append(want, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	want = append(want, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	want = append(want, 3)
	want = append(want, "\x04node\x02to\x07cluster\x03h:1\x01"...)
	b := transport.AppendHello(nil, sampleHello())
	require.Equal(t, want, b)
	got, err := transport.DecodeHello(append(b, "what a later version adds"...))
	require.NoError(t, err)
	require.Equal(t, sampleHello(), got)
	for n := range want {
		_, err := transport.DecodeHello(want[:n])
		require.ErrorIs(t, err, transport.ErrHello, "%d bytes", n)
	}
}

func FuzzHello(f *testing.F) {
	f.Add(transport.AppendHello(nil, sampleHello()))
	f.Add(transport.AppendHello(nil, transport.Hello{}))
	f.Add(bytes.Repeat([]byte{0xff}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := transport.DecodeHello(b)
		if err != nil {
			require.ErrorIs(t, err, transport.ErrHello)
			return
		}
		require.True(t, bytes.HasPrefix(b, transport.AppendHello(nil, h)))
	})
}

func TestRanges(t *testing.T) {
	r := func(from, to uint32) transport.Range { return transport.Range{Min: from, Max: to} }
	require.True(t, r(1, 2).Overlaps(r(2, 3)))
	require.True(t, r(2, 3).Overlaps(r(1, 2)))
	require.True(t, r(1, 9).Overlaps(r(5, 5)))
	require.False(t, r(1, 2).Overlaps(r(3, 4)))
	require.False(t, r(3, 4).Overlaps(r(1, 2)))
	require.Equal(t, "3", r(3, 3).String())
	require.Equal(t, "3 to 4", r(3, 4).String())
	require.Equal(t, "control bulk image class(7)",
		transport.Control.String()+" "+transport.Bulk.String()+" "+transport.Image.String()+" "+transport.Class(7).String())
}
