package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	only                []string
	driver, results     string
	list, verbose, json bool
	jobs                int
	limit               time.Duration
}

func parseFlags(args []string) (settings, error) {
	var s settings
	fs := flag.NewFlagSet("mutants", flag.ContinueOnError)
	fs.Func("only", "try these mutants only, by name, separated by commas", func(names string) error {
		s.only = append(s.only, strings.FieldsFunc(names, func(r rune) bool { return r == ',' })...)
		return nil
	})
	fs.StringVar(&s.driver, "driver", "", "give all mutants to this driver, not to those that they name")
	fs.StringVar(&s.results, "results", "", "keep what became of the mutants in this file, and go on from what it says of this very source")
	fs.BoolVar(&s.list, "list", false, "list the mutants and what each would do to a user, and stop")
	fs.BoolVar(&s.verbose, "v", false, "show what the run that killed a mutant printed")
	fs.IntVar(&s.jobs, "jobs", max(1, runtime.NumCPU()/2), "how many mutants are tried at a time; each takes a core")
	fs.DurationVar(&s.limit, "limit", 30*time.Minute, "CPU time for each mutant; all get a minute before any gets more")
	format := fs.String("o", "table", "what to print: table, or json at the end")
	if err := fs.Parse(args); err != nil {
		return s, flag.ErrHelp
	}
	if s.json = *format == "json"; !s.json && *format != "table" {
		return s, fmt.Errorf("expected -o table or -o json, found %q", *format)
	}
	if fs.NArg() > 0 || s.jobs < 1 || s.limit <= 0 {
		return s, fmt.Errorf("unexpected arguments %q, or -jobs or -limit below 1; see -help", fs.Args())
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parseFlags(args)
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	all, err := readMutants(filepath.Join(root, "internal", "sim", "mutants"))
	if err != nil {
		return err
	}
	chosen, err := choose(all, s.only, func(m mutant) string { return m.name }, "mutant")
	if err != nil {
		return err
	}
	if s.list {
		list(os.Stdout, chosen)
		return nil
	}
	if s.driver != "" {
		if _, err := choose(drivers, []string{s.driver}, func(d driver) string { return d.name }, "driver"); err != nil {
			return err
		}
		for i := range chosen {
			chosen[i].by = s.driver
		}
	}
	known, err := openResults(s.results)
	if err != nil {
		return err
	}
	defer known.close()
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &trial{workshop: workshop{root: root, dir: dir}, settings: s, results: known, notes: os.Stderr}
	return t.run(ctx, os.Stdout, chosen, drivers)
}

// choose keeps what is named, or everything when nothing is.
func choose[T any](all []T, names []string, name func(T) string, what string) ([]T, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []T
	for _, n := range names {
		i := slices.IndexFunc(all, func(x T) bool { return name(x) == n })
		if i < 0 {
			return nil, fmt.Errorf("there is no %s %q", what, n)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("run it within the module")
	}
	return filepath.Dir(file), nil
}
