package model_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

var key = []byte("k")

func TestCompareHolds(t *testing.T) {
	item := model.Item{Key: key, Value: []byte("m"), CreateRevision: 3, ModRevision: 7, Version: 5}
	for _, c := range []struct {
		name    string
		compare model.Compare
		item    bool // whether it holds of the item
		missing bool // whether it holds of a missing key
	}{
		{"version = its own", model.Version(key).Equals(5), true, false},
		{"version = 0", model.Version(key).Equals(0), false, true},
		{"version != its own", model.Version(key).NotEquals(5), false, true},
		{"version < one more", model.Version(key).Less(6), true, true},
		{"version < its own", model.Version(key).Less(5), false, true},
		{"version > 0", model.Version(key).Greater(0), true, false},
		{"version > its own", model.Version(key).Greater(5), false, false},
		{"create = its own", model.CreateRevision(key).Equals(3), true, false},
		{"create = 0", model.CreateRevision(key).Equals(0), false, true},
		{"create != the mod", model.CreateRevision(key).NotEquals(7), true, true},
		{"create < the mod", model.CreateRevision(key).Less(7), true, true},
		{"create > the mod", model.CreateRevision(key).Greater(7), false, false},
		{"mod = its own", model.ModRevision(key).Equals(7), true, false},
		{"mod = 0", model.ModRevision(key).Equals(0), false, true},
		{"mod != its own", model.ModRevision(key).NotEquals(7), false, true},
		{"mod < its own", model.ModRevision(key).Less(7), false, true},
		{"mod > the create", model.ModRevision(key).Greater(3), true, false},
		{"value = its own", model.Value(key).Equals([]byte("m")), true, false},
		{"value = a longer one", model.Value(key).Equals([]byte("ma")), false, false},
		{"value = nothing", model.Value(key).Equals(nil), false, false},
		{"value != another", model.Value(key).NotEquals([]byte("n")), true, false},
		{"value < a later one", model.Value(key).Less([]byte("n")), true, false},
		{"value < its own", model.Value(key).Less([]byte("m")), false, false},
		{"value > an earlier one", model.Value(key).Greater([]byte("l")), true, false},
		{"value > its own", model.Value(key).Greater([]byte("m")), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.compare.Validate())
			require.Equal(t, c.item, c.compare.Holds(item, true))
			require.Equal(t, c.missing, c.compare.Holds(model.Item{}, false))
			require.Equal(t, c.missing, c.compare.Holds(item, false), "what it was before does not matter")
		})
	}
}

func TestCompareRefusesWhatItCannotDo(t *testing.T) {
	for name, c := range map[string]model.Compare{
		"no key":          model.Version(nil).Equals(1),
		"long key":        model.Version(make([]byte, model.MaxKeyBytes+1)).Equals(1),
		"no target":       {Operator: model.Equal, Key: key},
		"unknown target":  {Target: 5, Operator: model.Equal, Key: key},
		"no operator":     {Target: model.TargetMod, Key: key},
		"fifth operator":  {Target: model.TargetMod, Operator: 5, Key: key},
		"number of value": {Target: model.TargetValue, Operator: model.Equal, Key: key, Number: 1},
		"value of number": {Target: model.TargetMod, Operator: model.Equal, Key: key, Value: []byte("v")},
	} {
		t.Run(name, func(t *testing.T) {
			var invalid *model.InvalidError
			require.ErrorAs(t, c.Validate(), &invalid)
		})
	}
}

func TestNamesAreForPeople(t *testing.T) {
	require.Equal(t, "version create mod value target(9)", fmt.Sprint(model.TargetVersion, " ", model.TargetCreate, " ", model.TargetMod, " ", model.TargetValue, " ", model.Target(9)))
	require.Equal(t, "= != < > operator(9)", fmt.Sprint(model.Equal, " ", model.NotEqual, " ", model.Less, " ", model.Greater, " ", model.Operator(9)))
	require.Equal(t, "put delete delete range get range op(9)", fmt.Sprint(model.OpPut, " ", model.OpDelete, " ", model.OpDeleteRange, " ", model.OpGet, " ", model.OpRange, " ", model.OpKind(9)))
	require.Equal(t, "linearizable local level(9)", fmt.Sprint(model.Linearizable, " ", model.Local, " ", model.ReadLevel{Kind: 9}))
}
