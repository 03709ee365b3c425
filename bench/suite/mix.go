package suite

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// mix is what callers do: kinds of operations with their weights.
type mix []share

type share struct {
	kind   load.Kind
	weight int
}

// choose picks a kind.
func (m mix) choose(rng *rand.Rand) load.Kind {
	if len(m) == 1 {
		return m[0].kind
	}
	sum := 0
	for _, s := range m {
		sum += s.weight
	}
	at := rng.IntN(sum)
	for _, s := range m {
		if at -= s.weight; at < 0 {
			return s.kind
		}
	}
	panic("suite: the weights of a mix add up to less than their sum")
}

// popularity says which keys are chosen.
type popularity string

const (
	evenly  popularity = ""
	zipfian popularity = "zipfian" // few keys get most of the operations
	latest  popularity = "latest"  // the newest keys get most of them
)

const (
	rangeLimit    = 100
	ycsbScanLimit = 100
	txnKeys       = 10
	logReadBytes  = 1 << 20
)

// traffic is what all callers of a cell share.
type traffic struct {
	mix     mix
	keys    uint64
	groups  int
	popular popularity
	zipf    *load.Zipf
	// inserts: puts are of new keys, as in YCSB D and E; inserted counts them.
	inserts  bool
	inserted atomic.Uint64
	// scanLimit: ranges are of 1 up to so many keys, evenly; 0: of rangeLimit.
	scanLimit  int
	valueBytes int
	seed       uint64
}

// source makes a caller's operations.
func (t *traffic) source(worker int) load.Source {
	rng := rand.New(rand.NewPCG(t.seed, uint64(worker)))
	return &source{traffic: t, worker: worker, rng: rng, values: load.NewValues(t.valueBytes, rng), cursor: rng.Uint64N(max(t.keys, 1))}
}

// source is a caller's part of the traffic.
type source struct {
	*traffic
	worker int
	rng    *rand.Rand
	values *load.Values
	cursor uint64 // the entry that is read next in order
	key    [load.KeyBytes]byte
	many   [txnKeys][load.KeyBytes]byte
	keys   [txnKeys][]byte
}

// Next makes an operation; see load.Source.
func (s *source) Next(op *load.Op, before load.Done) {
	op.Kind = s.mix.choose(s.rng)
	op.Group = s.group()
	switch op.Kind {
	case load.Put:
		if op.Value = s.values.Next(); s.inserts {
			op.Key = load.AppendKey(s.key[:0], s.traffic.keys+s.inserted.Add(1)-1)
			return
		}
		op.Key = s.pick()
	case load.ReadModifyWrite:
		op.Key, op.Value = s.pick(), s.values.Next()
	case load.Txn:
		op.Keys, op.Value = s.distinct(), s.values.Next()
	case load.Range:
		op.Key, op.Limit = s.pick(), rangeLimit
		if s.scanLimit > 0 {
			op.Limit = 1 + s.rng.IntN(s.scanLimit)
		}
	case load.Append, load.Tail:
		op.Value = s.values.Next()
	case load.LogRead:
		s.cursor = (s.cursor + uint64(before.Items)) % s.traffic.keys
		op.Index = s.cursor
		op.Limit = int(min(logReadBytes, (s.traffic.keys-s.cursor)*uint64(s.valueBytes))) // to the end: there a reader would wait for more
	case load.LogGet:
		op.Index = s.rng.Uint64N(s.traffic.keys)
	default:
		op.Key = s.pick()
	}
}

// group spreads callers over the groups, or, where there are more groups than callers, each caller's operations.
func (s *source) group() int {
	if s.groups <= 1 {
		return 0
	}
	return s.rng.IntN(s.groups)
}

// pick chooses a key.
func (s *source) pick() []byte { return load.AppendKey(s.key[:0], s.number()) }

func (s *source) number() uint64 {
	n := s.traffic.keys
	switch s.popular {
	case zipfian:
		return scramble(s.zipf.Rank(s.rng)) % n
	case latest:
		newest := n + s.inserted.Load() - 1
		return newest - min(s.zipf.Rank(s.rng), newest)
	}
	return s.rng.Uint64N(n)
}

// scramble spreads the popular numbers over all of them (FNV-1a, as YCSB does).
func scramble(n uint64) uint64 {
	h := uint64(0xcbf29ce484222325)
	for range 8 {
		h = (h ^ n&0xff) * 0x100000001b3
		n >>= 8
	}
	return h
}

// distinct chooses the keys of a transaction: neighbours in number, so that none is chosen twice.
func (s *source) distinct() [][]byte {
	first := s.rng.Uint64N(s.traffic.keys)
	for i := range s.keys {
		s.keys[i] = load.AppendKey(s.many[i][:0], (first+uint64(i))%max(s.traffic.keys, txnKeys))
	}
	return s.keys[:]
}
