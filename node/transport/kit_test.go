package transport_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/node/transport/transporttest"
	"github.com/ledgerkv/ledgerkv/raft"
)

// ports knows where each node listens at the moment: nodes get a free port each time, and are dialed by id.
type ports struct {
	mu        sync.Mutex
	addresses map[raft.NodeID]string // guarded by mu
}

func (p *ports) dial(ctx context.Context, id string) (net.Conn, error) {
	p.mu.Lock()
	address := p.addresses[raft.NodeID(id)]
	p.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// tcpFabric connects nodes over sockets of the loopback device.
func tcpFabric(change func(*transport.TCPOptions)) func(testing.TB) transporttest.Fabric {
	return func(testing.TB) transporttest.Fabric {
		p := &ports{addresses: make(map[raft.NodeID]string)}
		return transporttest.Fabric{
			New: func(t testing.TB, id raft.NodeID) transport.Transport {
				opts := transport.TCPOptions{
					Address:   "127.0.0.1:0",
					Dial:      p.dial,
					Timeout:   20 * time.Second,
					RedialMin: time.Millisecond,
					RedialMax: 20 * time.Millisecond,
				}
				if change != nil {
					change(&opts)
				}
				tcp, err := transport.NewTCP(opts)
				require.NoError(t, err)
				p.mu.Lock()
				defer p.mu.Unlock()
				p.addresses[id] = tcp.Addr()
				return tcp
			},
			Address: func(id raft.NodeID) string { return string(id) },
		}
	}
}

func TestTCPConforms(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, tcpFabric(nil))
}

// TestTCPConformsWhilePinging: pings, at their most frequent, disturb nothing.
func TestTCPConformsWhilePinging(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, tcpFabric(func(o *transport.TCPOptions) { o.PingInterval = time.Millisecond }))
}

func TestNetworkConforms(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(testing.TB) transporttest.Fabric {
		n := transport.NewNetwork()
		return transporttest.Fabric{
			New:     func(_ testing.TB, id raft.NodeID) transport.Transport { return n.Transport(id) },
			Address: func(id raft.NodeID) string { return n.Transport(id).Addr() },
		}
	})
}

func TestManualNetworkConforms(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(testing.TB) transporttest.Fabric {
		n := transport.NewManualNetwork(1)
		return transporttest.Fabric{
			New:     func(_ testing.TB, id raft.NodeID) transport.Transport { return n.Transport(id) },
			Address: func(id raft.NodeID) string { return n.Transport(id).Addr() },
			Pump: func() {
				n.Dial()
				n.Step()
			},
		}
	})
}
