package raft

import "time"

// random is splitmix64 (Steele, Lea, Flood 2014). It serves election timeouts only, and gives the same numbers in every
// version of the standard library, so that a schedule replays from its seed.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// upTo gives a duration in [0, limit).
func (r *random) upTo(limit time.Duration) time.Duration {
	return time.Duration(r.next() % uint64(max(limit, 1)))
}

// newRandom mixes the seed with who asks and in which run, so that replicas that are given the same seed don't time out
// together.
func newRandom(seed, boot uint64, id NodeID) random {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	r := random{state: seed}
	r.state = r.next() ^ h
	r.state = r.next() ^ boot
	return r
}
