package rpc

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// types has one value of each type that travels.
func types() []any {
	return []any{hello{}, Welcome{}, requestHead{}, answerHead{}, creditHead{}, cancelHead{}, Error{}, Empty{}, Item{}, PutArgs{},
		PutResult{}, GetArgs{}, GetResult{}, DeleteArgs{}, DeleteResult{}, RangeArgs{}, RangeResult{}, Compare{}, Op{}, TxnArgs{},
		OpResult{}, TxnResult{}, CompactArgs{}, SwapArgs{}, SwapResult{}, AppendArgs{}, AppendResult{}, LogGetArgs{}, Record{},
		LogFollowArgs{}, LogPart{}, TransferArgs{}, Member{}, MembersResult{}, NodeStatus{}, GroupStatus{}, HashArgs{}, HashResult{}}
}

// fill fills a value with what comes to mind.
func fill(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), random)
		}
	case reflect.Pointer:
		if random.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), random)
		}
	case reflect.Slice:
		if random.IntN(4) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), random.IntN(4), 4))
			for i := range v.Len() {
				fill(v.Index(i), random)
			}
		}
	case reflect.String:
		v.SetString(string(make([]byte, random.IntN(40))))
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Int64:
		v.SetInt(int64(random.Uint64() >> random.IntN(64)))
	default:
		v.SetUint(random.Uint64() >> random.IntN(64) & (1<<v.Type().Bits() - 1))
	}
}

func TestEverythingComesBackAsItWas(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 3))
		for _, sample := range types() {
			v := reflect.New(reflect.TypeOf(sample))
			fill(v.Elem(), random)
			b, err := encode(v.Interface())
			require.NoError(t, err)
			got := reflect.New(reflect.TypeOf(sample))
			require.NoError(t, decode(b, got.Interface(), requestShape), "%T", sample)
			require.Equal(t, v.Interface(), got.Interface(), "seed %d", seed)
			for n := range b {
				require.ErrorIs(t, decode(b[:n], got.Interface(), requestShape), ErrMalformed)
			}
			require.ErrorIs(t, decode(append(b, 0xc0), got.Interface(), requestShape), ErrMalformed)
		}
	}
}

// The bytes of hot requests, which other implementations rely on.
func TestTheBytesOfAPut(t *testing.T) {
	b, err := encode(&PutArgs{Key: []byte("k"), Value: []byte("v")})
	require.NoError(t, err)
	require.Equal(t, []byte{0x93, 0xc4, 1, 'k', 0xc4, 1, 'v', 0}, b)
	b, err = encode(&requestHead{ID: 1, Verb: VerbPut, Millis: 300, Group: "kv"})
	require.NoError(t, err)
	require.Equal(t, []byte{0x95, 1, 1, 0xcd, 1, 44, 0xa2, 'k', 'v', 0}, b)
}

func TestFieldsMayBeAddedAtTheEnd(t *testing.T) {
	var got PutArgs
	require.NoError(t, decode([]byte{0x92, 0xc4, 1, 'k', 0xc4, 1, 'v'}, &got, requestShape))
	require.Equal(t, PutArgs{Key: []byte("k"), Value: []byte("v")}, got)
	require.NoError(t, decode([]byte{0x95, 0xc4, 1, 'k', 0xc4, 1, 'v', 0, 0x92, 1, 2, 0xa1, 'x'}, &got, requestShape))
	require.Equal(t, "k", string(got.Key))
}

