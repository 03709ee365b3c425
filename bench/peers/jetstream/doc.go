// Package jetstream runs NATS JetStream as a peer: embedded servers, called by the NATS client in the same process or over TCP. A group is a key-value bucket, or for
// logs a stream.
package jetstream
