package check_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
)

// sequentialLog is a log as porcupine wants it: its state is the entries, and an append takes any index above the last, for the group's
// own entries take some too.
var sequentialLog = porcupine.Model{
	Init: func() any { return []check.Entry(nil) },
	Step: func(state, input, output any) (bool, any) {
		log := state.([]check.Entry)
		switch r := input.(type) {
		case check.Append:
			if output == nil {
				return true, log
			}
			index := output.(check.Appended).Index
			if len(log) > 0 && index <= log[len(log)-1].Index || index == 0 {
				return false, log
			}
			return true, append(slices.Clip(log), check.Entry{Index: index, Data: true, Body: r.Body})
		case check.LogGet:
			i := slices.IndexFunc(log, func(e check.Entry) bool { return e.Index == r.Index })
			if _, none := output.(check.NoEntry); none {
				return len(log) == 0 || r.Index > log[len(log)-1].Index, log
			}
			return i >= 0 && sameEntries(log[i:i+1], output.(check.Entries).Entries), log
		}
		r := input.(check.Tail)
		i := slices.IndexFunc(log, func(e check.Entry) bool { return e.Index >= r.From })
		if i < 0 {
			i = len(log)
		}
		return sameEntries(log[i:], output.(check.Entries).Entries), log
	},
	Equal: func(a, b any) bool { return sameEntries(a.([]check.Entry), b.([]check.Entry)) },
}

func sameEntries(a, b []check.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b check.Entry) bool {
		return a.Index == b.Index && a.Data == b.Data && bytes.Equal(a.Body, b.Body)
	})
}

// exhaustiveLog asks porcupine about a history of a log. An uncertain append has the index at which its body was read first.
func exhaustiveLog(h *check.History) bool {
	at := map[string]uint64{}
	for i := range h.Len() {
		if read, ok := h.Op(check.OpID(i)).Result.(check.Entries); ok {
			for _, e := range read.Entries {
				if _, known := at[string(e.Body)]; !known {
					at[string(e.Body)] = e.Index
				}
			}
		}
	}
	var ops []porcupine.Operation
	for i := range h.Len() {
		op := h.Op(check.OpID(i))
		r, appends := op.Request.(check.Append)
		switch {
		case op.Outcome == check.OK:
			ops = append(ops, porcupine.Operation{Input: op.Request, Call: order(op.Invoked), Output: op.Result, Return: order(op.Returned)})
		case op.Outcome == check.Uncertain && appends && at[string(r.Body)] > 0:
			ops = append(ops, porcupine.Operation{Input: op.Request, Call: order(op.Invoked), Output: check.Appended{Index: at[string(r.Body)]}, Return: 1 << 62})
		}
	}
	return porcupine.CheckOperations(sequentialLog, ops)
}

// order gives a moment as a number; generated histories have few moments at one time.
func order(m check.Moment) int64 { return m.At*1000 + int64(m.Seq) }

// generateLog makes a history of a log that can have happened.
func generateLog(rng *rand.Rand) *check.History {
	h := check.NewHistory()
	var log []check.Entry
	type running struct {
		id      check.OpID
		request check.Request
		result  check.Result
	}
	clients := make([]*running, 4)
	next := uint64(1)
	for started, busy := 0, 0; started < 14 || busy > 0; {
		now := int64(started)
		i := rng.IntN(len(clients))
		r := clients[i]
		switch {
		case r == nil && started < 14:
			var request check.Request = check.Append{Body: fmt.Appendf(nil, "b%d", started)}
			switch rng.IntN(4) {
			case 0:
				request = check.LogGet{Index: 1 + uint64(rng.IntN(int(next)+1))}
			case 1:
				request = check.Tail{From: 1 + uint64(rng.IntN(int(next))), DataOnly: true}
			}
			clients[i] = &running{id: h.Invoke(i, now, request), request: request}
			started++
			busy++
		case r == nil:
		case r.result == nil:
			r.result = carryOutLog(rng, r.request, &log, &next)
		default:
			_, appends := r.request.(check.Append)
			_, none := r.result.(check.LogCompacted) // an entry of the group's own, which this log does not keep
			switch {
			case none, appends && rng.IntN(4) == 0:
				h.Lose(r.id, now)
			default:
				h.Return(r.id, now, r.result)
			}
			clients[i] = nil
			busy--
		}
	}
	return h
}

