package node

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
)

// scrubbed is a node alone with two logs of several segments each, and what its scrubber does.
type scrubbed struct {
	*handNode
	damage []error
	// read counts the bytes asked of segment files.
	read int64
}

// scrubTick is long, so that a short test sees much time pass.
const scrubTick = 50 * time.Millisecond

func newScrubbed(t *testing.T, bytesPerSecond int64) *scrubbed {
	s := &scrubbed{handNode: &handNode{t: t, disk: disk.New(1), clock: &handClock{}}}
	n, err := Open(Options{Dir: "data", FS: s.disk, Clock: s.clock, Owners: 1, Seed: 1, Manual: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		TickInterval: scrubTick, ScrubBytesPerSecond: bytesPerSecond, ScrubInterval: 100 * time.Second,
		Hooks: Hooks{Damaged: func(group GroupID, _ string, err error) { s.damage = append(s.damage, err) }}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	s.Node = n
	for id, name := range []string{1: "one", 2: "two"} {
		if name == "" {
			continue
		}
		group, err := n.OpenGroup(GroupOptions{ID: GroupID(id), Name: name, SegmentSize: 1 << 16})
		require.NoError(t, err)
		s.r = group.r
		s.lead()
		for range 20 {
			s.submit(strings.Repeat("x", 10_000))
			s.settle()
		}
	}
	s.disk.Before = func(op disk.Op) error {
		if op.Kind == disk.OpRead && strings.HasSuffix(op.Path, ".seg") {
			s.read += op.Len
		}
		return nil
	}
	return s
}

// pass lets time go by until another pass is over, and gives what was found in it.
func (s *scrubbed) pass() []error {
	s.t.Helper()
	s.damage = nil
	for began := s.scrubber.began; s.scrubber.began == began; {
		require.Less(s.t, s.clock.now, 2000*time.Second)
		s.step()
	}
	return s.damage
}

func (s *scrubbed) step() {
	s.tick()
	s.settle()
}

// TestScrubberReportsDamage: in each pass, until it is mended; the replica goes on.
func TestScrubberReportsDamage(t *testing.T) {
	t.Parallel()
	s := newScrubbed(t, 1<<20)
	damaged := func() (n []int) {
		for _, g := range s.Groups() {
			waiting, stop := context.WithCancel(context.Background())
			stop() // the owner has no goroutine to answer
			st, _ := g.Status(waiting)
			n = append(n, st.Damaged)
		}
		return n
	}
	require.Empty(t, s.pass())
	require.Equal(t, []int{0, 0}, damaged())
	const path = "data/groups/0000000000000002/ledger-00000001/0000000000000001.seg"
	require.NoError(t, s.disk.Flip(path, 30_000, 1))
	for range 2 {
		found := s.pass()
		require.Len(t, found, 1)
		var corrupt *ledger.CorruptionError
		require.ErrorAs(t, found[0], &corrupt)
		require.Equal(t, path, corrupt.Path)
		require.Equal(t, []int{0, 1}, damaged())
		require.False(t, s.r.failed())
		p := s.submit("still served")
		s.settle()
		_, err := p.Wait(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, s.disk.Flip(path, 30_000, 1))
	require.Empty(t, s.pass())
	require.Equal(t, []int{0, 0}, damaged())
}

// TestScrubberKeepsToItsRate: it reads what it may and no more, all of it, and nothing between two passes or when it is off.
func TestScrubberKeepsToItsRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []int64{4000, 20_000, 1 << 20, 1 << 30} {
		s := newScrubbed(t, rate)
		s.pass()
		idle := s.read
		for s.scrubber.due.Load() > s.ticks.Load()+1 {
			s.step()
		}
		require.Equal(t, idle, s.read, "%d bytes/s: nothing to do", rate)
		start := s.clock.now
		const piece = 64<<10 + 16<<10
		for range 400 {
			s.step()
			passed := int64((s.clock.now - start) / scrubTick)
			require.LessOrEqual(t, s.read-idle, int64(s.scrubber.perTick)*passed+2*piece, "%d bytes/s", rate)
		}
		switch {
		case rate >= 20_000:
			require.Greater(t, s.read-idle, int64(300_000), "%d bytes/s: both logs", rate)
		default:
			require.Positive(t, s.read-idle)
		}
	}
	s := newScrubbed(t, -1)
	for range 3000 {
		s.tick()
		require.False(t, s.scrubber.loop.Ready())
		s.settle()
	}
	require.Zero(t, s.read)
}
