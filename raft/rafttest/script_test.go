package rafttest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata give now into them")

// TestScripts runs the stories in testdata.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			script, err := os.ReadFile(path)
			require.NoError(t, err)
			now, err := Run(string(script))
			if *rewrite {
				require.NoError(t, os.WriteFile(path, []byte(now), 0o644))
				require.NoError(t, err)
				return
			}
			require.NoError(t, err, "up to there:\n%s", now)
			require.Equal(t, string(script), now, "if this is how it should be: go test ./raft/rafttest -rewrite, and review")
		})
	}
}
