package check

import "github.com/ledgerkv/ledgerkv/kv/model"

// mostCells is how many different items a key may have had at a revision before it is given up.
const mostCells = 4096

// oneKey follows one key through the revisions with all items that it can have, whatever the uncertain writes did.
type oneKey struct {
	*replay
	key   int32
	cells map[cellName]cell
}

// cellName tells cells apart.
type cellName struct {
	value                string
	create, mod, version uint64
}

func (c *cell) name() cellName { return cellName{string(c.value), c.create, c.mod, c.version} }

// eachKey finds a key that can't have been what somebody read, whatever the uncertain writes did. It is weaker than the search for a guess
// that fits all keys: an uncertain write may take effect more than once, and an unclaimed revision be of no use to any key. So what it
// finds is a violation, but not every violation is found.
func (r *replay) eachKey() *Violation {
	for _, key := range r.hidden.touched {
		k := oneKey{replay: r, key: key, cells: map[cellName]cell{{}: {}}}
		if v := k.follow(); v != nil {
			return v
		}
	}
	return nil
}

func (k *oneKey) follow() *Violation {
	watched := 0
	for rev := uint64(0); rev <= k.top; rev++ {
		if rev > 0 {
			id := k.writer[rev]
			switch {
			case id == noOp:
				k.anybody(rev)
			case !k.keep(id):
				return k.refuse(id, rev)
			default:
				k.write(id, rev)
			}
		}
		if len(k.cells) > mostCells {
			return nil
		}
		for ; watched < len(k.watchers) && k.watchers[watched].at == rev; watched++ {
			if id := k.watchers[watched].op; !k.keep(id) {
				return k.refuse(id, rev)
			}
		}
	}
	return nil
}

// anybody adds what the key can be if one of the free uncertain writes has the revision.
func (k *oneKey) anybody(rev uint64) {
	before := k.cells
	k.cells = make(map[cellName]cell, len(before))
	for name, c := range before {
		k.cells[name] = c
	}
	for _, id := range k.free {
		if !k.bound[rev].Before(k.h.ops[id].Invoked) {
			k.apply(before, id, bothBranches, rev)
		}
	}
}

// write carries out the write of a revision.
func (k *oneKey) write(id OpID, rev uint64) {
	before := k.cells
	k.cells = make(map[cellName]cell, len(before))
	which := branchTaken
	_, isTxn := k.h.ops[id].Request.(Txn)
	unsure := isTxn && k.h.ops[id].Outcome == Uncertain
	if unsure {
		which = bothBranches
	}
	if !k.apply(before, id, which, rev) || unsure {
		for name, c := range before {
			k.cells[name] = c
		}
	}
}

// apply adds what the key is after an operation for each item that it can be before, and says whether the operation writes the key.
func (k *oneKey) apply(before map[cellName]cell, id OpID, which branches, rev uint64) (writes bool) {
	swap, isSwap := k.h.ops[id].Request.(Swap)
	k.eachWrite(&k.h.ops[id], which, func(key int32, value []byte, deletes bool) {
		if key != k.key {
			return
		}
		writes = true
		for _, c := range before {
			switch {
			case deletes:
				c = cell{}
			case isSwap && c.mod != uint64(swap.Expected):
				continue
			case c.version == 0:
				c = cell{value: value, create: rev, mod: rev, version: 1}
			default:
				c = cell{value: value, create: c.create, mod: rev, version: c.version + 1}
			}
			k.cells[c.name()] = c
		}
	})
	return writes
}

// keep drops the items that an operation says the key was not, and says whether any are left. What a write says is about the state before it.
func (k *oneKey) keep(id OpID) bool {
	op := &k.h.ops[id]
	for name, c := range k.cells {
		if !k.fits(op, &c) {
			delete(k.cells, name)
		}
	}
	return len(k.cells) > 0
}

// fits says whether what an operation was answered allows the key to be c.
func (k *oneKey) fits(op *Op, c *cell) bool {
	switch r := op.Result.(type) {
	case Got:
		return k.keys.id(op.Request.(Get).Key) != k.key || c.is(k.keys.names[k.key], r.Found, &r.Item, false)
	case Swapped:
		request := op.Request.(Swap)
		switch {
		case k.keys.id(request.Key) != k.key:
			return true
		case r.Swapped:
			return c.mod == uint64(request.Expected)
		}
		return c.is(k.keys.names[k.key], r.Found, &r.Current, false)
	case Deleted:
		request := op.Request.(Delete)
		return request.Op.Kind != model.OpDelete || k.keys.id(request.Op.Key) != k.key || (r.Deleted > 0) == (c.version > 0)
	case Ranged:
		return k.fitsRange(op.Request.(Range).Opts, &r.RangeResult, c)
	}
	return true
}

func (k *oneKey) fitsRange(opts model.RangeOptions, r *model.RangeResult, c *cell) bool {
	name := k.keys.names[k.key]
	for i := range r.Items {
		if string(r.Items[i].Key) == name {
			return c.is(name, true, &r.Items[i], opts.KeysOnly)
		}
	}
	lo, hi := k.keys.span(opts.Bounds())
	if opts.CountOnly || r.More || int(k.key) < lo || int(k.key) >= hi {
		return true
	}
	return c.is(name, false, nil, false)
}

// refuse says what can't have been.
func (k *oneKey) refuse(id OpID, rev uint64) *Violation {
	name := []byte(k.keys.names[k.key])
	return k.h.violation(RuleState, []OpID{id, k.lastWrite(k.key, rev, id)},
		"operation #%d at revision %d: its answer about %s can't be right, whichever uncertain writes have the revisions that no write was told", id, rev, quote(name))
}
