package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
)

// TestShort is a run of the command, short: two storms with a fresh seed.
func TestShort(t *testing.T) {
	o, err := parse([]string{"-for", "20s", "-dir", filepath.Join(t.TempDir(), "run")}, os.Stderr)
	require.NoError(t, err)
	var out bytes.Buffer
	o.program, o.out = program, &out
	r, err := run(t.Context(), o)
	t.Logf("-seed %d\n%s", o.seed, out.String())
	require.NoError(t, err)
	require.Empty(t, r.violations)
	require.Empty(t, r.checked.Undecided)
	require.Positive(t, r.checked.Keys)
	require.Positive(t, r.compared["kv"])
	require.Positive(t, r.compared["log"])
	require.NotEmpty(t, r.faults)
	for _, kind := range []history.Kind{history.Put, history.Get, history.Range, history.Delete, history.Swap, history.Txn, history.Append, history.Follow} {
		require.Positive(t, r.ops[kind][history.OK], "no %s was done", kind)
	}
}

// TestCommandLine: what can't be done is refused before anything is.
func TestCommandLine(t *testing.T) {
	used := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(used, "file"), nil, 0o600))
	for args, want := range map[string]string{
		"-engine paper": "expected btree, pebble or mixed",
		"-writers 0":    "at least one writer",
		"-for 0s":       "a time above 0",
		"again":         "expected flags alone",
		"-frob":         "flag provided but not defined",
		"-dir " + used:  "expected an empty directory",
	} {
		var out, errs bytes.Buffer
		require.Equal(t, exitUsage, command(t.Context(), strings.Fields(args), &out, &errs), args)
		require.Contains(t, errs.String(), want)
		require.Empty(t, out.String())
	}
	var help bytes.Buffer
	require.Equal(t, exitGood, command(t.Context(), []string{"-h"}, &help, &help))
	require.Contains(t, help.String(), "-seed")
}

func TestGaps(t *testing.T) {
	t.Parallel()
	const s = time.Second
	ops := []history.Op{
		{Kind: history.Put, Outcome: history.OK, Call: 1 * s, Return: 6 * s}, // begun before
		{Kind: history.Put, Outcome: history.Uncertain, Call: 3 * s, Return: 4 * s},
		{Kind: history.Get, Outcome: history.OK, Call: 3 * s, Return: 4 * s},
		{Kind: history.Append, Outcome: history.OK, Call: 3 * s, Return: 3500 * time.Millisecond},
		{Kind: history.Put, Outcome: history.OK, Call: 4 * s, Return: 8 * s},
		{Kind: history.Delete, Outcome: history.OK, Call: 5 * s, Return: 7 * s},
	}
	store, log := strike{at: 2 * s, group: "kv", alone: true}, strike{at: 2 * s, group: "log", alone: true}
	alone := store
	alone.alone = false
	require.Equal(t, []gap{{alone, 5 * s}, {log, 1500 * time.Millisecond}}, gaps([]strike{store, log, {at: 9 * s, group: "kv"}}, []time.Duration{2 * s, 4 * s}, ops))

	sorted := []time.Duration{1, 2, 3, 4}
	require.Equal(t, time.Duration(3), quantile(sorted, 0.5))
	require.Equal(t, time.Duration(4), quantile(sorted, 1))
	require.Zero(t, quantile(nil, 0.5))
}

// TestReportOfAViolation: it can be found, with the way to see it again.
func TestReportOfAViolation(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	report{violations: []string{"a key is linearizable: no order"}, notes: []string{"something"}, kept: "/d", command: "go run"}.print(&out)
	for _, want := range []string{"VIOLATION 1: a key is linearizable: no order", "note: something", "kept: /d", "1 violations", "the same faults again: go run"} {
		require.Contains(t, out.String(), want)
	}
}