func carryOutLog(rng *rand.Rand, request check.Request, log *[]check.Entry, next *uint64) check.Result {
	switch r := request.(type) {
	case check.Append:
		if rng.IntN(4) == 0 {
			*next++ // an entry of the group's own
		}
		*log = append(*log, check.Entry{Index: *next, Data: true, Body: r.Body})
		*next++
		return check.Appended{Index: *next - 1}
	case check.LogGet:
		if len(*log) == 0 || r.Index > (*log)[len(*log)-1].Index {
			return check.NoEntry{}
		}
		if i := slices.IndexFunc(*log, func(e check.Entry) bool { return e.Index == r.Index }); i >= 0 {
			return entries((*log)[i])
		}
		return check.LogCompacted{}
	}
	r := request.(check.Tail)
	var found []check.Entry
	for _, e := range *log {
		if e.Index >= r.From {
			found = append(found, e)
		}
	}
	return entries(found...)
}

// tamperLog changes one answer.
func tamperLog(rng *rand.Rand, ops []check.Op) string {
	i := rng.IntN(len(ops))
	op := &ops[i]
	switch r := op.Result.(type) {
	case check.Appended:
		switch rng.IntN(3) {
		case 0:
			op.Outcome, op.Result = check.Failed, nil
		case 1:
			op.Result = check.Appended{Index: r.Index + 1}
		default:
			op.Result = check.Appended{Index: r.Index - 1}
		}
	case check.Entries:
		found := slices.Clone(r.Entries)
		if len(found) == 0 {
			break
		}
		j := rng.IntN(len(found))
		switch rng.IntN(3) {
		case 0:
			found = slices.Delete(found, j, j+1)
		case 1:
			found[j].Body = fmt.Appendf(nil, "b%d", rng.IntN(16))
		default:
			found[j].Index++
		}
		if _, one := op.Request.(check.LogGet); !one || len(found) == 1 {
			op.Result = check.Entries{Entries: found}
		}
	case check.NoEntry:
		op.Request = check.LogGet{Index: max(op.Request.(check.LogGet).Index, 2) - 1}
	}
	if rng.IntN(3) == 0 {
		j := rng.IntN(len(ops))
		op.Invoked, op.Returned, ops[j].Invoked, ops[j].Returned = ops[j].Invoked, ops[j].Returned, op.Invoked, op.Returned
	}
	return fmt.Sprintf("#%d", i)
}

// TestLogAgreesWithPorcupine holds the log's checker against an exhaustive search.
func TestLogAgreesWithPorcupine(t *testing.T) {
	seed := freshSeed(t)
	bad := 0
	for i := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, i))
		h := generateLog(rng)
		requireSame(t, h, true, i, "as it happened")
		for range 4 {
			mutant, what := mutateWith(rng, h, tamperLog)
			if good := exhaustiveLog(mutant); !good {
				bad++
				requireSame(t, mutant, false, i, what)
			} else {
				requireSame(t, mutant, true, i, what)
			}
		}
	}
	require.Greater(t, bad, histories)
	t.Logf("seed %d: %d of %d tampered histories can't have happened", seed, bad, 4*histories)
}

func requireSame(t *testing.T, h *check.History, good bool, i uint64, what string) {
	t.Helper()
	_, err := h.Check()
	if (err == nil) == good && exhaustiveLog(h) == good {
		return
	}
	for i := range h.Len() {
		op := h.Op(check.OpID(i))
		t.Logf("#%d [%v, %v] %v", i, op.Invoked, op.Returned, op)
	}
	require.Failf(t, "disagreement", "history %d, %s: porcupine says %v, the checker says %v", i, what, exhaustiveLog(h), err)
}
