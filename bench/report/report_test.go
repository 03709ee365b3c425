package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/limits"
	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

var rewrite = flag.Bool("rewrite", false, "write the expected texts anew")

// sample gives a Measure of a rate, with a latency to it.
func sample(round int, perSecond, callers float64) load.Measure {
	latency := time.Duration(callers / perSecond * 1e9)
	cpu, flushes, peak := time.Duration(2e9), uint64(perSecond/8), uint64(150e6)
	m := load.Measure{Round: round, Window: 2 * time.Second, Ended: uint64(2 * perSecond), Items: uint64(2 * perSecond), Bytes: uint64(256 * perSecond),
		Latency: map[load.Kind]load.Latency{load.Put: {Count: uint64(2 * perSecond), Mean: latency, P50: latency, P90: 2 * latency, P99: 3 * latency, P999: 4 * latency, Max: 5 * latency,
			Histogram: fewValues}},
		Slice: 500 * time.Millisecond, Usage: load.Usage{CPU: &cpu, Flushes: &flushes, Peak: &peak}}
	for i := range 4 {
		m.Slices = append(m.Slices, load.Slice{Ended: uint64(perSecond/2) + uint64(i), P50: latency, P99: 3 * latency, Max: 5 * latency})
	}
	return m
}

// fewValues is the histogram of a few latencies.
var fewValues = func() string {
	h := hdrhistogram.New(100, int64(10*time.Minute), 3)
	for i := range int64(2000) {
		if err := h.RecordValue(i * i * 10); err != nil {
			panic(err)
		}
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(err)
	}
	return string(text)
}()

// made is a report of two systems, one of which does not flush.
func made() *report.Report {
	r := &report.Report{Format: report.Format, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Ended: time.Date(2026, 1, 2, 3, 9, 5, 0, time.UTC), Runs: 3,
		Command: []string{"-quick=true"},
		Machine: report.Machine{System: "linux/amd64", Processor: "A <fast> one", CPUs: 2, GOMAXPROCS: 4, Memory: 24 << 30, FileSystem: "ext4", Go: "go1.26", Warnings: []string{"a warning & more"}},
		Systems: []load.Info{{Name: "ours", Flushes: "a quorum", Durable: true, Settings: []string{"engine: btree"}}, {Name: "theirs", Flushes: "nothing", Settings: []string{"by default"}}},
		Workloads: []report.Workload{{Name: "put", Title: "Durable put", About: "Puts.", Axis: report.ByWorkers, Shows: report.Rate},
			{Name: "failover", Title: "Failover gap", About: "A leader dies.", Axis: report.ByLabel, Shows: report.Duration}},
		Problems: []report.Problem{{System: "theirs", Workload: "failover", Shape: load.ThreeProcessesRemote, Run: 2, Error: "it <broke>"}},
	}
	for round := range 3 {
		drift := 1 + 0.1*float64(round)
		r.Limits = append(r.Limits, []limits.Limit{{Name: limits.Flush4K, Title: "flush of 4 KiB", Unit: "µs", Value: 100 * drift}})
		for i, callers := range []float64{1, 64, 256} {
			p := report.Point{Workers: int(callers)}
			r.Add("ours", "put", load.ThreeNodes, p, sample(round, []float64{2000, 50_000, 100_000}[i]*drift, callers))
			r.Add("theirs", "put", load.ThreeNodes, p, sample(round, []float64{1000, 20_000, 25_000}[i]*drift, callers))
		}
		r.Add("ours", "failover", load.ThreeProcessesRemote, report.Point{Label: "kill"}, load.Measure{Round: round, Values: map[string]float64{"ms": 200 * drift, "max_ms": 300 * drift}})
	}
	r.Audits = []report.Audit{{System: "ours", Shape: load.ThreeNodes, Point: report.Point{Workers: 1}, Measure: sample(0, 400, 1), Calls: map[string]uint64{"fsync": 4, "fdatasync": 2396}, SyncingOpens: 1}}
	r.Results[0].Runs[1].Failed, r.Results[0].Runs[1].FirstError = 5, "no"
	r.Results[0].Bound = &report.Bound{Of: report.Rate, Value: 4400, Why: "a flush each"}
	return r
}

// golden compares a text with the one in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is what is wanted, run the test with -rewrite and look at the difference")
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, report.Table(&out, made()))
	golden(t, "table.txt", regexp.MustCompile(` +\n`).ReplaceAllString(out.String(), "\n"))
}

var errFull = errors.New("full")

// failing is a writer that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestTableTellsItsWriter(t *testing.T) {
	require.ErrorIs(t, report.Table(failing{}, made()), errFull)
	require.ErrorIs(t, report.HTML(failing{}, made()), errFull)
}

