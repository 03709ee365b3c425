package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// workshop builds and runs drivers. Everything that it writes is in dir.
type workshop struct {
	root string
	dir  string
}

// overlay puts the changed files where the go command will take them for the originals, and names the file that says so.
func (w *workshop) overlay(name string, changed map[string]string) (string, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range changed {
		aside := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(aside, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(w.root, filepath.FromSlash(file))] = aside
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o644)
}

// build builds a driver; overlay may be "". It gives the binary.
func (w *workshop) build(ctx context.Context, d *driver, name, overlay string) (string, error) {
	bin := filepath.Join(w.dir, name+"-"+d.name)
	args := []string{"test", "-c"}
	if d.program {
		args = []string{"build"}
	}
	if d.race {
		args = append(args, "-race")
	}
	args = append(args, "-trimpath", "-buildvcs=false", "-o", bin) // the same source is the same binary (results.go)
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	rel, err := filepath.Rel(d.module, d.dir)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+filepath.ToSlash(rel))...)
	cmd.Dir = filepath.Join(w.root, d.module)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w:\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return bin, nil
}

// outcome is what a run of a driver came to.
type outcome struct {
	failed bool
	// spun: it was stopped because it took far more CPU time than it should.
	spun   bool
	cpu    time.Duration
	output string
}

// maxMemory bounds what a mutant may take of the machine's memory, in KiB of address space.
const maxMemory = 6 << 20

// run runs a binary with at most so much CPU time. It has one thread to run Go code on, so that its CPU time is what one core would
// take. An error means that it could not be run.
func (w *workshop) run(ctx context.Context, d *driver, bin string, args []string, limit time.Duration) (outcome, error) {
	if !d.program {
		args = append(args, "-test.timeout", "0")
	}
	memory := fmt.Sprint(maxMemory)
	if d.race {
		memory = "unlimited" // the race detector reserves more address space than there is memory
	}
	script := fmt.Sprintf(`ulimit -t %d -v %s && exec "$0" "$@"`, int(limit.Seconds())+1, memory)
	cmd := exec.CommandContext(ctx, "bash", append([]string{"-c", script, bin}, args...)...)
	cmd.Dir = filepath.Join(w.root, filepath.FromSlash(d.dir))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{}, err
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return outcome{failed: err != nil, spun: err != nil && cpu >= limit, cpu: cpu, output: out.String()}, nil
}
