package server

import (
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

func itemOf(i kv.Item) rpc.Item {
	return rpc.Item{Key: i.Key, Value: i.Value, Create: uint64(i.CreateRevision), Mod: uint64(i.ModRevision), Version: i.Version, Lease: uint64(i.Lease)}
}

// rangeFrom gives a range as the store knows it. What does not fit an int is over the store's limits and is refused there.
func rangeFrom(a *rpc.RangeArgs) kv.RangeOptions {
	return kv.RangeOptions{Prefix: a.Prefix, From: a.From, To: a.To, Limit: int(min(a.Limit, model.MaxLimit+1)), MaxBytes: int(min(a.MaxBytes, model.MaxLimit)),
		Reverse: a.Reverse, KeysOnly: a.KeysOnly, CountOnly: a.CountOnly, Revision: kv.Revision(a.Revision), Level: levelFrom(a.Level, a.Bound)}
}

func levelFrom(kind uint8, bound uint64) kv.ReadLevel {
	return kv.ReadLevel{Kind: model.LevelKind(kind), Bound: bound}
}

func rangeOf(r *kv.RangeResult) rpc.RangeResult {
	out := rpc.RangeResult{Count: uint64(r.Count), More: r.More, Revision: uint64(r.Revision), Applied: uint64(r.Applied)}
	if len(r.Items) > 0 {
		out.Items = make([]rpc.Item, len(r.Items))
		for i, item := range r.Items {
			out.Items[i] = itemOf(item)
		}
	}
	return out
}

func txnFrom(a *rpc.TxnArgs) kv.Txn {
	t := kv.Txn{Success: opsFrom(a.Success), Failure: opsFrom(a.Failure), Level: levelFrom(a.Level, a.Bound)}
	if len(a.Compares) > 0 {
		t.Compares = make([]kv.Compare, len(a.Compares))
	}
	for i, c := range a.Compares {
		t.Compares[i] = kv.Compare{Target: model.Target(c.Target), Operator: model.Operator(c.Operator), Key: c.Key, Number: c.Number, Value: c.Value}
	}
	return t
}

func opsFrom(ops []rpc.Op) []kv.Op {
	if len(ops) == 0 {
		return nil
	}
	out := make([]kv.Op, len(ops))
	for i := range ops {
		op := &ops[i]
		out[i] = kv.Op{Kind: model.OpKind(op.Kind), Key: op.Key, Value: op.Value, Lease: model.LeaseID(op.Lease)}
		if op.Range != nil {
			out[i].Range = rangeFrom(op.Range)
		}
	}
	return out
}

func txnOf(r *kv.TxnResult) *rpc.TxnResult {
	out := &rpc.TxnResult{Revision: uint64(r.Revision), Succeeded: r.Succeeded, Applied: uint64(r.Applied), Results: make([]rpc.OpResult, len(r.Results))}
	for i := range r.Results {
		op := &r.Results[i]
		res := rpc.OpResult{Kind: uint8(op.Kind), Found: op.Found, Deleted: op.Deleted}
		if op.Found {
			item := itemOf(op.Item)
			res.Item = &item
		}
		if op.Range != nil {
			found := rangeOf(op.Range)
			res.Range = &found
		}
		out.Results[i] = res
	}
	return out
}
