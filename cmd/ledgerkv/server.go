package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
)

func serverVerb() cli.Verb {
	return cli.Verb{
		Name:  "server",
		Short: "run one node",
		Long: `Runs the node whose directory is --dir until it gets SIGTERM or is interrupted; then it hands its leaderships over and closes cleanly. The settings
come from config.json in the directory and from flags, which take its place; with --init they are written there and nothing is run. The directory belongs to one node
of one cluster for good. A new cluster begins to work once all its nodes have been started; from then on a majority is enough.

Standard output gets one line when the node has opened, standard error the log. docs/operations.md explains what it says.`,
		Examples: [][2]string{
			{"@ server --dir data --id n1", "a cluster of one node on the ports 7411 to 7413"},
			{"@ server --dir data/n1 --id n1 --peers n1=host-a:7412,n2=host-b:7412,n3=host-c:7412", "one of three, clients at host-a:17412"},
			{"@ server --dir data --id n0 --peers 'n0-127.0.0.1:40911;n1-127.0.0.1:40912;n2-127.0.0.1:40913'", "peers in DLedger's form"},
			{"@ server --join --dir data/n4 --id n4 --peer host-d:7412", "a node to be added to a running cluster; it prints how"},
			{"@ server --init --dir data/n1 --id n1 --peers ... --client host-a:7411 --admin 127.0.0.1:7413", "write config.json, then start with --dir alone"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var settings config.Flags
			dir := flags.String("dir", "", "the node's `directory`; required")
			initialise := flags.Bool("init", false, "write the settings to config.json in the directory and end")
			tether := flags.Bool("until-stdin-closes", false, "end when standard input does, too; dev starts its nodes so, that none outlives it")
			settings.Define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				if *dir == "" {
					return cli.Misuse("--dir is required: the node's directory")
				}
				c, err := loadConfig(*dir, &settings, call, *initialise)
				if err != nil {
					return err
				}
				if *initialise {
					return writeConfig(*dir, &c, call)
				}
				if *tether {
					var cancel context.CancelCauseFunc
					ctx, cancel = context.WithCancelCause(ctx)
					defer cancel(nil)
					go func() {
						_, _ = io.Copy(io.Discard, call.In) // its end is all that matters
						cancel(errTether)
					}()
				}
				return serve(ctx, *dir, &c, call)
			}
		},
	}
}

// errTether ends a node whose whole cluster ends: there is nobody to hand its leaderships to.
var errTether = errors.New("standard input has closed")

// loadConfig gives the settings of the file and the flags, complete and valid.
func loadConfig(dir string, settings *config.Flags, call *cli.Call, fresh bool) (config.Config, error) {
	c, err := config.Load(dir)
	missing := errors.Is(err, os.ErrNotExist)
	switch {
	case err != nil && !missing:
		return c, err
	case fresh && !missing:
		return c, fmt.Errorf("%s exists already: change it with an editor, or give another --dir", config.Path(dir))
	case missing && !fresh && !call.AnyGiven(config.Names...):
		return c, fmt.Errorf("%s does not exist, and no settings were given as flags: if %s is right, say at least --id", config.Path(dir), dir)
	}
	if err := settings.Apply(&c); err != nil {
		return c, cli.Misuse("%v", err)
	}
	c.SetDefaults()
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("the settings can't be used:\n%w", err)
	}
	return c, nil
}

func writeConfig(dir string, c *config.Config, call *cli.Call) error {
	if err := c.Save(dir); err != nil {
		return err
	}
	_, err := fmt.Fprintf(call.Out, "wrote %s; start the node with: ledgerkv server --dir %s\n", config.Path(dir), dir)
	return err
}
