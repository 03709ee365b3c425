package ledger

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 1, "first seed of the crash tests")
	crashSeeds = flag.Int("crash.seeds", 5, "number of seeds of the crash tests")
	crashSteps = flag.Int("crash.steps", 110, "steps of a workload of the crash tests")
)

// promise is what a ledger owes after a crash: what was durable, and how far what happened since may have taken it back.
type promise struct {
	// bases are the bases that may be in force: the durable one, and the one that a trim or reset under way will make.
	bases []raft.Base
	// reset, when not nil, is the base of a reset under way: the log may be empty there.
	reset *raft.Base
	// durable is what a Flush said; keep is the lowest tip that the log was truncated to since.
	durable, keep Tip
	hard          raft.HardState
	// asked are the hard states that were handed over since.
	asked []raft.HardState
}

// crashRun is a workload on a disk whose power is cut before each of its operations, on a copy.
type crashRun struct {
	t    testing.TB
	rng  *rand.Rand
	disk *disk.Disk
	opts Options
	l    *Ledger
	promise

	// known holds the header checksum of every entry that was ever appended, of every base, and, by it, the tip: the chain makes
	// it stand for all of the log below.
	known map[uint32]Tip
	raws  map[uint32][]Record // by the checksum they chain to
	term  raft.Term
	fresh raft.EntryID // the highest entry ever appended
	// commit bounds truncation and trimming.
	commit  raft.Index
	engine  uint64
	crashes int
	kinds   map[string]int
	err     error // the first broken promise
}

// newCrashRun starts a workload. wrap, when not nil, gives the ledger another view of the disk: one that lies.
func newCrashRun(t testing.TB, seed uint64, wrap func(fs.FS) fs.FS) *crashRun {
	d := disk.New(seed)
	c := &crashRun{t: t, rng: rand.New(rand.NewPCG(seed, 77)), disk: d, opts: testOptions(d), term: 1,
		known: map[uint32]Tip{}, raws: map[uint32][]Record{}, kinds: map[string]int{}, engine: 1}
	if wrap != nil {
		c.opts.FS = wrap(d)
	}
	c.opts.TailBytes = []int{1, 8 << 10, 1 << 20}[c.rng.IntN(3)]
	require.NoError(t, Create(c.opts, testBoot))
	l, err := Open(c.opts)
	require.NoError(t, err)
	c.l = l
	c.bases = []raft.Base{l.Base()}
	c.durable, c.keep = l.Tip(), l.Tip()
	c.know(l.Tip())
	d.Before = func(op disk.Op) error {
		if op.Seq != 0 && c.err == nil {
			c.cutPower()
		}
		return nil
	}
	return c
}

func (c *crashRun) know(t Tip) { c.known[t.Checksum] = t }

// cutPower looks at several outcomes of a power cut, and of a killed process, at this moment.
func (c *crashRun) cutPower() {
	for n := range 4 {
		cut := disk.Cut{Keep: disk.Any, Seed: c.rng.Uint64(), Garbage: n%2 == 0}
		d := c.disk
		switch n {
		case 2:
			cut.Keep = []disk.Keep{disk.Nothing, disk.Everything}[c.rng.IntN(2)]
		case 3: // the process is killed, starts again, and then the power is cut: what it saw must last
			if c.rng.IntN(4) > 0 {
				return
			}
			d = d.KillProcess()
			if tip, hs, err := c.recover(d); err != nil {
				c.fail(err)
			} else {
				c.fail(c.lasts(d, tip, hs))
			}
			continue
		}
		c.crashes++
		d = d.Crash(cut)
		if c.rng.IntN(12) == 0 {
			c.cutPowerAgain(d.Clone())
		}
		if _, _, err := c.recover(d); err != nil {
			c.fail(fmt.Errorf("%w (cut %+v)", err, cut))
		} else if c.rng.IntN(6) == 0 {
			c.fail(c.goOn(d))
		}
	}
}

func (c *crashRun) fail(err error) {
	if c.err == nil && err != nil {
		c.err = err
	}
}

