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
// Values should be unique: no two puts of one key, and no two appends, should write the same bytes, so that what is read tells who wrote it.
// Where two do, nothing is called wrong that is right, but the store's check may have to guess, and the log's overlooks what it can't tell apart.
package check
