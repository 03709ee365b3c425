// Peers measures LedgerKV and other stores side by side, in the same run: go run . -quick, in this directory. It takes the flags of the benchmark (../README.md), and
//
//	go run . -verify-flush [-systems etcd,nats] [-puts 50]
//
// verifies with strace, on Linux, which stores have flushed a write before they acknowledge it. README.md says what each store was set to and why.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/ours"
	"github.com/ledgerkv/ledgerkv/bench/peers/flushes"
	"github.com/ledgerkv/ledgerkv/bench/suite"
)

func main() {
	systems := append(ours.Systems(), peers()...)
	if served, err := flushes.ServeTraced(systems); served {
		exit(err)
	}
	args := os.Args[1:]
	at := slices.IndexFunc(args, func(arg string) bool { return arg == "-verify-flush" || arg == "--verify-flush" })
	if at < 0 {
		os.Exit(suite.Main(systems, args))
	}
	if served, status := suite.ServeChild(systems); served { // a node's process
		os.Exit(status)
	}
	exit(verify(systems, slices.Delete(args, at, at+1)))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// verify verifies the systems that args name, all if none.
func verify(systems []load.System, args []string) error {
	flags := flag.NewFlagSet("peers -verify-flush", flag.ExitOnError)
	names := flags.String("systems", "", "verify only these, separated by commas")
	puts := flags.Int("puts", 50, "how many `writes` each does, one after the other")
	dir := flags.String("dir", "", "keep data in this directory meanwhile; empty: where temporary files are")
	_ = flags.Parse(args) // it exits on errors
	if *names != "" {
		chosen := strings.Split(*names, ",")
		for _, name := range chosen {
			if !slices.ContainsFunc(systems, func(s load.System) bool { return s.Info().Name == name }) {
				return fmt.Errorf("there is no system %q", name)
			}
		}
		systems = slices.DeleteFunc(systems, func(s load.System) bool { return !slices.Contains(chosen, s.Info().Name) })
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return flushes.Verify(ctx, systems, *puts, *dir, os.Stdout)
}
