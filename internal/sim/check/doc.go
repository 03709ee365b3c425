// Package check decides whether what clients of a store and of a log saw can have happened.
//
// Clients write into a History what they ask and what they are answered; History.Check holds it against the rules and fails with
// a *Violation that shows the operations involved. One History is about one store and one log, each of which may be unused:
//
//	h := check.NewHistory()
//	id := h.Invoke(client, now, check.Put{Key: key, Value: value})
//	...
//	h.Return(id, now, check.Revised{Revision: 7}) // or h.Fail(id, now), or h.Lose(id, now)
//	...
//	report, err := h.Check()
//
// A simulator fills a History on one goroutine, in the order in which things happen. Programs with many goroutines keep a list
// for each and give the lists to History.Add at the end.
//
// Values must be unique: no two puts of one key, and no two appends, may write the same bytes. So what is read tells who wrote it.
package check
