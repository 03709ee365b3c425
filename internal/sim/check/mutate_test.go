package check_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

var (
	seedFlag = flag.Uint64("seed", 0, "the seed of random histories; 0 draws one")
	moreFlag = flag.Int("more", 1, "how many times as many random histories")
)

// histories is how many are drawn for each shape, four tampered ones from each.
var histories = 600

func TestMain(m *testing.M) {
	flag.Parse()
	histories *= *moreFlag
	m.Run()
}

// freshSeed gives the flag's seed, or a new one, and prints it.
func freshSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./internal/sim/check -run %s -seed %d", t.Name(), seed)
	return seed
}

// mutate gives a copy of a history with one thing changed, so that it most often can't have happened, and says what.
func mutate(rng *rand.Rand, h *check.History) (*check.History, string) {
	return mutateWith(rng, h, tamper)
}

func mutateWith(rng *rand.Rand, h *check.History, tamper func(*rand.Rand, []check.Op) string) (*check.History, string) {
	ops := make([]check.Op, h.Len())
	for i := range ops {
		ops[i] = h.Op(check.OpID(i))
		if ops[i].Outcome != check.OK {
			ops[i].Returned = check.Moment{At: 1 << 40}
		}
	}
	what := tamper(rng, ops)
	mutant := check.NewHistory()
	for _, op := range ops {
		mutant.Add(op)
	}
	return mutant, what
}

func tamper(rng *rand.Rand, ops []check.Op) string {
	i := rng.IntN(len(ops))
	op := &ops[i]
	switch rng.IntN(9) {
	case 0:
		op.Outcome, op.Result = check.Failed, nil
		return fmt.Sprintf("#%d failed", i)
	case 1:
		op.Outcome, op.Result = check.Uncertain, nil
		return fmt.Sprintf("#%d is uncertain", i)
	case 2:
		op.Returned = check.Moment{At: op.Invoked.At, Seq: op.Invoked.Seq}
		return fmt.Sprintf("#%d returns at once", i)
	case 3:
		if op.Outcome == check.OK {
			op.Invoked = op.Returned
		}
		return fmt.Sprintf("#%d begins late", i)
	case 4:
		other := &ops[rng.IntN(len(ops))]
		op.Invoked, op.Returned, other.Invoked, other.Returned = other.Invoked, other.Returned, op.Invoked, op.Returned
		return fmt.Sprintf("#%d has the times of another", i)
	case 5:
		for j := range ops {
			ops[j].Invoked.Seq, ops[j].Returned.Seq = 0, 0
		}
		return "the clock alone tells the order"
	case 6:
		for j := range ops {
			if j != i && ops[j].Outcome == check.OK && op.Outcome == check.OK && fmt.Sprintf("%T", ops[j].Result) == fmt.Sprintf("%T", op.Result) {
				op.Result, ops[j].Result = ops[j].Result, op.Result
				return fmt.Sprintf("#%d and #%d have each other's answers", i, j)
			}
		}
	}
	if op.Outcome == check.OK {
		op.Result = tamperResult(rng, op.Result)
	}
	return fmt.Sprintf("#%d has another answer", i)
}

// tamperResult changes something in an answer.
func tamperResult(rng *rand.Rand, result check.Result) check.Result {
	by := uint64(1)
	if rng.IntN(2) == 0 {
		by = ^uint64(0)
	}
	switch r := result.(type) {
	case check.Revised:
		r.Revision += model.Revision(by)
		return r
	case check.Deleted:
		if rng.IntN(2) == 0 {
			r.Deleted += by
		} else {
			r.Revision += model.Revision(by)
		}
		return r
	case check.Swapped:
		if rng.IntN(2) == 0 {
			r.Revision += model.Revision(by)
		} else {
			r.Current = tamperItem(rng, r.Current, by)
		}
		return r
	case check.Got:
		switch rng.IntN(3) {
		case 0:
			r.Found, r.Item = !r.Found, model.Item{}
		case 1:
			r.Revision += model.Revision(by)
		default:
			r.Item = tamperItem(rng, r.Item, by)
		}
		return r
	case check.Ranged:
		if len(r.Items) > 0 && rng.IntN(2) == 0 {
			j := rng.IntN(len(r.Items))
			r.Items = slices.Clone(r.Items)
			r.Items[j] = tamperItem(rng, r.Items[j], by)
		} else if rng.IntN(2) == 0 {
			r.Revision += model.Revision(by)
		} else {
			r.More = !r.More
		}
		return r
	case check.TxnDone:
		r.Revision += model.Revision(by)
		return r
	case check.RevisionRefused:
		r.Bound += model.Revision(by)
		return r
	}
	return result
}

func tamperItem(rng *rand.Rand, item model.Item, by uint64) model.Item {
	switch rng.IntN(4) {
	case 0:
		item.Version += by
	case 1:
		item.CreateRevision += model.Revision(by)
	case 2:
		item.ModRevision += model.Revision(by)
	default:
		item.Value = fmt.Appendf(nil, "v%d", rng.IntN(12))
	}
	return item
}
