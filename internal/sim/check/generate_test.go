package check_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// shape says what a generated history is like.
type shape struct {
	clients, ops, keys int
	// uncertain and failed are the shares of operations with these outcomes.
	uncertain, failed float64
	// compacts: compactions and reads of old revisions, too.
	compacts bool
	// txns is the share of transactions, beside those that are there anyhow.
	txns float64
	// replicas: so many, behind the newest state, answer reads that are not linearizable; 0 for none.
	replicas int
}

// generator makes a history that can have happened: each operation is carried out at a moment between its beginning and its end, if at all.
type generator struct {
	shape
	rng    *rand.Rand
	h      *check.History
	now    int64
	values int
	// states are the stores by applied index, the newest last; applied is how far each replica is.
	states  []*store
	applied []int
	// running has each client's operation, nil for none.
	running []*running
	// late are operations whose client has given up, and that may be carried out yet.
	late []*running
	// truth has the revision of each uncertain write that changed something.
	truth map[check.OpID]uint64
}

type running struct {
	id      check.OpID
	request check.Request
	result  check.Result
	done    bool
	outcome check.Outcome
}

func generate(rng *rand.Rand, s shape) *check.History {
	h, _ := generateWithTruth(rng, s)
	return h
}

// generateWithTruth gives the revisions of the uncertain writes that changed something, too.
func generateWithTruth(rng *rand.Rand, s shape) (*check.History, map[check.OpID]uint64) {
	g := &generator{shape: s, rng: rng, h: check.NewHistory(), states: []*store{newStore()}, applied: make([]int, s.replicas),
		running: make([]*running, s.clients), truth: map[check.OpID]uint64{}}
	for started, busy := 0, 0; started < s.ops || busy > 0; {
		g.now += int64(rng.IntN(3)) * 1000
		g.background()
		client := rng.IntN(s.clients)
		switch r := g.running[client]; {
		case r == nil && started < s.ops:
			g.start(client)
			started++
			busy++
		case r == nil:
		case !r.done:
			g.carryOut(r)
		default:
			g.end(r)
			g.running[client] = nil
			busy--
		}
	}
	return g.h, g.truth
}

// background lets replicas catch up and requests that were given up take effect.
func (g *generator) background() {
	for i := range g.applied {
		if g.rng.IntN(3) == 0 {
			g.applied[i] += g.rng.IntN(len(g.states) - g.applied[i])
		}
	}
	if len(g.late) > 0 && g.rng.IntN(4) == 0 {
		i := g.rng.IntN(len(g.late))
		g.changeUnseen(g.late[i])
		g.late = append(g.late[:i], g.late[i+1:]...)
	}
}

func (g *generator) newest() *store { return g.states[len(g.states)-1] }

func (g *generator) change(r check.Request) check.Result {
	result, next := g.newest().do(r)
	if next != g.newest() {
		g.states = append(g.states, next)
	}
	return result
}

// changeUnseen carries out an operation that its client hears nothing of.
func (g *generator) changeUnseen(r *running) {
	before := g.newest().rev
	g.change(r.request)
	if rev := g.newest().rev; rev > before {
		g.truth[r.id] = uint64(rev)
	}
}

func (g *generator) start(client int) {
	r := &running{request: g.request()}
	switch p := g.rng.Float64(); {
	case p < g.uncertain:
		r.outcome = check.Uncertain
	case p < g.uncertain+g.failed:
		r.outcome = check.Failed
	default:
		r.outcome = check.OK
	}
	r.id = g.h.Invoke(client, g.now, r.request)
	g.running[client] = r
}

func (g *generator) carryOut(r *running) {
	r.done = true
	switch {
	case r.outcome == check.Failed:
	case r.outcome == check.Uncertain:
		if g.rng.IntN(2) == 0 {
			g.late = append(g.late, r)
		} else if g.rng.IntN(2) == 0 {
			g.changeUnseen(r)
		}
	case g.replicas > 0 && isRead(r.request):
		r.result = g.readReplica(r)
	default:
		r.result = g.change(r.request)
	}
}

// readReplica answers a read from a replica and gives the request the level that fits.
func (g *generator) readReplica(r *running) check.Result {
	which := g.rng.IntN(g.replicas)
	read := level(r.request)
	if read.Level == check.Linearizable {
		g.applied[which] = len(g.states) - 1
	}
	if read.Level == check.AtLeast {
		for g.states[g.applied[which]].rev < read.Revision {
			g.applied[which]++
		}
	}
	result, _ := g.states[g.applied[which]].do(r.request)
	from := check.Replica{Node: fmt.Sprintf("n%d", which+1)}
	switch answer := result.(type) {
	case check.Got:
		answer.From, answer.Applied = from, model.Index(g.applied[which]+1)
		return answer
	case check.Ranged:
		answer.From, answer.Applied = from, model.Index(g.applied[which]+1)
		return answer
	case check.RevisionRefused:
		answer.From = from
		return answer
	}
	return result
}