// cutPowerAgain cuts the power at each operation of the recovery.
func (c *crashRun) cutPowerAgain(d *disk.Disk) {
	d.Before = func(op disk.Op) error {
		if op.Seq != 0 && c.err == nil {
			c.crashes++
			if _, _, err := c.recover(d.Crash(disk.Cut{Seed: c.rng.Uint64()})); err != nil {
				c.fail(fmt.Errorf("after a second crash during recovery: %w", err))
			}
		}
		return nil
	}
	if _, _, err := c.recover(d); err != nil {
		c.fail(err)
	}
}

// recover opens the ledger on what is left and holds it to the promise.
func (c *crashRun) recover(d *disk.Disk) (Tip, raft.HardState, error) {
	o := c.opts
	o.FS = d
	l, err := Open(o)
	if err != nil {
		return Tip{}, raft.HardState{}, fmt.Errorf("open: %w", err)
	}
	defer l.Close()
	if err := checkLog(l); err != nil {
		return Tip{}, raft.HardState{}, err
	}
	hs := l.Restart().State
	return l.Tip(), hs, errors.Join(c.checkPromise(l), c.checkHard(l, hs))
}

func (c *crashRun) checkPromise(l *Ledger) error {
	base, tip := l.Base(), l.Tip()
	if c.reset != nil && base.ID == c.reset.ID && base.Checksum == c.reset.Checksum {
		if tip != baseTip(base) || l.EngineEpoch() != c.engine+1 {
			return fmt.Errorf("after the reset to %v the log ends at %v, engine epoch %d", base.ID, tip.ID, l.EngineEpoch())
		}
		return nil
	}
	ok := false
	for _, b := range c.bases {
		ok = ok || b.ID == base.ID && b.Checksum == base.Checksum && b.Position == base.Position && b.Configuration.Equal(base.Configuration)
	}
	if !ok || l.EngineEpoch() != c.engine {
		return fmt.Errorf("the base is %v, engine epoch %d, which nobody made", base.ID, l.EngineEpoch())
	}
	if known, ok := c.known[tip.Checksum]; !ok || known.ID != tip.ID || known.End != tip.End {
		return fmt.Errorf("the log ends at %v, which nobody wrote", tip.ID)
	}
	if tip.ID.Index < c.keep.ID.Index {
		return fmt.Errorf("the log ends at %v, below %v, which was durable", tip.ID, c.keep.ID)
	}
	if c.keep.ID.Index >= base.ID.Index {
		found, err := l.tipAt(c.keep.ID.Index)
		if err != nil || found.Checksum != c.keep.Checksum {
			return fmt.Errorf("entry %v was durable, found %v: %v", c.keep.ID, found.ID, err)
		}
	}
	return nil
}

func (c *crashRun) checkHard(l *Ledger, hs raft.HardState) error {
	if hs.Term < l.Last().Term {
		return fmt.Errorf("hard state %+v, below the term of the last entry %s", hs, l.Last())
	}
	if hs == c.hard || hs == (raft.HardState{Term: l.Last().Term}) && hs.Term > c.hard.Term {
		return nil
	}
	for _, a := range c.asked {
		if hs == a {
			return nil
		}
	}
	return fmt.Errorf("hard state %+v, durable was %+v, asked for %v", hs, c.hard, c.asked)
}

// lasts cuts the power on a recovered ledger, keeping nothing that was not flushed: all that recovery showed must be there. A truncated suffix
// may reappear behind it, and with it its term.
func (c *crashRun) lasts(d *disk.Disk, tip Tip, hs raft.HardState) error {
	o := c.opts
	o.FS = d.Crash(disk.Cut{Keep: disk.Nothing})
	l, err := Open(o)
	if err != nil {
		return fmt.Errorf("open after a killed process and a power cut: %w", err)
	}
	defer l.Close()
	found, err := l.tipAt(tip.ID.Index)
	again := l.Restart().State
	raised := again == raft.HardState{Term: l.Last().Term} && again.Term > hs.Term
	if err != nil || found != tip || again != hs && !raised {
		return fmt.Errorf("recovery showed %v and %+v, after a power cut there is %v and %+v", tip.ID, hs, l.Tip().ID, l.Restart().State)
	}
	return nil
}

