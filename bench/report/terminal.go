package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// Progress is how far a run has come.
type Progress struct {
	// Title is what is measured now.
	Title string
	// Round of Rounds, and Done of All cells.
	Round, Rounds int
	Done, All     int
	// Left is about how long the rest takes.
	Left time.Duration
}

// Terminal shows a run while it goes on: a line for each point that was measured, and, where it is a terminal, a line below that moves. It belongs to one
// goroutine.
type Terminal struct {
	out  io.Writer
	live bool

	progress Progress
	doing    string
	point    Point
	ended    []float64 // operations ended in the point so far, at each report
	shown    bool
}

// NewTerminal makes a Terminal. Nothing moves unless out is a terminal.
func NewTerminal(out io.Writer) *Terminal {
	t := &Terminal{out: out}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			t.live = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return t
}

// width is how much of the line that moves is shown: a longer one would wrap.
const width = 118

// clear takes the line that moves away.
func (t *Terminal) clear() {
	if t.shown {
		fmt.Fprint(t.out, "\r\x1b[K")
		t.shown = false
	}
}

// draw shows the line that moves.
func (t *Terminal) draw() {
	if !t.live {
		return
	}
	p := t.progress
	line := fmt.Sprintf("[%d/%d, round %d of %d, about %v left] %s", p.Done+1, p.All, p.Round, p.Rounds, p.Left.Round(time.Second), p.Title)
	if t.doing != "" {
		line += ": " + t.doing
	}
	if rates := t.rates(); len(rates) > 0 {
		line += fmt.Sprintf(", %s  %s %s", t.point, sparkline(rates), Rate.text(rates[len(rates)-1]))
	}
	if utf8.RuneCountInString(line) > width {
		line = string([]rune(line)[:width])
	}
	fmt.Fprintf(t.out, "\r\x1b[K%s", line)
	t.shown = true
}

// rates are those between reports, the last ones.
func (t *Terminal) rates() []float64 {
	const most = 20
	var out []float64
	for i, n := range t.ended {
		before := 0.0
		if i > 0 {
			before = t.ended[i-1]
		}
		out = append(out, (n-before)*2) // reports come every half second
	}
	return out[max(0, len(out)-most):]
}

// Say prints something for good.
func (t *Terminal) Say(format string, args ...any) {
	t.clear()
	fmt.Fprintf(t.out, format, args...)
}

// Begin says that a cell begins.
func (t *Terminal) Begin(p Progress) {
	t.progress, t.doing, t.ended = p, "", nil
	t.draw()
}

// Doing says what goes on before anything is measured.
func (t *Terminal) Doing(what string) {
	t.doing, t.ended = what, nil
	t.draw()
}

// Ended says how many operations have ended at a point so far.
func (t *Terminal) Ended(p Point, n uint64) {
	if t.point != p {
		t.point, t.ended = p, nil
	}
	t.doing = ""
	t.ended = append(t.ended, float64(n))
	t.draw()
}

// Found shows a result, whose newest run has just been measured.
func (t *Terminal) Found(r *Result) {
	m := &r.Runs[len(r.Runs)-1]
	one := &Result{Runs: r.Runs[len(r.Runs)-1:]}
	parts := []string{fmt.Sprintf("%-15s %-16s %-23s %-22s", r.Workload, r.System, r.Shape, r.Point)}
	for _, f := range []Figure{Rate, P50, P99, CPUPerOp, Duration, CPUShare} {
		s := one.Spread(f)
		if s.Runs == 0 || f == Rate && m.Ended == 0 || f == CPUShare && m.Ended > 0 {
			continue
		}
		name := map[Figure]string{P50: "p50 ", P99: "p99 ", CPUPerOp: "CPU ", CPUShare: "CPU "}[f]
		parts = append(parts, name+f.text(s.Median))
	}
	if m.Bytes > 0 && r.Workload == "log-sequential" {
		parts = append(parts, ByteRate.text(one.Spread(ByteRate).Median))
	}
	if m.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed: %s", m.Failed, m.FirstError))
	}
	if spark := overTime(m, 20); len(spark) > 1 {
		parts = append(parts, sparkline(spark))
	}
	t.ended = nil
	t.Say("%s\n", strings.Join(parts, "  "))
}

// End takes the moving line away.
func (t *Terminal) End() { t.clear() }
