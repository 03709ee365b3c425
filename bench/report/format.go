package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// String names a point: "64 callers".
func (p Point) String() string {
	var parts []string
	if p.Rate > 0 {
		parts = append(parts, count(p.Rate)+"/s wanted")
	} else if p.Workers > 0 {
		parts = append(parts, plural(float64(p.Workers), "caller"))
	}
	if p.Groups > 0 {
		parts = append(parts, plural(float64(p.Groups), "group"))
	}
	if p.Size > 0 {
		parts = append(parts, plural(float64(p.Size), "put"))
	}
	if p.Label != "" {
		parts = append(parts, p.Label)
	}
	return strings.Join(parts, ", ")
}

func plural(n float64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}

// tick is a point as a mark on an axis.
func (p Point) tick(axis Axis) string {
	switch axis {
	case ByRate:
		return count(p.Rate)
	case ByGroups:
		return count(float64(p.Groups))
	case BySize:
		return count(float64(p.Size))
	case ByLabel:
		return p.Label
	}
	return count(float64(p.Workers))
}

// title is what an axis is called.
func (a Axis) title() string {
	switch a {
	case ByRate:
		return "operations a second wanted"
	case ByGroups:
		return "groups"
	case BySize:
		return "puts beforehand"
	case ByLabel:
		return "fault"
	}
	return "callers"
}

// count writes a number with its thousands apart, and with a decimal where it is small.
func count(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v != 0 && math.Abs(v) < 10 && v != math.Trunc(v):
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		return "-" + s
	}
	return s
}

// scaled writes a number in the largest unit of which it has at least one.
func scaled(v float64, units ...unit) string {
	for _, u := range units {
		if v >= u.of || u == units[len(units)-1] {
			return threeDigits(v/u.of) + " " + u.name
		}
	}
	return ""
}

type unit struct {
	of   float64
	name string
}

// threeDigits writes three of them.
func threeDigits(v float64) string {
	switch {
	case v >= 100:
		return count(math.Round(v))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func seconds(v float64) string {
	if v == 0 {
		return "0"
	}
	return scaled(v, unit{1, "s"}, unit{1e-3, "ms"}, unit{1e-6, "µs"}, unit{1e-9, "ns"})
}

func bytesOf(v float64) string {
	return scaled(v, unit{1e9, "GB"}, unit{1e6, "MB"}, unit{1e3, "kB"}, unit{1, "B"})
}

// text writes a value of a figure with its unit.
func (f Figure) text(v float64) string {
	switch f {
	case Rate:
		return count(math.Round(v)) + "/s"
	case FlushRate, DeviceRate:
		return count(math.Round(v)) + "/s"
	case ByteRate:
		return bytesOf(v) + "/s"
	case P50, P99, CPUPerOp:
		return seconds(v)
	case CPUShare:
		return threeDigits(v*100) + " %"
	case WritePerOp, DeviceWritePerOp, Peak:
		return bytesOf(v)
	case Duration:
		return seconds(v / 1e3)
	}
	return threeDigits(v)
}

// short writes a value of a figure as a mark on an axis: 10k, 2.5 ms.
func (f Figure) short(v float64) string {
	if v == 0 {
		return "0"
	}
	number, name, _ := strings.Cut(f.text(v), " ")
	if f == Rate {
		number, name, _ = strings.Cut(scaled(v, unit{1e6, "M"}, unit{1e3, "k"}, unit{1, ""}), " ")
	}
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	if f == Rate {
		return number + name
	}
	return strings.TrimSpace(number + " " + name)
}

// title is what a figure is called.
func (f Figure) title() string {
	switch f {
	case Rate:
		return "operations a second"
	case ByteRate:
		return "bytes a second"
	case P50:
		return "p50"
	case P99:
		return "p99"
	case CPUPerOp:
		return "CPU per operation"
	case CPUShare:
		return "CPU, of one processor"
	case WritePerOp:
		return "written per operation"
	case DeviceWritePerOp:
		return "written to the device per operation"
	case FlushRate:
		return "flushes"
	case FlushPerOp:
		return "flushes per operation"
	case DeviceRate:
		return "flushes of the device"
	case Peak:
		return "peak memory"
	case AllocPerOp:
		return "allocations per operation"
	case Duration:
		return "time"
	}
	return string(f)
}

// text writes a spread: its median, and how far the runs are apart.
func (s Spread) text(f Figure) string {
	switch {
	case s.Runs == 0:
		return "–"
	case s.Runs == 1 || s.Median == 0:
		return f.text(s.Median)
	}
	return fmt.Sprintf("%s ±%.0f%%", f.text(s.Median), max(s.Max-s.Median, s.Median-s.Min)/s.Median*100)
}

var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws values as a row of bars, the largest full.
func sparkline(values []float64) string {
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if top > 0 {
			i = int(v / top * float64(len(bars)-1))
		}
		b.WriteRune(bars[min(max(i, 0), len(bars)-1)])
	}
	return b.String()
}

// overTime gives the rates of the slices of a run, in at most n parts.
func overTime(m *load.Measure, n int) []float64 {
	if len(m.Slices) == 0 {
		return nil
	}
	each := (len(m.Slices) + n - 1) / n
	var out []float64
	for i := 0; i+each <= len(m.Slices); i += each {
		sum := 0.0
		for _, s := range m.Slices[i : i+each] {
			sum += float64(s.Ended)
		}
		out = append(out, sum/(m.Slice.Seconds()*float64(each)))
	}
	return out
}
