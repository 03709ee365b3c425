// Package transport carries frames between the nodes of a cluster.
//
// A Transport has a link to each peer for each Class, so that a bulk append never delays a heartbeat, and a link carries one
// direction: what a peer sends comes on a connection that the peer dialed. Every connection begins with a handshake in which
// both sides check protocol and format versions, cluster, node ids and directory UUID (docs/format.md, "Handshake"); whoever
// does not belong is refused with a reason that both sides can log.
//
// TCP is the real one. Network connects the nodes of one process with the same interface and the same checks, for tests;
// ManualNetwork does so without a goroutine, delivering one frame at a time in an order drawn from a seed. They all pass the
// kit in node/transport/transporttest.
//
// AppendMessage and MessageReader are the encoding of raft's messages. The node's senders pack many messages of many groups
// into one frame's head, with the records they name in its body.
//
// Who calls it: the node's sender and receiver loops. Frames may be lost, all those on the way when a connection breaks;
// never changed, and never out of order within a link's class. Lost ones are not sent again: raft does that.
package transport
