package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Plan is a run before it begins: everything that a seed decides but the order of events. Two runs of one plan are the same run.
type Plan struct {
	// Seed feeds the order of events, the network's delays, what power cuts leave, and what the clients do.
	Seed uint64
	// Nodes is the number of nodes, 3 or 5.
	Nodes int
	// Spares is the number of nodes besides, that may be added.
	Spares int
	// Quiet is after what time without anything to do groups fall silent; 0: the nodes' default.
	Quiet time.Duration
	// Model: machines are kept in the model engine, which falls back at a crash as an engine on disk does; otherwise in B-trees.
	Model bool
	// Length is how long faults go on, in virtual time. Then some of the nodes are healed, and then all.
	Length time.Duration
	// Tick is the resolution of the nodes' timing.
	Tick time.Duration
	// Clients is how many clients there are, Think the mean pause of each between two operations, Keys how many keys they share.
	Clients int
	Think   time.Duration
	Keys    int
	// Rough: faults begin at once, before the nodes have recognised each other. No disk loses anything then.
	Rough bool
	// Large: what the clients write is long, so that segments fill.
	Large bool
	// Tail is how much of what is durable each log keeps in memory, in bytes; 0 for the default, which is more than a run writes.
	Tail int
	// Append is about how much one message names of the log, in bytes; 0 for the default, which is more than there is to name.
	Append uint64
	// Lease is for how long followers promise the leader to vote for nobody else, 0 for not at all.
	Lease time.Duration
	// Inflight is how much may be on its way to a follower, in bytes; 0 for the default, which is more than a run writes.
	Inflight uint64
	// Skew is how much faster than true time each node's clock goes, in parts of a million.
	Skew []int
	// Weather is what goes wrong all the time, Faults what goes wrong at a time.
	Weather Weather
	Faults  []Fault
}

// Weather is how often things go wrong all the time. Probabilities are from 0 to 1.
type Weather struct {
	// Delay is how long frames travel at least, Jitter by how much it differs. Spike frames take twenty times as long.
	Delay, Jitter time.Duration
	Spike         float64
	// Drop and Duplicate are for messages of the control class, Reset is that a frame's delivery breaks its connection.
	Drop, Duplicate, Reset float64
	// Lag is that a loop, after a turn, is not run for up to LagFor.
	Lag    float64
	LagFor time.Duration
	// Between is that other loops run in the middle of a write or a flush.
	Between float64
	// Slow is that a loop that used the disk waits for it up to SlowFor.
	Slow    float64
	SlowFor time.Duration
	// Mute is that a client's answer gets lost.
	Mute float64
	// CutStart is that the power is cut in the middle of a start, BadStart that the disk fails in one.
	CutStart, BadStart float64
	// CutDelicate is that the power is cut soon after something that changes files for good: a truncation, a trim, an installation.
	CutDelicate float64
}

// Fault is something that goes wrong at a time.
type Fault struct {
	Kind FaultKind
	// At is when, and For how long it lasts.
	At, For time.Duration
	// Draw decides what Kind leaves open: which node, which file.
	Draw uint64
}

// FaultKind says what goes wrong.
type FaultKind uint8

// The kinds of faults. Each is a class of its own, that a seed switches on or off.
const (
	PowerCut     FaultKind = iota // a node loses its power
	PowerCutAtIO                  // ... at one of its next writes or flushes
	PowerCutAll                   // all nodes lose their power at once
	KillProcess                   // a node's process is killed; what it wrote is still there
	Pause                         // a node does not run for a while
	CutOneWay                     // frames from one node to another are lost
	HoldOneWay                    // frames from one node to another wait
	Isolate                       // a node hears nobody, and nobody hears it
	Split                         // the nodes fall into two parts
	Bridge                        // two parts that hear nothing of each other, and one node that hears all
	ResetLinks                    // the connections between two nodes break
	StallDisk                     // a node's disk answers nothing for a while
	FillDisk                      // a node's disk is full for a while
	FailWrite                     // a write fails
	FailSync                      // a flush fails, and what it should have written may be gone
	FailRead                      // a read fails
	JumpClock                     // a node's time of day jumps
	HandOver                      // a leader is asked to hand over
	Rot                           // a bit of what is durable flips
	Misdirect                     // a write goes to the wrong place
	LoseWrite                     // a write is acknowledged and never done
	Wipe                          // a node comes back with an empty disk
	Starve                        // a loop of a node does not run for a while
	HoldAppends                   // what a node sends of the log waits, and what else it sends does not
	Burst                         // a node is asked for many writes at once
	Strand                        // a leader and those who write to it are cut off from the rest
	CutClient                     // a client reaches some of the nodes no more
	HoldClient                    // requests of a client arrive at some of the nodes, and their answers do not come back
	AddNode                       // a node is to be added, as a learner or a voter
	RemoveNode                    // a member is to be removed
	DemoteNode                    // a voter is to become a learner
	PromoteNode                   // a learner is to become a voter
	ReplaceNode                   // a node is to take the place of another, of one that has lost something if there is one
	ChangeMany                    // several changes of the membership in one step
	Usurp                         // another node comes to lead early, and the leader hears of it late
	Freeze                        // a node does not run for a while, and what is sent to it waits
	Prefer                        // members are preferred as leaders, more and less
	Lull                          // the clients begin nothing for a while
	LoseName                      // a file of a node is not found any more
	OldDisk                       // a node's disk is replaced by what was on it a while ago, under a new directory
	RaiseFormat                   // a newer program comes to one node after the other, and its entry format is to be put in force
	OldProgram                    // a node is started with an older program, which does not know the format in force
	Depose                        // a leader loses its office to another, and wins it again
	faultKinds
)

