package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The exit statuses.
const (
	exitGood      = 0
	exitViolation = 1
	exitUsage     = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command carries out a command line. Once ctx is done no more faults come; what was seen until then is checked all the same.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitGood
	}
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
		return exitUsage
	}
	o.out, o.terminal = stdout, isTerminal(stdout)
	r, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
		return exitViolation
	}
	if len(r.violations) > 0 {
		return exitViolation
	}
	return exitGood
}

// options are the settings of a run.
type options struct {
	// length is how long faults come; healing and checking are apart.
	length  time.Duration
	seed    uint64
	engine  string
	writers int
	// dir is where everything is kept; "" for a temporary directory, which is removed after a good run unless keep is set.
	dir  string
	keep bool
	// program is the server's executable; "" to build it.
	program  string
	out      io.Writer
	terminal bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{out: io.Discard}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&o.length, "for", time.Minute, "how long faults come")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the faults; 0: a fresh one")
	flags.StringVar(&o.engine, "engine", "mixed", "the stores' engine: btree, pebble, or mixed (n1 has a btree, the others Pebble)")
	flags.IntVar(&o.writers, "writers", 6, "how many clients put, get, append and so on")
	flags.StringVar(&o.dir, "dir", "", "directory for the nodes, their logs and the history; kept (default: a temporary one, kept only after a violation)")
	flags.StringVar(&o.program, "program", "", "the server's executable (default: it is built)")
	flags.BoolVar(&o.keep, "keep", false, "keep the directory after a good run too")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("expected flags alone, found %q", flags.Arg(0))
	}
	if o.engines() == nil {
		return o, fmt.Errorf("-engine: expected btree, pebble or mixed, found %q", o.engine)
	}
	if o.writers < 1 || o.length <= 0 {
		return o, errors.New("expected at least one writer, and a time above 0")
	}
	if entries, err := os.ReadDir(o.dir); err == nil && len(entries) > 0 {
		return o, fmt.Errorf("-dir: expected an empty directory, or none: %s holds %s", o.dir, entries[0].Name())
	}
	for o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, nil
}

// engines are the nodes' engines; nil if there is no such setting.
func (o *options) engines() []string {
	switch o.engine {
	case "btree", "pebble":
		return []string{o.engine}
	case "mixed":
		return []string{"btree", "pebble"}
	}
	return nil
}

// isTerminal says whether a line that is written can be written over.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
