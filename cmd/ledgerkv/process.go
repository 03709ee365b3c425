package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// process is a node with its ports, from its opening to its end.
type process struct {
	dir     string
	config  *config.Config
	log     *slog.Logger
	metrics *server.Metrics
	// client and admin are held from the beginning, so that a port in use is found before anything is opened.
	client, admin net.Listener
	factory       *kv.Factory
	node          *node.Node
	groups        []server.Group
	server        *server.Server
	web           *http.Server
	loops         sync.WaitGroup
	// watching ends with the process's end, and what watches the groups with it.
	watching context.Context
	unwatch  context.CancelFunc
}

// serve runs a node until ctx is done.
func serve(ctx context.Context, dir string, c *config.Config, call *cli.Call) error {
	level, err := c.Level()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(call.Err, &slog.HandlerOptions{Level: level})).With("node", c.ID)
	p := &process{dir: dir, config: c, log: log, metrics: server.NewMetrics()}
	p.watching, p.unwatch = context.WithCancel(context.Background())
	if err := p.open(); err != nil {
		return errors.Join(err, p.close())
	}
	failed := p.start()
	absolute, err := filepath.Abs(dir)
	if err == nil {
		_, err = fmt.Fprintf(call.Out, "%s pid=%d client=%s peer=%s admin=%s dir=%s\n", c.ID, os.Getpid(), c.Client, c.Peer, c.Admin, absolute)
	}
	if err == nil && c.Join && !p.member() {
		_, err = fmt.Fprintf(call.Out, "%s is in no group yet; add it, with --endpoints of the cluster: %s\n", c.ID, joinLine(c))
	}
	if err == nil {
		select {
		case <-ctx.Done():
			p.log.Info("stopping")
		case err = <-failed:
		}
	}
	p.leave(context.Cause(ctx) != errTether)
	return errors.Join(err, p.close())
}

// joinLine is the command that adds a node.
func joinLine(c *config.Config) string {
	address := c.Peer
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("HOST", port)
		}
	}
	return fmt.Sprintf("%s member add %s=%s", programName(), c.ID, address)
}

// member says whether this node is in a group, as far as it knows.
func (p *process) member() bool {
	return slices.ContainsFunc(p.groups, func(g server.Group) bool {
		if g.Group == nil {
			return false
		}
		_, in := g.Group.Members().Configuration.Member(p.node.ID())
		return in
	})
}

// open takes the ports and opens the node and its groups.
func (p *process) open() (err error) {
	if p.client, err = listen("client", p.config.Client); err != nil {
		return err
	}
	if p.admin, err = listen("admin", p.config.Admin); err != nil {
		return err
	}
	engines := kv.EngineOptions{Dir: filepath.Join(p.dir, "engines"), CacheBytes: p.config.Limits.CacheBytes, Logger: p.log}
	if p.factory, err = kv.NewFactory(p.config.Engine, engines); err != nil {
		return err
	}
	if p.node, err = node.Open(p.nodeOptions()); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return portInUse("peer", p.config.Peer, err)
		}
		return err
	}
	if err := p.openGroups(); err != nil {
		return err
	}
	p.server, err = server.New(p.serverOptions())
	return err
}

// listen takes a port.
func listen(flagName, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, portInUse(flagName, address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s (--%s): %w", address, flagName, err)
	}
	return l, nil
}

func portInUse(flagName, address string, err error) error {
	return fmt.Errorf("the port of %s is in use: stop the process that has it, or choose another address with --%s or in %s: %w",
		address, flagName, config.FileName, err)
}

func (p *process) nodeOptions() node.Options {
	c := p.config
	opts := node.Options{Dir: p.dir, ID: node.NodeID(c.ID), Cluster: c.Cluster, Listen: c.Peer, Logger: p.log, Hooks: p.metrics.Hooks(),
		TickInterval: time.Duration(c.Timings.Tick), HeartbeatInterval: time.Duration(c.Timings.Heartbeat), ElectionTimeout: time.Duration(c.Timings.Election),
		ImageBytesPerSecond: c.Limits.ImageBytesPerSecond, ScrubBytesPerSecond: c.Limits.Scrub()}
	opts.Join = c.Join
	if c.Join { // whom it joins it learns from them
		opts.Peers = []node.Peer{{ID: opts.ID, Address: c.Peer}}
		return opts
	}
	for _, m := range c.Members() {
		opts.Peers = append(opts.Peers, node.Peer{ID: node.NodeID(m.ID), Address: m.Peer})
	}
	return opts
}

// openGroups opens the groups. One that is damaged is left out, loudly, and the others are served; if none can be opened, or the directory
// is another's, the node does not run.
func (p *process) openGroups() error {
	var damaged []error
	for _, g := range p.config.Groups {
		opened, err := p.openGroup(g)
		var corrupt *ledger.CorruptionError
		if err != nil && !errors.As(err, &corrupt) {
			return err
		}
		if err != nil {
			p.log.Error("a group could not be opened; the others are served, /healthz fails", "group", g.Name, "err", err)
			damaged = append(damaged, err)
			opened = server.Group{ID: node.GroupID(g.ID), Name: g.Name, Err: err}
		}
		p.groups = append(p.groups, opened)
	}
	if len(damaged) == len(p.config.Groups) {
		return fmt.Errorf("no group could be opened: %w", errors.Join(damaged...))
	}
	return nil
}

