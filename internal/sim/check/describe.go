package check

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// longestQuote is how much of a key, value or body is shown.
const longestQuote = 40

// quote shows bytes, shortened where they are long.
func quote(b []byte) string {
	if len(b) > longestQuote {
		return fmt.Sprintf("%q… (%d bytes)", b[:longestQuote], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func describeItem(found bool, item *model.Item) string {
	if !found {
		return "absent"
	}
	value := "a value left out"
	if item.Value != nil {
		value = quote(item.Value)
	}
	return fmt.Sprintf("%s (create %d, mod %d, version %d)", value, item.CreateRevision, item.ModRevision, item.Version)
}

func describeOp(op *model.Op) string {
	switch op.Kind {
	case model.OpPut:
		return fmt.Sprintf("put %s = %s", quote(op.Key), quote(op.Value))
	case model.OpDelete, model.OpGet:
		return fmt.Sprintf("%v %s", op.Kind, quote(op.Key))
	}
	return fmt.Sprintf("%v %s", op.Kind, describeBounds(&op.Range))
}

func describeBounds(opts *model.RangeOptions) string {
	from, to := opts.Bounds()
	if to == nil {
		return fmt.Sprintf("[%s, end)", quote(from))
	}
	return fmt.Sprintf("[%s, %s)", quote(from), quote(to))
}

func describeTxn(t *model.Txn) string {
	var b strings.Builder
	b.WriteString("if")
	for i, c := range t.Compares {
		operand := fmt.Sprint(c.Number)
		if c.Target == model.TargetValue {
			operand = quote(c.Value)
		}
		fmt.Fprintf(&b, "%s %v(%s) %v %s", strings.Repeat(" and", min(i, 1)), c.Target, quote(c.Key), c.Operator, operand)
	}
	for _, branch := range []struct {
		name string
		ops  []model.Op
	}{{" then", t.Success}, {" else", t.Failure}} {
		for i := range branch.ops {
			b.WriteString(branch.name + " " + describeOp(&branch.ops[i]))
		}
	}
	return b.String()
}

// describeRead says at which revision and level a read was asked for, where that is not the default.
func describeRead(at model.Revision, read Read) string {
	text := ""
	if at != model.Latest {
		text = fmt.Sprintf(" at revision %d", at)
	}
	return text + read.String()
}

// String gives the level and what belongs to it, beginning with a blank; "" for a linearizable read.
func (r Read) String() string {
	switch r.Level {
	case Local:
		return " locally"
	case AtLeast:
		return fmt.Sprintf(" at least index %d, revision %d", r.Index, r.Revision)
	case MaxStaleness:
		return fmt.Sprintf(" at most %v stale", nanoseconds(r.Staleness))
	}
	return ""
}

func describeRequest(request Request) string {
	switch r := request.(type) {
	case Put:
		return fmt.Sprintf("put %s = %s", quote(r.Key), quote(r.Value))
	case Delete:
		return describeOp(&r.Op)
	case Swap:
		return fmt.Sprintf("swap %s, mod revision %d, to %s", quote(r.Key), r.Expected, quote(r.Value))
	case Txn:
		return describeTxn(&r.Txn)
	case Compact:
		return fmt.Sprintf("compact to revision %d", r.Revision)
	case Get:
		return "get " + quote(r.Key) + describeRead(r.At, r.Read)
	case Range:
		return "range " + describeBounds(&r.Opts) + describeRead(r.Opts.Revision, r.Read)
	case Append:
		return "append " + quote(r.Body)
	case LogGet:
		return fmt.Sprintf("get entry %d", r.Index)
	case Tail:
		return fmt.Sprintf("read entries from %d on", r.From)
	case Trim:
		return fmt.Sprintf("trim below %d", r.First)
	}
	return fmt.Sprintf("%T", request)
}

func describeResult(result Result) string {
	switch r := result.(type) {
	case Revised:
		return fmt.Sprintf("revision %d", r.Revision)
	case Deleted:
		return fmt.Sprintf("%d removed, revision %d", r.Deleted, r.Revision)
	case Swapped:
		if r.Swapped {
			return fmt.Sprintf("swapped, revision %d", r.Revision)
		}
		return fmt.Sprintf("not swapped, %s, revision %d", describeItem(r.Found, &r.Current), r.Revision)
	case TxnDone:
		return fmt.Sprintf("succeeded %v, revision %d", r.Succeeded, r.Revision)
	case Got:
		return fmt.Sprintf("%s, revision %d%v", describeItem(r.Found, &r.Item), r.Revision, r.From)
	case Ranged:
		return fmt.Sprintf("%d items, revision %d%v", r.Count, r.Revision, r.From)
	case RevisionRefused:
		if errors.Is(r.Err, model.ErrCompacted) {
			return fmt.Sprintf("compacted up to revision %d%v", r.Bound, r.From)
		}
		return fmt.Sprintf("not reached, the newest revision is %d%v", r.Bound, r.From)
	case Done:
		return "done"
	case Appended:
		return fmt.Sprintf("index %d", r.Index)
	case Entries:
		return describeEntries(r.Entries)
	case LogCompacted:
		return fmt.Sprintf("removed, the log begins at %d", r.First)
	case NoEntry:
		return "no such entry yet"
	}
	return fmt.Sprintf("%T", result)
}

// String says in one line what was asked and what came of it.
func (o Op) String() string { return describeRequest(o.Request) + " → " + describeOutcome(&o) }

func describeOutcome(op *Op) string {
	if op.Outcome != OK {
		return op.Outcome.String()
	}
	return describeResult(op.Result)
}

func describeEntries(entries []Entry) string {
	switch len(entries) {
	case 0:
		return "nothing"
	case 1:
		return fmt.Sprintf("entry %d, %s", entries[0].Index, quote(entries[0].Body))
	}
	return fmt.Sprintf("entries %d to %d", entries[0].Index, entries[len(entries)-1].Index)
}

// String names the replica and its run, beginning with a blank; "" where it is not known.
func (r Replica) String() string {
	switch {
	case r.Node == "":
		return ""
	case r.Run == 0:
		return ", from " + r.Node
	}
	return fmt.Sprintf(", from %s in its run %d", r.Node, r.Run)
}
