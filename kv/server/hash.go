package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
)

// hash gives the hash of this replica's own state at a revision: what two replicas say of one revision can be compared. It asks
// nobody else.
func (h handler) hash(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.HashArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	var out rpc.HashResult
	err := h.read(ctx, func() error {
		view, err := g.Store.View(ctx, kv.GetOptions{Level: kv.Local, Revision: kv.Revision(args.Revision)})
		if err != nil {
			return err
		}
		sum, err := hashView(ctx, view)
		out = rpc.HashResult{Hash: sum, Revision: uint64(view.Revision()), Applied: uint64(view.Applied())}
		return err
	})
	return &out, err
}

// hashPageBytes is how much of the state is read at a time.
const hashPageBytes = 1 << 20

// hashView is SHA-256 over the revision and the items in the order of their keys, every part of an item with its length.
func hashView(ctx context.Context, view *kv.View) ([]byte, error) {
	sum := sha256.New()
	var head [8]byte
	sum.Write(binary.LittleEndian.AppendUint64(head[:0], uint64(view.Revision())))
	opts := kv.RangeOptions{MaxBytes: hashPageBytes}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		page, err := view.Range(ctx, opts)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			hashItem(sum, &page.Items[i])
		}
		if !page.More {
			return sum.Sum(nil), nil
		}
		last := page.Items[len(page.Items)-1].Key
		opts.From = append(append([]byte(nil), last...), 0)
	}
}

func hashItem(sum hash.Hash, item *kv.Item) {
	var head [6 * 8]byte
	b := head[:0]
	for _, n := range [...]uint64{uint64(len(item.Key)), uint64(len(item.Value)), uint64(item.CreateRevision), uint64(item.ModRevision), item.Version, uint64(item.Lease)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	sum.Write(b)
	sum.Write(item.Key)
	sum.Write(item.Value)
}
