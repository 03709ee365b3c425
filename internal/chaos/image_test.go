package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

var (
	rounds = flag.Int("chaos.rounds", 1, "how many times TestImageReturn kills a follower that is being given an image")
	seed   = flag.Uint64("chaos.seed", 0, "seed of the moments at which TestImageReturn kills; 0: a fresh one")
)

// smallLimits make a log that keeps little, and images that take a moment on their way.
var smallLimits = process.Limits{SegmentSize: 64 << 10, KeepBytes: 64 << 10, ImageEveryBytes: 256 << 10, ImageBytesPerSecond: 32 << 20}

// TestImageReturn takes a follower away until the others have trimmed both logs past its end. It returns through an image of the store, and
// through a new base of the log. Then the same again and again, with a kill on the way back: at a random moment, or just after the whole
// image has arrived, when the new ledger and the new machine are put in the place of the old.
func TestImageReturn(t *testing.T) {
	for _, engine := range []string{"btree", "pebble"} {
		t.Run(engine, func(t *testing.T) {
			rng, drawn := moments()
			t.Logf("-chaos.seed %d", drawn)
			c, ctx := start(t, engine, smallLimits)
			w := StartWriter(c.Client, *writers, 1024)
			require.NoError(t, w.Await(ctx, 4000)) // a state of 4 MiB and more: its image is on the way for a while

			victim, ends := missLog(t, ctx, c)
			before := time.Now()
			require.NoError(t, victim.Start())
			awaitReturn(t, ctx, c, victim, ends)
			took := time.Since(before)
			for _, group := range []string{storeGroup, logGroup} {
				require.Positive(t, installed(t, ctx, victim, group), "%s came back in another way than by an installation", group)
			}
			t.Logf("%s returned through an image after %v, from the ends %v", victim.ID, took, ends)

			for i := range *rounds {
				victim, ends := missLog(t, ctx, c)
				had := images(t, victim, ".img")
				require.NoError(t, victim.Start())
				started, moment := time.Now(), took
				if i%2 == 1 {
					require.Eventually(t, func() bool { return !slices.Equal(images(t, victim, ".img"), had) }, time.Minute, time.Millisecond)
					moment = 50 * time.Millisecond
				}
				pause(ctx, time.Duration(rng.Int64N(int64(moment))))
				require.NoError(t, victim.Kill())
				t.Logf("%s killed %v after its start: %s", victim.ID, time.Since(started), wayBack(t, victim, ends))
				require.NoError(t, victim.Start())
				awaitReturn(t, ctx, c, victim, ends)
			}

			w.Stop()
			require.NoError(t, c.Converged(ctx))
			require.NoError(t, w.Check(ctx, c, firstOf(t, ctx, c, logGroup)))
			require.NoError(t, c.StopAll())
			_, err := c.SameLedgers()
			require.NoError(t, err)
		})
	}
}

// moments is a source of moments, and its seed.
func moments() (*rand.Rand, uint64) {
	drawn := *seed
	if drawn == 0 {
		drawn = rand.Uint64()
	}
	return rand.New(rand.NewPCG(drawn, 0)), drawn
}

// pause waits for the moment of a fault.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// missLog kills a node that leads neither group, and returns once the others hold no entry of either log any more that the node has. ends are
// the last entries of its logs.
func missLog(t *testing.T, ctx context.Context, c *process.Cluster) (victim *process.Node, ends map[string]client.Index) {
	t.Helper()
	leads := map[*process.Node]bool{}
	for _, group := range []string{storeGroup, logGroup} {
		leader, err := c.Leader(ctx, group)
		require.NoError(t, err)
		leads[leader] = true
	}
	for _, p := range c.Nodes {
		if !leads[p] {
			victim = p
		}
	}
	require.NoError(t, victim.Kill())
	ends = map[string]client.Index{}
	inspections, err := victim.Inspect()
	require.NoError(t, err)
	for group, in := range inspections {
		d, err := in.DigestAt(0)
		require.NoError(t, err)
		ends[process.Groups[group]] = client.Index(d.Last.Index)
	}
	require.NoError(t, c.Await(ctx, fmt.Sprintf("the logs to be trimmed past %v", ends), func(nodes []client.NodeStatus) bool {
		past := 0
		for _, n := range nodes {
			for _, g := range n.Groups {
				if g.First > ends[g.Name]+1 {
					past++
				}
			}
		}
		return past == 2*(len(c.Nodes)-1)
	}))
	return victim, ends
}

// awaitReturn waits until both logs of a node begin above where they ended, and the node has all that is committed.
func awaitReturn(t *testing.T, ctx context.Context, c *process.Cluster, victim *process.Node, ends map[string]client.Index) {
	t.Helper()
	require.NoError(t, c.Await(ctx, fmt.Sprintf("%s to return with logs that begin above %v", victim.ID, ends), func(nodes []client.NodeStatus) bool {
		back := 0
		for _, n := range nodes {
			for _, g := range n.Groups {
				if n.ID == victim.ID && g.Problem == "" && g.First > ends[g.Name]+1 && g.Applied+1 >= g.First && g.Leader != "" {
					back++
				}
			}
		}
		return back == 2
	}))
}

// wayBack says how far the installation of an image had come when a node was killed.
func wayBack(t *testing.T, victim *process.Node, ends map[string]client.Index) string {
	t.Helper()
	inspections, err := victim.Inspect()
	require.NoError(t, err)
	if base := inspections[0].Base.ID; client.Index(base.Index) > ends[storeGroup] {
		return fmt.Sprintf("the store begins at the image's end, %v", base)
	}
	if len(images(t, victim, ".part")) > 0 {
		return "an image was arriving"
	}
	return "no image had begun to arrive, or all of it was there and not in force"
}

// images are the files of the store's images in a node's directory: whole ones end in .img, those that are arriving in .part.
func images(t *testing.T, p *process.Node, ending string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(p.Dir, "groups", "*1", "images", "*"+ending))
	require.NoError(t, err)
	return names
}

// firstOf is the first entry of a group's log that all nodes have.
func firstOf(t *testing.T, ctx context.Context, c *process.Cluster, group string) (first client.Index) {
	t.Helper()
	nodes, err := c.Client.Status(ctx)
	require.NoError(t, err)
	for _, n := range nodes {
		for _, g := range n.Groups {
			if g.Name == group {
				first = max(first, g.First)
			}
		}
	}
	return first
}

// installed is how many images took the place of a replica's log since the node started, as its admin port has it.
func installed(t *testing.T, ctx context.Context, p *process.Node, group string) (n int) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+"/metrics", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	prefix := fmt.Sprintf("ledgerkv_images_installed_total{group=%q} ", group)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			_, err := fmt.Sscan(value, &n)
			require.NoError(t, err)
			return n
		}
	}
	require.Fail(t, "no metric "+prefix)
	return 0
}
