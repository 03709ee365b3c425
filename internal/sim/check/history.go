package check

import (
	"cmp"
	"fmt"
	"math"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// Moment is a point of time. Moments are ordered by At, and by Seq where At is the same; those that are equal are
// taken to be in no order, which is the safe thing to say of two clocks' readings.
type Moment struct {
	// At is in nanoseconds, on a clock that all clients share and that never goes back.
	At int64
	// Seq tells apart what happens at the same At in a known order; 0 where there is none.
	Seq uint64
}

// Before says whether m is known to be earlier than other.
func (m Moment) Before(other Moment) bool {
	return m.At < other.At || m.At == other.At && m.Seq < other.Seq
}

func (m Moment) compare(other Moment) int {
	return cmp.Or(cmp.Compare(m.At, other.At), cmp.Compare(m.Seq, other.Seq))
}

// never is after every moment.
var never = Moment{At: math.MaxInt64, Seq: math.MaxUint64}

// Outcome is what the client knows of its operation.
type Outcome uint8

const (
	// Uncertain: it was carried out, or will be, or never: there is no answer, or one that says so.
	Uncertain Outcome = iota
	// OK: it was carried out, and Op.Result is the answer.
	OK
	// Failed: it was not carried out and never will be.
	Failed
)

// String gives the outcome's name.
func (o Outcome) String() string {
	switch o {
	case Uncertain:
		return "uncertain"
	case OK:
		return "ok"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// OpID is an operation's place in its History.
type OpID int

// noOp is the id of no operation.
const noOp OpID = -1

// Op is an operation of a client.
type Op struct {
	Client int
	// Invoked is when the client sent the request, Returned when it had the answer or gave up.
	Invoked, Returned Moment
	Outcome           Outcome
	Request           Request
	// Result is the answer of an operation with outcome OK, nil for every other.
	Result Result
}

// History is what clients of one store and one log asked and were answered. It keeps the slices it is given: they must not be
// changed any more. The zero value is an empty history. Its methods belong to one goroutine at a time.
type History struct {
	ops []Op
	seq uint64
	now int64
}

// NewHistory makes an empty history.
func NewHistory() *History { return &History{} }

// Len is the number of operations.
func (h *History) Len() int { return len(h.ops) }

// Op gives an operation. Its slices are the history's.
func (h *History) Op(id OpID) Op { return h.ops[id] }

// Invoke records that a client sends a request, at a time in nanoseconds that is not below that of the call before. Calls at the same time are taken
// to happen in the order in which they are made. Until the operation is ended its outcome is Uncertain.
func (h *History) Invoke(client int, at int64, r Request) OpID {
	h.ops = append(h.ops, Op{Client: client, Invoked: h.moment(at), Request: r})
	return OpID(len(h.ops) - 1)
}

// Return ends an operation with an answer.
func (h *History) Return(id OpID, at int64, r Result) {
	if request := h.ops[id].Request; !r.answers(request) {
		panic(fmt.Sprintf("check: operation %d, a %T, was answered with %T", id, request, r))
	}
	h.end(id, at, OK, r)
}

// Fail ends an operation that was certainly not carried out.
func (h *History) Fail(id OpID, at int64) { h.end(id, at, Failed, nil) }

// Lose ends an operation whose fate the client does not know.
func (h *History) Lose(id OpID, at int64) { h.end(id, at, Uncertain, nil) }

func (h *History) end(id OpID, at int64, outcome Outcome, r Result) {
	op := &h.ops[id]
	if op.Returned != (Moment{}) {
		panic(fmt.Sprintf("check: operation %d ends twice, at %d ns and at %d ns", id, op.Returned.At, at))
	}
	op.Returned, op.Outcome, op.Result = h.moment(at), outcome, r
}

func (h *History) moment(at int64) Moment {
	if at < h.now {
		panic(fmt.Sprintf("check: time goes back from %d ns to %d ns", h.now, at))
	}
	h.now = at
	h.seq++
	return Moment{At: at, Seq: h.seq}
}

// Add records an operation with the times it has, which may lie before those recorded already.
func (h *History) Add(op Op) OpID {
	if op.Outcome == OK && (op.Result == nil || !op.Result.answers(op.Request)) {
		panic(fmt.Sprintf("check: a %T was answered with %T", op.Request, op.Result))
	}
	if op.Outcome != OK {
		op.Result = nil
	}
	h.ops = append(h.ops, op)
	return OpID(len(h.ops) - 1)
}

// DumpStore records the whole state of a replica's store, in the order of keys, as a linearizable read that begins and ends at once. At
// the end of a run, when all is quiet, it shows every acknowledged write that was lost.
func (h *History) DumpStore(client int, at int64, from Replica, revision model.Revision, items []model.Item) OpID {
	id := h.Invoke(client, at, Range{})
	h.Return(id, at, Ranged{RangeResult: model.RangeResult{Items: items, Count: len(items), Revision: revision}, From: from})
	return id
}

// DumpLog records all entries that a replica's log has, as a linearizable read that begins and ends at once; see DumpStore. first is the log's
// first index: where it is above 1, what is below was removed.
func (h *History) DumpLog(client int, at int64, first uint64, entries []Entry) OpID {
	if first > 1 {
		h.Return(h.Invoke(client, at, LogGet{Index: first - 1}), at, LogCompacted{First: first})
	}
	id := h.Invoke(client, at, Tail{From: first})
	h.Return(id, at, Entries{Entries: entries})
	return id
}
