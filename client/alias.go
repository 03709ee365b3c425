package client

import (
	"time"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// The types of package kv/model, where they are described. Package kv has the same.
type (
	Revision     = model.Revision
	Index        = model.Index
	Item         = model.Item
	Compare      = model.Compare
	Op           = model.Op
	Txn          = model.Txn
	TxnResult    = model.TxnResult
	OpResult     = model.OpResult
	GetOptions   = model.GetOptions
	GetResult    = model.GetResult
	RangeOptions = model.RangeOptions
	RangeResult  = model.RangeResult
	DeleteResult = model.DeleteResult
	SwapResult   = model.SwapResult
	ReadLevel    = model.ReadLevel

	InvalidError  = model.InvalidError
	RevisionError = model.RevisionError
)

// Latest is the newest revision.
const Latest = model.Latest

// Read levels without a bound; see package kv/model.
var (
	Linearizable = model.Linearizable
	Local        = model.Local
	Lease        = model.Lease
)

// AtLeastIndex is the level of reads that hold all entries up to an index.
func AtLeastIndex(index Index) ReadLevel { return model.AtLeastIndex(index) }

// AtLeastRevision is the level of reads that hold everything up to a revision, such as that of a write.
func AtLeastRevision(revision Revision) ReadLevel { return model.AtLeastRevision(revision) }

// MaxStaleness is the level of reads that hold what was written d ago or earlier.
func MaxStaleness(d time.Duration) ReadLevel { return model.MaxStaleness(d) }

// If begins a transaction whose success branch is carried out when all comparisons hold.
func If(compares ...Compare) Txn { return model.If(compares...) }

// Do is a transaction without a condition.
func Do(ops ...Op) Txn { return model.Do(ops...) }

// Put is the operation that sets key to value.
func Put(key, value []byte) Op { return model.Put(key, value) }

// Delete is the operation that removes key.
func Delete(key []byte) Op { return model.Delete(key) }

// DeleteRange is the operation that removes the keys in [from, to). An empty to means no upper bound.
func DeleteRange(from, to []byte) Op { return model.DeleteRange(from, to) }

// DeletePrefix is the operation that removes the keys that begin with prefix; all of them when it is empty.
func DeletePrefix(prefix []byte) Op { return model.DeletePrefix(prefix) }

// Get is the operation that reads key.
func Get(key []byte) Op { return model.Get(key) }

// Range is the operation that reads the keys that opts select.
func Range(opts RangeOptions) Op { return model.Range(opts) }

// Version begins a comparison of a key's version, 0 for a missing key.
func Version(key []byte) model.VersionOf { return model.Version(key) }

// CreateRevision begins a comparison of the revision at which a key came into being, 0 for a missing key.
func CreateRevision(key []byte) model.RevisionOf { return model.CreateRevision(key) }

// ModRevision begins a comparison of the revision of a key's last change, 0 for a missing key.
func ModRevision(key []byte) model.RevisionOf { return model.ModRevision(key) }

// Value begins a comparison of a key's value. No comparison of a missing key's value holds.
func Value(key []byte) model.ValueOf { return model.Value(key) }
