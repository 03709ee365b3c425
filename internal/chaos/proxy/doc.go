// Package proxy is a network between processes on one machine that can be disturbed: a TCP proxy stands before each node's peer port, and what
// flows between two nodes passes through the two Links of the pair, one for each direction. A Link can be cut, delayed, made narrow, and
// its connections can be reset.
//
// A node's peers all know it by one address, that of its front. Who calls is told by the first frame of a connection, the caller's hello
// (docs/format.md, "Handshake"), so that the two directions of a pair, and pairs with a common node, are disturbed apart from each other.
//
// A cut is what it is in a network: nothing arrives, nobody is told, and what was sent arrives when the cut is mended, if the connection is
// still there. A process whose peer has died behind a cut does not hear of it either.
package proxy
