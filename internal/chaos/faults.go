package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
	"github.com/ledgerkv/ledgerkv/internal/chaos/proxy"
)

// fault is something that is wrong for a while.
type fault struct {
	kind string
	// text says what and where.
	text string
	// ends is when it is mended, on the run's clock, and mend how.
	ends time.Duration
	mend func() error
}

// faults draws faults, brings them about and mends them. It belongs to one goroutine.
type faults struct {
	rng     *rand.Rand
	cluster *process.Cluster
	network *proxy.Network
	watch   *watch
	tally   *tally
	now     func() time.Duration
	// story is told of each fault when it begins and when it is mended.
	story   io.Writer
	active  []*fault
	strikes []strike
	// begun is when each fault began.
	begun []time.Duration
	// down and frozen are nodes that were killed or stopped, cuts counts the cuts of a link that are in force.
	down, frozen map[string]bool
	cuts         map[[2]string]int

	// What kind of storm it is: which entries of the menu it has, how many faults it has at one time, and the mean time between two.
	allowed   []int
	maxActive int
	meanPause time.Duration
}

const (
	mostActive            = 4
	leastPause, mostPause = 400 * time.Millisecond, 2500 * time.Millisecond
)

// newStorm draws what the next storm is like. Storms that have few kinds of faults go deeper into what follows from them than one that has all.
func (f *faults) newStorm() string {
	f.maxActive = 1 + f.rng.IntN(mostActive)
	f.meanPause = leastPause + time.Duration(f.rng.Int64N(int64(mostPause-leastPause)))
	f.allowed = nil
	var kinds []string
	for len(f.allowed) == 0 {
		for i, m := range menu {
			if f.rng.IntN(2) == 0 {
				f.allowed = append(f.allowed, i)
				kinds = append(kinds, m.kind)
			}
		}
	}
	return fmt.Sprintf("up to %d at a time, each %v or so: %s", f.maxActive, f.meanPause.Round(time.Millisecond), strings.Join(kinds, ", "))
}

func (f *faults) tell(format string, args ...any) {
	fmt.Fprintf(f.story, "%v %s\n", f.now(), fmt.Sprintf(format, args...)) // a file that can't be written is told of when it is closed
}

// menu is what can go wrong, and how often it is drawn. What can't be done at the moment gives nil, and something else is drawn.
var menu = []struct {
	weight int
	kind   string
	begin  func(f *faults) (*fault, error)
}{
	{5, "kill", (*faults).kill},
	{1, "kill all", (*faults).killAll},
	{4, "stop", (*faults).stop},
	{4, "one-way cut", (*faults).cutOneWay},
	{2, "cut between two", (*faults).cutPair},
	{4, "cut around one", (*faults).isolate},
	{3, "delay", (*faults).delay},
	{2, "narrow", (*faults).narrow},
	{4, "reset", (*faults).reset},
	{2, "full disk", (*faults).fullDisk},
	{2, "transfer", (*faults).transfer},
}

// draw brings a fault about, if the storm has one that can be at the moment.
func (f *faults) draw() error {
	total := 0
	for _, i := range f.allowed {
		total += menu[i].weight
	}
	for range 2 * len(menu) {
		draw, at := f.rng.IntN(total), 0
		for draw >= menu[f.allowed[at]].weight {
			draw -= menu[f.allowed[at]].weight
			at++
		}
		choice, now := menu[f.allowed[at]], f.now()
		begun, err := choice.begin(f)
		if err != nil {
			return fmt.Errorf("%s: %w", choice.kind, err)
		}
		if begun != nil {
			begun.kind = choice.kind
			f.begun = append(f.begun, now)
			f.active = append(f.active, begun)
			f.tally.fault(begun.kind)
			f.tell("%s, for %v", begun.text, (begun.ends - now).Round(time.Millisecond))
			return nil
		}
	}
	return nil
}

// mendDue mends what has lasted long enough; all of it if all is set.
func (f *faults) mendDue(all bool) error {
	kept := f.active[:0]
	for _, x := range f.active {
		if !all && x.ends > f.now() {
			kept = append(kept, x)
			continue
		}
		if x.mend != nil {
			if err := x.mend(); err != nil {
				return fmt.Errorf("mending %s: %w", x.text, err)
			}
			f.tell("over: %s", x.text)
		}
	}
	f.active = kept
	return nil
}

