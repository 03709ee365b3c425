package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
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
	// noInjection: system calls can't be made to fail here.
	noInjection bool

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

// strike notes that a fault of a kind hits a node, if it leads a group.
func (f *faults) strike(n *process.Node, kind string) {
	for _, group := range process.Groups {
		if f.watch.leader(group) == n.ID {
			f.strikes = append(f.strikes, strike{at: f.now(), group: group, kind: kind, alone: len(f.active) == 0})
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
