package check_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// script is a history in which each operation ends before the next one begins, unless it is begun by hand.
type script struct {
	*check.History
	now int64
}

func newScript() *script { return &script{History: check.NewHistory()} }

// tick gives the next millisecond.
func (s *script) tick() int64 {
	s.now += 1e6
	return s.now
}

func (s *script) begin(client int, r check.Request) check.OpID { return s.Invoke(client, s.tick(), r) }

func (s *script) end(id check.OpID, r check.Result) { s.Return(id, s.tick(), r) }

func (s *script) do(client int, r check.Request, result check.Result) check.OpID {
	id := s.begin(client, r)
	s.end(id, result)
	return id
}

func (s *script) put(key, value string, rev model.Revision) check.OpID {
	return s.do(1, put(key, value), check.Revised{Revision: rev})
}

func (s *script) lose(r check.Request) check.OpID {
	id := s.begin(2, r)
	s.Lose(id, s.tick())
	return id
}

func put(key, value string) check.Put { return check.Put{Key: []byte(key), Value: []byte(value)} }

func get(key string) check.Get { return check.Get{Key: []byte(key)} }

func local(key string) check.Get {
	return check.Get{Key: []byte(key), Read: check.Read{Level: check.Local}}
}

func absent(rev model.Revision) check.Got {
	return check.Got{GetResult: model.GetResult{Revision: rev}}
}

func item(key, value string, create, mod model.Revision, version uint64) model.Item {
	return model.Item{Key: []byte(key), Value: []byte(value), CreateRevision: create, ModRevision: mod, Version: version}
}

func got(key, value string, create, mod model.Revision, version uint64, rev model.Revision) check.Got {
	return check.Got{GetResult: model.GetResult{Item: item(key, value, create, mod, version), Revision: rev}, Found: true}
}

func from(r check.Got, node string, run uint64, applied model.Index) check.Got {
	r.From, r.Applied = check.Replica{Node: node, Run: run}, applied
	return r
}

func compacted(asked, bound model.Revision) check.RevisionRefused {
	return check.RevisionRefused{RevisionError: model.RevisionError{Asked: asked, Bound: bound, Err: model.ErrCompacted}}
}

func at(key string, rev model.Revision) check.Get { return check.Get{Key: []byte(key), At: rev} }

// ruleCase is a history and the rule that it breaks, "" for none, with the operations to be shown.
type ruleCase struct {
	name string
	rule check.Rule
	run  func(*script) []check.OpID
}

func TestRules(t *testing.T) {
	for _, cases := range [][]ruleCase{storeRules, logRules} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				s := newScript()
				want := c.run(s)
				_, err := s.Check()
				requireRule(t, err, c.rule, want)
			})
		}
	}
}

