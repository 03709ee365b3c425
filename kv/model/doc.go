// Package model says what the key-value store holds and what can be asked of it: items and revisions, comparisons,
// operations and transactions, read options and results, limits and errors.
//
// It is plain data with constructors that read like the question asked:
//
//	model.If(model.ModRevision(key).Equals(7)).
//		Then(model.Put(key, value)).
//		Else(model.Get(key))
//
// Packages kv (the embedded store) and client (the remote one) alias these types, so a program that uses either need not
// import this package. It imports the standard library only.
//
// Slices in the values of this package belong to whoever made the value. Constructors keep the slices they are given and
// copy nothing: leave them unchanged until the call that takes the value has returned. Slices in results belong to the
// caller who asked.
package model
