package sim

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// digest sums up what applying an entry gave.
func digest(r *statemachine.Result) uint64 {
	h := mix(0x9e3779b97f4a7c15, r.Value)
	switch d := r.Data.(type) {
	case nil:
	case kv.Deleted:
		h = mix(h, uint64(d))
	case *kv.TxnResult:
		h = mix(h, uint64(d.Revision)<<1|bit(d.Succeeded))
		for i := range d.Results {
			h = digestOp(h, &d.Results[i])
		}
	case error:
		h = mix(h, digestBytes([]byte(d.Error())))
	default:
		panic(fmt.Sprintf("sim: a store answered with %T", d))
	}
	return h
}

func digestOp(h uint64, r *model.OpResult) uint64 {
	h = mix(h, uint64(r.Kind)<<1|bit(r.Found))
	h = digestItem(mix(h, r.Deleted), &r.Item)
	if r.Range == nil {
		return h
	}
	h = mix(h, uint64(r.Range.Count)<<1|bit(r.Range.More))
	for i := range r.Range.Items {
		h = digestItem(h, &r.Range.Items[i])
	}
	return h
}

func digestItem(h uint64, item *model.Item) uint64 {
	h = mix(mix(h, digestBytes(item.Key)), digestBytes(item.Value))
	return mix(mix(mix(mix(h, uint64(item.CreateRevision)), uint64(item.ModRevision)), item.Version), uint64(item.Lease))
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// digestBytes is FNV-1a.
func digestBytes(s []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range s {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// mix folds a number into a hash.
func mix(h, x uint64) uint64 {
	h ^= x
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>29
}
