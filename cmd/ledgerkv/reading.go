package main

import (
	"flag"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// reading are the flags of the verbs that read: how new the answer has to be, and whom to ask.
type reading struct {
	local, lease bool
	atLeast      uint64
	staleness    time.Duration
}

func (r *reading) define(flags *flag.FlagSet, conn *connection) {
	flags.BoolVar(&r.local, "local", false, "read what the node that answers has, however old: it asks no other node, and works without a leader")
	flags.BoolVar(&r.lease, "lease", false, "let the leader answer without asking the others while it has a lease (server --lease); otherwise as without")
	flags.Uint64Var(&r.atLeast, "at-least", 0, "read a state that holds this `revision`, that of a write for instance, from any node: it waits until it has it")
	flags.DurationVar(&r.staleness, "max-staleness", 0, "read a state that holds what was written so `long` ago, from any node")
	flags.BoolVar(&conn.nearest, "nearest", false, "ask the first of the endpoints that answers instead of the leader; what is promised stays the same")
}

// level gives what the flags ask for, of which one may be given.
func (r *reading) level(call *cli.Call) (client.ReadLevel, error) {
	level, given := client.Linearizable, 0
	for _, x := range []struct {
		flag  string
		level client.ReadLevel
		off   bool
	}{
		{"local", client.Local, !r.local}, {"lease", client.Lease, !r.lease},
		{"at-least", client.AtLeastRevision(client.Revision(r.atLeast)), false}, {"max-staleness", client.MaxStaleness(r.staleness), false},
	} {
		if call.Given(x.flag) && !x.off {
			level, given = x.level, given+1
		}
	}
	if given > 1 {
		return level, cli.Misuse("expected one of --local, --lease, --at-least and --max-staleness, found %d of them", given)
	}
	if err := level.Validate(); err != nil {
		return level, cli.Misuse("%v", err)
	}
	return level, nil
}
