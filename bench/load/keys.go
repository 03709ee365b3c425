package load

import (
	"math"
	"math/rand/v2"
)

// KeyBytes is the length of every key: KeyPrefix and ten hexadecimal digits.
const KeyBytes = 16

// KeyPrefix begins every key, so that a run on a cluster that others use can be told from their data, and removed.
const KeyPrefix = "bench/"

// AppendKey appends the key with a number, below 1<<40, to dst. Neighbours in number are far apart in order: the numbers are scattered by an odd factor, which maps
// no two of them to one.
func AppendKey(dst []byte, number uint64) []byte {
	const digits = "0123456789abcdef"
	scattered := number * 0x9e3779b97f5 & (1<<40 - 1)
	dst = append(dst, KeyPrefix...)
	for shift := 36; shift >= 0; shift -= 4 {
		dst = append(dst, digits[scattered>>shift&15])
	}
	return dst
}

// Values gives values that don't compress, all of one length. It belongs to one goroutine.
type Values struct {
	block  []byte
	length int
	rng    *rand.Rand
}

// NewValues makes values of a length in bytes, from a seed.
func NewValues(length int, rng *rand.Rand) *Values {
	v := &Values{block: make([]byte, length+4096), length: length, rng: rng}
	for i := range v.block {
		v.block[i] = byte(rng.Uint32())
	}
	return v
}

// Next gives a value. Nobody may change it.
func (v *Values) Next() []byte {
	at := v.rng.IntN(len(v.block) - v.length)
	return v.block[at : at+v.length : at+v.length]
}

// Zipf chooses numbers in [0, n) so that the k-th most popular is chosen in proportion to 1/k^0.99, as YCSB does (Gray et al., "Quickly Generating Billion-Record
// Synthetic Databases", 1994). It is not changed by use.
type Zipf struct {
	n                 float64
	zetan, alpha, eta float64
}

// zipfTheta is YCSB's skew.
const zipfTheta = 0.99

// NewZipf makes a chooser among n numbers, at least 1. It takes time in proportion to n.
func NewZipf(n uint64) *Zipf {
	z := &Zipf{n: float64(n), alpha: 1 / (1 - zipfTheta)}
	for i := uint64(1); i <= n; i++ {
		z.zetan += math.Pow(float64(i), -zipfTheta)
	}
	zeta2 := 1 + math.Pow(2, -zipfTheta)
	z.eta = (1 - math.Pow(2/z.n, 1-zipfTheta)) / (1 - zeta2/z.zetan)
	return z
}

// Rank chooses: 0 is the most popular.
func (z *Zipf) Rank(rng *rand.Rand) uint64 {
	u := rng.Float64()
	switch uz := u * z.zetan; {
	case uz < 1:
		return 0
	case uz < 1+math.Pow(0.5, zipfTheta):
		return min(1, uint64(z.n)-1)
	}
	return min(uint64(z.n*math.Pow(z.eta*u-z.eta+1, z.alpha)), uint64(z.n)-1)
}
