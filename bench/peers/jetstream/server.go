package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// account is the one that clients without a name are in.
const account = "$G"

// server is a trio.Member.
type server struct {
	nats    *natsserver.Server
	spec    trio.Spec
	clients [connections]*client // by a pipe in this process
	alone   bool
	founded atomic.Bool // Found has succeeded here
}

func open(_ context.Context, spec trio.Spec) (*server, error) {
	opts, err := options(spec)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	s := &server{spec: spec, alone: len(spec.Addresses) == 1}
	if s.nats, err = natsserver.NewServer(opts); err != nil {
		return nil, fmt.Errorf("jetstream: opening the server in %s: %w", spec.Dir, err)
	}
	s.nats.Start()
	if !s.nats.ReadyForConnections(30 * time.Second) {
		return nil, errors.Join(fmt.Errorf("jetstream: expected the server in %s to take connections within 30 s", spec.Dir), s.Close())
	}
	for i := range s.clients {
		if s.clients[i], err = dial(spec, nil, nats.InProcessServer(s.nats)); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func options(spec trio.Spec) (*natsserver.Options, error) {
	host, port, err := split(spec.Address(clientAddress))
	if err != nil {
		return nil, err
	}
	routeHost, routePort, err := split(spec.Address(routeAddress))
	if err != nil {
		return nil, err
	}
	opts := &natsserver.Options{
		ServerName: serverName(spec.Node),
		Host:       host, Port: port,
		JetStream: true, StoreDir: spec.Dir, JetStreamMaxStore: 64 << 30, JetStreamMaxMemory: 1 << 30,
		SyncAlways: spec.Option != lazily,
		NoLog:      true, NoSigs: true, DisableJetStreamBanner: true,
	}
	if len(spec.Addresses) > 1 {
		opts.Cluster = natsserver.ClusterOpts{Name: "bench", Host: routeHost, Port: routePort}
		for _, addresses := range spec.Addresses {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: addresses[routeAddress]})
		}
	}
	return opts, nil
}

func split(address string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(digits)
	return host, port, err
}

func serverName(node int) string { return fmt.Sprintf("node%d", node) }

// Found makes what every group needs. A cluster that has just come up refuses for a while.
func (s *server) Found(ctx context.Context) error {
	for g := range max(s.spec.Setup.Groups, 1) {
		if err := s.found(ctx, g); err != nil {
			return err
		}
	}
	s.founded.Store(true)
	return nil
}

func (s *server) found(ctx context.Context, group int) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.clients[0].create(ctx, group, len(s.spec.Addresses))
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("jetstream: creating group %d: %w; the server's last word was: %w", group, ctx.Err(), err)
		}
	}
}

func (s *server) Leads(group int) bool {
	if s.alone {
		return s.founded.Load()
	}
	return s.nats.JetStreamIsStreamLeader(account, s.clients[0].stream(group))
}

// HandOver lets the server step down, with another as the one that is preferred.
func (s *server) HandOver(ctx context.Context, group, to int) error {
	request, err := json.Marshal(map[string]any{"placement": map[string]string{"preferred": serverName(to)}})
	if err != nil {
		return err
	}
	said, err := s.clients[0].conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+s.clients[0].stream(group), request)
	if err != nil {
		return err
	}
	var reply struct{ Error *natsserver.ApiError }
	if err := json.Unmarshal(said.Data, &reply); err != nil {
		return err
	}
	if reply.Error != nil {
		return reply.Error
	}
	return nil
}

// Applied is the sequence number of the last message that this server has stored, 0 if it doesn't say.
func (s *server) Applied(group int) uint64 {
	all, err := s.nats.JszAccount(&natsserver.JSzOptions{Account: account, Streams: true})
	if err != nil {
		return 0
	}
	for _, stream := range all.Streams {
		if stream.Name == s.clients[0].stream(group) {
			return stream.State.LastSeq
		}
	}
	return 0
}

func (s *server) Close() error {
	for _, c := range s.clients {
		if c != nil {
			c.conn.Close()
		}
	}
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	return nil
}
