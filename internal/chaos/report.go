package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

// report is what a run has found.
type report struct {
	seed   uint64
	took   time.Duration
	ops    map[history.Kind]map[history.Outcome]int
	faults map[string]int
	// installed is how many images took the place of a replica's log, by group; in the log group it is a new beginning without an image.
	installed map[string]int
	gaps      []gap
	checked   history.Result
	compared  map[string]int
	// violations is what is wrong, notes what a reader should know besides.
	violations, notes []string
	// kept is where everything was left, "" if it was removed.
	kept string
	// command does the same again.
	command string
}

func (w *world) report(ops []history.Op, result history.Result, compared map[string]int) report {
	for _, v := range result.Violations {
		w.tally.violate(v.String())
	}
	if n := result.ByRevision; n > 0 {
		w.tally.note("%d keys had too much under way at one time for a search by times; they were checked by the order of revisions, and that by times", n)
	}
	if n := len(result.Undecided); n > 0 {
		w.tally.note("%d keys were not decided in time: %v", n, result.Undecided)
	}
	installed, err := w.installed()
	if err != nil {
		w.tally.note("how many images were installed is not known: %v", err)
	}
	t := w.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	return report{seed: w.opts.seed, took: w.rec.Now(), ops: t.ops, faults: t.faults, installed: installed,
		gaps: gaps(w.faults.strikes, w.faults.begun, ops), checked: result,
		compared: compared, violations: t.violations, notes: t.notes,
		command: fmt.Sprintf("go run ./internal/chaos -for %v -seed %d -engine %s -writers %d", w.opts.length, w.opts.seed, w.opts.engine, w.opts.writers)}
}

// installed counts what the nodes have logged of installations.
func (w *world) installed() (map[string]int, error) {
	sum := map[string]int{}
	for _, n := range w.cluster.Nodes {
		for _, group := range process.Groups {
			times, err := n.Logged(`msg="installed an image"`, " group="+group+" ")
			if err != nil {
				return nil, err
			}
			sum[group] += times
		}
	}
	return sum, nil
}

func (t *tally) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.violations) > 0
}

// print writes the report for people.
func (r report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\noperation\tok\tfailed\tuncertain")
	for _, kind := range slices.Sorted(maps.Keys(r.ops)) {
		o := r.ops[kind]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", kind, o[history.OK], o[history.Failed], o[history.Uncertain])
	}
	fmt.Fprintln(w, "\nfault\ttimes")
	for _, kind := range slices.Sorted(maps.Keys(r.faults)) {
		fmt.Fprintf(w, "%s\t%d\n", kind, r.faults[kind])
	}
	fmt.Fprintln(w, "\nfailover after\tstrikes\tp50\tp99\tmax")
	r.printGaps(w)
	w.Flush() // out tells its own errors to nobody either
	fmt.Fprintf(out, "\nchecked: %d keys, %d entries of the log (%d acknowledged ones trimmed before anybody read them)", r.checked.Keys, r.checked.Entries, r.checked.Unread)
	if r.compared != nil {
		fmt.Fprintf(out, "; the same on all nodes: the store's state, and the ledgers' %d and %d entries that all hold", r.compared[process.StoreGroup], r.compared[process.LogGroup])
	}
	fmt.Fprintf(out, "\nfollowers that had missed too much: %d times an image of the store was installed, %d times a new beginning of the log\n",
		r.installed[process.StoreGroup], r.installed[process.LogGroup])
	for _, note := range r.notes {
		fmt.Fprintln(out, "note:", note)
	}
	for i, v := range r.violations {
		fmt.Fprintf(out, "\nVIOLATION %d: %s\n", i+1, strings.TrimSpace(v))
	}
	if r.kept != "" {
		fmt.Fprintf(out, "kept: %s (history.jsonl, faults.log, the nodes' directories and logs)\n", r.kept)
	}
	fmt.Fprintf(out, "\n%d violations in %v; the same faults again: %s\n", len(r.violations), r.took.Round(time.Second), r.command)
}

// printGaps writes how long a group was without its leader: after whatever hit one, after each kind of fault by itself, and after any among others.
func (r report) printGaps(w io.Writer) {
	took := map[string][]time.Duration{}
	var all, among []time.Duration
	for _, g := range r.gaps {
		all = append(all, g.took)
		if g.alone {
			took[g.kind] = append(took[g.kind], g.took)
		} else {
			among = append(among, g.took)
		}
	}
	row := func(name string, took []time.Duration) {
		slices.Sort(took)
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t%v\n", name, len(took), ms(quantile(took, 0.5)), ms(quantile(took, 0.99)), ms(quantile(took, 1)))
	}
	row("any fault that hit a leader", all)
	for _, kind := range slices.Sorted(maps.Keys(took)) {
		row(kind+", alone", took[kind])
	}
	row("any, among other faults", among)
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
