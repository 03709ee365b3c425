// Package client talks to a LedgerKV cluster over its client ports.
//
// A Client knows some endpoints, finds the leader of each group, remembers it and follows it when it changes. It has the verbs
// of the embedded store (package kv), with the same types, and those of log groups (Log).
//
// What may be repeated is repeated, with a growing, jittered pause, until the call's context or Options.RetryTimeout ends:
// reads always, and writes where it is certain that nothing was done (the node that was asked does not lead, is busy, or was
// not reached). A write whose fate is unknown, because the connection broke or the time ran out after it was sent, is never
// repeated: it fails with ErrUncertain. A context that ends otherwise gives the context's error without ErrUncertain: nothing
// was done.
//
// A Client is safe for concurrent use, and one is enough for a program: it keeps one connection to each endpoint, on which
// any number of requests are under way at once. Slices passed in must stay unchanged until the call has returned; slices in
// results are the caller's.
package client
