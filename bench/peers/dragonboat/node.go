package dragonboat

import (
	"context"
	"fmt"
	"sync"

	boat "github.com/lni/dragonboat/v4"
	"github.com/lni/dragonboat/v4/config"
	"github.com/lni/dragonboat/v4/logger"
	"github.com/lni/dragonboat/v4/plugin/tan"
	"github.com/lni/dragonboat/v4/statemachine"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// node is a trio.Member.
type node struct {
	host     *boat.NodeHost
	spec     trio.Spec
	machines []*machine // by group
	gate     *trio.Gate // nil where files are not gated
}

// shardID and replicaID are numbers from 1, as the library wants them.
func shardID(group int) uint64  { return uint64(group + 1) }
func replicaID(node int) uint64 { return uint64(node + 1) }

// quiet keeps the library, which logs at every start, to what is worse than a warning. Its loggers are the process's.
var quiet = sync.OnceFunc(func() {
	for _, part := range []string{"raft", "rsm", "transport", "dragonboat", "logdb", "grpc", "settings", "tan", "registry", "config", "order", "raftpb"} {
		logger.GetLogger(part).SetLevel(logger.CRITICAL)
	}
})

func open(_ context.Context, spec trio.Spec) (*node, error) {
	quiet()
	n := &node{spec: spec}
	conf := config.NodeHostConfig{
		NodeHostDir:    spec.Dir,
		RTTMillisecond: 100,
		RaftAddress:    spec.Address(0),
	}
	if Store(spec.Option) == Tan {
		n.gate = &trio.Gate{}
		conf.Expert.LogDBFactory = tan.Factory
		conf.Expert.FS = gatedFS(n.gate)
	}
	var err error
	if n.host, err = boat.NewNodeHost(conf); err != nil {
		return nil, fmt.Errorf("dragonboat: opening the node in %s: %w", spec.Dir, err)
	}
	for g := range max(spec.Setup.Groups, 1) {
		m := &machine{ignore: spec.Setup.Log}
		n.machines = append(n.machines, m)
		create := func(uint64, uint64) statemachine.IConcurrentStateMachine { return m }
		if err := n.host.StartConcurrentReplica(members(spec), false, create, n.shard(g)); err != nil {
			n.host.Close()
			return nil, fmt.Errorf("dragonboat: starting group %d in %s: %w", g, spec.Dir, err)
		}
	}
	return n, nil
}

func (n *node) shard(group int) config.Config {
	conf := config.Config{
		ShardID:            shardID(group),
		ReplicaID:          replicaID(n.spec.Node),
		CheckQuorum:        true,
		PreVote:            true,
		ElectionRTT:        10,
		HeartbeatRTT:       1,
		SnapshotEntries:    100_000,
		CompactionOverhead: 10_000,
	}
	if n.spec.Setup.SmallLog {
		conf.SnapshotEntries, conf.CompactionOverhead = 1000, 500
	}
	return conf
}

func members(spec trio.Spec) map[uint64]boat.Target {
	all := map[uint64]boat.Target{}
	for i, addresses := range spec.Addresses {
		all[replicaID(i)] = addresses[0]
	}
	return all
}

func (n *node) Leads(group int) bool {
	leader, _, known, err := n.host.GetLeaderID(shardID(group))
	return err == nil && known && leader == replicaID(n.spec.Node)
}

func (n *node) HandOver(_ context.Context, group, to int) error {
	return n.host.RequestLeaderTransfer(shardID(group), replicaID(to))
}

func (n *node) Applied(group int) uint64 { return n.machines[group].applied.Load() }

// Gate is nil where the files are not gated.
func (n *node) Gate() *trio.Gate { return n.gate }

func (n *node) Close() error {
	n.host.Close()
	return nil
}
