package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachRunCountsItself(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	var out bytes.Buffer
	for range 3 {
		require.NoError(t, run(ctx, dir, &out))
	}
	require.Equal(t, "run 1, revision 1\nrun 2, revision 2\nrun 3, revision 3\n", out.String())
}