// lasting is a fault that takes between least and most.
func (f *faults) lasting(least, most time.Duration, mend func() error, format string, args ...any) *fault {
	d := least + time.Duration(f.rng.Int64N(int64(most-least)+1))
	return &fault{text: fmt.Sprintf(format, args...), ends: f.now() + d, mend: mend}
}

// victim draws a node: a leader, as far as one is known, two times of three. It gives nil for a node that does not run.
func (f *faults) victim() *process.Node {
	n := f.cluster.Nodes[f.rng.IntN(len(f.cluster.Nodes))]
	group := process.Groups[f.rng.IntN(len(process.Groups))]
	if f.rng.IntN(3) > 0 {
		if id := f.watch.leader(group); id != "" {
			n = f.cluster.Node(id)
		}
	}
	if f.down[n.ID] || f.frozen[n.ID] {
		return nil
	}
	return n
}

// strike notes that a fault hits a node, if it leads a group.
func (f *faults) strike(n *process.Node, broken bool) {
	for _, group := range process.Groups {
		if f.watch.leader(group) == n.ID {
			f.strikes = append(f.strikes, strike{at: f.now(), group: group, broken: broken, alone: len(f.active) == 0})
		}
	}
}

// others gives the nodes but one.
func (f *faults) others(n *process.Node) (others []*process.Node) {
	for _, o := range f.cluster.Nodes {
		if o != n {
			others = append(others, o)
		}
	}
	return others
}

func (f *faults) kill() (*fault, error) {
	n := f.victim()
	if n == nil {
		return nil, nil
	}
	f.strike(n, true)
	f.down[n.ID] = true
	return f.lasting(0, 6*time.Second, func() error { return f.restart(n) }, "%s killed", n.ID), f.watch.kill(n)
}

func (f *faults) restart(n *process.Node) error {
	delete(f.down, n.ID)
	return f.watch.start(n)
}

// killAll kills all nodes at once.
func (f *faults) killAll() (*fault, error) {
	if len(f.down)+len(f.frozen) > 0 {
		return nil, nil
	}
	for _, n := range f.cluster.Nodes {
		f.down[n.ID] = true
		f.watch.note(n, down)
		if err := f.watch.signal(n, syscall.SIGKILL); err != nil {
			return nil, err
		}
	}
	for _, n := range f.cluster.Nodes {
		if err := f.watch.kill(n); err != nil { // it is dead; this waits for it
			return nil, err
		}
	}
	return f.lasting(0, 2*time.Second, func() error {
		for _, n := range f.cluster.Nodes {
			if err := f.restart(n); err != nil {
				return err
			}
		}
		return nil
	}, "all killed"), nil
}

func (f *faults) stop() (*fault, error) {
	n := f.victim()
	if n == nil {
		return nil, nil
	}
	f.strike(n, false)
	f.frozen[n.ID] = true
	f.watch.note(n, frozen)
	return f.lasting(100*time.Millisecond, 5*time.Second, func() error {
		delete(f.frozen, n.ID)
		f.watch.note(n, up)
		return f.watch.signal(n, syscall.SIGCONT)
	}, "%s stopped", n.ID), f.watch.signal(n, syscall.SIGSTOP)
}

// cut cuts links, and gives what mends them.
func (f *faults) cut(links ...[2]string) (mend func() error) {
	for _, l := range links {
		f.cuts[l]++
		f.network.Link(l[0], l[1]).SetCut(true)
	}
	return func() error {
		for _, l := range links {
			f.cuts[l]--
			f.network.Link(l[0], l[1]).SetCut(f.cuts[l] > 0)
		}
		return nil
	}
}

func (f *faults) pair() (a, b *process.Node) {
	a = f.cluster.Nodes[f.rng.IntN(len(f.cluster.Nodes))]
	return a, f.others(a)[f.rng.IntN(2)]
}