// storeRules has for each rule a history of the store that breaks it and one that nearly does.
var storeRules = []ruleCase{
	{"stale read", check.RuleRealTime, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		return []check.OpID{s.put("a", "2", 2), s.do(2, get("a"), got("a", "1", 1, 1, 1, 1))}
	}},
	{"read beside a write", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		w := s.begin(1, put("a", "2"))
		s.do(2, get("a"), got("a", "1", 1, 1, 1, 1))
		s.end(w, check.Revised{Revision: 2})
		return nil
	}},
	{"new, then old", check.RuleRealTime, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		w := s.begin(1, put("a", "2"))
		newer := s.do(2, get("a"), got("a", "2", 1, 2, 2, 2))
		older := s.do(3, get("a"), got("a", "1", 1, 1, 1, 1))
		s.end(w, check.Revised{Revision: 2})
		return []check.OpID{newer, older}
	}},
	{"revisions against time", check.RuleRealTime, func(s *script) []check.OpID {
		return []check.OpID{s.put("a", "1", 2), s.put("b", "2", 1)}
	}},
	{"lost write", check.RuleState, func(s *script) []check.OpID {
		w := s.put("a", "1", 1)
		s.put("b", "2", 2)
		return []check.OpID{w, s.do(2, get("a"), absent(2))}
	}},
	{"one revision twice", check.RuleRevision, func(s *script) []check.OpID {
		a := s.begin(1, put("a", "1"))
		b := s.begin(2, put("b", "2"))
		s.end(a, check.Revised{Revision: 1})
		s.end(b, check.Revised{Revision: 1})
		return []check.OpID{a, b}
	}},
	{"a revision of nobody's", check.RuleRevision, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		return []check.OpID{s.put("a", "2", 3)}
	}},
	{"a revision of an uncertain write's", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.lose(put("b", "x"))
		s.put("a", "2", 3)
		return nil
	}},
	{"an uncertain write is too late for the revision", check.RuleRevision, func(s *script) []check.OpID {
		a := s.put("a", "1", 1)
		b := s.put("a", "2", 3)
		s.lose(put("b", "x"))
		return []check.OpID{a, b}
	}},
	{"an uncertain write takes effect twice", check.RuleOnce, func(s *script) []check.OpID {
		w := s.lose(put("a", "x"))
		first := s.do(1, get("a"), got("a", "x", 1, 1, 1, 1))
		s.put("a", "y", 2)
		_ = first
		return []check.OpID{w, s.do(1, get("a"), got("a", "x", 1, 3, 3, 3))}
	}},
	{"an uncertain write takes effect late", "", func(s *script) []check.OpID {
		s.lose(put("a", "x"))
		s.do(1, get("a"), absent(0))
		s.put("a", "y", 1)
		s.do(1, get("a"), got("a", "x", 1, 2, 2, 2))
		return nil
	}},
	{"a failed write takes effect", check.RuleOnce, func(s *script) []check.OpID {
		w := s.begin(1, put("a", "x"))
		s.Fail(w, s.tick())
		s.put("b", "1", 1)
		return []check.OpID{w, s.do(1, get("a"), got("a", "x", 1, 1, 1, 1))}
	}},
	{"read before it was written", check.RuleOnce, func(s *script) []check.OpID {
		r := s.do(1, get("a"), got("a", "x", 1, 1, 1, 1))
		return []check.OpID{r, s.lose(put("a", "x"))}
	}},
	{"a value of nobody's", check.RuleOnce, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		return []check.OpID{s.do(1, get("a"), got("a", "?", 1, 1, 1, 1))}
	}},
	{"two writes of one value, one of them lost", "", func(s *script) []check.OpID {
		s.lose(put("a", "same"))
		s.lose(put("a", "same"))
		s.put("a", "other", 2)
		s.do(1, get("a"), got("a", "same", 1, 3, 3, 3))
		return nil
	}},
	{"two writes of one value, three times", check.RuleRevision, func(s *script) []check.OpID {
		s.lose(put("a", "same"))
		s.put("a", "same", 1)
		id := s.put("a", "other", 4)
		return []check.OpID{id}
	}},
	{"wrong version", check.RuleState, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		return []check.OpID{s.put("a", "2", 2), s.do(1, get("a"), got("a", "2", 1, 2, 3, 2))}
	}},
	{"a key that came back keeps its create revision", check.RuleState, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.do(1, check.Delete{Op: model.Delete([]byte("a"))}, check.Deleted{DeleteResult: model.DeleteResult{Revision: 2, Deleted: 1}})
		return []check.OpID{s.put("a", "2", 3), s.do(1, get("a"), got("a", "2", 1, 3, 2, 3))}
	}},
	{"half a transaction", check.RuleState, func(s *script) []check.OpID {
		txn := model.Do(model.Put([]byte("a"), []byte("1")), model.Put([]byte("b"), []byte("2")))
		results := []model.OpResult{{Kind: model.OpPut}, {Kind: model.OpPut}}
		w := s.do(1, check.Txn{Txn: txn}, check.TxnDone{TxnResult: model.TxnResult{Revision: 1, Succeeded: true, Results: results}})
		return []check.OpID{w, s.do(1, check.Range{}, check.Ranged{RangeResult: model.RangeResult{Revision: 1, Count: 1, Items: []model.Item{item("a", "1", 1, 1, 1)}}})}
	}},
	{"a swap that should have failed", check.RuleState, func(s *script) []check.OpID {
		w := s.put("a", "1", 1)
		return []check.OpID{w, s.do(1, check.Swap{Key: []byte("a"), Value: []byte("2")}, check.Swapped{SwapResult: model.SwapResult{Swapped: true, Revision: 2}})}
	}},
	{"lost at the end", check.RuleRealTime, func(s *script) []check.OpID {
		w := s.put("a", "1", 1)
		return []check.OpID{w, s.DumpStore(0, s.tick(), check.Replica{Node: "n1"}, 0, nil)}
	}},
	{"changed at the end", check.RuleState, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		w := s.put("b", "2", 2)
		return []check.OpID{w, s.DumpStore(0, s.tick(), check.Replica{Node: "n1"}, 2, []model.Item{item("a", "1", 1, 1, 1)})}
	}},
	{"all there at the end", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("b", "2", 2)
		s.DumpStore(0, s.tick(), check.Replica{Node: "n1"}, 2, []model.Item{item("a", "1", 1, 1, 1), item("b", "2", 2, 2, 1)})
		return nil
	}},
	{"a local read is old", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("a", "2", 2)
		s.do(2, local("a"), from(got("a", "1", 1, 1, 1, 1), "n1", 0, 5))
		return nil
	}},
	{"a local read is of no revision", check.RuleState, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		w := s.put("b", "2", 2)
		return []check.OpID{w, s.do(2, local("b"), from(absent(2), "n1", 0, 5))}
	}},
	{"a local read of the future", check.RuleRealTime, func(s *script) []check.OpID {
		s.lose(put("b", "x"))
		r := s.do(2, local("a"), from(absent(1), "n1", 0, 5))
		return []check.OpID{r, s.put("a", "1", 1)}
	}},
	{"a replica goes back", check.RuleReplica, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("a", "2", 2)
		a := s.do(2, get("a"), from(got("a", "2", 1, 2, 2, 2), "n1", 0, 6))
		return []check.OpID{a, s.do(2, local("a"), from(got("a", "1", 1, 1, 1, 1), "n1", 0, 5))}
	}},
	{"another replica is older", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("a", "2", 2)
		s.do(2, get("a"), from(got("a", "2", 1, 2, 2, 2), "n1", 0, 6))
		s.do(2, local("a"), from(got("a", "1", 1, 1, 1, 1), "n2", 0, 5))
		s.do(2, local("a"), from(absent(0), "n1", 1, 4))
		return nil
	}},
	{"one index, two states", check.RuleApplied, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		a := s.do(2, get("a"), from(got("a", "1", 1, 1, 1, 1), "n1", 0, 5))
		return []check.OpID{a, s.do(2, local("a"), from(absent(0), "n2", 0, 5))}
	}},
	{"not at least", check.RuleLevel, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		r := check.Get{Key: []byte("a"), Read: check.Read{Level: check.AtLeast, Revision: 1}}
		return []check.OpID{s.do(2, r, absent(0))}
	}},
	{"not at least that index", check.RuleLevel, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		r := check.Get{Key: []byte("a"), Read: check.Read{Level: check.AtLeast, Index: 7}}
		return []check.OpID{s.do(2, r, from(got("a", "1", 1, 1, 1, 1), "n1", 0, 6))}
	}},
	{"too stale", check.RuleLevel, func(s *script) []check.OpID {
		w := s.put("a", "1", 1)
		s.now += 10e6
		r := check.Get{Key: []byte("a"), Read: check.Read{Level: check.MaxStaleness, Staleness: 10e6}}
		return []check.OpID{w, s.do(2, r, absent(0))}
	}},
	{"stale enough", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		r := check.Get{Key: []byte("a"), Read: check.Read{Level: check.MaxStaleness, Staleness: 10e6}}
		s.do(2, r, absent(0))
		return nil
	}},
	{"compacted by nobody", check.RuleCompacted, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("a", "2", 2)
		return []check.OpID{s.do(1, at("a", 1), compacted(1, 2))}
	}},
	{"readable after its compaction", check.RuleCompacted, func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("a", "2", 2)
		c := s.do(1, check.Compact{Revision: 2}, check.Done{})
		return []check.OpID{c, s.do(1, at("a", 1), got("a", "1", 1, 1, 1, 1))}
	}},
	{"compacted", "", func(s *script) []check.OpID {
		s.put("a", "1", 1)
		s.put("a", "2", 2)
		s.do(1, check.Compact{Revision: 2}, check.Done{})
		s.do(1, at("a", 1), compacted(1, 2))
		s.do(1, at("a", 2), got("a", "2", 1, 2, 2, 2))
		return nil
	}},
	{"the past has changed", check.RuleState, func(s *script) []check.OpID {
		w := s.put("a", "1", 1)
		s.put("a", "2", 2)
		return []check.OpID{w, s.do(1, at("a", 1), absent(1))}
	}},
}

// requireRule demands that a rule was broken by some operations, or none if the rule is "".
func requireRule(t *testing.T, err error, rule check.Rule, ops []check.OpID) {
	t.Helper()
	if rule == "" {
		require.NoError(t, err)
		return
	}
	var v *check.Violation
	require.True(t, errors.As(err, &v), "expected %q to be broken, found %v", rule, err)
	require.Equal(t, rule, v.Rule, "%v", err)
	require.Subset(t, v.Ops, ops, "%v", err)
	require.LessOrEqual(t, len(v.Ops), 4, "a few operations tell what is wrong: %v", err)
}
