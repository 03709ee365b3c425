package interop

import (
	crand "crypto/rand"
	"math/rand/v2"

	"github.com/ledgerkv/ledgerkv/raft/rafttest"
)

// Kind says whose core a member runs.
type Kind int

const (
	// Ours is raft.Core.
	Ours Kind = iota
	// Theirs is go.etcd.io/raft/v3.
	Theirs
)

// Counts says what became of one kind of member in a run, so that a test can demand that it came about.
type Counts struct {
	// Members runs this kind, and Led is the number of terms that it led.
	Members, Led int
	// Inherited are entries appended by a leader of the other kind and committed by a leader of this one; Followed are entries that a
	// member of this kind took from a leader of the other kind and learned to be committed.
	Inherited, Followed int
	// Reads were confirmed to a member of this kind, Forwarded of them by a leader other than itself.
	Reads, Forwarded int
}

func (c *Counts) add(o Counts) {
	c.Members, c.Led, c.Inherited, c.Followed, c.Reads, c.Forwarded =
		c.Members+o.Members, c.Led+o.Led, c.Inherited+o.Inherited, c.Followed+o.Followed, c.Reads+o.Reads, c.Forwarded+o.Forwarded
}

// Result is what a run went through. Digest is a hash of all outputs: equal seeds give equal digests.
type Result struct {
	Stats  rafttest.Stats
	Kinds  [2]Counts
	Digest uint64
}

// Run runs three to five members of both kinds for a number of steps under the schedule that the seed stands for; the first three are
// voters, and have both kinds among them. It returns what broke. It is not to be called by two goroutines at a time, as it
// replaces crypto/rand's Reader, from which etcd/raft draws its election timeouts.
func Run(seed uint64, steps int) (Result, error) {
	var key [32]byte
	for i := range key {
		key[i] = byte(seed >> (8 * (i % 8)))
	}
	system := crand.Reader
	crand.Reader = rand.NewChaCha8(key)
	defer func() { crand.Reader = system }()

	w := newWatch(seed)
	stats, err := rafttest.Schedule{Seed: seed, Steps: steps, Static: true, Start: w.start, Observe: w.observe}.Run()
	w.result.Stats, w.result.Digest = stats, w.digest.Sum64()
	return w.result, err
}