func TestHTMLNeedsNothingElseAndIsWellFormed(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, report.HTML(&out, made()))
	page := out.String()
	require.NotRegexp(t, `(?i)<(script|link|img|iframe)|https?://|url\(|@import`, page)
	for _, text := range []string{"Durable put", "ours", "theirs (not flushed)", "A &lt;fast&gt; one", "it &lt;broke&gt;", "a warning &amp; more", "4.00×", "110,000/s", "Failover gap", "not comparable"} {
		require.Contains(t, page, text)
	}
	svgs := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	require.GreaterOrEqual(t, len(svgs), 4, "throughput and p99 by callers, percentiles, two over time")
	for _, svg := range svgs {
		checkXML(t, svg)
		require.NotRegexp(t, `NaN|Inf`, svg)
	}
}

// checkXML checks that elements are closed as they were opened.
func checkXML(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err, text)
		}
	}
}

func TestEmptyReportsCanBeShown(t *testing.T) {
	var out bytes.Buffer
	r := &report.Report{Format: report.Format, Cut: "interrupted", Systems: []load.Info{{Name: "ours"}}}
	require.NoError(t, report.HTML(&out, r))
	require.NoError(t, report.Table(&out, r))
	require.Contains(t, out.String(), "interrupted")
}

func TestReportsTravelAsJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	r := made()
	require.NoError(t, r.Save(path))
	back, err := report.Read(path)
	require.NoError(t, err)
	require.Equal(t, r, back)

	r.Format++
	require.NoError(t, r.Save(path))
	_, err = report.Read(path)
	require.ErrorContains(t, err, "expected 1")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o644))
	_, err = report.Read(path)
	require.ErrorContains(t, err, "as JSON")
	_, err = report.Read(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Error(t, r.Save(filepath.Join(path, "below-a-file")))
}

func TestSpread(t *testing.T) {
	require.Equal(t, report.Spread{Median: 2, Min: 1, Max: 9, Runs: 3}, report.SpreadOf([]float64{9, 1, 2}))
	require.Equal(t, report.Spread{Median: 3, Min: 1, Max: 9, Runs: 4}, report.SpreadOf([]float64{9, 1, 2, 4}))
	require.Zero(t, report.SpreadOf(nil))
}

func TestFiguresOfARun(t *testing.T) {
	x := &report.Result{Runs: []load.Measure{sample(0, 1000, 10)}}
	for f, want := range map[report.Figure]float64{report.Rate: 1000, report.ByteRate: 128_000, report.P50: 0.01, report.P99: 0.03, report.CPUPerOp: 0.001, report.CPUShare: 1,
		report.FlushRate: 62.5, report.FlushPerOp: 0.0625, report.Peak: 150e6} {
		require.InEpsilon(t, want, x.Spread(f).Median, 1e-9, "%s", f)
	}
	require.Zero(t, x.Spread(report.AllocPerOp).Runs, "what was not measured is not shown as 0")
	require.Zero(t, x.Spread(report.Duration).Runs)
}

func TestRatiosCompareRoundsWithEachOther(t *testing.T) {
	r := &report.Report{Systems: []load.Info{{Name: "a"}, {Name: "b"}}}
	p := report.Point{Workers: 1}
	for round, rates := range [][2]float64{{100, 50}, {1000, 500}, {10, 5}} { // the machine drifts by far more than the systems differ
		r.Add("a", "w", load.OneNode, p, sample(round, rates[0], 1))
		if round != 1 { // one round is missing
			r.Add("b", "w", load.OneNode, p, sample(round, rates[1], 1))
		}
	}
	b := r.Find("b", "w", load.OneNode, p)
	ratio, ok := r.Ratio(b, "a", report.Rate)
	require.True(t, ok)
	require.InEpsilon(t, 2, ratio, 1e-9)
	ratio, ok = r.Ratio(b, "a", report.P99)
	require.True(t, ok)
	require.InEpsilon(t, 2, ratio, 1e-6, "half the latency is twice as good")
	_, ok = r.Ratio(r.Find("a", "w", load.OneNode, p), "a", report.Rate)
	require.False(t, ok, "with itself nothing is compared")
	_, ok = r.Ratio(b, "none", report.Rate)
	require.False(t, ok)
}

func TestShareOfTheLimit(t *testing.T) {
	x := &report.Result{Runs: []load.Measure{sample(0, 1000, 1)}}
	_, ok := x.Share()
	require.False(t, ok)
	x.Bound = &report.Bound{Of: report.Rate, Value: 4000}
	share, ok := x.Share()
	require.True(t, ok)
	require.InEpsilon(t, 0.25, share, 1e-9)
}

func TestTerminalShowsResultsWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	term := report.NewTerminal(&out)
	term.Begin(report.Progress{Title: "put", Round: 1, Rounds: 2, All: 4})
	term.Doing("filling")
	term.Ended(report.Point{Workers: 64}, 500)
	require.Empty(t, out.String(), "nothing moves in a file")
	term.Found(&report.Result{System: "ours", Workload: "put", Shape: load.ThreeNodes, Point: report.Point{Workers: 64}, Runs: []load.Measure{sample(0, 50_000, 64)}})
	require.Regexp(t, `put +ours +three-nodes +64 callers +50,000/s  p50 1.28 ms  p99 3.84 ms  CPU 20.0 µs  [▁-█]{4}\n`, out.String())
	term.Say("note\n")
	term.End()
	require.Contains(t, out.String(), "note\n")
}
