// Package rpc is the client port: requests and answers between a client and a node, as docs/format.md, "Client port", draws it.
//
// A connection carries many requests at once, and answers in any order. Frames come from internal/wire; heads and bodies are
// msgpack arrays, so that a client in another language is an afternoon's work. Fields are only ever added at the end; a
// reader takes what it knows and leaves out what is missing.
//
// The two halves are Conn (a client's end) and Server (a node's), which hands requests to a Handler. Neither knows what a verb
// does: the types of arguments and results are here, their meaning is elsewhere (client, and whoever implements Handler).
//
// What comes from a connection is not believed: lengths, depth and numbers of elements are checked before anything is
// decoded or allocated, a connection has bounds on what it may have in flight, and one that doesn't read what it asked for is
// closed.
//
// Conn and Server are safe for concurrent use and own the goroutines they start; Close waits for them.
package rpc
