package rafttest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Stats counts what a simulation went through, so that a test can demand that it went through it.
type Stats struct {
	Elections, Commits, Crashes, Truncations, Installs, Reads, ReadsFailed, Configurations, Transfers, Partitions int
}

// Add sums two counts.
func (s Stats) Add(o Stats) Stats {
	return Stats{s.Elections + o.Elections, s.Commits + o.Commits, s.Crashes + o.Crashes, s.Truncations + o.Truncations, s.Installs + o.Installs,
		s.Reads + o.Reads, s.ReadsFailed + o.ReadsFailed, s.Configurations + o.Configurations, s.Transfers + o.Transfers, s.Partitions + o.Partitions}
}

// simulation is a cluster under a random schedule.
type simulation struct {
	*cluster
	rng   *rand.Rand
	stats Stats
	// proposed numbers the bodies.
	proposed uint64
	// loss is how many of a hundred messages are lost, and as many are repeated.
	loss int
	// reconfigure: the membership changes. static: neither does it, nor are logs compacted.
	reconfigure, static bool
}

// Simulate runs three to five replicas for a number of steps under the schedule that the seed stands for, then heals everything
// and demands that they agree and go on. It returns what broke, and with what seed; a panic of a core is returned, too.
func Simulate(seed uint64, steps int) (stats Stats, err error) {
	return Schedule{Seed: seed, Steps: steps}.Run()
}

// Run does what Simulate does, as the schedule has it.
func (plan Schedule) Run() (stats Stats, err error) {
	seed, rng := plan.Seed, rand.New(rand.NewPCG(plan.Seed, 0x1edbe11))
	s := &simulation{rng: rng, loss: rng.IntN(8), reconfigure: rng.IntN(2) == 0 && !plan.Static, static: plan.Static}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			err = fmt.Errorf("seed %d: %w", seed, err)
		}
		stats = s.stats
	}()
	settings := raft.Config{Seed: seed, MaxAppendBytes: 100 << rng.IntN(6), MaxInflightMessages: 1 + rng.IntN(8), LogOnly: rng.IntN(2) == 0}
	if plan.Start == nil {
		plan.Start = startOurs
	}
	if s.cluster, err = newClusterOf(plan.Start, randomMembers(rng), settings); err != nil {
		return s.stats, err
	}
	s.observe = plan.Observe
	for range plan.Steps {
		if err := s.step(); err != nil {
			return s.stats, err
		}
	}
	return s.stats, s.heal()
}

// randomMembers gives three to five members, the first three of them voters.
func randomMembers(rng *rand.Rand) raft.Configuration {
	var c raft.Configuration
	for i := range 3 + rng.IntN(3) {
		id := raft.NodeID(fmt.Sprintf("n%d", i+1))
		c.Members = append(c.Members, raft.Member{ID: id, Voter: i < 3 || rng.IntN(3) > 0, Priority: uint16(rng.IntN(2))})
	}
	return c
}

// step does one thing, and checks the log matching property now and then.
func (s *simulation) step() error {
	if s.rng.IntN(400) == 0 {
		if err := matching(s.replicas); err != nil {
			return err
		}
	}
	switch n := s.rng.IntN(1000); {
	case n < 450:
		return s.deliver()
	case n < 770:
		return s.work(s.any())
	case n < 870:
		return s.tickOne(s.any())
	case n < 997:
		s.client(s.any())
		return nil
	}
	return s.fault()
}

func (s *simulation) any() *replica { return s.replicas[s.rng.IntN(len(s.replicas))] }

// deliver hands over any message, or loses it, or leaves it to be delivered again.
func (s *simulation) deliver() error {
	if len(s.network) == 0 {
		return nil
	}
	i := s.rng.IntN(len(s.network))
	p := s.network[i]
	if s.rng.IntN(100) >= s.loss {
		last := len(s.network) - 1
		s.network[i] = s.network[last]
		s.network = s.network[:last]
	}
	return s.arrive(p, s.rng.IntN(100) < s.loss)
}

// work takes an output and makes some outputs durable.
func (s *simulation) work(r *replica) error {
	if r.core == nil {
		return nil
	}
	if r.core.HasOutput() {
		o, err := s.take(r)
		if err != nil {
			return err
		}
		s.count(&o)
	}
	if r.installable && s.rng.IntN(4) == 0 {
		r.failInstall()
	}
	r.install()
	return s.sync(r, s.rng.IntN(len(r.unsynced)+1))
}

func (s *simulation) count(o *raft.Output) {
	s.stats.Reads += len(o.Reads)
	s.stats.ReadsFailed += len(o.ReadsFailed)
	if o.Truncate != 0 {
		s.stats.Truncations++
	}
	if o.Install != nil {
		s.stats.Installs++
	}
	if o.ConfigurationChanged && o.Seq > 1 {
		s.stats.Configurations++
	}
	s.stats.Elections, s.stats.Commits = len(s.check.leaders), int(s.check.highest())
}

func (s *simulation) tickOne(r *replica) error {
	r.clock = r.clock.Add(tick * time.Duration(1+s.rng.IntN(3)))
	if r.core != nil {
		r.core.Tick(r.clock)
	}
	return nil
}