func isRead(r check.Request) bool {
	switch r.(type) {
	case check.Get, check.Range:
		return true
	}
	return false
}

func level(r check.Request) check.Read {
	if get, ok := r.(check.Get); ok {
		return get.Read
	}
	return r.(check.Range).Read
}

func (g *generator) end(r *running) {
	switch r.outcome {
	case check.OK:
		g.h.Return(r.id, g.now, r.result)
	case check.Failed:
		g.h.Fail(r.id, g.now)
	default:
		if g.rng.IntN(2) == 0 {
			g.h.Lose(r.id, g.now)
		}
	}
}

func (g *generator) key() []byte { return fmt.Appendf(nil, "k%d", g.rng.IntN(g.keys)) }

func (g *generator) value() []byte {
	g.values++
	return fmt.Appendf(nil, "v%d", g.values)
}

// someRevision is one that was reached, or the next but one.
func (g *generator) someRevision() model.Revision {
	return model.Revision(1 + g.rng.IntN(int(g.newest().rev)+2))
}

func (g *generator) read() check.Read {
	if g.replicas == 0 {
		return check.Read{}
	}
	switch g.rng.IntN(3) {
	case 0:
		return check.Read{Level: check.Local}
	case 1:
		return check.Read{Level: check.AtLeast, Revision: model.Revision(g.rng.IntN(int(g.newest().rev) + 1))}
	}
	return check.Read{}
}

func (g *generator) request() check.Request {
	if g.rng.Float64() < g.txns {
		return check.Txn{Txn: g.txn()}
	}
	kinds := 9
	if g.compacts {
		kinds = 11
	}
	switch g.rng.IntN(kinds) {
	case 0, 1, 2:
		return check.Put{Key: g.key(), Value: g.value()}
	case 3, 4:
		return check.Get{Key: g.key(), Read: g.read()}
	case 5:
		return check.Delete{Op: g.deletion()}
	case 6:
		return check.Swap{Key: g.key(), Expected: g.expected(), Value: g.value()}
	case 7:
		return check.Range{Opts: g.interval(), Read: g.read()}
	case 8:
		return check.Txn{Txn: g.txn()}
	case 9:
		return check.Get{Key: g.key(), At: g.someRevision(), Read: g.read()}
	}
	return check.Compact{Revision: g.someRevision()}
}

func (g *generator) deletion() model.Op {
	if g.rng.IntN(3) == 0 {
		return model.DeleteRange(g.key(), g.key())
	}
	return model.Delete(g.key())
}

func (g *generator) expected() model.Revision {
	if g.rng.IntN(2) == 0 {
		return 0
	}
	item := g.newest().state[string(g.key())]
	return item.ModRevision
}

func (g *generator) interval() model.RangeOptions {
	opts := model.RangeOptions{From: g.key(), Reverse: g.rng.IntN(2) == 0, Limit: g.rng.IntN(3)}
	if g.rng.IntN(2) == 0 {
		opts.To = g.key()
	}
	switch g.rng.IntN(5) {
	case 0:
		opts.KeysOnly = true
	case 1:
		opts.CountOnly = true
	}
	return opts
}

func (g *generator) txn() model.Txn {
	compares := []model.Compare{
		model.Version(g.key()).Equals(uint64(g.rng.IntN(3))),
		model.ModRevision(g.key()).Greater(model.Revision(g.rng.IntN(4))),
		model.CreateRevision(g.key()).NotEquals(model.Revision(g.rng.IntN(4))),
		model.Value(g.key()).Equals(fmt.Appendf(nil, "v%d", g.values)),
	}
	t := model.If(compares[g.rng.IntN(len(compares))])
	for range g.rng.IntN(2) {
		t = t.If(compares[g.rng.IntN(len(compares))])
	}
	return t.Then(g.branch()...).Else(g.branch()...)
}

// branch gives operations of which no two write the same key.
func (g *generator) branch() []model.Op {
	ops := []model.Op{model.Get(g.key())}
	keys := g.rng.Perm(g.keys)
	key := func(i int) []byte { return fmt.Appendf(nil, "k%d", keys[i%len(keys)]) }
	switch g.rng.IntN(5) {
	case 0:
		ops = append(ops, model.Put(key(0), g.value()), model.Get(key(0)))
	case 1:
		ops = append(ops, model.Delete(key(0)), model.Range(g.interval()))
	case 2:
		ops = append(ops, model.Put(key(0), g.value()), model.Put(key(1), g.value()))
	case 3:
		ops = append(ops, model.Put(key(0), g.value()), model.Delete(key(1)), model.Get(key(1)))
	}
	if g.keys == 1 {
		return ops[:min(len(ops), 2)]
	}
	return ops
}