func (f *faults) cutOneWay() (*fault, error) {
	a, b := f.pair()
	return f.lasting(200*time.Millisecond, 6*time.Second, f.cut([2]string{a.ID, b.ID}), "%s↛%s", a.ID, b.ID), nil
}

func (f *faults) cutPair() (*fault, error) {
	a, b := f.pair()
	return f.lasting(200*time.Millisecond, 6*time.Second, f.cut([2]string{a.ID, b.ID}, [2]string{b.ID, a.ID}), "%s↮%s", a.ID, b.ID), nil
}

// isolate cuts a node off from its peers: what it sends, what it is sent, or both. Clients still reach it.
func (f *faults) isolate() (*fault, error) {
	n := f.victim()
	if n == nil {
		return nil, nil
	}
	way := [...]string{"cut off", "cut off", "deaf", "mute"}[f.rng.IntN(4)]
	var links [][2]string
	for _, o := range f.others(n) {
		if way != "deaf" {
			links = append(links, [2]string{n.ID, o.ID})
		}
		if way != "mute" {
			links = append(links, [2]string{o.ID, n.ID})
		}
	}
	f.strike(n, false)
	return f.lasting(200*time.Millisecond, 6*time.Second, f.cut(links...), "%s %s", n.ID, way), nil
}

// links draws links: all between two nodes, or those that carry what one node sends.
func (f *faults) links() (links []*proxy.Link, where string) {
	only := f.cluster.Nodes[f.rng.IntN(len(f.cluster.Nodes))]
	all := f.rng.IntN(2) == 0
	for _, a := range f.cluster.Nodes {
		for _, b := range f.others(a) {
			if all || a == only {
				links = append(links, f.network.Link(a.ID, b.ID))
			}
		}
	}
	if all {
		return links, "all links"
	}
	return links, "links from " + only.ID
}

func (f *faults) has(kind string) bool {
	for _, x := range f.active {
		if x.kind == kind {
			return true
		}
	}
	return false
}

func (f *faults) delay() (*fault, error) {
	if f.has("delay") {
		return nil, nil
	}
	links, where := f.links()
	d := time.Duration(f.rng.Int64N(int64(150 * time.Millisecond)))
	for _, l := range links {
		l.SetDelay(d, d)
	}
	return f.lasting(time.Second, 8*time.Second, func() error {
		for _, l := range links {
			l.SetDelay(0, 0)
		}
		return nil
	}, "%s delayed by %v", where, d.Round(time.Millisecond)), nil
}

func (f *faults) narrow() (*fault, error) {
	if f.has("narrow") {
		return nil, nil
	}
	links, where := f.links()
	rate := int64(16<<10) << f.rng.IntN(6)
	for _, l := range links {
		l.SetRate(rate)
	}
	return f.lasting(time.Second, 8*time.Second, func() error {
		for _, l := range links {
			l.SetRate(0)
		}
		return nil
	}, "%s narrowed to %d KiB/s", where, rate>>10), nil
}

// reset breaks the connections between two nodes.
func (f *faults) reset() (*fault, error) {
	a, b := f.pair()
	f.network.Link(a.ID, b.ID).Reset()
	return f.lasting(0, 0, nil, "%s–%s reset", a.ID, b.ID), nil
}

// fullDisk takes the small disk's space but for a little.
func (f *faults) fullDisk() (*fault, error) {
	if f.cluster.Disk == nil || f.has("full disk") {
		return nil, nil
	}
	spare := f.rng.Int64N(64 << 10)
	f.watch.full(true)
	return f.lasting(time.Second, 8*time.Second, func() error {
		err := f.cluster.Disk.Free()
		f.watch.full(false)
		return err
	}, "%s's disk full", smallDisk), f.cluster.Disk.Fill(spare)
}

// transfer asks the leader of a group to hand over, and does not wait for it.
func (f *faults) transfer() (*fault, error) {
	group := process.Groups[f.rng.IntN(len(process.Groups))]
	to := f.cluster.Nodes[f.rng.IntN(len(f.cluster.Nodes))]
	f.watch.transfer(group, to.ID)
	return f.lasting(0, 0, nil, "%s to %s", group, to.ID), nil
}
