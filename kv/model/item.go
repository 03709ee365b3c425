package model

// Revision numbers the states of a store. The empty store is at revision 0, and each transaction that changes something is
// one more. A single put or delete is a transaction.
type Revision uint64

// Latest, as a revision to read at, asks for the newest one.
const Latest Revision = 0

// Index is the index of a log entry: how far the replica that answered had applied the log.
type Index uint64

// LeaseID names a lease; 0 is none. Leases are not supported yet: a put that names one is refused with ErrUnsupported.
type LeaseID uint64

// Item is a key and its value at a revision.
type Item struct {
	Key   []byte
	Value []byte
	// CreateRevision is the revision at which the key came into being. A key that is deleted and put again has a new one.
	CreateRevision Revision
	// ModRevision is the revision of the key's last change.
	ModRevision Revision
	// Version counts the changes of the key since it came into being, starting at 1.
	Version uint64
	// Lease is the lease the key is bound to, 0 for none.
	Lease LeaseID
}
