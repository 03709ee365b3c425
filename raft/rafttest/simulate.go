package rafttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Stats counts what a simulation went through, so that a test can demand that it went through it.
type Stats struct {
	Elections, Commits, Crashes, Truncations, Installs, Reads, ReadsFailed, Configurations, Transfers, Partitions, Forwarded, Leases, Quiet, Removed int
}

// Add sums two counts.
func (s Stats) Add(o Stats) Stats {
	return Stats{s.Elections + o.Elections, s.Commits + o.Commits, s.Crashes + o.Crashes, s.Truncations + o.Truncations, s.Installs + o.Installs,
		s.Reads + o.Reads, s.ReadsFailed + o.ReadsFailed, s.Configurations + o.Configurations, s.Transfers + o.Transfers, s.Partitions + o.Partitions, s.Forwarded + o.Forwarded, s.Leases + o.Leases, s.Quiet + o.Quiet, s.Removed + o.Removed}
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
	// members is the membership that it began with.
	members raft.Configuration
	// reconfigure: the membership changes. static: neither does it, nor are logs compacted.
	reconfigure, static bool
	// faults is how many of a thousand steps break or mend something, ticks how many let time pass: the more, the more elections for
	// each message.
	faults, ticks int
	// stalls: disks stall for a while.
	stalls bool
	// time is what a perfect clock shows; rates is by how many thousandths each replica's clock runs faster.
	time  raft.Monotonic
	rates []int
	// silences: the clients rest at times, and calm says that they do, so that the group can fall silent.
	silences, calm bool
	// sluggish is a replica that seldom learns the time, if there is one of that number.
	sluggish int
	// rounds counts the rounds of heal.
	rounds int
}

// Simulate runs three to five replicas for a number of steps under the schedule that the seed stands for, then heals everything
// and demands that they agree and go on. It returns what broke, and with what seed; a panic of a core is returned, too.
func Simulate(seed uint64, steps int) (stats Stats, err error) {
	return Schedule{Seed: seed, Steps: steps}.Run()
}