// drawnApart is the first of the kinds that have draws of their own, so that the plans of seeds stay what they are where these don't strike.
const drawnApart = RaiseFormat

var faultNames = [...]string{"power cut", "power cut at I/O", "power cut of all", "process killed", "pause", "one-way cut", "one-way hold", "isolation", "split",
	"bridge", "connections reset", "disk stalls", "disk full", "write fails", "sync fails", "read fails", "clock jumps", "hand-over", "bit rot", "misdirected write",
	"lost write", "wipe", "loop starved", "appends held", "burst of writes", "leader stranded", "client cut off", "client's answers held",
	"node added", "node removed", "node demoted", "node promoted", "node replaced", "several changes",
	"leader usurped", "node frozen", "preference", "lull", "name lost", "older disk",
	"format raised", "older program", "leader deposed"}

// String is the kind in words.
func (k FaultKind) String() string {
	if int(k) >= len(faultNames) {
		return fmt.Sprintf("fault(%d)", uint8(k))
	}
	return faultNames[k]
}

// pace is how often a class of faults strikes on average, when it is on, and how long a fault of it lasts.
var pace = [faultKinds]struct{ every, least, most time.Duration }{
	PowerCut:     {3 * time.Second, 10 * time.Millisecond, 4 * time.Second},
	PowerCutAtIO: {2 * time.Second, 10 * time.Millisecond, 2 * time.Second},
	PowerCutAll:  {6 * time.Second, 50 * time.Millisecond, time.Second},
	KillProcess:  {3 * time.Second, 10 * time.Millisecond, 2 * time.Second},
	Pause:        {2 * time.Second, 50 * time.Millisecond, 3 * time.Second},
	CutOneWay:    {2 * time.Second, 50 * time.Millisecond, 4 * time.Second},
	HoldOneWay:   {2 * time.Second, 50 * time.Millisecond, 4 * time.Second},
	Isolate:      {3 * time.Second, 200 * time.Millisecond, 6 * time.Second},
	Split:        {3 * time.Second, 200 * time.Millisecond, 5 * time.Second},
	Bridge:       {4 * time.Second, 300 * time.Millisecond, 5 * time.Second},
	ResetLinks:   {time.Second, 0, 0},
	StallDisk:    {3 * time.Second, 100 * time.Millisecond, 4 * time.Second},
	FillDisk:     {4 * time.Second, 100 * time.Millisecond, 3 * time.Second},
	FailWrite:    {5 * time.Second, 100 * time.Millisecond, 2 * time.Second},
	FailSync:     {5 * time.Second, 100 * time.Millisecond, 2 * time.Second},
	FailRead:     {4 * time.Second, 100 * time.Millisecond, 2 * time.Second},
	JumpClock:    {2 * time.Second, 0, 0},
	HandOver:     {time.Second, 0, 0},
	Rot:          {3 * time.Second, 0, 0},
	Misdirect:    {8 * time.Second, 0, 0},
	LoseWrite:    {8 * time.Second, 0, 0},
	Wipe:         {10 * time.Second, 100 * time.Millisecond, time.Second},
	Starve:       {2 * time.Second, 50 * time.Millisecond, 4 * time.Second},
	HoldAppends:  {3 * time.Second, 200 * time.Millisecond, 8 * time.Second},
	Burst:        {time.Second, 0, 0},
	Strand:       {2 * time.Second, 200 * time.Millisecond, 4 * time.Second},
	CutClient:    {2 * time.Second, 50 * time.Millisecond, 4 * time.Second},
	Usurp:        {3 * time.Second, 2 * time.Second, 4 * time.Second},
	Depose:       {4 * time.Second, 4 * time.Second, 6 * time.Second},
	HoldClient:   {2 * time.Second, 50 * time.Millisecond, 4 * time.Second},
	AddNode:      {3 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	RemoveNode:   {4 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	DemoteNode:   {4 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	PromoteNode:  {2 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	ReplaceNode:  {4 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	ChangeMany:   {3 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	Freeze:       {2 * time.Second, 200 * time.Millisecond, 4 * time.Second},
	Prefer:       {4 * time.Second, 500 * time.Millisecond, 5 * time.Second},
	Lull:         {3 * time.Second, time.Second, 4 * time.Second},
	LoseName:     {6 * time.Second, 0, 0},
	OldDisk:      {6 * time.Second, 0, 0},
	RaiseFormat:  {4 * time.Second, 500 * time.Millisecond, 4 * time.Second},
	OldProgram:   {3 * time.Second, 10 * time.Millisecond, 500 * time.Millisecond},
}

// Draw makes the plan of a seed: a random subset of everything that can go wrong, at random rates.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 0x9147))
	p := Plan{Seed: seed, Nodes: 3, Model: r.IntN(2) == 0, Length: between(r, 3*time.Second, 15*time.Second),
		Tick:    [...]time.Duration{10, 20, 25}[r.IntN(3)] * time.Millisecond,
		Clients: 1 + r.IntN(6), Think: between(r, 5*time.Millisecond, 300*time.Millisecond), Keys: 1 + r.IntN(8)}
	if r.IntN(4) == 0 {
		p.Nodes = 5
	}
	p.Large = r.IntN(3) == 0
	p.Skew = make([]int, p.Nodes)
	if r.IntN(2) == 0 {
		for i := range p.Skew {
			p.Skew[i] = r.IntN(2*mostSkew) - mostSkew
		}
	}
	p.Lease = drawLease(seed, p.Skew)
	p.Rough = r.IntN(10) == 0
	p.Weather = drawWeather(r)
	p.Faults = drawFaults(r, p.Length)
	if p.Lease > 0 {
		p.drawPlots(rand.New(rand.NewPCG(seed, 0x9107)))
	}
	p.drawStorage(rand.New(rand.NewPCG(seed, 0xd15c)))
	p.drawDownfalls(rand.New(rand.NewPCG(seed, 0xde905e)))
	p.drawFormats(rand.New(rand.NewPCG(seed, 0xf0a7)))
	if p.Rough {
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind.ofData() || f.Kind.ofMembers() })
	}
	if slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind.ofMembers() }) {
		p.Spares = 3
	}
	if r.IntN(3) == 0 {
		p.Quiet = between(r, 100*time.Millisecond, 2*time.Second)
	}
	return p
}

// drawFormats has newer programs come, in a quarter of the plans: at first everybody knows the first entry format only.
func (p *Plan) drawFormats(r *rand.Rand) {
	if r.IntN(4) > 0 || p.Rough {
		return
	}
	for k := RaiseFormat; k <= OldProgram; k++ {
		for at := 300 * time.Millisecond; ; {
			at += time.Duration(r.ExpFloat64() * float64(pace[k].every))
			if at >= p.Length {
				break
			}
			p.Faults = append(p.Faults, Fault{Kind: k, At: at, For: between(r, pace[k].least, pace[k].most), Draw: r.Uint64()})
		}
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return int(a.At - b.At) })
}

