package history_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/ledgerkv/ledgerkv/internal/chaos/history"
)

func item(key, value string, create, mod, version uint64) Item {
	return Item{Key: key, Value: value, Create: create, Mod: mod, Version: version}
}

// good is a history that can be. Two clients use the store, one the log; the operations are at the times ten times their place, and take 5.
func good() []Op {
	ops := []Op{
		0:  {Kind: Put, Key: "a/1", Value: "v1", Outcome: OK, Revision: 1},
		1:  {Kind: Get, Key: "a/1", Outcome: OK, Revision: 1, Items: []Item{item("a/1", "v1", 1, 1, 1)}},
		2:  {Kind: Put, Key: "a/2", Value: "v2", Outcome: Uncertain},
		3:  {Kind: Txn, Key: "a/1", Value: "v3", Expected: 1, ExpectedValue: "v1", Second: "a/3", SecondValue: "v3b", Outcome: OK, Swapped: true, Revision: 3},
		4:  {Kind: Range, Prefix: "a/", Outcome: OK, Revision: 3, Items: []Item{item("a/1", "v3", 1, 3, 2), item("a/2", "v2", 2, 2, 1), item("a/3", "v3b", 3, 3, 1)}},
		5:  {Kind: Swap, Key: "a/1", Value: "v4", Expected: 1, ExpectedValue: "v1", Outcome: OK, Revision: 3, Items: []Item{item("a/1", "v3", 1, 3, 2)}},
		6:  {Kind: Delete, Key: "a/1", Outcome: OK, Deleted: 1, Revision: 4},
		7:  {Kind: Delete, Key: "a/1", Outcome: OK, Revision: 4},
		8:  {Kind: Put, Key: "a/3", Value: "v5", Outcome: Failed},
		9:  {Kind: Get, Key: "a/1", Local: true, Outcome: OK, Revision: 2, Items: []Item{item("a/1", "v1", 1, 1, 1)}},
		10: {Kind: DeletePrefix, Prefix: "a/", Outcome: OK, Deleted: 2, Revision: 5},
		11: {Kind: Range, Outcome: OK, Revision: 5},
		12: {Kind: Append, Value: "e1", Outcome: OK, Index: 2, Term: 1, Position: 64},
		13: {Kind: Append, Value: "e2", Outcome: Uncertain},
		14: {Kind: Append, Value: "e3", Outcome: OK, Index: 4, Term: 1, Position: 192},
		15: {Kind: LogGet, Index: 5, Outcome: OK, Missing: true},
		16: {Kind: Append, Value: "e4", Outcome: Failed},
		17: {Kind: Follow, Reader: 1, Index: 1, Term: 1, Outcome: OK},
		18: {Kind: Follow, Reader: 1, Index: 2, Term: 1, Position: 64, Value: "e1", Data: true, Outcome: OK},
		19: {Kind: Follow, Reader: 1, Index: 3, Term: 1, Position: 128, Value: "e2", Data: true, Outcome: OK},
		20: {Kind: Follow, Reader: 1, Index: 4, Term: 1, Position: 192, Value: "e3", Data: true, Outcome: OK},
		21: {Kind: LogGet, Index: 1, Outcome: OK, First: 3},
	}
	for i := range ops {
		ops[i].Client, ops[i].Call, ops[i].Return = i%2, time.Duration(10*i), time.Duration(10*i+5)
	}
	return ops
}

func TestGood(t *testing.T) {
	result := Check(good(), Options{})
	require.Empty(t, result.Violations)
	require.Empty(t, result.Undecided)
	require.Equal(t, 3, result.Keys)
	require.Equal(t, 4, result.Entries)
	require.Zero(t, result.Unread)
}

// TestUncertain: a write of unknown outcome may be done late, after a read that does not find it, or never; and what nobody could read before it was
// trimmed is not lost.
func TestUncertain(t *testing.T) {
	late := append(good(), Op{Kind: Get, Key: "a/2", Outcome: OK, Revision: 1, Call: 31, Return: 45})
	require.Empty(t, Check(late, Options{}).Violations)

	never := good()
	never[4].Items = []Item{never[4].Items[0], never[4].Items[2]}
	require.Empty(t, Check(never, Options{}).Violations)

	trimmed := good()
	trimmed[17], trimmed[18] = Op{}, Op{}
	result := Check(withoutEmpty(trimmed), Options{})
	require.Empty(t, result.Violations)
	require.Equal(t, 1, result.Unread)
}

// TestStall: operations that were all under way for the same seconds leave too many orders to be tried. Those that the revisions leave are few.
func TestStall(t *testing.T) {
	const writes, readers = 7, 15
	var ops []Op
	add := func(o Op) {
		o.Client, o.Call, o.Return = len(ops), time.Duration(len(ops)), time.Second+time.Duration(len(ops))
		ops = append(ops, o)
	}
	for i := uint64(1); i <= writes; i++ {
		value := fmt.Sprintf("v%d", i)
		r := 2 * i // the odd revisions are left for those of uncertain outcome
		add(Op{Kind: Put, Key: "k", Value: value, Outcome: OK, Revision: r})
		add(Op{Kind: Put, Key: "k", Value: "u" + value, Outcome: Uncertain})
		for range readers {
			add(Op{Kind: Get, Key: "k", Outcome: OK, Revision: r, Items: []Item{item("k", value, 2, r, i)}})
		}
	}
	slices.Reverse(ops) // the search tries what comes first first
	for i := range ops {
		ops[i].Call, ops[i].Return = time.Duration(i), time.Second+time.Duration(i)
	}
	result := Check(ops, Options{PerKey: 5 * time.Second})
	require.Empty(t, result.Violations)
	require.Empty(t, result.Undecided)
	require.Equal(t, 1, result.ByRevision)

	ops[2].Items[0].Version++ // an uncertain put before this read explains that, but not what the others have read
	require.NotEmpty(t, Check(ops, Options{PerKey: 5 * time.Second}).Violations)
}