// goOn writes to a recovered ledger, cuts the power, and looks whether all of it is there.
func (c *crashRun) goOn(d *disk.Disk) error {
	o := c.opts
	o.FS = d
	l, err := Open(o)
	if err != nil {
		return fmt.Errorf("open again: %w", err)
	}
	defer l.Close()
	hs := raft.HardState{Term: c.term + 10, Vote: "n2"}
	for n := range 5 {
		e := entryAt(l.Last().Index+1, c.term+10, []int{40, 9000, 16000, 500, 3}[n])
		if _, err := l.Append(e, BodyChecksum(e.Body), 0); err != nil {
			return fmt.Errorf("going on: %w", err)
		}
	}
	w, _ := l.Cut(&hs)
	if err := l.Write(w); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	s, err := l.Flush()
	if err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	return c.lasts(d, s.Tip, hs)
}

// run does steps of the workload until a promise is broken.
func (c *crashRun) run(steps int) error {
	for n := 0; n < steps && c.err == nil; n++ {
		c.step()
	}
	c.disk.Before = nil
	return errors.Join(c.err, c.l.Close())
}

func (c *crashRun) step() {
	switch p := c.rng.IntN(100); {
	case p < 45:
		c.append()
	case p < 70:
		c.flush()
	case p < 80:
		c.truncate()
	case p < 84:
		require.NoError(c.t, c.l.Idle())
	case p < 91:
		for range 1 + c.rng.IntN(4) {
			_, err := c.l.Provision()
			require.NoError(c.t, err)
		}
	case p < 96:
		c.trim()
	case p < 98:
		c.term += raft.Term(c.rng.IntN(2))
		c.write(true)
	default:
		c.doReset()
	}
}

// append appends some entries; now and then the very ones that stood there before a truncation.
func (c *crashRun) append() {
	for range 1 + c.rng.IntN(6) {
		tip := c.l.Tip()
		if old := c.raws[tip.Checksum]; len(old) > 0 && c.rng.IntN(2) == 0 {
			rec := old[c.rng.IntN(len(old))]
			if rec.ID.Index == tip.ID.Index+1 {
				require.NoError(c.t, c.l.AppendRecord(rec))
				c.kinds["again"]++
				continue
			}
		}
		c.term = max(c.term, tip.ID.Term)
		size := []int{0, 100, 2000, 5000, 12000, minSegmentSize/4 - headerSize}[c.rng.IntN(6)]
		if left := int(minSegmentSize - tip.End%minSegmentSize); left >= headerSize && left <= minSegmentSize/4 && c.rng.IntN(2) == 0 {
			size = left - headerSize // fill the segment to its last byte
			c.kinds["full"]++
		}
		e := entryAt(tip.ID.Index+1, c.term, size)
		if c.rng.IntN(10) == 0 {
			e.Kind, e.Body = raft.KindConfig, raft.AppendConfiguration(nil, raft.Configuration{Members: []raft.Member{
				{ID: raft.NodeID(fmt.Sprintf("n%d", c.rng.IntN(9))), Address: "x", Voter: true}}})
		}
		p, err := c.l.Append(e, BodyChecksum(e.Body), int64(e.ID.Index))
		require.NoError(c.t, err)
		if p.Position != tip.End {
			c.kinds["filler"]++
		}
		rec, err := c.l.Record(e.ID.Index)
		require.NoError(c.t, err)
		c.know(rec.tip())
		c.raws[rec.PrevChecksum] = append(c.raws[rec.PrevChecksum], rec)
	}
}

func (c *crashRun) write(hard bool) {
	var hs *raft.HardState
	if hard {
		hs = &raft.HardState{Term: c.term, Vote: []raft.NodeID{"", "n1", "n2"}[c.rng.IntN(3)]}
		last := c.hard
		if n := len(c.asked); n > 0 {
			last = c.asked[n-1]
		}
		if hs.Term < last.Term || hs.Term == last.Term && last.Vote != "" {
			hs = &last // a term has one vote
		}
		c.asked = append(c.asked, *hs)
	}
	if w, ok := c.l.Cut(hs); ok {
		require.NoError(c.t, c.l.Write(w))
	}
}