// drawStorage draws what the logs are about.
func (p *Plan) drawStorage(r *rand.Rand) {
	p.Tail = [...]int{0, 1, 16 << 10}[r.IntN(3)]
	p.Append = [...]uint64{0, 1, 1 << 10}[r.IntN(3)]
	p.Inflight = [...]uint64{0, 1, 4 << 10}[r.IntN(3)]
	if r.IntN(3) == 0 {
		p.Weather.CutDelicate = 0.5 * r.Float64()
	}
}

// mostSkew is by how much clocks go wrong, in parts of a million, where there are leases: two of them come apart by what ClockDrift, a tenth
// of the lease, bears. Without leases they may go as they like.
const mostSkew = 50_000

// drawLease draws the leases of a plan, the longest there may be as often as not. Where there are none clocks may be worse.
func drawLease(seed uint64, skew []int) time.Duration {
	r := rand.New(rand.NewPCG(seed, 0x1ea5e))
	switch r.IntN(4) {
	case 0:
		return electionTimeout
	case 1:
		return 100*time.Millisecond + time.Duration(r.Int64N(int64(electionTimeout-100*time.Millisecond)))
	case 2:
		for i := range skew {
			skew[i] *= 5
		}
	}
	return 0
}

// Busy makes the clients begin about so many operations together in a second of virtual time, as far as they are answered in time.
func (p Plan) Busy(rate float64) Plan {
	p.Think = max(time.Duration(float64(p.Clients)/rate*float64(time.Second))-meanAnswer, time.Millisecond)
	return p
}

