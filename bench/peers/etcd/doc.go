// Package etcd runs etcd v3.7 as a peer: embedded members, called by the server's own methods or by etcd's client over gRPC.
package etcd