func withoutEmpty(ops []Op) (kept []Op) {
	for _, o := range ops {
		if o.Kind != "" {
			kept = append(kept, o)
		}
	}
	return kept
}

// TestBites: what can't be is found, and by the rule that is meant to.
func TestBites(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		spoil      func(ops []Op)
	}{
		{"a lost write", "a key is linearizable", func(ops []Op) { ops[4].Items = ops[4].Items[:2] }},
		{"a lost write, seen by a snapshot", "a key is linearizable", func(ops []Op) { ops[4].Items = ops[4].Items[:2] }},
		{"a stale read", "a key is linearizable", func(ops []Op) { ops[4].Items[0] = item("a/1", "v1", 1, 1, 1) }},
		{"a stale read that says so", "revisions rise in real time", func(ops []Op) { ops[4].Revision = 2; ops[4].Items = nil }},
		{"a write done twice", "a key is linearizable", func(ops []Op) { ops[1].Items[0].Version = 2 }},
		{"a value from nowhere", "what is read was written", func(ops []Op) { ops[9].Items[0].Value = "w" }},
		{"a failed write that was done", "what is read was written", func(ops []Op) { ops[2].Outcome = Failed }},
		{"a write that was seen before it began", "what is read was written", func(ops []Op) { ops[1].Items = append(ops[1].Items, item("a/2", "v2", 2, 2, 1)) }},
		{"a swap that did not hold and was done", "what is read was written", func(ops []Op) { ops[3].Swapped = false }},
		{"a write with another revision", "what is read was written", func(ops []Op) { ops[1].Items[0].Mod = 2 }},
		{"a swap that should not have held", "a key is linearizable", func(ops []Op) { ops[5].Swapped, ops[5].Revision, ops[5].Items = true, 4, nil }},
		{"a deletion that found nothing", "a key is linearizable", func(ops []Op) { ops[6].Deleted = 0 }},
		{"a deletion that found a deleted key", "a key is linearizable", func(ops []Op) { ops[7].Deleted, ops[7].Revision = 1, 5 }},
		{"a failed deletion that was done", "a key is linearizable", func(ops []Op) { ops[6].Outcome = Failed }},
		{"two writes with one revision", "revisions rise in real time", func(ops []Op) { ops[6].Revision = 3 }},
		{"a write with an old revision", "revisions rise in real time", func(ops []Op) { ops[6].Revision = 2 }},
		{"a local read that mixes two states", "a key is linearizable", func(ops []Op) { ops[9].Revision = 3 }},
		{"a local read from the future", "a key is linearizable", func(ops []Op) { ops[9].Revision, ops[9].Items = 1, []Item{item("a/1", "v3", 1, 3, 2)} }},
		{"one revision with two states", "a key is linearizable", func(ops []Op) { ops[9].Items[0].Version = 7 }},
		{"a lost key at the end", "a key is linearizable", func(ops []Op) { ops[10].Outcome = Failed }},
		{"an entry that changed", "an entry is the same for everybody", func(ops []Op) { ops[18].Value = "e9" }},
		{"an entry that moved", "an entry is the same for everybody", func(ops []Op) { ops[18].Position = 65 }},
		{"an entry from nowhere", "an entry was appended, once", func(ops []Op) { ops[19].Value = "e9" }},
		{"an entry that is there twice", "an entry was appended, once", func(ops []Op) { ops[19].Value = "e1" }},
		{"a failed append that was done", "an entry was appended, once", func(ops []Op) { ops[13].Outcome = Failed }},
		{"an append seen before it began", "an entry was appended, once", func(ops []Op) { ops[13].Call, ops[13].Return = 300, 305 }},
		{"indexes against the time", "indexes rise in real time", func(ops []Op) { ops[12].Call, ops[12].Return = 150, 155 }},
		{"an index left out", "a reader leaves nothing out", func(ops []Op) { ops[19] = ops[17]; ops[19].Reader = 2 }},
		{"the log's end lost", "what was appended is there", func(ops []Op) { ops[20] = ops[17]; ops[20].Reader = 2 }},
		{"an entry that was not found", "what was appended is there", func(ops []Op) { ops[15].Index = 4 }},
		{"an entry that was said to be trimmed", "what was appended is there", func(ops []Op) { ops[21].First = 1 }},
		{"values that are not unique", "unique values", func(ops []Op) { ops[8].Value = "v1" }},
	} {
		t.Run(strings.ReplaceAll(c.name, ",", ""), func(t *testing.T) {
			t.Parallel()
			ops := good()
			c.spoil(ops)
			var rules []string
			for _, v := range Check(ops, Options{}).Violations {
				rules = append(rules, v.Rule)
				require.Contains(t, v.String(), v.What)
			}
			require.Contains(t, rules, c.rule)
		})
	}
}

func TestRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	r, err := NewRecorder(path)
	require.NoError(t, err)
	for _, o := range good() {
		r.Add(o)
	}
	require.Equal(t, good(), r.Ops())
	require.NoError(t, r.Close())
	lines, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(string(lines)), "\n"), len(good()))
	require.Contains(t, string(lines), `"kind":"delete prefix","call":100,"return":105,"prefix":"a/","outcome":"ok","revision":5,"deleted":2`)
}
