package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// TestBenchMeasuresAndCleansUp measures a running node with the program itself, which starts itself again.
func TestBenchMeasuresAndCleansUp(t *testing.T) {
	t.Parallel()
	s := oneNode(t)
	s.good("put", "mine", "stays")
	out := filepath.Join(t.TempDir(), "report")
	p := start(t, "bench", "--endpoints", s.endpoints, "--workloads", "mix-90-10,append", "--workers", "4", "--runs", "1", "--window", "200ms", "--warm-up", "20ms",
		"--scale", "0.01", "--out", out)
	<-p.done
	require.NoError(t, p.err)
	text := strings.Join(p.lines(), "\n")
	require.Contains(t, text, "a running cluster")
	require.Contains(t, text, "append", "a workload on logs is measured when it is named")
	require.NotContains(t, text, "problem")
	for _, end := range []string{".json", ".html"} {
		_, err := os.Stat(out + end)
		require.NoError(t, err)
	}
	require.Equal(t, "1\n", s.good("range", "--count-only"), "what was put is gone, and nothing else")
}

func TestBenchRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	r := runIn("", "bench", "--endpoints", "127.0.0.1:1", "--timeout", "100ms")
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, "is the cluster running?")
	s := oneNode(t)
	r = s.run("bench", "--workloads", "none-such")
	require.Equal(t, cli.ExitMisuse, r.status)
	require.Contains(t, r.err, `there is no workload "none-such"`)
	require.Contains(t, s.good("bench", "--list"), "ycsb-a")
}
