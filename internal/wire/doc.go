// Package wire frames messages on a byte stream: a fixed header with hard limits and checksums, a head, and a body.
//
// The peer port (node/transport) and the client port (internal/wire/rpc) are built from it. Writer stages any number of
// frames and hands them to the kernel with one writev; Reader buffers the stream and returns slices that are the caller's
// to keep. What the heads and bodies mean is the caller's business; docs/format.md, "Frame", draws the bytes.
//
// A checksum finds accidents, not attacks: nothing that arrives here is to be trusted further than its limits. Readers and
// writers belong to one goroutine at a time each; a stream may have one of both.
package wire
