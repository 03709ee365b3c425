package disk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/fs/fstest"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

func TestConformance(t *testing.T) {
	fstest.Run(t, func(t *testing.T) (fs.FS, string) {
		d := disk.New(1)
		require.NoError(t, d.MkdirAll("/dir"))
		return d, "/dir"
	})
}
