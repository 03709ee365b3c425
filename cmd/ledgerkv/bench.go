package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/ours"
	"github.com/ledgerkv/ledgerkv/bench/suite"
	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// cleanTimeout bounds the removal of the keys that were put.
const cleanTimeout = time.Minute

func benchVerb() cli.Verb {
	return cli.Verb{
		Name:  "bench",
		Short: "measure a running cluster",
		Long: `Puts a running cluster under load and reports throughput, latency and their course, as text, as JSON and as a page of HTML. It puts and reads keys that begin with
"` + load.KeyPrefix + `" and removes all such keys at the end, so have none of your own. Workloads on logs are left out unless they are named, because what is appended stays. Each point of load
is measured by a process of its own, which this program starts; Ctrl-C ends early, with a report of what there is. bench/README.md says how to read the figures, and what else
can be measured from the sources.`,
		Examples: [][2]string{
			{"@ bench --quick", "a part of all workloads, in less than five minutes"},
			{"@ bench --workloads put,get --workers 1,64 --window 10s --runs 3", "two workloads at two points"},
			{"@ bench --workloads put-rate --rates 500,5000", "so many puts a second, latency from when each was meant to begin"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var to connection
			to.define(flags, "kv")
			log := flags.String("log", "log", "the log group's `name`, for workloads on logs")
			settings := suite.Define(flags, true)
			return func(ctx context.Context, call *cli.Call) error {
				systems := []load.System{&ours.Running{Endpoints: to.addresses(), Cluster: to.cluster, Group: to.group, Log: *log}}
				if served, status := suite.ServeChild(systems); served {
					if status != cli.ExitDone {
						return errors.New("measuring failed; see above")
					}
					return nil
				}
				return measureRunning(ctx, &to, settings, flags, systems, call)
			}
		},
	}
}

// measureRunning measures, and removes the keys that were put.
func measureRunning(ctx context.Context, to *connection, settings *suite.Settings, flags *flag.FlagSet, systems []load.System, call *cli.Call) error {
	measures := settings.From == "" && !settings.List
	if measures { // so that a cluster that can't be reached is told at once
		if err := to.with(ctx, func(ctx context.Context, c *client.Client) error {
			_, err := c.Status(ctx)
			return err
		}); err != nil {
			return err
		}
	}
	err := suite.Run(ctx, settings, flags, systems, call.Out)
	var misuse *suite.MisuseError
	if errors.As(err, &misuse) {
		return cli.Misuse("%v", misuse)
	}
	if measures {
		err = errors.Join(err, clean(to))
	}
	return err
}

// clean removes what was put. It is done even when the run was interrupted.
func clean(to *connection) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	removing := *to
	removing.timeout = cleanTimeout
	return removing.with(ctx, func(ctx context.Context, c *client.Client) error {
		if _, err := c.DeletePrefix(ctx, []byte(load.KeyPrefix)); err != nil {
			return fmt.Errorf("removing the keys that were put, which begin with %q: %w", load.KeyPrefix, err)
		}
		return nil
	})
}
