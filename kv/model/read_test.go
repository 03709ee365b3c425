package model_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

func TestPrefixEnd(t *testing.T) {
	for _, c := range []struct{ prefix, end string }{
		{"a", "b"},
		{"a/", "a0"},
		{"a\x00", "a\x01"},
		{"a\xff", "b"},
		{"a\xff\xff", "b"},
		{"\xfe\xff", "\xff"},
	} {
		prefix := []byte(c.prefix)
		require.Equal(t, []byte(c.end), model.PrefixEnd(prefix), "%q", c.prefix)
		require.Equal(t, []byte(c.prefix), prefix, "the prefix is left as it was")
	}
	require.Nil(t, model.PrefixEnd(nil))
	require.Nil(t, model.PrefixEnd([]byte("\xff\xff")))
}

func TestRangeBounds(t *testing.T) {
	bounds := func(o model.RangeOptions) [2][]byte {
		from, to := o.Bounds()
		return [2][]byte{from, to}
	}
	require.Equal(t, [2][]byte{nil, nil}, bounds(model.RangeOptions{}))
	require.Equal(t, [2][]byte{[]byte("a"), []byte("b")}, bounds(model.RangeOptions{Prefix: []byte("a")}))
	require.Equal(t, [2][]byte{[]byte("\xff"), nil}, bounds(model.RangeOptions{Prefix: []byte("\xff")}))
	require.Equal(t, [2][]byte{[]byte("a"), []byte("c")}, bounds(model.RangeOptions{From: []byte("a"), To: []byte("c")}))
	require.Equal(t, [2][]byte{[]byte("a"), nil}, bounds(model.RangeOptions{From: []byte("a"), To: []byte{}}), "an empty To is no bound")
}

func TestRangeOptionsValidate(t *testing.T) {
	long := bytes.Repeat([]byte("k"), model.MaxBoundBytes)
	for name, o := range map[string]model.RangeOptions{
		"everything":     {},
		"a prefix":       {Prefix: key, Limit: model.MaxLimit, Reverse: true, KeysOnly: true},
		"longest bounds": {From: long, To: long, CountOnly: true, MaxBytes: 1, Revision: 3, Level: model.Local},
		"nothing":        {From: []byte("b"), To: []byte("a")},
	} {
		require.NoError(t, o.Validate(), name)
	}
	for name, o := range map[string]model.RangeOptions{
		"prefix and from":    {Prefix: key, From: key},
		"prefix and to":      {Prefix: key, To: key},
		"long prefix":        {Prefix: append(long, 'k')},
		"long from":          {From: append(long, 'k')},
		"long to":            {To: append(long, 'k')},
		"negative limit":     {Limit: -1},
		"negative max bytes": {MaxBytes: -1},
		"unknown level":      {Level: model.ReadLevel{Kind: 6}},
	} {
		var invalid *model.InvalidError
		require.ErrorAs(t, o.Validate(), &invalid, name)
	}
	require.ErrorIs(t, model.RangeOptions{From: append(long, 'k')}.Validate(), model.ErrTooLarge)
	require.NoError(t, model.GetOptions{Level: model.Local, Revision: 9}.Validate())
	require.Error(t, model.GetOptions{Level: model.ReadLevel{Kind: 6}}.Validate())
}

func TestKeyLimits(t *testing.T) {
	require.NoError(t, model.ValidateKey([]byte{0}))
	require.NoError(t, model.ValidateKey(make([]byte, model.MaxKeyBytes)))
	require.ErrorIs(t, model.ValidateKey(make([]byte, model.MaxKeyBytes+1)), model.ErrTooLarge)
	var invalid *model.InvalidError
	require.ErrorAs(t, model.ValidateKey([]byte{}), &invalid)
	require.Equal(t, "key", invalid.Field)
}

func TestRevisionErrorSaysBothRevisions(t *testing.T) {
	compacted := &model.RevisionError{Asked: 3, Bound: 9, Err: model.ErrCompacted}
	require.ErrorIs(t, compacted, model.ErrCompacted)
	require.NotErrorIs(t, compacted, model.ErrFutureRevision)
	require.Contains(t, compacted.Error(), "revision 3")
	require.Contains(t, compacted.Error(), "oldest one that can be read is 9")

	future := &model.RevisionError{Asked: 30, Bound: 9, Err: model.ErrFutureRevision}
	require.ErrorIs(t, future, model.ErrFutureRevision)
	require.Contains(t, future.Error(), "newest one is 9")
}
