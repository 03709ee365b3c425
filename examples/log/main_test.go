package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
)

// nodes is a cluster on ports that are free: the listeners are there before the nodes are.
func nodes(t *testing.T, dir string) []node.Options {
	t.Helper()
	var peers []node.Peer
	var all []node.Options
	for _, id := range []node.NodeID{"n1", "n2", "n3"} {
		tcp, err := transport.NewTCP(transport.TCPOptions{Address: "127.0.0.1:0"})
		require.NoError(t, err)
		t.Cleanup(func() { tcp.Close() }) // the node has closed it, if it was opened
		peers = append(peers, node.Peer{ID: id, Address: tcp.Addr()})
		all = append(all, node.Options{Dir: filepath.Join(dir, string(id)), ID: id, Transport: tcp, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	}
	for i := range all {
		all[i].Peers = peers
	}
	return all
}

// TestMessagesAreReadInPlaceOnEveryBroker runs the program twice over one directory: the second run finds the messages of the first.
func TestMessagesAreReadInPlaceOnEveryBroker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	once := " created paid shipped"
	for earlier := ""; len(earlier) < 2*len(once); earlier += once + " delivered" {
		var out bytes.Buffer
		require.NoError(t, run(context.Background(), nodes(t, dir), &out))
		require.Equal(t, 3, count(out.String(), "has"+earlier+once), "%s", out.String())
		require.Equal(t, 2, count(out.String(), "has"+earlier+once+" delivered"), "%s", out.String())
		require.Equal(t, 1, count(out.String(), "is stopped"), "%s", out.String())
	}
}

// count is the number of lines that end with text.
func count(out, text string) int {
	n := 0
	for line := range strings.Lines(out) {
		if strings.HasSuffix(strings.TrimSuffix(line, "\n"), text) {
			n++
		}
	}
	return n
}

func TestProduceRefusesATopicThatCannotBeNamed(t *testing.T) {
	t.Parallel()
	b, err := OpenBroker(node.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	for _, topic := range []string{"", strings.Repeat("x", 256)} {
		_, err := b.Produce(context.Background(), topic, []byte("payload"))
		require.ErrorContains(t, err, "1 to 255 bytes")
	}
}
