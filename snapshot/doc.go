// Package snapshot keeps images of a machine's state on disk and moves them between nodes.
//
// An image is the state of a group's machine at one entry, cut into numbered chunks: an engine-neutral stream
// (statemachine.Image) whose bytes depend on the log alone, so that replicas make the same image at the same entry and a
// transfer begun from one sender goes on from another. Meta says which image it is; Meta.Digest says which bytes.
//
// On disk (docs/format.md, "Image file"):
//   - Store is a directory of images of one group. It is opened with the group's Identity.
//   - Writer makes an image here; Receiver takes one in, chunk by chunk, and goes on where it was after a restart.
//   - Reader reads one, checking every byte, and keeps it from being removed.
//
// Between nodes (docs/format.md, "Image transfer"):
//   - Offers is the sending side of a node, for all its groups and peers: caps, bandwidth, time-outs.
//   - Fetches is the receiving side. It pulls: the receiver asks for what it lacks.
//
// Both sides are state machines that are fed frames and the time and hand out frames: they have no goroutine, clock or
// socket, so that a simulator runs what a node runs. They do read and write files, in the call that needs it.
//
// A bad image is never a reason to remove anything. It is named in Store.Problems, passed over in favour of an older one, and
// fetched again by whoever needs it.
//
// Threading: Store is safe for concurrent use; Writer, Reader, Receiver, Offers and Fetches belong to one goroutine at a
// time each. Everything that takes or returns a []byte says who owns it.
package snapshot
