package sim

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// The groups of a Scenario.
const (
	kvGroup  = "kv"
	logGroup = "log"
)

// Scenario is a workload with everything in it that a group goes through: elections, a conflict that truncates, rolls, images and their
// installation, trims, the reset of a log without a machine, a transfer. It keeps what was acknowledged, and Check holds the
// replicas against it.
type Scenario struct {
	*Cluster
	flights []flight
	// acked is what clients were told is durable: in the store by key, in the log by index.
	ackedKeys map[string][]byte
	ackedLog  map[raft.Index][]byte
	keys      []string // of ackedKeys, in order
	indexes   []raft.Index
	written   int
	// downSince says since when a server has had no power.
	downSince map[*Server]time.Duration
	// Reached counts the situations that the run has been in; a run without a power cut reaches all of them.
	Reached map[string]int
}

// The situations that a Scenario is made for.
const (
	reachedTruncation = "an uncommitted entry was replaced"
	reachedInstall    = "an image was installed"
	reachedReset      = "a log without a machine was reset to a base"
	reachedRoll       = "the log rolled over into another segment"
	reachedTransfer   = "leadership was transferred"
)

// flight is a write that has not been answered yet.
type flight struct {
	group string
	key   string
	body  []byte
	wait  *node.Pending
}

// ScenarioGroups are a store and a log, both with limits so small that a short run reaches them.
func ScenarioGroups() []node.GroupOptions {
	return []node.GroupOptions{
		{ID: 1, Name: kvGroup, SegmentSize: 1 << 16, ImageEveryEntries: 30, KeepBytes: 8 << 10},
		{ID: 2, Name: logGroup, SegmentSize: 1 << 16, KeepBytes: 40 << 10},
	}
}

// NewScenario makes a scenario over a cluster whose groups are ScenarioGroups.
func NewScenario(c *Cluster) *Scenario {
	return &Scenario{Cluster: c, ackedKeys: map[string][]byte{}, ackedLog: map[raft.Index][]byte{}, downSince: map[*Server]time.Duration{},
		Reached: map[string]int{}}
}

// restartAfter is how long a server stays without power.
const restartAfter = 300 * time.Millisecond

// phaseLimit bounds each phase in virtual time. It is generous: with one node without power and elections to hold, seconds pass.
const phaseLimit = 60 * time.Second

