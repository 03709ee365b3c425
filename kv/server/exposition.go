package server

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// exposition writes metrics in the text format of Prometheus, version 0.0.4.
type exposition struct {
	w   io.Writer
	err error
}

// label is a name and a value, which is escaped when it is written.
type label struct{ name, value string }

// family begins a metric: every sample of it follows before the next family begins. kind is counter, gauge or histogram.
func (e *exposition) family(name, kind, help string) {
	e.printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes one value.
func (e *exposition) sample(name string, value float64, labels ...label) {
	e.printf("%s%s %s\n", name, labelsText(labels), strconv.FormatFloat(value, 'g', -1, 64))
}

// one writes a family with a single sample.
func (e *exposition) one(name, kind, help string, value float64) {
	e.family(name, kind, help)
	e.sample(name, value)
}

// histogram writes the samples of a histogram, in seconds.
func (e *exposition) histogram(name string, h *histogram, labels ...label) {
	total := uint64(0)
	for i, bound := range bounds {
		total += h.buckets[i].Load()
		le := label{"le", strconv.FormatFloat(bound.Seconds(), 'g', -1, 64)}
		e.sample(name+"_bucket", float64(total), append(labels[:len(labels):len(labels)], le)...)
	}
	total += h.buckets[len(bounds)].Load()
	e.sample(name+"_bucket", float64(total), append(labels[:len(labels):len(labels)], label{"le", "+Inf"})...)
	e.sample(name+"_sum", time.Duration(h.nanos.Load()).Seconds(), labels...)
	e.sample(name+"_count", float64(total), labels...)
}

func (e *exposition) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labelsText(labels []label) string {
	if len(labels) == 0 {
		return ""
	}
	var b strings.Builder
	for i, l := range labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l.name + `="` + labelEscapes.Replace(l.value) + `"`)
	}
	return "{" + b.String() + "}"
}
