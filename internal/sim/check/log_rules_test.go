package check_test

import "github.com/ledgerkv/ledgerkv/internal/sim/check"

func appendOf(body string) check.Append { return check.Append{Body: []byte(body)} }

func data(index uint64, body string) check.Entry {
	return check.Entry{Index: index, Data: true, Body: []byte(body)}
}

func own(index uint64) check.Entry { return check.Entry{Index: index} }

func entries(e ...check.Entry) check.Entries { return check.Entries{Entries: e} }

func (s *script) append(body string, index uint64) check.OpID {
	return s.do(1, appendOf(body), check.Appended{Index: index})
}

func tail(first uint64) check.Tail { return check.Tail{From: first} }

// logRules has for each rule a history of the log that breaks it and one that nearly does.
var logRules = []ruleCase{
	{"as it should be", "", func(s *script) []check.OpID {
		s.append("a", 2)
		s.lose(appendOf("x"))
		s.append("b", 5)
		s.do(1, tail(1), entries(own(1), data(2, "a"), own(3), data(4, "x"), data(5, "b")))
		s.do(2, check.LogGet{Index: 4}, entries(data(4, "x")))
		s.do(2, check.LogGet{Index: 6}, check.NoEntry{})
		return nil
	}},
	{"changed", check.RuleEntry, func(s *script) []check.OpID {
		w := s.append("a", 1)
		s.append("b", 2)
		return []check.OpID{w, s.do(2, check.LogGet{Index: 1}, entries(data(1, "b")))}
	}},
	{"one index twice", check.RuleEntry, func(s *script) []check.OpID {
		a, b := s.begin(1, appendOf("a")), s.begin(2, appendOf("b"))
		s.end(a, check.Appended{Index: 1})
		s.end(b, check.Appended{Index: 1})
		return []check.OpID{a, b}
	}},
	{"two readers, two entries", check.RuleEntry, func(s *script) []check.OpID {
		s.lose(appendOf("x"))
		s.lose(appendOf("y"))
		a := s.do(1, tail(1), entries(data(1, "x")))
		return []check.OpID{a, s.do(2, tail(1), entries(data(1, "y")))}
	}},
	{"two readers, two positions", check.RuleEntry, func(s *script) []check.OpID {
		a := s.do(1, appendOf("a"), check.Appended{Index: 1, Position: 64})
		return []check.OpID{a, s.do(2, tail(1), entries(check.Entry{Index: 1, Position: 128, Data: true, Body: []byte("a")}))}
	}},
	{"terms fall", check.RuleEntry, func(s *script) []check.OpID {
		return []check.OpID{s.do(2, tail(1), entries(check.Entry{Index: 1, Term: 3}, check.Entry{Index: 2, Term: 2}))}
	}},
	{"positions fall", check.RuleEntry, func(s *script) []check.OpID {
		a := s.do(1, appendOf("a"), check.Appended{Index: 1, Position: 128})
		return []check.OpID{a, s.do(1, appendOf("b"), check.Appended{Index: 2, Position: 64})}
	}},
	{"indexes against time", check.RuleRealTime, func(s *script) []check.OpID {
		return []check.OpID{s.append("a", 2), s.append("b", 1)}
	}},
	{"side by side", "", func(s *script) []check.OpID {
		a, b := s.begin(1, appendOf("a")), s.begin(2, appendOf("b"))
		s.end(a, check.Appended{Index: 2})
		s.end(b, check.Appended{Index: 1})
		return nil
	}},
	{"lost", check.RuleRealTime, func(s *script) []check.OpID {
		w := s.append("a", 1)
		return []check.OpID{w, s.do(2, check.LogGet{Index: 1}, check.NoEntry{})}
	}},
	{"not here yet", "", func(s *script) []check.OpID {
		s.append("a", 1)
		s.do(2, check.LogGet{Index: 1, Level: check.Local}, check.NoEntry{})
		s.do(2, check.Tail{From: 1, Level: check.Local}, entries())
		s.do(2, check.Tail{From: 1, Limited: true}, entries())
		return nil
	}},
	{"cut off at the end", check.RuleRealTime, func(s *script) []check.OpID {
		s.append("a", 1)
		w := s.append("b", 2)
		return []check.OpID{w, s.do(2, tail(1), entries(data(1, "a")))}
	}},
	{"an uncertain append twice", check.RuleOnce, func(s *script) []check.OpID {
		w := s.lose(appendOf("x"))
		return []check.OpID{w, s.do(2, tail(1), entries(data(1, "x"), data(2, "x")))}
	}},
	{"an acknowledged append twice", check.RuleOnce, func(s *script) []check.OpID {
		w := s.append("a", 1)
		return []check.OpID{w, s.do(2, tail(1), entries(data(1, "a"), data(2, "a")))}
	}},
	{"a failed append", check.RuleOnce, func(s *script) []check.OpID {
		w := s.begin(1, appendOf("x"))
		s.Fail(w, s.tick())
		return []check.OpID{w, s.do(2, tail(1), entries(data(1, "x")))}
	}},
	{"an entry of nobody's", check.RuleOnce, func(s *script) []check.OpID {
		return []check.OpID{s.do(2, tail(1), entries(data(1, "?")))}
	}},
	{"before it was appended", check.RuleOnce, func(s *script) []check.OpID {
		r := s.do(2, tail(1), entries(data(1, "x")))
		return []check.OpID{r, s.lose(appendOf("x"))}
	}},
	{"an uncertain append goes before what had ended", check.RuleRealTime, func(s *script) []check.OpID {
		a := s.append("a", 2)
		w := s.lose(appendOf("x"))
		s.do(2, tail(1), entries(data(1, "x"), data(2, "a")))
		return []check.OpID{a, w}
	}},
	{"a gap", check.RuleGap, func(s *script) []check.OpID {
		w := s.append("a", 2)
		s.append("b", 3)
		return []check.OpID{w, s.do(2, tail(1), entries(own(1), data(3, "b")))}
	}},
	{"the group's own left out", "", func(s *script) []check.OpID {
		s.append("a", 2)
		s.append("b", 4)
		s.do(2, check.Tail{From: 1, DataOnly: true}, entries(data(2, "a"), data(4, "b")))
		return nil
	}},
	{"data left out", check.RuleGap, func(s *script) []check.OpID {
		w := s.append("a", 2)
		s.append("b", 4)
		return []check.OpID{w, s.do(2, check.Tail{From: 1, DataOnly: true}, entries(data(4, "b")))}
	}},
	{"out of order", check.RuleGap, func(s *script) []check.OpID {
		s.append("a", 1)
		s.append("b", 2)
		return []check.OpID{s.do(2, check.Tail{From: 1, DataOnly: true}, entries(data(2, "b"), data(1, "a")))}
	}},
	{"begins too early", check.RuleGap, func(s *script) []check.OpID {
		s.append("a", 1)
		s.append("b", 2)
		return []check.OpID{s.do(2, tail(2), entries(data(1, "a"), data(2, "b")))}
	}},
	{"another entry", check.RuleGap, func(s *script) []check.OpID {
		s.append("a", 1)
		return []check.OpID{s.do(2, check.LogGet{Index: 2}, entries(data(1, "a")))}
	}},
	{"trimmed", "", func(s *script) []check.OpID {
		s.append("a", 1)
		s.append("b", 2)
		s.do(0, check.Trim{First: 2}, check.Done{})
		s.do(2, tail(1), check.LogCompacted{First: 2})
		s.do(2, check.LogGet{Index: 1}, entries(data(1, "a")))
		s.DumpLog(0, s.tick(), 2, []check.Entry{data(2, "b")})
		return nil
	}},
	{"removed without a trim", check.RuleTrim, func(s *script) []check.OpID {
		w := s.append("a", 1)
		return []check.OpID{w, s.do(2, tail(1), check.LogCompacted{First: 2})}
	}},
	{"removed before the trim", check.RuleTrim, func(s *script) []check.OpID {
		w := s.append("a", 1)
		r := s.do(2, tail(1), check.LogCompacted{First: 2})
		s.do(0, check.Trim{First: 2}, check.Done{})
		return []check.OpID{w, r}
	}},
	{"more removed than trimmed", check.RuleTrim, func(s *script) []check.OpID {
		s.append("a", 1)
		w := s.append("b", 2)
		s.do(0, check.Trim{First: 2}, check.Done{})
		return []check.OpID{w, s.do(2, check.LogGet{Index: 2}, check.LogCompacted{First: 3})}
	}},
	{"refused though it is there", check.RuleTrim, func(s *script) []check.OpID {
		w := s.append("a", 1)
		s.do(0, check.Trim{First: 1}, check.Done{})
		return []check.OpID{w, s.do(2, check.LogGet{Index: 1}, check.LogCompacted{First: 1})}
	}},
	{"lost at the end", check.RuleRealTime, func(s *script) []check.OpID {
		s.append("a", 1)
		w := s.append("b", 2)
		return []check.OpID{w, s.DumpLog(0, s.tick(), 1, []check.Entry{data(1, "a")})}
	}},
	{"trimmed away at the end", check.RuleTrim, func(s *script) []check.OpID {
		w := s.append("a", 1)
		s.append("b", 2)
		s.DumpLog(0, s.tick(), 2, []check.Entry{data(2, "b")})
		return []check.OpID{w}
	}},
}
