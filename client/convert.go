package client

import (
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

func itemFrom(i rpc.Item) Item {
	return Item{Key: i.Key, Value: i.Value, CreateRevision: Revision(i.Create), ModRevision: Revision(i.Mod), Version: i.Version,
		Lease: model.LeaseID(i.Lease)}
}

func rangeArgs(o RangeOptions) rpc.RangeArgs {
	return rpc.RangeArgs{Prefix: o.Prefix, From: o.From, To: o.To, Limit: uint64(o.Limit), MaxBytes: uint64(o.MaxBytes),
		Reverse: o.Reverse, KeysOnly: o.KeysOnly, CountOnly: o.CountOnly, Revision: uint64(o.Revision), Level: uint8(o.Level.Kind), Bound: o.Level.Bound}
}

func rangeFrom(r rpc.RangeResult) RangeResult {
	out := RangeResult{Count: int(r.Count), More: r.More, Revision: Revision(r.Revision), Applied: Index(r.Applied)}
	if len(r.Items) > 0 {
		out.Items = make([]Item, len(r.Items))
		for i, item := range r.Items {
			out.Items[i] = itemFrom(item)
		}
	}
	return out
}

func txnArgs(t Txn) *rpc.TxnArgs {
	args := &rpc.TxnArgs{Success: opArgs(t.Success), Failure: opArgs(t.Failure), Level: uint8(t.Level.Kind), Bound: t.Level.Bound}
	for _, c := range t.Compares {
		args.Compares = append(args.Compares, rpc.Compare{Target: uint8(c.Target), Operator: uint8(c.Operator), Key: c.Key,
			Number: c.Number, Value: c.Value})
	}
	return args
}

func opArgs(ops []Op) []rpc.Op {
	out := make([]rpc.Op, len(ops))
	for i, op := range ops {
		out[i] = rpc.Op{Kind: uint8(op.Kind), Key: op.Key, Value: op.Value, Lease: uint64(op.Lease)}
		if op.Kind == model.OpDeleteRange || op.Kind == model.OpRange {
			args := rangeArgs(op.Range)
			out[i].Range = &args
		}
	}
	return out
}

func txnFrom(r rpc.TxnResult) TxnResult {
	out := TxnResult{Revision: Revision(r.Revision), Succeeded: r.Succeeded, Applied: Index(r.Applied)}
	for _, o := range r.Results {
		op := OpResult{Kind: model.OpKind(o.Kind), Found: o.Found, Deleted: o.Deleted}
		if o.Item != nil {
			op.Item = itemFrom(*o.Item)
		}
		if o.Range != nil {
			found := rangeFrom(*o.Range)
			op.Range = &found
		}
		out.Results = append(out.Results, op)
	}
	return out
}
