package main

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
)

// tally is what is counted while a run goes on. Any goroutine.
type tally struct {
	lastIndex atomic.Uint64

	mu         sync.Mutex
	ops        map[history.Kind]map[history.Outcome]int
	faults     map[string]int
	violations []string
	notes      []string
}

func newTally() *tally {
	return &tally{ops: map[history.Kind]map[history.Outcome]int{}, faults: map[string]int{}}
}

func (t *tally) count(op *history.Op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ops[op.Kind] == nil {
		t.ops[op.Kind] = map[history.Outcome]int{}
	}
	t.ops[op.Kind][op.Outcome]++
}

// outcomes are the operations by outcome, all kinds together.
func (t *tally) outcomes() map[history.Outcome]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := map[history.Outcome]int{}
	for _, outcomes := range t.ops {
		for o, n := range outcomes {
			sum[o] += n
		}
	}
	return sum
}

func (t *tally) fault(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[kind]++
}

// maxViolations bounds what is kept of one run.
const maxViolations = 50

func (t *tally) violate(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.violations) < maxViolations && !slices.Contains(t.violations, what) {
		t.violations = append(t.violations, what)
	}
}

// note keeps something that is no violation and that a reader of the report should know.
func (t *tally) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(t.notes, text) {
		t.notes = append(t.notes, text)
	}
}

// appended notes the end of the log.
func (t *tally) appended(index uint64) {
	for {
		last := t.lastIndex.Load()
		if last >= index || t.lastIndex.CompareAndSwap(last, index) {
			return
		}
	}
}

// strike is a fault that hit the leader of a group.
type strike struct {
	at    time.Duration // on the history's clock
	group string
	// kind is the fault's.
	kind string
	// alone: no other fault was there.
	alone bool
}

// gap is the time from a strike to the first acknowledgement of a write that was begun after it.
type gap struct {
	strike
	took time.Duration
}

// gaps finds the gap of each strike; one that was not the end of it by itself, because another fault began before the acknowledgement, is not alone.
func gaps(strikes []strike, begun []time.Duration, ops []history.Op) (found []gap) {
	for _, s := range strikes {
		first := time.Duration(-1)
		for i := range ops {
			if o := &ops[i]; o.Call >= s.at && wrote(o) == s.group && (first < 0 || o.Return < first) {
				first = o.Return
			}
		}
		if first < 0 {
			continue
		}
		for _, at := range begun {
			s.alone = s.alone && (at <= s.at || at > first)
		}
		found = append(found, gap{s, first - s.at})
	}
	return found
}

// quantile is the value below which the share q of sorted values lies; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
