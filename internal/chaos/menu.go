package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
	"github.com/ledgerkv/ledgerkv/internal/chaos/proxy"
)

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
	{2, "slow flush", (*faults).slowFlush},
	{2, "failed flush", (*faults).failedFlush},
}

func (f *faults) kill() (*fault, error) {
	n := f.victim()
	if n == nil {
		return nil, nil
	}
	f.strike(n, "kill")
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
	f.strike(n, "stop")
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
	f.strike(n, "cut around one")
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

// flushes are the system calls that make something durable.
const flushes = "fdatasync,fsync"

// inject makes system calls of a node fail or take long; it gives nil where that can't be done, which the report then says.
func (f *faults) inject(n *process.Node, what string) (end func() error, err error) {
	end, err = n.Inject(what)
	if errors.Is(err, process.ErrNoInjection) {
		f.noInjection = true
		f.tally.note("no system call was made to fail or to take long: %v", err)
		return nil, nil
	}
	return end, err
}

// traced draws a node that nobody makes system calls fail of; nil if there is none.
func (f *faults) traced() *process.Node {
	if f.noInjection || f.has("slow flush") || f.has("failed flush") {
		return nil
	}
	return f.victim()
}

// slowFlush makes every flush of a node take longer.
func (f *faults) slowFlush() (*fault, error) {
	n := f.traced()
	if n == nil {
		return nil, nil
	}
	d := time.Millisecond << f.rng.IntN(12)
	end, err := f.inject(n, fmt.Sprintf("%s:delay_enter=%d", flushes, d.Microseconds()))
	if end == nil {
		return nil, err
	}
	f.strike(n, "slow flush")
	return f.lasting(time.Second, 8*time.Second, end, "each flush of %s takes %v more", n.ID, d), nil
}

// failedFlush makes every flush of a node fail. Its replicas stop, as they must; when the disk is well again the node is started anew.
func (f *faults) failedFlush() (*fault, error) {
	n := f.traced()
	if n == nil {
		return nil, nil
	}
	f.watch.flaw(n)
	end, err := f.inject(n, flushes+":error=EIO")
	if end == nil {
		return nil, err
	}
	f.strike(n, "failed flush")
	return f.lasting(500*time.Millisecond, 5*time.Second, func() error {
		if err := end(); err != nil || f.down[n.ID] {
			return err
		}
		if err := f.watch.kill(n); err != nil {
			return err
		}
		return f.watch.start(n)
	}, "flushes of %s fail", n.ID), nil
}

// transfer asks the leader of a group to hand over, and does not wait for it.
func (f *faults) transfer() (*fault, error) {
	group := process.Groups[f.rng.IntN(len(process.Groups))]
	to := f.cluster.Nodes[f.rng.IntN(len(f.cluster.Nodes))]
	f.watch.transfer(group, to.ID)
	return f.lasting(0, 0, nil, "%s to %s", group, to.ID), nil
}