// client asks for something; a refusal is an answer like any other.
func (s *simulation) client(r *replica) {
	if r.core == nil {
		return
	}
	switch n := s.rng.IntN(100); {
	case n < 60:
		s.proposed++
		body := binary.LittleEndian.AppendUint64(nil, s.proposed)
		body = append(body, make([]byte, s.rng.IntN(100))...)
		_ = r.core.Propose([]raft.Entry{{Kind: raft.KindData, Size: raft.RecordSize(len(body)), Body: body}})
	case n < 90:
		_, _ = s.read(r)
	case n < 92:
		if r.core.Transfer(s.any().id) == nil {
			s.stats.Transfers++
		}
	case n < 93:
		_ = r.core.Resign("chance")
	case n < 96 && !s.static:
		s.compact(r)
	case s.reconfigure:
		_ = r.core.ProposeConfiguration(s.change(r.core.Status().Configuration.Configuration))
	}
}

// compact trims a replica's log somewhere below what it has applied.
func (s *simulation) compact(r *replica) {
	if n := int(r.machine.index - r.log.base.ID.Index); n > 0 && r.core.Status().Installing.Index == 0 {
		i := r.log.base.ID.Index + 1 + raft.Index(s.rng.IntN(n))
		r.compact(i, s.check.machines[i])
	}
}

// change makes an adjacent configuration: into a joint one, out of it, or with one vote more or less.
func (s *simulation) change(from raft.Configuration) raft.Configuration {
	to := from.Clone()
	to.Joint = !from.Joint && s.rng.IntN(2) == 0
	flip := s.rng.IntN(len(to.Members))
	for i := range to.Members {
		m := &to.Members[i]
		m.WasVoter = to.Joint && from.Members[i].Voter
		if !from.Joint && (i == flip || to.Joint && s.rng.IntN(2) == 0) {
			m.Voter = !m.Voter
		}
	}
	return to
}

// fault breaks something, or mends it.
func (s *simulation) fault() error {
	r := s.any()
	switch n := s.rng.IntN(12); {
	case n < 4: // whoever is down comes back more often than somebody goes
		for _, r := range s.replicas {
			if r.core == nil {
				return s.restart(r)
			}
		}
		fallthrough
	case n < 6:
		if r.core != nil {
			s.stats.Crashes++
			s.crash(r, s.someSurvives)
		}
	case n < 8:
		s.stats.Partitions++
		s.cut[link{r.id, s.any().id}] = true
	case n < 9: // somebody is cut off
		for _, other := range s.replicas {
			s.cut[link{r.id, other.id}], s.cut[link{other.id, r.id}] = true, true
		}
	case n < 11:
		clear(s.cut)
	default:
		if r.core != nil {
			r.core.Unreachable(s.any().id)
		}
	}
	return nil
}

// someSurvives decides what of an output is on the disk after a power cut although it was not synced. Hard state and entries are
// in different files: either may be there without the other.
func (s *simulation) someSurvives(o *raft.Output) (raft.Output, bool) {
	var kept raft.Output
	switch s.rng.IntN(4) {
	case 0:
		return *o, true
	case 1:
		kept.Truncate, kept.Append = o.Truncate, o.Append[:s.rng.IntN(len(o.Append)+1)]
	case 2:
		kept.State, kept.Truncate, kept.Append = o.State, o.Truncate, o.Append[:s.rng.IntN(len(o.Append)+1)]
	default:
		kept.State = o.State
	}
	return kept, false
}

// heal mends everything and lets time pass until a new entry is applied everywhere.
func (s *simulation) heal() error {
	clear(s.cut)
	s.loss = 0
	for _, r := range s.replicas {
		if r.core == nil {
			if err := s.restart(r); err != nil {
				return err
			}
		}
	}
	for range 2000 {
		if err := s.round(); err != nil {
			return err
		}
		if s.converged() {
			return matching(s.replicas)
		}
		s.proposeToLeader()
	}
	var all string
	for _, r := range s.replicas {
		all += fmt.Sprintf("\n%+v", r.core.Status())
	}
	return fmt.Errorf("20 s after everything was mended the replicas have not come together:%s", all)
}

// round lets one tick pass and everything arrive in order.
func (s *simulation) round() error {
	for _, r := range s.replicas {
		r.clock = r.clock.Add(tick)
		if r.core != nil {
			r.core.Tick(r.clock)
		}
	}
	for range 4 {
		for _, r := range s.replicas {
			if r.core == nil {
				continue
			}
			if _, err := s.take(r); err != nil {
				return err
			}
			if err := s.sync(r, len(r.unsynced)); err != nil {
				return err
			}
			r.install()
		}
		for n := len(s.network); n > 0; n-- {
			if err := s.arrive(s.remove(0), false); err != nil {
				return err
			}
		}
	}
	return nil
}

// proposeToLeader sees to it that there is an entry of the present term.
func (s *simulation) proposeToLeader() {
	for _, r := range s.replicas {
		if st := r.core.Status(); st.Role == raft.Leader && st.Uncommitted == 0 && r.clock%raft.Monotonic(time.Second) == 0 {
			_ = r.core.Propose([]raft.Entry{{Kind: raft.KindData, Size: raft.RecordSize(0)}})
		}
	}
}

// converged says whether there is a leader and every member of its configuration has applied everything it has.
func (s *simulation) converged() bool {
	for _, leader := range s.replicas {
		st := leader.core.Status()
		if st.Role != raft.Leader || st.Uncommitted != 0 || st.Commit < st.TermStart {
			continue
		}
		all := true
		for _, r := range s.replicas {
			_, member := st.Configuration.Configuration.Member(r.id)
			all = all && (!member || r.machine == leader.machine && r.machine.index == st.Last.Index)
		}
		if all {
			return true
		}
	}
	return false
}
