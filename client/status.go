package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// Member is a node's place in a group.
type Member struct {
	ID string
	// Peer and Client are the node's ports; Client is empty where it is not known.
	Peer     string
	Client   string
	Voter    bool
	Priority uint16
	// WasVoter: it votes in the outgoing half of a joint configuration, and, if Leaves is set, is gone afterwards. Promote: the learner gets
	// its vote when it has caught up, and then Replaces, if there is one, leaves.
	WasVoter, Leaves, Promote bool
	Replaces                  string
	// Directory is the UUID of the node's directory, empty while no configuration names it.
	Directory []byte
	// Known: Match, the last entry that it is known to have on disk, and Heard, the time since its last word, are there; in LeaderMembers' result.
	Known bool
	Match Index
	Heard time.Duration
}

// ConfigurationID names the entry of a group's log that says who is in the group.
type ConfigurationID struct {
	Index Index
	Term  uint64
}

// Members is who is in a group.
type Members struct {
	Cluster string
	// Leader is the leader's id as far as the node that answered knows, or empty.
	Leader  string
	Term    uint64
	Members []Member
	// Configuration is the entry that says so. Joint: it is on the way from one to another. Committed: a quorum has it.
	Configuration    ConfigurationID
	Joint, Committed bool
	// Last is the last entry of the log.
	Last Index
}

// Member finds a member by its id.
func (m Members) Member(id string) (Member, bool) {
	i := slices.IndexFunc(m.Members, func(x Member) bool { return x.ID == id })
	if i < 0 {
		return Member{}, false
	}
	return m.Members[i], true
}

// NodeStatus is a node's state.
type NodeStatus struct {
	// Endpoint is where it was asked. Reachable says that it answered, and Err why not; then nothing else is set.
	Endpoint  string
	Reachable bool
	Err       error

	ID      string
	PID     int
	Version string
	Client  string
	Peer    string
	Admin   string
	Dir     string
	// Format is the highest entry format that the node knows.
	Format uint32
	Groups []GroupStatus
}

// GroupStatus is a replica's state on a node.
type GroupStatus struct {
	ID     uint64
	Name   string
	Role   string
	Term   uint64
	Leader string
	// Commit, Applied and Synced are how far the log is known to be committed, applied, and on this node's disk.
	Commit  Index
	Applied Index
	Synced  Index
	// First and Last are the entries that the replica has. Position is where the log ends, Checksum the chained one there.
	First    Index
	Last     Index
	Position uint64
	Checksum uint32
	// Ready: the replica leads and has applied every entry of earlier leaders.
	Ready    bool
	DiskFull bool
	// Problem is why the replica has stopped, or empty.
	Problem string
	// Machine names what the group keeps its state in; empty for a log group, where Revision and Compacted are 0.
	Machine   string
	Revision  Revision
	Compacted Revision
	// Format is the entry format in force.
	Format  uint32
	Members []Member
}

// Transfer hands a group's leadership to a node and returns when that leads.
func (c *Client) Transfer(ctx context.Context, group, to string) error {
	return c.do(ctx, newRequest(group, rpc.VerbTransfer, &rpc.TransferArgs{To: to}, &rpc.Empty{}))
}

// RaiseFormat puts a higher entry format in force in a group and returns when that is committed; 0 stands for the highest that the leader knows. It gives the
// format in force. It can't be taken back. What is in force already is no error, and it does no harm to ask twice. While the members are being changed it
// waits. Errors: *InvalidError, when a member does not know the format or can't be asked, or it is lower than the one in force: nothing was done.
// ErrUncertain: look at the status.
func (c *Client) RaiseFormat(ctx context.Context, group string, to uint32) (uint32, error) {
	var result rpc.FormatResult
	r := newRequest(group, rpc.VerbFormat, &rpc.FormatArgs{To: to}, &result)
	r.Repeatable = true
	err := c.do(ctx, r)
	return result.Format, err
}

// Status asks every known node for its state, all at once, and the nodes that their answers name. Nodes that don't answer are in
// the result too, by their endpoint. It fails only when none answers. The result is sorted by id, then by endpoint; a node with
// two endpoints is in it once.
func (c *Client) Status(ctx context.Context) ([]NodeStatus, error) {
	var nodes []NodeStatus
	for asked := 0; ; {
		endpoints := c.known()
		if asked == len(endpoints) {
			break
		}
		nodes = append(nodes, c.statusesOf(ctx, endpoints[asked:])...)
		asked = len(endpoints)
	}
	nodes = oncePerNode(nodes)
	failures := []error{ErrUnavailable}
	for _, n := range nodes {
		if n.Reachable {
			return nodes, nil
		}
		failures = append(failures, n.Err)
	}
	return nodes, errors.Join(failures...)
}

// statusesOf asks nodes all at once, and learns the endpoints that they name.
func (c *Client) statusesOf(ctx context.Context, endpoints []*endpoint) (nodes []NodeStatus) {
	answers := make(chan NodeStatus, len(endpoints))
	for _, e := range endpoints {
		go func() { answers <- c.statusOf(ctx, e) }()
	}
	for range endpoints {
		n := <-answers
		nodes = append(nodes, n)
		for _, g := range n.Groups {
			for _, m := range g.Members {
				c.endpointAt(m.Client)
			}
		}
	}
	return nodes
}

func (c *Client) statusOf(ctx context.Context, e *endpoint) NodeStatus {
	var s rpc.NodeStatus
	if err := c.attempt(ctx, e, newRequest("", rpc.VerbStatus, &rpc.Empty{}, &s)); err != nil {
		return NodeStatus{Endpoint: e.address, Err: err}
	}
	n := NodeStatus{Endpoint: e.address, Reachable: true, ID: s.ID, PID: int(s.PID), Version: s.Version, Client: s.Client, Peer: s.Peer,
		Admin: s.Admin, Dir: s.Dir, Format: s.Format}
	for _, g := range s.Groups {
		n.Groups = append(n.Groups, GroupStatus{ID: g.ID, Name: g.Name, Role: g.Role, Term: g.Term, Leader: g.Leader,
			Commit: Index(g.Commit), Applied: Index(g.Applied), Synced: Index(g.Synced), First: Index(g.First), Last: Index(g.Last),
			Position: g.Position, Checksum: g.Checksum, Ready: g.Ready, DiskFull: g.DiskFull, Problem: g.Problem, Machine: g.Machine, Format: g.Format,
			Revision: Revision(g.Revision), Compacted: Revision(g.Compacted), Members: membersFrom(g.Members)})
	}
	return n
}

// oncePerNode sorts, and leaves out the second of two answers of one node.
func oncePerNode(nodes []NodeStatus) []NodeStatus {
	slices.SortFunc(nodes, func(a, b NodeStatus) int {
		if c := strings.Compare(a.ID, b.ID); c != 0 {
			return c
		}
		return strings.Compare(a.Endpoint, b.Endpoint)
	})
	return slices.CompactFunc(nodes, func(a, b NodeStatus) bool { return a.Reachable && b.Reachable && a.ID == b.ID })
}
