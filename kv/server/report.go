package server

import "context"

// NodeStatus is what a node says of itself, as /status gives it.
type NodeStatus struct {
	ID      string        `json:"id"`
	PID     int64         `json:"pid"`
	Version string        `json:"version"`
	Client  string        `json:"client"`
	Peer    string        `json:"peer"`
	Admin   string        `json:"admin"`
	Dir     string        `json:"dir"`
	Groups  []GroupStatus `json:"groups"`
}

// GroupStatus is a replica's state.
type GroupStatus struct {
	ID     uint64 `json:"id"`
	Name   string `json:"name"`
	Role   string `json:"role"`
	Term   uint64 `json:"term"`
	Leader string `json:"leader"`
	// Ready: the replica leads and has applied every entry of earlier leaders.
	Ready   bool   `json:"ready"`
	Commit  uint64 `json:"commit"`
	Applied uint64 `json:"applied"`
	Synced  uint64 `json:"synced"`
	First   uint64 `json:"first"`
	Last    uint64 `json:"last"`
	// Position is where the log ends, Checksum the chained one of its last entry.
	Position uint64 `json:"position"`
	Checksum uint32 `json:"checksum"`
	DiskFull bool   `json:"disk_full,omitempty"`
	// Problem is why the replica has stopped, or does not take part.
	Problem string `json:"problem,omitempty"`
	// Engine, Revision and Compacted are those of a key-value group.
	Engine    string `json:"engine,omitempty"`
	Revision  uint64 `json:"revision,omitempty"`
	Compacted uint64 `json:"compacted,omitempty"`
}

// Status says how the node and its groups are. It blocks for each group's owner, at most a second.
func (s *Server) Status(ctx context.Context) NodeStatus {
	st := s.status(ctx)
	out := NodeStatus{ID: st.ID, PID: st.PID, Version: st.Version, Client: st.Client, Peer: st.Peer, Admin: st.Admin, Dir: st.Dir}
	for _, g := range st.Groups {
		out.Groups = append(out.Groups, GroupStatus{ID: g.ID, Name: g.Name, Role: g.Role, Term: g.Term, Leader: g.Leader, Ready: g.Ready,
			Commit: g.Commit, Applied: g.Applied, Synced: g.Synced, First: g.First, Last: g.Last, Position: g.Position, Checksum: g.Checksum,
			DiskFull: g.DiskFull, Problem: g.Problem, Engine: g.Machine, Revision: g.Revision, Compacted: g.Compacted})
	}
	return out
}
