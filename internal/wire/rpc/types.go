package rpc

// Empty is the arguments or the result of verbs that have none.
type Empty struct{}

// Item is a key's value at a revision.
type Item struct {
	Key     []byte
	Value   []byte
	Create  uint64
	Mod     uint64
	Version uint64
	Lease   uint64
}

// PutArgs sets a key.
type PutArgs struct {
	Key   []byte
	Value []byte
	Lease uint64
}

// PutResult is the revision of a put.
type PutResult struct {
	Revision uint64
}

// GetArgs reads a key. Revision 0 is the newest. The numbers of levels are those of kv/model, Bound is the level's. Unless AnyReplica is set, a
// replica that does not lead refuses the levels that are the leader's business.
type GetArgs struct {
	Key        []byte
	Revision   uint64
	Level      uint8
	Bound      uint64
	AnyReplica bool
}

// GetResult is a key's item, if Found, and the state that was read.
type GetResult struct {
	Found    bool
	Item     Item
	Revision uint64
	Applied  uint64
}

// DeleteArgs removes a key, or, with Range set, the keys that it selects.
type DeleteArgs struct {
	Key   []byte
	Range *RangeArgs
}

// DeleteResult is the number of keys removed.
type DeleteResult struct {
	Revision uint64
	Deleted  uint64
}

// RangeArgs selects keys: by Prefix, or [From, To).
type RangeArgs struct {
	Prefix    []byte
	From      []byte
	To        []byte
	Limit     uint64
	MaxBytes  uint64
	Reverse   bool
	KeysOnly  bool
	CountOnly bool
	Revision  uint64
	// Level, Bound and AnyReplica are as in GetArgs.
	Level      uint8
	Bound      uint64
	AnyReplica bool
}

// RangeResult is what a range found.
type RangeResult struct {
	Items    []Item
	Count    uint64
	More     bool
	Revision uint64
	Applied  uint64
}

// Compare is a condition on a key; its numbers are those of kv/model.
type Compare struct {
	Target   uint8
	Operator uint8
	Key      []byte
	Number   uint64
	Value    []byte
}

// Op is an operation of a transaction; Kind's numbers are those of kv/model.
type Op struct {
	Kind  uint8
	Key   []byte
	Value []byte
	Lease uint64
	Range *RangeArgs
}

// TxnArgs is a transaction.
type TxnArgs struct {
	Compares []Compare
	Success  []Op
	Failure  []Op
	// Level, Bound and AnyReplica are as in GetArgs, for a transaction that only reads.
	Level      uint8
	Bound      uint64
	AnyReplica bool
}

// OpResult is what an operation gave.
type OpResult struct {
	Kind    uint8
	Found   bool
	Item    *Item
	Deleted uint64
	Range   *RangeResult
}

// TxnResult is what a transaction gave. That a comparison failed is a result and not an error.
type TxnResult struct {
	Revision  uint64
	Succeeded bool
	Results   []OpResult
	// Applied is that of a transaction that only reads.
	Applied uint64
}

// CompactArgs makes what is below a revision unreadable.
type CompactArgs struct {
	Revision uint64
}

// SwapArgs sets a key if the revision of its last change is Expected; 0: if it does not exist.
type SwapArgs struct {
	Key      []byte
	Expected uint64
	Value    []byte
}

// SwapResult says whether it was, and if not, what is there.
type SwapResult struct {
	Swapped  bool
	Revision uint64
	Found    bool
	Current  *Item
}

// AppendArgs appends an entry to a log.
type AppendArgs struct {
	Body []byte
}

// AppendResult says where the entry is. Length is that of the record, header and padding included.
type AppendResult struct {
	Index    uint64
	Term     uint64
	Position uint64
	Length   uint32
}

// LogGetArgs reads a committed entry.
type LogGetArgs struct {
	Index uint64
}

// Record is an entry of a log. Kind's numbers are those of the record header (docs/format.md).
type Record struct {
	Index    uint64
	Term     uint64
	Kind     uint8
	Position uint64
	Time     int64
	Body     []byte
}

// LogFollowArgs reads the committed entries from From on, in order, and then those that come, until it is cancelled. Parts
// hold about MaxBytes; 0 leaves it to the node.
type LogFollowArgs struct {
	From     uint64
	MaxBytes uint64
}

// LogPart is a piece of a followed log, with the index up to which the replica knew entries to be committed.
type LogPart struct {
	Records []Record
	Commit  uint64
}

// TransferArgs hands a group's leadership over.
type TransferArgs struct {
	To string
}

// Member is a node's place in a group. Client is its client port, empty where it is not known. The flags are those of raft.Member. Match, the
// last entry that it is known to have, and Heard, the milliseconds since its last word, are there if Known, as leaders tell.
type Member struct {
	ID        string
	Peer      string
	Client    string
	Voter     bool
	Priority  uint16
	WasVoter  bool
	Leaves    bool
	Promote   bool
	Replaces  string
	Directory []byte
	Known     bool
	Match     uint64
	Heard     uint64
}

// MembersArgs asks who is in a group: as its leader has it, if Leader is set.
type MembersArgs struct {
	Leader bool
}

// MembersResult is who is in a group, and who leads it as far as the answering node knows.
type MembersResult struct {
	Cluster string
	Leader  string
	Term    uint64
	Members []Member
	// SeenIndex and SeenTerm name the entry of the configuration, Joint and Committed say how it is. Last is the end of the log.
	SeenIndex uint64
	SeenTerm  uint64
	Joint     bool
	Committed bool
	Last      uint64
}

// MemberChange is a wish for a group's membership; Kind's numbers are those of raft.ChangeKind.
type MemberChange struct {
	Kind     uint8
	ID       string
	Address  string
	Priority uint16
	Promote  bool
	Replaces string
}

// ChangeArgs makes changes in one step, unless Seen is set and the configuration in force isn't that of the entry named any more.
type ChangeArgs struct {
	Changes   []MemberChange
	Seen      bool
	SeenIndex uint64
	SeenTerm  uint64
}

// FormatArgs puts a higher entry format in force; 0 is the highest that the leader knows.
type FormatArgs struct {
	To uint32
}

// FormatResult is the entry format in force.
type FormatResult struct {
	Format uint32
}

// NodeStatus is what a node says of itself.
type NodeStatus struct {
	ID      string
	PID     int64
	Version string
	Client  string
	Peer    string
	Admin   string
	Dir     string
	Groups  []GroupStatus
	// Format is the highest entry format that the node knows.
	Format uint32
}

// GroupStatus is a replica's state. Revision and Compacted are those of a key-value group.
type GroupStatus struct {
	ID        uint64
	Name      string
	Role      string
	Term      uint64
	Leader    string
	Commit    uint64
	Applied   uint64
	Synced    uint64
	First     uint64
	Last      uint64
	Position  uint64
	Checksum  uint32
	Ready     bool
	DiskFull  bool
	Problem   string
	Machine   string
	Revision  uint64
	Compacted uint64
	Members   []Member
	// Format is the entry format in force.
	Format uint32
}

// HashArgs asks for the hash of the state at a revision, 0 for the newest.
type HashArgs struct {
	Revision uint64
}

// HashResult is the hash of the state that was read.
type HashResult struct {
	Hash     []byte
	Revision uint64
	Applied  uint64
}
