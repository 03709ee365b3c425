package flushes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// The environment of a process that is traced: the name of its system, the directory for its data, and how many writes it does.
const (
	systemVariable = "LEDGERKV_FLUSHES_SYSTEM"
	dirVariable    = "LEDGERKV_FLUSHES_DIR"
	putsVariable   = "LEDGERKV_FLUSHES_PUTS"
)

// Marks are paths that do not exist; looking for them leaves a line in the trace.
const (
	markBegun = "/ledgerkv-flushes/begun/"
	markEnded = "/ledgerkv-flushes/ended/"
)

// warmUp is how many writes are done before the ones that count, so that files are there and leaders known.
const warmUp = 20

// ServeTraced writes to a store if Verify has started this process to do so, and reports whether it has. A program that calls Verify calls it before anything else.
func ServeTraced(systems []load.System) (served bool, err error) {
	name := os.Getenv(systemVariable)
	if name == "" {
		return false, nil
	}
	_ = os.Unsetenv(systemVariable) // processes of nodes are none
	puts, err := strconv.Atoi(os.Getenv(putsVariable))
	if err != nil {
		return true, fmt.Errorf("flushes: expected a number of writes in %s: %w", putsVariable, err)
	}
	for _, s := range systems {
		if s.Info().Name == name {
			return true, write(s, os.Getenv(dirVariable), puts)
		}
	}
	return true, fmt.Errorf("flushes: asked for the system %q, which this program does not have", name)
}

// wanted is the shape in which a system is verified, and the kind of write.
func wanted(info load.Info) (load.Shape, load.Kind, error) {
	for _, shape := range []load.Shape{load.ThreeNodes, load.ThreeProcessesRemote, load.OneNode} {
		for _, kind := range []load.Kind{load.Put, load.Append} {
			if info.Can(shape, kind) {
				return shape, kind, nil
			}
		}
	}
	return "", "", fmt.Errorf("flushes: %s has no shape and kind of write that could be verified", info.Name)
}

func write(s load.System, dir string, puts int) error {
	shape, kind, err := wanted(s.Info())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cluster, err := s.Start(ctx, load.Setup{Shape: shape, Dir: dir, Groups: 1, Log: kind == load.Append})
	if err != nil {
		return err
	}
	op := load.Op{Kind: kind, Value: make([]byte, 128)}
	for i := range warmUp + puts {
		op.Key = load.AppendKey(op.Key[:0], uint64(i))
		if i >= warmUp {
			mark(markBegun, i-warmUp)
		}
		if _, err := cluster.Do(ctx, &op); err != nil {
			return fmt.Errorf("flushes: write %d to %s: %w", i, s.Info().Name, err)
		}
		if i >= warmUp {
			mark(markEnded, i-warmUp)
		}
	}
	return cluster.Close()
}

func mark(path string, i int) {
	_ = syscall.Access(filepath.Join(path, strconv.Itoa(i)), 0) // it is not there, and that is as it should be
}
