package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Options are the settings of a Client. Zero values mean the defaults.
type Options struct {
	// Endpoints are the client ports of some nodes of the cluster, host:port. At least one is required; the others are found
	// through it.
	Endpoints []string
	// Group is the key-value group that Put, Get and so on speak of. Default "kv".
	Group string
	// ReadFrom says which replica reads are asked of. Default Leader.
	ReadFrom ReadFrom
	// Cluster is the name of the cluster; a node of another one refuses the connection. Empty means any.
	Cluster string
	// Agent names the program in the nodes' logs. Default "ledgerkv-client".
	Agent string
	// DialTimeout bounds connecting to a node. Default 2 s.
	DialTimeout time.Duration
	// AttemptTimeout bounds the wait for one node's answer. A read then asks another node; a write fails with ErrUncertain.
	// Default 5 s.
	AttemptTimeout time.Duration
	// RetryTimeout bounds all attempts of a call together, when its context does not end before. Default 30 s.
	RetryTimeout time.Duration
	// MinPause and MaxPause bound the pause between attempts, which doubles and is jittered. Defaults 10 ms and 500 ms.
	MinPause time.Duration
	MaxPause time.Duration
	// Dial makes the connections; by default TCP. TLS goes here.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// ReadFrom says which replica serves a client's reads. Their level (ReadLevel) promises the same wherever they are served.
type ReadFrom uint8

const (
	// Leader: linearizable reads go to the leader, which serves them in one round.
	Leader ReadFrom = 0
	// Any: reads go to the first of Options.Endpoints that serves them, so the nearest should stand first; when it fails, to the next for a
	// while. It spares the leader; a linearizable read takes a message to the leader and back besides, but its answer comes from
	// near by.
	Any ReadFrom = 1
)

// Validate reports every fault of the options at once, and nil when there is none.
func (o Options) Validate() error {
	var faults []error
	if len(o.Endpoints) == 0 {
		faults = append(faults, errors.New("client: Options.Endpoints: expected at least one host:port, found none"))
	}
	for _, e := range o.Endpoints {
		if host, port, err := net.SplitHostPort(e); err != nil || host == "" || port == "" {
			faults = append(faults, fmt.Errorf("client: Options.Endpoints: expected host:port, found %q", e))
		}
	}
	if o.ReadFrom > Any {
		faults = append(faults, fmt.Errorf("client: Options.ReadFrom: expected Leader or Any, found %d", o.ReadFrom))
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"DialTimeout", o.DialTimeout}, {"AttemptTimeout", o.AttemptTimeout}, {"RetryTimeout", o.RetryTimeout},
		{"MinPause", o.MinPause}, {"MaxPause", o.MaxPause}} {
		if f.value < 0 {
			faults = append(faults, fmt.Errorf("client: Options.%s: expected 0 or more, found %v", f.name, f.value))
		}
	}
	if o.MinPause > 0 && o.MaxPause > 0 && o.MinPause > o.MaxPause {
		faults = append(faults, fmt.Errorf("client: Options.MinPause: expected at most MaxPause (%v), found %v", o.MaxPause, o.MinPause))
	}
	return errors.Join(faults...)
}

func (o Options) withDefaults() Options {
	if o.Group == "" {
		o.Group = "kv"
	}
	if o.Agent == "" {
		o.Agent = "ledgerkv-client"
	}
	orDuration(&o.DialTimeout, 2*time.Second)
	orDuration(&o.AttemptTimeout, 5*time.Second)
	orDuration(&o.RetryTimeout, 30*time.Second)
	if o.MaxPause == 0 {
		o.MaxPause = max(500*time.Millisecond, o.MinPause)
	}
	orDuration(&o.MinPause, min(10*time.Millisecond, o.MaxPause))
	return o
}

func orDuration(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}
