package btree

import (
	"bytes"
	"sync"

	"github.com/google/btree"
)

const (
	// treeDegree is the B-tree's: nodes hold up to 63 keys.
	treeDegree = 32
	// firstSlice and maxSlice bound how many keys are taken under one hold of the lock: few at first, since many a range
	// wants few, then twice as many each time.
	firstSlice = 16
	maxSlice   = 256
)

// order keeps the items in the order of their keys, whether or not they are there at any one revision.
type order struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[*item] // changed by the writing goroutine alone, under mu
}

func newOrder() *order {
	return &order{tree: btree.NewG(treeDegree, func(a, b *item) bool { return bytes.Compare(a.key, b.key) < 0 })}
}

func (o *order) add(it *item) {
	o.mu.Lock()
	o.tree.ReplaceOrInsert(it)
	o.mu.Unlock()
}

func (o *order) remove(it *item) {
	o.mu.Lock()
	o.tree.Delete(it)
	o.mu.Unlock()
}

// walk is a walk over the items with keys in [from, to), in slices, so that the lock is held for a moment at a time. Items
// that are added or removed meanwhile may or may not be met; they are not there at any revision that the walker looks at.
type walk struct {
	order    *order
	from, to []byte // what is left; a nil to means no upper bound
	reverse  bool
	past     bool // from itself was visited
	buf      []*item
}

// next gives the next slice; an empty one is the end. It is valid until the following call.
func (w *walk) next() []*item {
	size := min(max(2*len(w.buf), firstSlice), maxSlice)
	if cap(w.buf) < size {
		w.buf = make([]*item, 0, size)
	}
	w.buf = w.buf[:0]
	w.order.mu.RLock()
	if w.reverse {
		w.descend(size)
	} else {
		w.ascend(size)
	}
	w.order.mu.RUnlock()
	if n := len(w.buf); n > 0 && w.reverse {
		w.to = w.buf[n-1].key
	} else if n > 0 {
		w.from, w.past = w.buf[n-1].key, true
	}
	return w.buf
}

func (w *walk) ascend(size int) {
	w.order.tree.AscendGreaterOrEqual(&item{key: w.from}, func(it *item) bool {
		if w.to != nil && bytes.Compare(it.key, w.to) >= 0 {
			return false
		}
		if !w.past || !bytes.Equal(it.key, w.from) {
			w.buf = append(w.buf, it)
		}
		return len(w.buf) < size
	})
}

func (w *walk) descend(size int) {
	visit := func(it *item) bool {
		if bytes.Compare(it.key, w.from) < 0 {
			return false
		}
		if w.to == nil || !bytes.Equal(it.key, w.to) {
			w.buf = append(w.buf, it)
		}
		return len(w.buf) < size
	}
	if w.to == nil {
		w.order.tree.Descend(visit)
		return
	}
	w.order.tree.DescendLessOrEqual(&item{key: w.to}, visit)
}
