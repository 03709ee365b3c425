package server

import (
	"context"
	"net"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// maxReads is how many ranges and hashes are read at a time, over all connections: each holds up to maxReadBytes.
const maxReads = 16

// Server serves the client port of a node. All methods may be called from any goroutine.
type Server struct {
	opts Options
	rpc  *rpc.Server
	// groups is fixed: the served groups by name.
	groups map[string]*served
	// reads holds a token for each read that holds much in memory.
	reads chan struct{}
	// ctx ends with the server, and with it what waits for a log to grow.
	ctx  context.Context
	stop context.CancelFunc
}

// served is a group and what is kept for serving it.
type served struct {
	Group
	progress progress
}

// New makes a server. It listens nowhere yet.
func New(opts Options) (*Server, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	s := &Server{opts: opts, groups: map[string]*served{}, reads: make(chan struct{}, maxReads)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for _, g := range opts.Groups {
		s.groups[g.Name] = &served{Group: g, progress: progress{group: g.Group}}
	}
	s.rpc = rpc.NewServer(rpc.ServerOptions{Cluster: opts.Cluster, Node: string(opts.Node.ID()), Handler: handler{s}, Log: opts.Logger})
	return s, nil
}

// Serve takes connections from a listener, which it closes in the end. It blocks until Shutdown or Close, and returns nil then, or why the
// listener failed.
func (s *Server) Serve(l net.Listener) error {
	if err := s.rpc.Serve(l); err != rpc.ErrClosed {
		return err
	}
	return nil
}

// Shutdown takes no more requests, tells clients to go elsewhere and waits for the requests under way, until ctx is done; then it
// closes at once and returns ctx's error. The node is to be closed after it.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.rpc.Shutdown(ctx)
	s.stop()
	s.wait()
	return err
}

// Close ends everything at once: requests under way are given up.
func (s *Server) Close() error {
	err := s.rpc.Close()
	s.stop()
	s.wait()
	return err
}

// wait blocks until nothing of the server runs. REQUIRES: stop was called.
func (s *Server) wait() {
	for _, g := range s.groups {
		g.progress.running.Wait()
	}
}

// read runs f when there is room for what it will hold in memory.
func (s *Server) read(ctx context.Context, f func() error) error {
	select {
	case s.reads <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.reads }()
	return f()
}
