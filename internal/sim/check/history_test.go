package check_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
)

func TestAHistoryRefusesWhatMakesNoSense(t *testing.T) {
	h := check.NewHistory()
	id := h.Invoke(1, 10, put("a", "1"))
	require.Panics(t, func() { h.Return(id, 20, check.Done{}) }, "an answer to something else")
	require.Panics(t, func() { h.Invoke(1, 9, put("a", "2")) }, "time goes back")
	h.Return(id, 20, check.Revised{Revision: 1})
	require.Panics(t, func() { h.Fail(id, 30) }, "ended twice")
	require.Panics(t, func() { h.Add(check.Op{Outcome: check.OK, Request: put("a", "2")}) }, "no answer")
	require.Equal(t, 1, h.Len())
	require.Equal(t, `put "a" = "1" → revision 1`, h.Op(id).String())
	report, err := h.Check()
	require.NoError(t, err)
	require.Equal(t, check.Report{Operations: 1, Revision: 1}, report)
}

// TestEqualTimesAreInNoOrder: what two clocks read at once may have been in either order, and what one program did in a known order was in that.
func TestEqualTimesAreInNoOrder(t *testing.T) {
	first := check.Op{Client: 1, Invoked: check.Moment{At: 1}, Returned: check.Moment{At: 5}, Outcome: check.OK,
		Request: put("a", "1"), Result: check.Revised{Revision: 2}}
	second := check.Op{Client: 2, Invoked: check.Moment{At: 5}, Returned: check.Moment{At: 9}, Outcome: check.OK,
		Request: put("a", "2"), Result: check.Revised{Revision: 1}}
	at := func(returned, invoked uint64) error {
		h := check.NewHistory()
		second.Invoked.Seq, first.Returned.Seq = invoked, returned
		h.Add(second)
		h.Add(first)
		_, err := h.Check()
		return err
	}
	require.NoError(t, at(0, 0))
	require.NoError(t, at(2, 1))
	requireRule(t, at(1, 2), check.RuleRealTime, []check.OpID{0, 1})
}

// TestAKeyByItself: what is wrong with a key whichever uncertain write has an unclaimed revision is found without guessing.
func TestAKeyByItself(t *testing.T) {
	for name, read := range map[string]check.Got{
		"a version too high":     got("b", "1", 1, 1, 2, 3),
		"gone":                   absent(3),
		"put again":              got("b", "1", 3, 3, 1, 3),
		"as it was":              got("b", "1", 1, 1, 1, 3),
		"as it was made of late": got("b", "x", 1, 2, 2, 3),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			s.put("b", "1", 1)
			s.lose(put("b", "x"))
			s.lose(put("c", "y"))
			s.put("a", "2", 3)
			id := s.do(2, get("b"), read)
			err := s.EachKey()
			_, all := s.Check()
			if name[:2] == "as" {
				require.NoError(t, err)
				require.NoError(t, all)
				return
			}
			requireRule(t, err, check.RuleState, []check.OpID{id})
			requireRule(t, all, check.RuleState, []check.OpID{id})
		})
	}
}
