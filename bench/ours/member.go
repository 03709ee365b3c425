package ours

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/node"
)

// lease is that of the groups which are read by lease: below the election timeout, well above the heartbeats.
const lease = 400 * time.Millisecond

// spec says what a member is; it travels to other processes as JSON.
type spec struct {
	// ID names it among Peers. Dir is its own directory.
	ID     string `json:"id"`
	Dir    string `json:"dir"`
	Peers  []port `json:"peers"`
	Engine string `json:"engine"`
	Groups int    `json:"groups"`
	Log    bool   `json:"log"`
	Lease  bool   `json:"lease"`
	// SmallLog: little log is kept, and images are made often.
	SmallLog bool `json:"small_log"`
	// Serve: it has a client port.
	Serve bool `json:"serve"`
}

// port is where a member is reached.
type port struct {
	ID     string `json:"id"`
	Peer   string `json:"peer"`
	Client string `json:"client"`
}

// member is a node with its groups.
type member struct {
	spec    spec
	fs      *countingFS
	factory *kv.Factory
	node    *node.Node
	groups  []group
	server  *server.Server
	serving sync.WaitGroup
}

// group is a replica, with its store unless it is a log.
type group struct {
	*node.Group
	store *kv.Store
}

// groupName names the group with a number from 0 on.
func groupName(log bool, number int) string {
	kind := "kv"
	if log {
		kind = "log"
	}
	if number == 0 {
		return kind
	}
	return fmt.Sprintf("%s-%d", kind, number)
}

// openMember opens a node, its groups and its client port. It blocks while the logs are recovered.
func openMember(s spec) (*member, error) {
	m := &member{spec: s, fs: &countingFS{FS: fs.OS}}
	if err := m.open(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *member) open() (err error) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	engines := kv.EngineOptions{Dir: filepath.Join(m.spec.Dir, "engines"), Logger: quiet}
	if m.factory, err = kv.NewFactory(kv.EngineKind(m.spec.Engine), engines); err != nil {
		return err
	}
	opts := node.Options{Dir: m.spec.Dir, ID: node.NodeID(m.spec.ID), FS: m.fs, Logger: quiet}
	if len(m.spec.Peers) > 1 {
		for _, p := range m.spec.Peers {
			opts.Peers = append(opts.Peers, node.Peer{ID: node.NodeID(p.ID), Address: p.Peer})
		}
	}
	if m.node, err = node.Open(opts); err != nil {
		return err
	}
	for i := range m.spec.Groups {
		if err := m.openGroup(i); err != nil {
			return err
		}
	}
	if m.spec.Serve {
		return m.serve(quiet)
	}
	return nil
}

func (m *member) openGroup(number int) error {
	opts := node.GroupOptions{ID: node.GroupID(number + 1), Name: groupName(m.spec.Log, number)}
	if !m.spec.Log {
		opts.Factory = m.factory
	}
	if m.spec.Lease {
		opts.Lease = lease
	}
	if m.spec.SmallLog {
		opts.SegmentSize, opts.ImageEveryBytes, opts.KeepBytes = 1<<20, 4<<20, 1<<20
	}
	g, err := m.node.OpenGroup(opts)
	if err != nil {
		return err
	}
	out := group{Group: g}
	if !m.spec.Log {
		if out.store, err = kv.Attach(g); err != nil {
			return err
		}
	}
	m.groups = append(m.groups, out)
	return nil
}

// serve opens the client port.
func (m *member) serve(log *slog.Logger) error {
	opts := server.Options{Node: m.node, Dir: m.spec.Dir, Logger: log}
	var listen string
	for _, p := range m.spec.Peers {
		opts.Members = append(opts.Members, server.Member{ID: node.NodeID(p.ID), Peer: p.Peer, Client: p.Client})
		if p.ID == m.spec.ID {
			listen = p.Client
		}
	}
	for _, g := range m.groups {
		served := server.Group{ID: g.ID(), Name: g.Name(), Group: g.Group, Store: g.store}
		if g.store != nil {
			served.Engine = m.spec.Engine
		}
		opts.Groups = append(opts.Groups, served)
	}
	s, err := server.New(opts)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("ours: the client port of %s: %w", m.spec.ID, err)
	}
	m.server = s
	m.serving.Go(func() { _ = s.Serve(l) }) // it ends with the server
	return nil
}

// close closes what is open.
func (m *member) close() error {
	m.fs.gate.set(false)
	var errs []error
	if m.server != nil {
		errs = append(errs, m.server.Close())
		m.serving.Wait()
	}
	if m.node != nil {
		errs = append(errs, m.node.Close())
	}
	if m.factory != nil {
		errs = append(errs, m.factory.Close())
	}
	return errors.Join(errs...)
}

// ports chooses free ports on loopback for so many members.
func ports(n int) ([]port, error) {
	var out []port
	for i := range n {
		p := port{ID: fmt.Sprintf("n%d", i+1)}
		for _, address := range []*string{&p.Peer, &p.Client} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, fmt.Errorf("ours: looking for a free port: %w", err)
			}
			defer l.Close() // all are held until all are chosen, so that none is chosen twice
			*address = l.Addr().String()
		}
		out = append(out, p)
	}
	return out, nil
}
