package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rule is a rule that a history can break.
type Rule string

// The rules.
const (
	// RuleRealTime: what began after another operation had ended comes after it.
	RuleRealTime Rule = "real-time order"
	// RuleRevision: each revision is one write's, and each write that changes something has one.
	RuleRevision Rule = "one write a revision"
	// RuleState: an answer is the store's state at its revision.
	RuleState Rule = "the state at a revision"
	// RuleOnce: a write takes effect once, one that failed never does, and what is read was written.
	RuleOnce Rule = "written once"
	// RuleReplica: a replica does not go back.
	RuleReplica Rule = "a replica does not go back"
	// RuleLevel: a read is as new as its level demands.
	RuleLevel Rule = "as new as asked for"
	// RuleApplied: the same index applied is the same state, and a higher index no older one.
	RuleApplied Rule = "the state is a function of the log"
	// RuleCompacted: a revision is readable until it was compacted, and not afterwards.
	RuleCompacted Rule = "compaction"
	// RuleEntry: an index has one entry, for ever and for all readers.
	RuleEntry Rule = "one entry an index"
	// RuleGap: a reader of the log is given all entries, in order.
	RuleGap Rule = "no gap"
	// RuleTrim: only what was trimmed is gone.
	RuleTrim Rule = "trimmed, or there"
)

// Violation is the error of a history that can't have happened.
type Violation struct {
	// Rule is the rule that was broken.
	Rule Rule
	// Problem says what was expected and what was found.
	Problem string
	// Ops are the operations involved, most often two or three, in the order in which they began.
	Ops []OpID
	// Timeline shows them for people, a line each, with the times from the beginning of the first of them.
	Timeline string
}

// Error gives the rule, the problem and the timeline.
func (v *Violation) Error() string {
	return fmt.Sprintf("check: broken: %s: %s\n%s", v.Rule, v.Problem, v.Timeline)
}

// nanoseconds are printed as a duration.
type nanoseconds int64

// String gives the duration with its unit.
func (n nanoseconds) String() string { return time.Duration(n).String() }

// violation makes one, leaving out operations that are named twice or are noOp.
func (h *History) violation(rule Rule, ops []OpID, format string, args ...any) *Violation {
	ops = slices.DeleteFunc(slices.Clone(ops), func(id OpID) bool { return id == noOp })
	slices.SortFunc(ops, func(a, b OpID) int {
		if c := h.ops[a].Invoked.compare(h.ops[b].Invoked); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	ops = slices.Compact(ops)
	return &Violation{Rule: rule, Problem: fmt.Sprintf(format, args...), Ops: ops, Timeline: h.timeline(ops)}
}

// timeline draws operations as bars. The bars' ends are in the order of time; what lies between two of them is not to scale, so
// that nanoseconds can be told apart beside seconds.
func (h *History) timeline(ops []OpID) string {
	var ends []Moment
	for _, id := range ops {
		ends = append(ends, h.ops[id].Invoked)
		if h.ops[id].Outcome != Uncertain {
			ends = append(ends, h.ops[id].Returned)
		}
	}
	slices.SortFunc(ends, Moment.compare)
	ends = slices.Compact(ends)
	const step = 3
	column := func(m Moment) int { return step * slices.Index(ends, m) }
	width := step*len(ends) + 1
	var b strings.Builder
	for _, id := range ops {
		op := &h.ops[id]
		first, last, tail := column(op.Invoked), width, ">"
		until := "?"
		if op.Outcome != Uncertain {
			last, tail = column(op.Returned), "|"
			until = nanoseconds(op.Returned.At - ends[0].At).String()
		}
		bar := strings.Repeat(" ", first) + "|" + strings.Repeat("-", max(last-first-1, 0)) + tail
		fmt.Fprintf(&b, "  #%-5d client %-3d %-*s [%v, %s] %v\n", id, op.Client, width+1, bar,
			nanoseconds(op.Invoked.At-ends[0].At), until, op)
	}
	return b.String()
}
