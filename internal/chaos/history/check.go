package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options bound a check.
type Options struct {
	// PerKey bounds the time that is given to the search for one key's order by revisions; a key that needs more is counted as undecided. The search
	// by times has a thirtieth of it. Default 30 s.
	PerKey time.Duration
}

// Result is what a check found.
type Result struct {
	Violations []Violation
	// Keys is how many keys were checked, ByRevision how many of them by the order of revisions alone, as the search for an order by times took too long,
	// and Undecided those for which that did too.
	Keys       int
	ByRevision int
	Undecided  []string
	// Entries is how many entries of the log were seen, Unread how many acknowledged ones nobody has read: they were trimmed before.
	Entries, Unread int
}

// Violation is a rule that was broken.
type Violation struct {
	// Rule says which, What how.
	Rule, What string
	// Ops are the operations that show it, in the order of their calls.
	Ops []Op
}

// String is the violation in some lines.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", v.Rule, v.What)
	for i := range v.Ops {
		if i == maxShown {
			fmt.Fprintf(&b, "\n\t… and %d more", len(v.Ops)-i)
			break
		}
		fmt.Fprintf(&b, "\n\t%s", &v.Ops[i])
	}
	return b.String()
}

// maxShown bounds the operations that are printed with a violation.
const maxShown = 60

// Check decides whether operations can have been answered as they were. Their order does not matter. To find what was lost, they end with a
// Range over everything and with a reader of the log that comes to its end.
func Check(ops []Op, opts Options) Result {
	if opts.PerKey == 0 {
		opts.PerKey = 30 * time.Second
	}
	c := &checker{ops: slices.Clone(ops)}
	slices.SortStableFunc(c.ops, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	c.collect()
	c.origins()
	c.observe()
	c.revisions()
	c.registers(opts.PerKey)
	c.log()
	return c.result
}

// checker is a check under way.
type checker struct {
	ops    []Op
	result Result
	// keys are all keys, sorted.
	keys []string
	// writers are the operations that write a value, by the value.
	writers map[string]*Op
	// observed are the revisions of writes whose outcome was uncertain and whose values were read. newest is the highest revision that had been
	// answered when an operation began.
	observed map[*Op]uint64
	newest   map[*Op]uint64
	// holes are the revisions that no write is known to have made: each is that of a write of uncertain outcome that nobody has seen. Ascending.
	holes []uint64
}

func (c *checker) violate(rule, what string, ops ...*Op) {
	v := Violation{Rule: rule, What: what}
	for _, o := range ops {
		if o != nil {
			v.Ops = append(v.Ops, *o)
		}
	}
	slices.SortStableFunc(v.Ops, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	c.result.Violations = append(c.result.Violations, v)
}

// collect finds the keys, and who writes what.
func (c *checker) collect() {
	c.writers = map[string]*Op{}
	keys := map[string]bool{}
	for i := range c.ops {
		o := &c.ops[i]
		for _, key := range []string{o.Key, o.Second} {
			if key != "" {
				keys[key] = true
			}
		}
		for _, item := range o.Items {
			keys[item.Key] = true
		}
		for _, value := range o.writes() {
			if other := c.writers[value]; other != nil {
				c.violate("unique values", "the history itself is of no use: two operations write "+value, o, other)
			}
			c.writers[value] = o
		}
	}
	for key := range keys {
		c.keys = append(c.keys, key)
	}
	slices.Sort(c.keys)
	c.result.Keys = len(c.keys)
}

// writes are the values that an operation writes if it is carried out.
func (o *Op) writes() []string {
	switch {
	case o.Kind == Txn && o.Second != "":
		return []string{o.Value, o.SecondValue}
	case o.Kind == Put, o.Kind == Swap, o.Kind == Txn, o.Kind == Append:
		return []string{o.Value}
	}
	return nil
}

// covered are the keys of an operation on a prefix.
func (c *checker) covered(prefix string) []string {
	from, _ := slices.BinarySearch(c.keys, prefix)
	to := from
	for to < len(c.keys) && strings.HasPrefix(c.keys[to], prefix) {
		to++
	}
	return c.keys[from:to]
}

// target is the key that a value is written to.
func (o *Op) target(value string) string {
	if o.Second != "" && value == o.SecondValue {
		return o.Second
	}
	return o.Key
}

// origins: what was read was written.
func (c *checker) origins() {
	const rule = "what is read was written"
	for i := range c.ops {
		o := &c.ops[i]
		for _, item := range o.Items {
			w := c.writers[item.Value]
			switch {
			case w == nil || w.Kind == Append || w.target(item.Value) != item.Key:
				c.violate(rule, fmt.Sprintf("nobody wrote %s to %s", item.Value, item.Key), o, w)
			case w.Outcome == Failed:
				c.violate(rule, fmt.Sprintf("the write of %s failed for certain, and was done", item.Value), o, w)
			case w.Call > o.Return:
				c.violate(rule, fmt.Sprintf("%s was read before it was written", item.Value), o, w)
			case w.Outcome == OK && (w.Kind == Swap || w.Kind == Txn) && !w.Swapped:
				c.violate(rule, fmt.Sprintf("%s was not to be written, as the comparison did not hold", item.Value), o, w)
			case w.Outcome == OK && w.Revision != item.Mod:
				c.violate(rule, fmt.Sprintf("%s was written at revision %d, and is read with %d", item.Value, w.Revision, item.Mod), o, w)
			}
		}
	}
}