func (p *process) openGroup(g config.Group) (server.Group, error) {
	opts := node.GroupOptions{ID: node.GroupID(g.ID), Name: g.Name, SegmentSize: g.SegmentSize, KeepBytes: g.KeepBytes, KeepFor: time.Duration(g.KeepFor),
		ImageEveryBytes: g.ImageBytes, ImageEveryEntries: g.ImageCount, Lease: time.Duration(p.config.Timings.Lease)}
	out := server.Group{ID: opts.ID, Name: g.Name}
	if g.Kind == config.KindKV {
		opts.Factory, out.Engine = p.factory, string(p.config.Engine)
	}
	var err error
	if out.Group, err = p.node.OpenGroup(opts); err != nil {
		return out, err
	}
	if g.Kind == config.KindKV {
		out.Store, err = kv.Attach(out.Group)
	}
	return out, err
}

func (p *process) serverOptions() server.Options {
	absolute, err := filepath.Abs(p.dir)
	if err != nil {
		absolute = p.dir
	}
	opts := server.Options{Node: p.node, Groups: p.groups, Cluster: p.config.Cluster, Dir: absolute, Version: version(), ClientOf: config.ClientOf, Metrics: p.metrics, Logger: p.log}
	for _, m := range p.config.Members() {
		opts.Members = append(opts.Members, server.Member{ID: node.NodeID(m.ID), Peer: m.Peer, Client: m.Client, Admin: m.Admin})
	}
	return opts
}

// start serves the ports. What ends one of them before its time is sent to the result.
func (p *process) start() <-chan error {
	failed := make(chan error, 2)
	p.web = &http.Server{Handler: p.server.Admin(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelWarn)}
	p.loops.Go(func() {
		if err := p.server.Serve(p.client); err != nil {
			failed <- fmt.Errorf("serving clients: %w", err)
		}
	})
	p.loops.Go(func() {
		if err := p.web.Serve(p.admin); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving the admin port: %w", err)
		}
	})
	for _, g := range p.groups {
		if g.Group != nil {
			p.loops.Go(func() { p.watch(g.Group) })
		}
	}
	return failed
}

// watch logs who leads a group, each time that changes; of this node once it serves as the leader.
func (p *process) watch(g *node.Group) {
	log := p.log.With("group", g.Name())
	var said node.RoleState
	for {
		s, err := g.AwaitRole(p.watching, said.Seq)
		if err != nil {
			return
		}
		switch {
		case s.Err != nil: // which the node has logged
		case s.Ready && !said.Ready:
			log.Info("this node leads the group and serves it", "term", s.Term)
		case s.Leader == "" && said.Leader != "":
			log.Info("the group has no leader", "term", s.Term)
		case s.Leader != "" && s.Leader != p.node.ID() && (s.Leader != said.Leader || s.Term != said.Term):
			log.Info("another node leads the group", "leader", s.Leader, "term", s.Term)
		}
		said = s
	}
}

// How long each step of a clean end may take.
const (
	transferWait = 2 * time.Second
	drainWait    = 3 * time.Second
)

// leave hands leaderships over, if there is somebody to take them, and lets the requests under way finish, within bounds.
func (p *process) leave(handOver bool) {
	if handOver {
		ctx, cancel := context.WithTimeout(context.Background(), transferWait)
		p.handOver(ctx)
		cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainWait)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		p.log.Warn("some requests were cut off", "err", err)
	}
}

// handOver transfers each group that this node leads.
func (p *process) handOver(ctx context.Context) {
	var under sync.WaitGroup
	for _, g := range p.groups {
		if g.Group != nil {
			under.Go(func() { p.handOverGroup(ctx, g.Group) })
		}
	}
	under.Wait()
}

// handOverGroup offers a group that this node leads to one voter after the other until one takes it, each for its share of the time.
func (p *process) handOverGroup(ctx context.Context, g *node.Group) {
	status, err := g.Status(ctx)
	if err != nil {
		return // it has stopped
	}
	log := p.log.With("group", g.Name())
	heirs := successors(status)
	var errs []error
	for _, to := range heirs {
		attempt, cancel := context.WithTimeout(ctx, transferWait/time.Duration(len(heirs)))
		err := g.Transfer(attempt, to)
		cancel()
		if now := g.Role().Leader; err == nil || now != "" && now != p.node.ID() {
			log.Info("leadership was handed over", "to", now)
			return
		}
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		log.Warn("leadership was not handed over; the others will elect a leader", "err", errors.Join(errs...))
	}
}

// successors gives the other voters of a group that this node leads, those first that have most of its log, and of equals those that were heard
// from last. Somebody who has acknowledged nothing yet is one, too: leadership may have come here a moment ago. None when it does not lead.
func successors(s node.Status) []node.NodeID {
	peers := slices.Clone(s.Peers) // a leader alone has them
	slices.SortStableFunc(peers, func(a, b raft.PeerStatus) int {
		return cmp.Or(cmp.Compare(b.Match, a.Match), cmp.Compare(b.Heard, a.Heard))
	})
	var voters []node.NodeID
	for _, peer := range peers {
		if s.Members.Configuration.IsVoter(peer.ID) {
			voters = append(voters, peer.ID)
		}
	}
	return voters
}

// close gives back whatever was opened.
func (p *process) close() error {
	p.unwatch()
	var errs []error
	if p.server != nil {
		errs = append(errs, p.server.Close())
	}
	if p.web != nil {
		errs = append(errs, p.web.Close())
	}
	for _, l := range []net.Listener{p.client, p.admin} {
		if l != nil {
			_ = l.Close() // closed already where it was served
		}
	}
	p.loops.Wait()
	if p.node != nil {
		errs = append(errs, p.node.Close())
	}
	if p.factory != nil {
		errs = append(errs, p.factory.Close())
	}
	return errors.Join(errs...)
}
