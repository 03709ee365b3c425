package etcd

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// member is a trio.Member.
type member struct {
	etcd *embed.Etcd
	spec trio.Spec
}

// quota of the backend, in bytes.
const quota = 8 << 30

func open(_ context.Context, spec trio.Spec) (*member, error) {
	conf := embed.NewConfig()
	conf.Name = memberName(spec.Node)
	conf.Dir = filepath.Join(spec.Dir, "data")
	conf.ListenPeerUrls, conf.AdvertisePeerUrls = endpoint(spec.Address(peerAddress)), endpoint(spec.Address(peerAddress))
	conf.ListenClientUrls, conf.AdvertiseClientUrls = endpoint(spec.Address(clientAddress)), endpoint(spec.Address(clientAddress))
	var all []string
	for i, addresses := range spec.Addresses {
		all = append(all, memberName(i)+"=http://"+addresses[peerAddress])
	}
	conf.InitialCluster = strings.Join(all, ",")
	conf.InitialClusterToken = "ledgerkv-bench"
	conf.QuotaBackendBytes = quota
	conf.LogLevel = "panic"
	conf.LogOutputs = []string{"stderr"}
	if spec.Setup.SmallLog {
		conf.SnapshotCount, conf.SnapshotCatchUpEntries = 1000, 500
	}
	e, err := embed.StartEtcd(conf)
	if err != nil {
		return nil, fmt.Errorf("etcd: opening the member in %s: %w", spec.Dir, err)
	}
	return &member{etcd: e, spec: spec}, nil
}

func memberName(node int) string { return fmt.Sprintf("node%d", node) }

func endpoint(address string) []url.URL { return []url.URL{{Scheme: "http", Host: address}} }

func (m *member) Leads(int) bool {
	return m.etcd.Server.Leader() == m.etcd.Server.MemberID()
}

// HandOver finds the other member by the address that it advertises.
func (m *member) HandOver(ctx context.Context, _, to int) error {
	peer := "http://" + m.spec.Addresses[to][peerAddress]
	for _, other := range m.etcd.Server.Cluster().Members() {
		for _, u := range other.PeerURLs {
			if u == peer {
				return m.etcd.Server.MoveLeader(ctx, uint64(m.etcd.Server.MemberID()), uint64(other.ID))
			}
		}
	}
	return fmt.Errorf("etcd: expected a member at %s, found none among %v", peer, m.etcd.Server.Cluster().Members())
}

func (m *member) Applied(int) uint64 { return m.etcd.Server.AppliedIndex() }

func (m *member) Close() error {
	select {
	case <-m.etcd.Server.ReadyNotify():
	default:
		m.etcd.Server.Stop() // Close would wait for ever for a member that has not told the others of itself yet
	}
	m.etcd.Close()
	return nil
}
