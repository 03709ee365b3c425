package server

import (
	"context"
	"io"
	"runtime"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// replicaState is a group and its status at the time of a scrape.
type replicaState struct {
	*Group
	labels []label
	status node.Status
	known  bool
}

// writeMetrics writes all metrics of the node.
func (s *Server) writeMetrics(ctx context.Context, w io.Writer) error {
	e := &exposition{w: w}
	var states []replicaState
	for i := range s.opts.Groups {
		g := &s.opts.Groups[i]
		state := replicaState{Group: g, labels: []label{{"group", g.Name}}}
		if g.Group != nil {
			wait, cancel := context.WithTimeout(ctx, statusWait)
			state.status, _ = g.Group.Status(wait) // what can be told without the owner is there all the same
			state.known = true
			cancel()
		}
		states = append(states, state)
	}
	s.writeNode(e)
	s.writeReplicas(e, states)
	s.writePeers(e, states)
	s.writeFlushes(e, states)
	s.writeImages(e, states)
	s.writeLinks(e)
	s.writeRequests(e)
	writeRuntime(e)
	return e.err
}

func (s *Server) writeNode(e *exposition) {
	e.family("ledgerkv_node_info", "gauge", "Who this node is; the value is 1.")
	e.sample("ledgerkv_node_info", 1, label{"node", string(s.opts.Node.ID())}, label{"cluster", s.opts.Cluster}, label{"version", s.opts.Version})
	e.one("ledgerkv_node_start_time_seconds", "gauge", "When the process started counting, in seconds since the Unix epoch.",
		float64(s.opts.Metrics.start.UnixMilli())/1000)
	e.one("ledgerkv_node_admitted", "gauge", "1 once every initial member has recognised this node's directory.", oneIf(s.opts.Node.Admitted()))
}

// replicaMetrics are the numbers of a replica's status.
var replicaMetrics = []struct {
	name, kind, help string
	value            func(*replicaState) float64
}{
	{"ledgerkv_replica_up", "gauge", "1 while the replica works, 0 when it has stopped, could not be opened, or has lost its state.",
		func(r *replicaState) float64 {
			return oneIf(r.known && r.status.Role.Err == nil && r.status.StateLost == nil)
		}},
	{"ledgerkv_replica_has_leader", "gauge", "1 while a leader is known.", func(r *replicaState) float64 { return oneIf(r.status.Role.Leader != "") }},
	{"ledgerkv_replica_term", "gauge", "The term of the replica.", func(r *replicaState) float64 { return float64(r.status.Role.Term) }},
	{"ledgerkv_replica_commit_index", "gauge", "The index up to which entries are known to be committed.", func(r *replicaState) float64 { return float64(r.status.Commit) }},
	{"ledgerkv_replica_applied_index", "gauge", "The index up to which entries are applied.", func(r *replicaState) float64 { return float64(r.status.Applied) }},
	{"ledgerkv_replica_synced_index", "gauge", "The index up to which entries are durable on this node.", func(r *replicaState) float64 { return float64(r.status.Synced) }},
	{"ledgerkv_replica_first_index", "gauge", "The first index that the log still holds.", func(r *replicaState) float64 { return float64(r.status.First) }},
	{"ledgerkv_replica_last_index", "gauge", "The last index in the log, committed or not.", func(r *replicaState) float64 { return float64(r.status.Last) }},
	{"ledgerkv_replica_position_bytes", "gauge", "The position at which the log ends.", func(r *replicaState) float64 { return float64(r.status.Position) }},
	{"ledgerkv_replica_log_bytes", "gauge", "The bytes of log that the replica holds, from its base to its end.",
		func(r *replicaState) float64 {
			return float64(r.status.Position - r.Group.Group.Ledger().Base().Position)
		}},
	{"ledgerkv_replica_disk_full", "gauge", "1 while writes are refused because the device is full.", func(r *replicaState) float64 { return oneIf(r.status.DiskFull) }},
	{"ledgerkv_replica_format", "gauge", "The entry format in force.", func(r *replicaState) float64 { return float64(r.status.Format) }},
	{"ledgerkv_replica_damaged_pieces", "gauge", "Pieces of the log (about 64 KiB) that the disk has lost, as the last pass of the scrubber has found.",
		func(r *replicaState) float64 { return float64(r.status.Damaged) }},
}

func (s *Server) writeReplicas(e *exposition, states []replicaState) {
	e.family("ledgerkv_replica_role", "gauge", "1 for the role that the replica has, 0 for the others.")
	for i := range states {
		r := &states[i]
		for role := raft.Follower; role <= raft.Learner; role++ {
			has := r.known && r.status.Role.Err == nil && r.status.Role.Role == role
			e.sample("ledgerkv_replica_role", oneIf(has), append(r.labels[:1:1], label{"role", role.String()})...)
		}
	}
	for _, m := range replicaMetrics {
		e.family(m.name, m.kind, m.help)
		for i := range states {
			if states[i].known || m.name == "ledgerkv_replica_up" {
				e.sample(m.name, m.value(&states[i]), states[i].labels...)
			}
		}
	}
}

// writePeers writes what a leader knows of its followers.
func (s *Server) writePeers(e *exposition, states []replicaState) {
	families := []struct {
		name, help string
		value      func(*raft.PeerStatus) float64
	}{
		{"ledgerkv_peer_match_index", "On a leader: the last entry known to be durable at the peer.", func(p *raft.PeerStatus) float64 { return float64(p.Match) }},
		{"ledgerkv_peer_inflight_bytes", "On a leader: bytes sent to the peer and not acknowledged.", func(p *raft.PeerStatus) float64 { return float64(p.InflightBytes) }},
		{"ledgerkv_peer_inflight_messages", "On a leader: messages sent to the peer and not acknowledged.", func(p *raft.PeerStatus) float64 { return float64(p.InflightMessages) }},
	}
	for _, f := range families {
		e.family(f.name, "gauge", f.help)
		for i := range states {
			for j := range states[i].status.Peers {
				p := &states[i].status.Peers[j]
				e.sample(f.name, f.value(p), append(states[i].labels[:1:1], label{"peer", string(p.ID)})...)
			}
		}
	}
}

func (s *Server) writeFlushes(e *exposition, states []replicaState) {
	m := s.opts.Metrics
	e.family("ledgerkv_flush_seconds", "histogram", "How long writing and flushing a group's log took.")
	for i := range states {
		e.histogram("ledgerkv_flush_seconds", &m.group(states[i].ID).flushes, states[i].labels...)
	}
	counters := []struct {
		name, help string
		value      func(*groupMetrics) uint64
	}{
		{"ledgerkv_flush_batches_total", "Batches that flushes made durable; several share one under load.", func(g *groupMetrics) uint64 { return g.batches.Load() }},
		{"ledgerkv_role_changes_total", "Changes of role, term, leader or readiness.", func(g *groupMetrics) uint64 { return g.roleChanges.Load() }},
		{"ledgerkv_replica_failures_total", "How often the replica has stopped for good: 0 or 1 in the life of a process.", func(g *groupMetrics) uint64 { return g.failures.Load() }},
	}
	for _, c := range counters {
		e.family(c.name, "counter", c.help)
		for i := range states {
			e.sample(c.name, float64(c.value(m.group(states[i].ID))), states[i].labels...)
		}
	}
}

// writeImages writes what became of images.
func (s *Server) writeImages(e *exposition, states []replicaState) {
	families := []struct {
		name, help string
		event      node.ImageEvent
	}{
		{"ledgerkv_images_made_total", "Images that were made on this node.", node.ImageMade},
		{"ledgerkv_images_sent_total", "Images that a peer has taken from this node as a whole.", node.ImageSent},
		{"ledgerkv_images_installed_total", "Images that took the place of this node's log and machine.", node.ImageInstalled},
	}
	for _, f := range families {
		e.family(f.name, "counter", f.help)
		for i := range states {
			e.sample(f.name, float64(s.opts.Metrics.group(states[i].ID).images[f.event].Load()), states[i].labels...)
		}
	}
}

// writeLinks writes what became of the connections with each peer.
func (s *Server) writeLinks(e *exposition) {
	families := []struct {
		name, help string
		value      func(*peerMetrics) uint64
	}{
		{"ledgerkv_peer_connections_total", "Links to the peer that came up; there are three for each peer.", func(p *peerMetrics) uint64 { return p.connected.Load() }},
		{"ledgerkv_peer_disconnections_total", "Connections with the peer that broke, in either direction.", func(p *peerMetrics) uint64 { return p.disconnected.Load() }},
		{"ledgerkv_peer_messages_dropped_total", "Messages to and from the peer that were dropped: no connection, a broken one, or a full queue.", func(p *peerMetrics) uint64 { return p.dropped.Load() }},
	}
	for _, f := range families {
		e.family(f.name, "counter", f.help)
		for _, m := range s.opts.Members {
			if m.ID != s.opts.Node.ID() {
				e.sample(f.name, float64(f.value(s.opts.Metrics.peer(m.ID))), label{"peer", string(m.ID)})
			}
		}
	}
}

// writeRequests writes the counters of the client port: only what has happened, since most pairs of verb and code never do.
func (s *Server) writeRequests(e *exposition) {
	m := s.opts.Metrics
	e.family("ledgerkv_requests_total", "counter", "Requests answered on the client port, by verb and outcome.")
	for v := range m.requests {
		for c := range m.requests[v] {
			if n := m.requests[v][c].Load(); n > 0 {
				e.sample("ledgerkv_requests_total", float64(n), label{"verb", rpc.Verb(v).String()}, label{"code", rpc.Code(c).String()})
			}
		}
	}
	e.family("ledgerkv_request_seconds", "histogram", "How long requests on the client port took, by verb; streams are left out.")
	for v := range m.seconds {
		any := uint64(0)
		for b := range m.seconds[v].buckets {
			any += m.seconds[v].buckets[b].Load()
		}
		if any > 0 {
			e.histogram("ledgerkv_request_seconds", &m.seconds[v], label{"verb", rpc.Verb(v).String()})
		}
	}
}

func writeRuntime(e *exposition) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.one("go_goroutines", "gauge", "Goroutines that exist.", float64(runtime.NumGoroutine()))
	e.one("go_memstats_heap_alloc_bytes", "gauge", "Bytes of allocated heap objects.", float64(m.HeapAlloc))
	e.one("go_memstats_sys_bytes", "gauge", "Bytes obtained from the system.", float64(m.Sys))
	e.one("go_memstats_alloc_bytes_total", "counter", "Bytes ever allocated on the heap.", float64(m.TotalAlloc))
	e.one("go_gc_cycles_total", "counter", "Garbage collections that were completed.", float64(m.NumGC))
	e.one("go_gc_pause_seconds_total", "counter", "Time that the program was stopped for garbage collection.", time.Duration(m.PauseTotalNs).Seconds())
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