func TestHostileShapes(t *testing.T) {
	deep := make([]byte, 1<<20)
	for i := range deep {
		deep[i] = 0x91
	}
	for name, b := range map[string][]byte{
		"empty":               nil,
		"nested without end":  deep,
		"nested too deep":     {0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90},
		"an array of a lie":   {0xdd, 0x00, 0x10, 0x00, 0x00},
		"an array too long":   append([]byte{0xdd, 0x00, 0x01, 0x00, 0x00}, make([]byte, 1<<16)...),
		"bytes of a lie":      {0xc6, 0xff, 0xff, 0xff, 0xff},
		"text of a lie":       {0xdb, 0xff, 0xff, 0xff, 0xff},
		"a short text":        {0xa5, 'x'},
		"a map":               {0x80},
		"a map of a lie":      {0xdf, 0xff, 0xff, 0xff, 0xff},
		"an extension":        {0xd4, 1, 1},
		"an extension of lie": {0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		"a float":             {0xcb, 0, 0, 0, 0, 0, 0, 0, 0},
		"the type never used": {0xc1},
		"two values":          {0xc0, 0xc0},
		"half a number":       {0xcf, 1, 2},
		"half a length":       {0xc5, 1},
	} {
		var got TxnArgs
		require.ErrorIs(t, decode(b, &got, requestShape), ErrMalformed, name)
	}
	for name, b := range map[string][]byte{
		"a number for an array": {5},
		"text for operations":   {0x93, 0xa1, 'x', 0xa1, 'x', 0xa1, 'x'},
		"a negative lease":      {0x93, 0x90, 0x91, 0x94, 1, 0xc0, 0xc0, 0xff, 0x90},
		"a kind over a byte":    {0x93, 0x90, 0x91, 0x94, 0xcd, 1, 1, 0xc0, 0xc0, 0x00, 0x90},
		"a truth for a number":  {0x93, 0x90, 0x91, 0x91, 0xc3, 0x90},
		"a number for text":     {0x93, 0x90, 0x91, 0x92, 1, 7, 0x90},
		"an array for a number": {0x93, 0x91, 0x95, 0x90, 1, 0xc0, 1, 0xc0, 0xc0, 0xc0},
	} {
		var got TxnArgs
		require.ErrorIs(t, decode(b, &got, requestShape), ErrMalformed, name)
	}
}

func TestTheLargestTransactionPasses(t *testing.T) {
	const ops = 1 << 14
	args := TxnArgs{Success: make([]Op, ops)}
	for i := range args.Success {
		args.Success[i] = Op{Kind: 1, Key: []byte("key"), Value: []byte("value")}
	}
	b, err := encode(&args)
	require.NoError(t, err)
	var got TxnArgs
	require.NoError(t, decode(b, &got, requestShape))
	require.Len(t, got.Success, ops)
}

func TestNumbersThatDoNotFit(t *testing.T) {
	var r Record
	require.NoError(t, decode([]byte{0x95, 1, 1, 1, 1, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, &r, requestShape))
	require.Equal(t, int64(-2), r.Time)
	require.NoError(t, decode([]byte{0x93, 1, 1, 0xd0, 9}, &r, requestShape), "a signed number that fits")
	require.Equal(t, Record{Index: 1, Term: 1, Kind: 9}, r, "nothing is left of what was there")
	require.ErrorIs(t, decode([]byte{0x95, 1, 1, 1, 1, 0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0}, &r, requestShape), ErrMalformed)
	var done bool
	require.ErrorIs(t, decode([]byte{7}, &done, requestShape), ErrMalformed)
}

func FuzzDecode(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 3))
	for i, sample := range types() {
		v := reflect.New(reflect.TypeOf(sample))
		fill(v.Elem(), random)
		b, err := encode(v.Interface())
		require.NoError(f, err)
		f.Add(uint8(i), b)
	}
	all := types()
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		got := reflect.New(reflect.TypeOf(all[int(which)%len(all)]))
		if err := decode(b, got.Interface(), requestShape); err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		again, err := encode(got.Interface())
		require.NoError(t, err)
		second := reflect.New(got.Type().Elem())
		require.NoError(t, decode(again, second.Interface(), requestShape))
		require.Equal(t, got.Interface(), second.Interface())
	})
}

func TestABudgetIsFairAndCanBeLeft(t *testing.T) {
	b := newBudget(10)
	n, ok := b.take(100, nil, nil)
	require.True(t, ok)
	require.Equal(t, 10, n, "more than all is all")
	stop := make(chan struct{})
	left := make(chan bool)
	go func() {
		_, ok := b.take(8, nil, stop)
		left <- ok
	}()
	waiting := func(n int) func() bool {
		return func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.waiting) == n
		}
	}
	require.Eventually(t, waiting(1), 1e10, 1e5)
	small := make(chan bool)
	go func() {
		_, ok := b.take(1, nil, nil)
		small <- ok
	}()
	require.Eventually(t, waiting(2), 1e10, 1e5)
	b.give(5)
	require.True(t, waiting(2)(), "nobody overtakes")
	close(stop)
	require.False(t, <-left)
	require.True(t, <-small)
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Equal(t, 4, b.left)
}
