package check

import (
	"slices"
	"sort"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// keyspace numbers the keys that a history mentions, in their order, so that a state is an array and a range a slice of it.
type keyspace struct {
	names []string
	ids   map[string]int32
}

func newKeyspace(ops []Op) *keyspace {
	k := &keyspace{ids: map[string]int32{}}
	for i := range ops {
		k.collectRequest(ops[i].Request)
		k.collectResult(ops[i].Result)
	}
	slices.Sort(k.names)
	for i, name := range k.names {
		k.ids[name] = int32(i)
	}
	return k
}

func (k *keyspace) collect(key []byte) {
	if _, known := k.ids[string(key)]; !known {
		name := string(key)
		k.ids[name] = 0
		k.names = append(k.names, name)
	}
}

func (k *keyspace) collectRequest(request Request) {
	switch r := request.(type) {
	case Put:
		k.collect(r.Key)
	case Delete:
		k.collectOp(&r.Op)
	case Swap:
		k.collect(r.Key)
	case Get:
		k.collect(r.Key)
	case Txn:
		for i := range r.Txn.Compares {
			k.collect(r.Txn.Compares[i].Key)
		}
		for i := range r.Txn.Success {
			k.collectOp(&r.Txn.Success[i])
		}
		for i := range r.Txn.Failure {
			k.collectOp(&r.Txn.Failure[i])
		}
	}
}

func (k *keyspace) collectOp(op *model.Op) {
	switch op.Kind {
	case model.OpPut, model.OpDelete, model.OpGet:
		k.collect(op.Key)
	}
}

func (k *keyspace) collectResult(result Result) {
	switch r := result.(type) {
	case Ranged:
		k.collectItems(r.Items)
	case TxnDone:
		for i := range r.Results {
			if found := r.Results[i].Range; found != nil {
				k.collectItems(found.Items)
			}
		}
	}
}

func (k *keyspace) collectItems(items []model.Item) {
	for i := range items {
		k.collect(items[i].Key)
	}
}

// id gives the number of a key that the history mentions.
func (k *keyspace) id(key []byte) int32 { return k.ids[string(key)] }

// span gives the keys in [from, to) as an interval of numbers; a nil to means no upper bound.
func (k *keyspace) span(from, to []byte) (lo, hi int) {
	lo, hi = 0, len(k.names)
	if len(from) > 0 {
		lo = sort.SearchStrings(k.names, string(from))
	}
	if to != nil {
		hi = sort.SearchStrings(k.names, string(to))
	}
	return lo, max(lo, hi)
}
