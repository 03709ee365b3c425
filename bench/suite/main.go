package suite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// Main is a program that measures systems as its arguments, without the program's name, say. It gives the exit status: 0 done, 1 failed, 2 the arguments make no sense.
// An interrupt ends the run early, with a report of what there is; a second one ends the program.
func Main(systems []load.System, args []string) int {
	if served, status := ServeChild(systems); served {
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	settings := Define(flags, false)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "bench: unexpected argument %q; everything is said by flags\n", flags.Arg(0))
		return 2
	}
	if err := Run(ctx, settings, flags, systems, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		var misuse *MisuseError
		if errors.As(err, &misuse) {
			return 2
		}
		return 1
	}
	return 0
}

// ServeChild does the work of a process that this program was started again for: a node (load.Spawn) or a cell. It reports whether it was one, and the exit status
// then. A program that calls Run but not Main calls it first.
func ServeChild(systems []load.System) (served bool, status int) {
	served, err := load.ServeSpawned(systems)
	if !served {
		served, err = serveCell(context.Background(), systems, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return served, 1
	}
	return served, 0
}

// MisuseError says that the settings make no sense.
type MisuseError struct{ Err error }

func (e *MisuseError) Error() string { return e.Err.Error() }

// Unwrap gives the faults.
func (e *MisuseError) Unwrap() error { return e.Err }

// Run measures as settings say, which were parsed from flags, shows on out how it goes and what was found, and writes the reports. It blocks until all is measured,
// the budget is used up or ctx is done; the reports have what there is then. Errors: *MisuseError; that a report could not be written, or nothing be measured.
func Run(ctx context.Context, settings *Settings, flags *flag.FlagSet, systems []load.System, out io.Writer) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) {
		given[f.Name] = true
		settings.command = append(settings.command, "-"+f.Name+"="+f.Value.String())
	})
	if err := settings.finish(given, systems); err != nil {
		return &MisuseError{err}
	}
	switch {
	case settings.List:
		return list(out, systems)
	case settings.From != "":
		r, err := report.Read(settings.From)
		if err != nil {
			return err
		}
		return errors.Join(report.Table(out, r), writeHTML(out, r, settings.Out))
	}
	r, err := measure(ctx, settings, systems, report.NewTerminal(out))
	if err != nil {
		return err
	}
	if err := errors.Join(report.Table(out, r), r.Save(settings.Out+".json"), writeHTML(out, r, settings.Out)); err != nil {
		return err
	}
	if len(r.Results) == 0 {
		return errors.New("nothing was measured; what is said above under problems says why")
	}
	return nil
}

func writeHTML(out io.Writer, r *report.Report, name string) (err error) {
	f, err := os.Create(name + ".html")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := report.HTML(f, r); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nreports: %s.html, %s.json\n", name, name)
	return err
}

// list shows what there is to choose from.
func list(out io.Writer, systems []load.System) error {
	var err error
	say := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(out, format, args...)
		}
	}
	say("systems\n")
	for _, s := range systems {
		i := s.Info()
		say("  %-22s flushes: %s\n", i.Name, i.Flushes)
	}
	say("\nworkloads\n")
	for _, w := range workloads() {
		long := ""
		if w.long {
			long = " (long)"
		}
		say("  %-16s %s%s\n", w.Name, w.Title, long)
	}
	say("\nshapes\n")
	for _, s := range load.Shapes {
		say("  %-24s %s\n", s, s.Title())
	}
	return err
}
