package flushes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// ErrNotFlushed: a system says that it flushes every write, and has acknowledged one that it had not.
var ErrNotFlushed = errors.New("flushes: writes were acknowledged before a quorum had flushed")

// Verify verifies systems, one after the other, each in a new directory below dir, and tells on out what it finds. It needs strace, and a program that calls
// ServeTraced. It blocks until all are done or ctx is. Errors: ErrNotFlushed, of all systems; that a system could not be run.
func Verify(ctx context.Context, systems []load.System, puts int, dir string, out io.Writer) error {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return fmt.Errorf("flushes: expected strace, which shows the system calls of a process: %w", err)
	}
	fmt.Fprintf(out, "%-20s %-24s %8s %16s %10s  %s\n", "system", "shape", "writes", "flushed by", "flushes", "calls")
	fmt.Fprintf(out, "%-20s %-24s %8s %16s %10s\n", "", "", "", "a quorum by ack", "a write")
	var errs []error
	for _, s := range systems {
		if err := verify(ctx, strace, s, puts, dir, out); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Info().Name, err))
		}
	}
	return errors.Join(errs...)
}

func verify(ctx context.Context, strace string, s load.System, puts int, below string, out io.Writer) error {
	info := s.Info()
	shape, _, err := wanted(info)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(below, "ledgerkv-flushes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	trace, err := run(ctx, strace, info.Name, dir, puts)
	if err != nil {
		return err
	}
	quorum := 2
	if shape == load.OneNode {
		quorum = 1
	}
	flushed := trace.Flushed(quorum)
	fmt.Fprintf(out, "%-20s %-24s %8d %16d %10.2f  %s\n", info.Name, shape, trace.Writes, flushed, float64(trace.Flushes())/float64(max(trace.Writes, 1)), calls(trace))
	switch {
	case trace.Writes != puts:
		return fmt.Errorf("flushes: expected %d writes in the trace, found %d", puts, trace.Writes)
	case info.Durable && flushed < trace.Writes:
		return fmt.Errorf("%w: %d of %d writes", ErrNotFlushed, trace.Writes-flushed, trace.Writes)
	}
	return nil
}

func calls(t *Trace) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Calls)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, t.Calls[name]))
	}
	return strings.Join(parts, ", ")
}

// run writes to a system under strace and reads the trace.
func run(ctx context.Context, strace, system, dir string, puts int) (*Trace, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "trace")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, strace, "-f", "--seccomp-bpf", "-qq", "-y", "-s", "64", "-e", "signal=none", "-e", "trace="+traced, "-o", file, program)
	// Without it the runtime would interrupt its threads all the time, each time a stop of the tracer.
	cmd.Env = append(os.Environ(), systemVariable+"="+system, dirVariable+"="+data, putsVariable+"="+strconv.Itoa(puts), "GODEBUG=asyncpreemptoff=1")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("flushes: running %s under strace: %w\n%s", system, err, said.String())
	}
	from, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return Read(from, data)
}