// meanAnswer is about what an operation takes.
const meanAnswer = 30 * time.Millisecond

// drawPlots adds plots against leaders to half of the plans with leases, and makes their clocks as bad as they may be. In half of those nothing else goes
// wrong: some plots need every message in time.
func (p *Plan) drawPlots(r *rand.Rand) {
	if r.IntN(2) == 0 {
		return
	}
	for i := range p.Skew {
		p.Skew[i] = [...]int{-mostSkew, mostSkew}[r.IntN(2)]
	}
	if r.IntN(2) == 0 {
		p.becalm(r)
	}
	p.drawThroughout(Usurp, r)
}

// becalm takes away what goes wrong.
func (p *Plan) becalm(r *rand.Rand) {
	p.Faults = nil
	p.Weather = Weather{Delay: between(r, 20*time.Microsecond, time.Millisecond), Jitter: between(r, 10*time.Microsecond, time.Millisecond),
		LagFor: p.Weather.LagFor, SlowFor: p.Weather.SlowFor}
}

// drawThroughout adds faults of a kind, one after the other.
func (p *Plan) drawThroughout(k FaultKind, r *rand.Rand) {
	for at := 500 * time.Millisecond; at < p.Length; {
		f := Fault{Kind: k, At: at, For: between(r, pace[k].least, pace[k].most), Draw: r.Uint64()}
		p.Faults = append(p.Faults, f)
		at += f.For + time.Duration(r.ExpFloat64()*float64(500*time.Millisecond))
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return int(a.At - b.At) })
}

func drawWeather(r *rand.Rand) Weather {
	w := Weather{Delay: between(r, 20*time.Microsecond, 5*time.Millisecond), Jitter: between(r, 10*time.Microsecond, 10*time.Millisecond)}
	some := func(p *float64, most float64) {
		if r.IntN(3) == 0 {
			*p = most * r.Float64() * r.Float64()
		}
	}
	some(&w.Spike, 0.2)
	some(&w.Drop, 0.3)
	some(&w.Duplicate, 0.3)
	some(&w.Reset, 0.02)
	some(&w.Lag, 0.3)
	w.LagFor = between(r, time.Millisecond, 100*time.Millisecond)
	some(&w.Between, 0.5)
	some(&w.Slow, 0.5)
	w.SlowFor = between(r, time.Millisecond, 100*time.Millisecond)
	some(&w.Mute, 0.2)
	some(&w.CutStart, 0.8)
	some(&w.BadStart, 0.8)
	return w
}

func drawFaults(r *rand.Rand, length time.Duration) []Fault {
	var faults []Fault
	share := 0.1 + 0.4*r.Float64() // of the classes are on
	for k := range drawnApart {
		if r.Float64() > share {
			continue
		}
		p := pace[k]
		rate := 0.3 + 1.5*r.Float64()
		for at := 300 * time.Millisecond; ; {
			at += time.Duration(r.ExpFloat64() * float64(p.every) / rate)
			if at >= length {
				break
			}
			f := Fault{Kind: k, At: at, Draw: r.Uint64()}
			if p.most > 0 {
				f.For = between(r, p.least, p.most)
			}
			faults = append(faults, f)
		}
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return int(a.At - b.At) })
	return faults
}

// between draws a time from least to most, the short ones as likely as the long ones.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	least = max(least, 1)
	octaves := 0
	for x := least; x < most; x *= 2 {
		octaves++
	}
	d := least
	for range r.IntN(octaves + 1) {
		d *= 2
	}
	return min(d+time.Duration(r.Int64N(int64(d))), most)
}

// String says what a plan is, in a few lines.
func (p Plan) String() string {
	var b strings.Builder
	engine := "B-trees"
	if p.Model {
		engine = "model engines"
	}
	spares := ""
	if p.Spares > 0 {
		spares = fmt.Sprintf(" and %d to be added", p.Spares)
	}
	fmt.Fprintf(&b, "seed %d: %d nodes%s over %s, %d clients on %d keys, a pause of %v; ticks of %v; faults for %v\n", p.Seed, p.Nodes, spares, engine, p.Clients, p.Keys,
		p.Think.Round(time.Millisecond), p.Tick, p.Length.Round(time.Millisecond))
	fmt.Fprintf(&b, "weather: %+v, clocks %v ppm, leases of %v\n", p.Weather, p.Skew, p.Lease.Round(time.Millisecond))
	for i, f := range p.Faults {
		fmt.Fprintf(&b, "  fault %2d at %8.3fs: %s", i, f.At.Seconds(), f.Kind)
		if f.For > 0 {
			fmt.Fprintf(&b, " for %v", f.For.Round(time.Millisecond))
		}
		b.WriteString("\n")
	}
	return b.String()
}
