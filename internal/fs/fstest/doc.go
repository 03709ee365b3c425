// Package fstest is the conformance kit for implementations of fs.FS. The file system of the operating system and the one
// that crashes (internal/sim/disk) both run it, so that what is tested over one holds over the other.
package fstest