// Play runs the scenario to its end. An error says what did not come about, or why a server could not start.
func (s *Scenario) Play() error {
	for _, x := range s.servers {
		if err := x.Start(); err != nil {
			return err
		}
	}
	phases := []struct {
		name string
		run  func() error
	}{
		{"first writes", func() error { return s.write(kvGroup, 12) }},
		{"first appends", func() error { return s.write(logGroup, 8) }},
		{"a conflict", s.conflict},
		{"an absence that outlasts the log", s.absence},
		{"a transfer", s.transfer},
		{"last writes", func() error { return s.write(kvGroup, 6) }},
		{"convergence", s.Converge},
	}
	for _, p := range phases {
		if err := p.run(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// until steps until done, tending the servers and the writes that are under way.
func (s *Scenario) until(what string, done func() bool) error {
	return s.Run(what, phaseLimit, func() bool {
		s.tend()
		s.land()
		return done()
	})
}

// tend starts servers again that have been without power for a while.
func (s *Scenario) tend() {
	for _, x := range s.servers {
		if x.node != nil {
			delete(s.downSince, x)
			continue
		}
		since, known := s.downSince[x]
		if !known {
			s.downSince[x] = s.Now()
		} else if s.Now()-since >= restartAfter && x.Err == nil {
			x.Start() // an error stays in x.Err, where Run finds it
			delete(s.downSince, x)
		}
	}
}

// land takes in what has been answered.
func (s *Scenario) land() {
	s.flights = slices.DeleteFunc(s.flights, func(f flight) bool {
		out, known, err := f.wait.Poll()
		if known && err == nil {
			if f.group == kvGroup {
				s.ackedKeys[f.key] = f.body
				s.keys = append(s.keys, f.key)
			} else {
				s.ackedLog[out.Index] = f.body
				s.indexes = append(s.indexes, out.Index)
			}
		}
		return known
	})
}

// submit sends one write of a new key to a server. What it wrote and what came of it is taken in by land.
func (s *Scenario) submit(x *Server, group string) {
	s.written++
	key := fmt.Sprintf("key-%05d", s.written)
	value := bytes.Repeat([]byte(key), 40+200*(s.written%3))
	body := value
	if group == kvGroup {
		body = kv.AppendPut(nil, []byte(key), value)
	}
	if wait, err := x.node.Group(group).Submit(body, node.Checksum(body)); err == nil {
		s.flights = append(s.flights, flight{group, key, value, wait})
	}
}

// write goes on until n more writes were acknowledged, a few at a time.
func (s *Scenario) write(group string, n int) error {
	acked := func() int { return len(s.ackedKeys) + len(s.ackedLog) }
	goal := acked() + n
	lost := s.Now()
	return s.until(fmt.Sprintf("%d acknowledged writes to %s", n, group), func() bool {
		if s.Now()-lost > time.Second { // those to a server that has lost its power are never answered
			s.flights, lost = nil, s.Now()
		}
		if x := s.Leader(group); x != nil && len(s.flights) < 4 && acked()+len(s.flights) < goal {
			s.submit(x, group)
		}
		return acked() >= goal
	})
}

// isolate cuts a server off from the others, both ways.
func (s *Scenario) isolate(x *Server) {
	for _, y := range s.servers {
		if y != x {
			s.network.Cut(x.ID(), y.ID())
			s.network.Cut(y.ID(), x.ID())
		}
	}
}

// conflict lets a leader append what it can't commit, while the others elect another and go on.
func (s *Scenario) conflict() error {
	if err := s.until("a leader", func() bool { return s.Leader(kvGroup) != nil && s.Leader(logGroup) != nil }); err != nil {
		return err
	}
	old := s.Leader(kvGroup)
	s.isolate(old)
	for range 3 { // one flush after the other, so that the mark covers some of it
		if err := s.appendTo(old); err != nil {
			return err
		}
	}
	err := s.until("another leader", func() bool {
		x := s.Leader(kvGroup)
		return x != nil && x != old
	})
	if err == nil {
		err = s.write(kvGroup, 4)
	}
	loser := raft.EntryID{}
	if old.node != nil {
		loser = old.node.Group(kvGroup).Ledger().Last()
	}
	s.network.HealAll()
	if err == nil {
		err = s.write(kvGroup, 4)
	}
	if err == nil {
		err = s.Converge()
	}
	if err == nil {
		if term, lookup := old.node.Group(kvGroup).Ledger().TermAt(loser.Index); lookup == nil && term != loser.Term {
			s.Reached[reachedTruncation]++
		}
	}
	return err
}

// appendTo has a leader append and flush one entry, committed or not, unless it loses its power.
func (s *Scenario) appendTo(x *Server) error {
	if x.node == nil {
		return nil
	}
	before := x.node.Group(kvGroup).Ledger().Last().Index
	s.submit(x, kvGroup)
	return s.until("the flush of an entry", func() bool {
		if x.node == nil {
			return true
		}
		g := x.node.Group(kvGroup)
		last := g.Ledger().Last().Index
		return last > before && g.Synced() == last || g.Role().Role != raft.Leader
	})
}

// absence keeps a follower away until the others have trimmed what it would need.
func (s *Scenario) absence() error {
	if err := s.until("all servers and leaders", func() bool {
		return s.allUp() && s.Leader(kvGroup) != nil && s.Leader(logGroup) != nil
	}); err != nil {
		return err
	}
	away := s.servers[0]
	if away == s.Leader(kvGroup) || away == s.Leader(logGroup) {
		away = s.servers[1]
	}
	if away == s.Leader(kvGroup) || away == s.Leader(logGroup) {
		away = s.servers[2]
	}
	s.isolate(away)
	err := s.outlast(away, kvGroup)
	if err == nil {
		err = s.outlast(away, logGroup)
	}
	s.network.HealAll()
	if err != nil {
		return err
	}
	return s.Converge()
}

// outlast writes to a group until its leader's log begins behind what a server has of it.
func (s *Scenario) outlast(away *Server, group string) error {
	last := raft.Index(0)
	if away.node != nil {
		last = away.node.Group(group).Ledger().Last().Index
	}
	behind := func() bool {
		x := s.Leader(group)
		return x != nil && x.node.Group(group).Ledger().Base().ID.Index > last
	}
	for !behind() {
		if err := s.write(group, 8); err != nil {
			return err
		}
		wait := s.Now() + outlastPause // retention is looked at from time to time
		if err := s.until("time to pass", func() bool { return behind() || s.Now() > wait }); err != nil {
			return err
		}
	}
	return nil
}

// outlastPause is how long outlast waits between writes for the log's head to go.
const outlastPause = 50 * time.Millisecond

func (s *Scenario) transfer() error {
	if err := s.until("a leader", func() bool { return s.allUp() && s.Leader(kvGroup) != nil }); err != nil {
		return err
	}
	from := s.Leader(kvGroup)
	to := s.servers[(from.number+1)%len(s.servers)]
	if err := from.node.Group(kvGroup).StartTransfer(to.ID()); err != nil {
		return err
	}
	if err := s.write(kvGroup, 4); err != nil {
		return err
	}
	if s.Leader(kvGroup) == to {
		s.Reached[reachedTransfer]++
	}
	return nil
}

func (s *Scenario) allUp() bool {
	return !slices.ContainsFunc(s.servers, func(x *Server) bool { return x.node == nil })
}

// Converge waits until every server is up and every replica has applied the same, with nothing under way.
func (s *Scenario) Converge() error {
	return s.until("convergence", func() bool {
		if !s.allUp() {
			return false
		}
		for _, name := range []string{kvGroup, logGroup} {
			leader := s.Leader(name)
			if leader == nil {
				return false
			}
			want := leader.node.Group(name).Ledger().Last().Index
			for _, x := range s.servers {
				if g := x.node.Group(name); g.Applied() != want || g.Ledger().Last().Index != want {
					return false
				}
			}
		}
		return true
	})
}

// Check holds every replica against what was acknowledged and against each other. The cluster has converged.
func (s *Scenario) Check() error {
	var faults []error
	for _, x := range s.servers {
		s.lookBack(x)
		machine := x.node.Group(kvGroup).Machine().(*kv.Machine)
		for _, key := range s.keys {
			got, err := machine.Get([]byte(key), 0)
			if err != nil || !bytes.Equal(got.Item.Value, s.ackedKeys[key]) {
				faults = append(faults, fmt.Errorf("%s: acknowledged key %s is lost or changed: %v", x.ID(), key, err))
			}
		}
		log := x.node.Group(logGroup).Ledger()
		for _, i := range s.indexes {
			if i <= log.Base().ID.Index {
				continue
			}
			rec, err := log.Record(i)
			if err != nil || !bytes.Equal(rec.Body, s.ackedLog[i]) {
				faults = append(faults, fmt.Errorf("%s: acknowledged entry %d of the log is lost or changed: %v", x.ID(), i, err))
			}
		}
	}
	for _, name := range []string{kvGroup, logGroup} {
		faults = append(faults, s.compare(name))
	}
	return errors.Join(append(faults, s.compareStates())...)
}

// compareStates demands the same state of every machine; all have applied the same.
func (s *Scenario) compareStates() error {
	var first [32]byte
	for i, x := range s.servers {
		img, err := x.node.Group(kvGroup).Machine().Image()
		if err != nil {
			return fmt.Errorf("%s: %w", x.ID(), err)
		}
		hash, err := image.Hash(img)
		if err := errors.Join(err, img.Close()); err != nil {
			return fmt.Errorf("%s: hashing the state: %w", x.ID(), err)
		}
		if i == 0 {
			first = hash
		}
		if hash != first {
			return fmt.Errorf("%s: the state at index %d is %x, that of %s is %x", x.ID(), img.Applied(), hash, s.servers[0].ID(), first)
		}
	}
	return nil
}

// lookBack notes what a server's files tell of what it went through.
func (s *Scenario) lookBack(x *Server) {
	store, log := x.node.Group(kvGroup).Ledger(), x.node.Group(logGroup).Ledger()
	if store.EngineEpoch() > firstEpoch {
		s.Reached[reachedInstall]++
	}
	if dirs, err := x.disk.List("data/groups/0000000000000002"); err == nil && !slices.Contains(dirs, "ledger-00000001") {
		s.Reached[reachedReset]++
	}
	if store.End() > raft.Position(store.SegmentSize()) && log.End() > raft.Position(log.SegmentSize()) {
		s.Reached[reachedRoll]++
	}
}

// firstEpoch is the epoch of a machine that has never been replaced by an image.
const firstEpoch = 1

// compare demands equal bytes, positions and checksums of all replicas over the range that all hold.
func (s *Scenario) compare(name string) error {
	first := s.servers[0].node.Group(name).Ledger()
	from, to := first.Base().ID.Index+1, first.Last().Index
	for _, x := range s.servers[1:] {
		l := x.node.Group(name).Ledger()
		from, to = max(from, l.Base().ID.Index+1), min(to, l.Last().Index)
	}
	for i := from; i <= to; i++ {
		want, err := first.Record(i)
		if err != nil {
			return fmt.Errorf("%s: reading entry %d of %s: %w", s.servers[0].ID(), i, name, err)
		}
		for _, x := range s.servers[1:] {
			got, err := x.node.Group(name).Ledger().Record(i)
			if err != nil || !bytes.Equal(got.Raw, want.Raw) || got.Position != want.Position {
				return fmt.Errorf("%s: entry %d of %s differs from that of %s: %v", x.ID(), i, name, s.servers[0].ID(), err)
			}
		}
	}
	return nil
}