func (c *crashRun) flush() {
	for range c.rng.IntN(3) {
		c.write(c.rng.IntN(3) == 0)
		if c.rng.IntN(2) == 0 {
			c.append()
		}
	}
	s, err := c.l.Flush()
	require.NoError(c.t, err)
	c.settled(s.Tip)
}

// settled takes note that all that was asked for is durable.
func (c *crashRun) settled(t Tip) {
	// What was truncated in memory and not handed over yet may still go.
	c.durable = t
	if c.l.owner.lowered == nil {
		c.keep = t
	} else {
		c.keep = *c.l.owner.lowered
	}
	if n := len(c.asked); n > 0 {
		c.hard = c.asked[n-1]
	}
	c.asked = nil
	if t.ID.Index > c.commit && c.rng.IntN(2) == 0 {
		c.commit += raft.Index(c.rng.Uint64N(uint64(min(c.keep.ID.Index, t.ID.Index)-c.commit) + 1))
	}
}

// truncate takes back some of the log above the commit index, and raises the term, as a new leader would.
func (c *crashRun) truncate() {
	last := c.l.Last().Index
	if last <= c.commit {
		return
	}
	from := c.commit + 1 + raft.Index(c.rng.Uint64N(uint64(last-c.commit)))
	to, err := c.l.tipAt(from - 1)
	require.NoError(c.t, err)
	if to.ID.Index < c.keep.ID.Index {
		c.keep = to
		c.kinds["truncated durable"]++
		if segmentOf(to.End, c.l.size) != segmentOf(c.durable.End, c.l.size) {
			c.kinds["truncated over a boundary"]++
		}
	}
	require.NoError(c.t, c.l.Truncate(from))
	c.term++
}

func (c *crashRun) trim() {
	c.l.mu.Lock()
	next, _, ok := c.l.idx.trimmed(c.commit+1, c.l.sync.established.ID, c.l.size)
	c.l.mu.Unlock()
	if ok {
		c.bases = append(c.bases, next)
	}
	pending := c.l.sync.hard != nil
	b, done, err := c.l.Trim(c.commit + 1)
	require.NoError(c.t, err)
	require.Equal(c.t, ok, done)
	if done {
		c.kinds["trim"]++
		c.bases = []raft.Base{b}
		if pending {
			c.hard, c.asked = c.asked[len(c.asked)-1], nil // the group file carried it
		}
	}
}

func (c *crashRun) doReset() {
	c.write(true)
	tip := c.l.Tip()
	b := raft.Base{
		ID:       raft.EntryID{Index: max(c.fresh.Index, tip.ID.Index) + 100, Term: c.term},
		Position: (tip.End + raft.Position(c.rng.Uint64N(3*minSegmentSize))) &^ 7,
		Checksum: c.rng.Uint32(), Format: 1, LogTime: tip.Time + 5, Configuration: testBoot,
	}
	c.reset = &b
	r, err := c.l.PrepareReset(b)
	require.NoError(c.t, err)
	require.NoError(c.t, c.l.CommitReset(r, c.engine+1))
	c.kinds["reset"]++
	c.engine++
	c.reset, c.bases, c.commit = nil, []raft.Base{b}, b.ID.Index
	c.know(baseTip(b))
	c.settled(c.l.Tip())
}

// TestPowerCutAnywhere cuts the power before each operation of random workloads, in several ways, and holds what recovery finds to what
// was promised.
func TestPowerCutAnywhere(t *testing.T) {
	total, kinds := 0, map[string]int{}
	for n := range *crashSeeds {
		seed := *crashSeed + uint64(n)
		c := newCrashRun(t, seed, nil)
		require.NoError(t, c.run(*crashSteps), "seed %d, run with -crash.seed=%d -crash.seeds=1", seed, seed)
		total += c.crashes
		for k, v := range c.kinds {
			kinds[k] += v
		}
	}
	t.Logf("%d crashes from seed %d on; the workloads did %v", total, *crashSeed, kinds)
	for _, k := range []string{"filler", "full", "truncated durable", "truncated over a boundary", "trim", "reset", "again"} {
		require.NotZero(t, kinds[k], "no workload did %q", k)
	}
}