// Run does what Simulate does, as the schedule has it.
func (plan Schedule) Run() (stats Stats, err error) {
	seed, rng := plan.Seed, rand.New(rand.NewPCG(plan.Seed, 0x1edbe11))
	s := &simulation{rng: rng, loss: rng.IntN(8), reconfigure: rng.IntN(2) == 0 && !plan.Static, static: plan.Static, stalls: rng.IntN(3) == 0, sluggish: -1,
		faults: [...]int{3, 3, 10, 40}[rng.IntN(4)], ticks: [...]int{100, 100, 200}[rng.IntN(3)]}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			err = fmt.Errorf("seed %d: %w", seed, err)
		}
		stats = s.stats
	}()
	s.rates = make([]int, 5)
	settings := raft.Config{Seed: seed, PreferenceDelay: 300 * time.Millisecond, MaxAppendBytes: 100 << rng.IntN(6), MaxInflightMessages: 1 + rng.IntN(8), LogOnly: rng.IntN(2) == 0}
	if rng.IntN(4) == 0 { // entries go one by one and few of them, from one leader after the other: logs differ as much as they can
		settings.MaxAppendBytes, settings.MaxInflightMessages = 100, 1
		s.faults, s.ticks = 25, 200
	}
	if rng.IntN(2) == 0 && !plan.Static {
		s.silences = true
		settings.QuietAfter = time.Duration(100+rng.IntN(200)) * time.Millisecond
	}
	spread := 500
	if rng.IntN(2) == 0 && !plan.Static { // clocks keep within ClockDrift: a tenth
		settings.ElectionTimeout = time.Duration(240+rng.IntN(260)) * time.Millisecond
		settings.LeaseDuration, spread = settings.ElectionTimeout-time.Duration(rng.IntN(2)*rng.IntN(100))*time.Millisecond, 45
		s.sluggish = rng.IntN(10)
	}
	for i := range s.rates {
		s.rates[i] = rng.IntN(2*spread+1) - spread
	}
	if plan.Start == nil {
		plan.Start = startOurs
	}
	s.members = randomMembers(rng)
	if s.cluster, err = newClusterOf(plan.Start, s.members, settings); err != nil {
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

// step does one thing, and checks now and then what holds between replicas.
func (s *simulation) step() error {
	if s.rng.IntN(400) == 0 {
		if err := matching(s.replicas); err != nil {
			return err
		}
	}
	if !s.reconfigure && s.rng.IntN(20) == 0 {
		if err := s.check.lasts(s.members, s.replicas); err != nil {
			return err
		}
	}
	if s.silences && s.rng.IntN(1500) == 0 {
		s.calm = !s.calm
	}
	switch n := s.rng.IntN(1000); {
	case n < 450:
		return s.deliver()
	case n < 750:
		return s.work(s.any())
	case n < 750+s.ticks:
		return s.tickOne(s.any())
	case n < 1000-s.faults && s.calm:
		if n%4 == 0 {
			return s.round()
		}
		return nil
	case n < 1000-s.faults:
		return s.client(s.any())
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
		before := s.check.highest()
		o, err := s.take(r)
		if err != nil {
			return err
		}
		s.count(&o)
		s.tellSilent()
		if s.check.highest() > before {
			if err := s.leaseReads(); err != nil {
				return err
			}
		}
	}
	if r.installable && s.rng.IntN(4) == 0 {
		r.failInstall()
	}
	r.install()
	if r.stalled {
		return nil
	}
	return s.sync(r, s.rng.IntN(len(r.unsynced)+1))
}

func (s *simulation) count(o *raft.Output) {
	if s.stats.Reads += len(o.Reads); o.Role != raft.Leader {
		s.stats.Forwarded += len(o.Reads)
	}
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
	if o.Quiet {
		s.stats.Quiet++
	}
	if o.Removed {
		s.stats.Removed++
	}
	s.stats.Elections, s.stats.Commits = len(s.check.leaders), int(s.check.highest())
}

// tickOne lets some time pass and tells one replica; the others learn of it later.
func (s *simulation) tickOne(r *replica) error {
	s.time = s.time.Add(tick * time.Duration(1+s.rng.IntN(3)) / time.Duration(len(s.replicas)))
	r.clock = s.clock(r)
	if r.core != nil && (slices.Index(s.replicas, r) != s.sluggish || s.rng.IntN(8) == 0) {
		return tickLazily(r.core, r.clock)
	}
	return nil
}

// clock is what a replica's clock shows now.
func (s *simulation) clock(r *replica) raft.Monotonic {
	i := slices.Index(s.replicas, r)
	return s.time + s.time*raft.Monotonic(s.rates[i])/1000
}

// tellSilent does what a silent group needs from the nodes: whoever waits for no heartbeat of its leader learns that it is down.
func (s *simulation) tellSilent() {
	for _, r := range s.replicas {
		if r.core == nil {
			continue
		}
		st := r.core.Status()
		if leader := s.replica(st.Leader); st.Quiet && leader != nil && leader.core == nil {
			r.core.Unreachable(st.Leader)
		}
	}
}

// leaseReads asks everybody for a read by lease: something has just been committed.
func (s *simulation) leaseReads() error {
	for _, r := range s.replicas {
		if r.core == nil {
			continue
		}
		_, ok, err := s.leaseRead(r, s.clock(r))
		if err != nil {
			return err
		}
		if ok {
			s.stats.Leases++
		}
	}
	return nil
}

// victim is any replica, and one that leads more often than others.
func (s *simulation) victim() *replica {
	r := s.any()
	for range len(s.replicas) {
		if r.core != nil && s.check.last[r.id].Role == raft.Leader {
			break
		}
		r = s.any()
	}
	return r
}

// fault breaks something, or mends it.
func (s *simulation) fault() error {
	r := s.victim()
	switch n := s.rng.IntN(14); {
	case n < 4: // whoever is down comes back more often than somebody goes
		for _, r := range s.replicas {
			if r.core == nil {
				r.clock = s.clock(r)
				return s.restart(r)
			}
		}
		fallthrough
	case n < 6:
		if r.core != nil {
			s.stats.Crashes++
			s.crash(r, s.someSurvives)
			s.tellSilent()
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
	case n < 12:
		if r.core != nil {
			if other := s.any().id; s.rng.IntN(4) > 0 {
				r.core.Unreachable(other)
			} else {
				r.core.Unreadable(other, r.machine.index > 0 && s.rng.IntN(2) == 0)
			}
		}
	case !s.stalls:
		clear(s.cut)
	case n < 13:
		r.stalled = !r.stalled
	default:
		if r.core != nil {
			r.core.DiskStalled(s.rng.IntN(2) == 0)
			r.core.Wake()
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
