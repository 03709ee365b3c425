package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/limits"
	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Format is the version of the JSON form.
const Format = 1

// Report is everything that a run has found.
type Report struct {
	Format int       `json:"format"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	// Cut says why the run ended before its plan did; empty when it didn't.
	Cut string `json:"cut,omitempty"`
	// Command is how the run was asked for, Runs how many rounds were planned. Scale is what the sizes of stores and logs were multiplied by.
	Command []string `json:"command"`
	Runs    int      `json:"runs"`
	Scale   float64  `json:"scale"`
	Machine Machine  `json:"machine"`
	// Systems are those that were measured, the first being the one that others are compared with.
	Systems   []load.Info `json:"systems"`
	Workloads []Workload  `json:"workloads"`
	// Limits has the machine's limits, once for each round.
	Limits  [][]limits.Limit `json:"limits"`
	Results []*Result        `json:"results"`
	// Audits are counts of flushes by the system calls that were traced.
	Audits []Audit `json:"audits,omitempty"`
	// Problems are what could not be measured, and why.
	Problems []Problem `json:"problems,omitempty"`
}

// Machine is what the run was made on.
type Machine struct {
	System     string `json:"system"`
	Processor  string `json:"processor"`
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Memory     uint64 `json:"memory_bytes"`
	FileSystem string `json:"file_system"`
	Go         string `json:"go"`
	// Load is the load average when the run began: others on the machine make the figures worse.
	Load string `json:"load,omitempty"`
	// Warnings are what the figures should not be read without.
	Warnings []string `json:"warnings,omitempty"`
}

// Workload describes a workload for readers.
type Workload struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	About string `json:"about"`
	// Axis is what its points differ in.
	Axis Axis `json:"axis"`
	// Shows is the figure that counts most.
	Shows Figure `json:"shows"`
}

// Axis is what the points of a workload differ in.
type Axis string

// The axes.
const (
	ByWorkers Axis = "workers"
	ByRate    Axis = "rate"
	ByGroups  Axis = "groups"
	BySize    Axis = "size"
	ByLabel   Axis = "label"
)

// Figure names one of the figures that a Measure has.
type Figure string

// The figures. Value figures are names in Measure.Values.
const (
	Rate             Figure = "rate"            // operations a second
	ByteRate         Figure = "byte-rate"       // bytes a second
	P50              Figure = "p50"             // latency of all kinds of operations together, in seconds
	P99              Figure = "p99"             // the same
	CPUPerOp         Figure = "cpu-op"          // processor seconds an operation
	CPUShare         Figure = "cpu-share"       // processor seconds a second
	WritePerOp       Figure = "write-op"        // bytes written an operation
	DeviceWritePerOp Figure = "device-write-op" // bytes that the device was given, an operation
	FlushRate        Figure = "flush-rate"      // flushes a second, as the system counts them
	FlushPerOp       Figure = "flush-op"        // flushes an operation
	DeviceRate       Figure = "device-rate"     // flushes a second that the device has seen
	Peak             Figure = "peak"            // bytes of memory
	AllocPerOp       Figure = "alloc-op"        // allocations an operation
	Duration         Figure = "ms"              // Values["ms"], in milliseconds
)

// Point is a point of load.
type Point struct {
	Workers int     `json:"workers,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	Groups  int     `json:"groups,omitempty"`
	// Size is a number of entries or keys.
	Size  uint64 `json:"size,omitempty"`
	Label string `json:"label,omitempty"`
}

// Result is what was found at a point.
type Result struct {
	System   string     `json:"system"`
	Workload string     `json:"workload"`
	Shape    load.Shape `json:"shape"`
	Point    Point      `json:"point"`
	// Runs has a Measure for each round in which it was measured.
	Runs []load.Measure `json:"runs"`
	// Bound is what the machine would allow, if anything is known; nil otherwise.
	Bound *Bound `json:"bound,omitempty"`
}

// Bound is a limit of the machine as it applies to a Result.
type Bound struct {
	// Of is the figure that it bounds, Value its greatest possible value, and Why where that comes from.
	Of    Figure  `json:"of"`
	Value float64 `json:"value"`
	Why   string  `json:"why"`
}

// Problem is something that could not be measured.
type Problem struct {
	System   string     `json:"system"`
	Workload string     `json:"workload"`
	Shape    load.Shape `json:"shape"`
	Run      int        `json:"run"`
	Error    string     `json:"error"`
}

// Audit is what tracing the system calls of durable puts has shown.
type Audit struct {
	System string     `json:"system"`
	Shape  load.Shape `json:"shape"`
	Point  Point      `json:"point"`
	// Measure is what was measured meanwhile; its rates are those of a program that is traced.
	Measure load.Measure `json:"measure"`
	// Calls counts those that flush, by name, that began in the window. SyncingOpens counts files opened so that each write is a flush (O_SYNC, O_DSYNC), which are
	// not in Calls.
	Calls        map[string]uint64 `json:"calls"`
	SyncingOpens uint64            `json:"syncing_opens,omitempty"`
}

// PerWrite is how many calls there were for each put.
func (a *Audit) PerWrite() float64 {
	var sum uint64
	for _, n := range a.Calls {
		sum += n
	}
	if a.Measure.Ended == 0 {
		return 0
	}
	return float64(sum) / float64(a.Measure.Ended)
}

// Says puts the audit into words: how many writes, and how many calls of each kind.
func (a *Audit) Says() string {
	text := fmt.Sprintf("%s puts", count(float64(a.Measure.Ended)))
	for _, name := range slices.Sorted(maps.Keys(a.Calls)) {
		text += fmt.Sprintf(", %s × %s", count(float64(a.Calls[name])), name)
	}
	text += fmt.Sprintf(": %s flushes a put", threeDigits(a.PerWrite()))
	if own, ok := figure(&a.Measure, FlushPerOp); ok {
		text += fmt.Sprintf("; by the system's own count %s", threeDigits(own))
	}
	if a.SyncingOpens > 0 {
		text += fmt.Sprintf("; %s opened for writes that flush", plural(float64(a.SyncingOpens), "file"))
	}
	return text
}

// Add adds a Measure to the Result it belongs to, which is made if need be.
func (r *Report) Add(system, workload string, shape load.Shape, point Point, m load.Measure) {
	for _, have := range r.Results {
		if have.System == system && have.Workload == workload && have.Shape == shape && have.Point == point {
			have.Runs = append(have.Runs, m)
			return
		}
	}
	r.Results = append(r.Results, &Result{System: system, Workload: workload, Shape: shape, Point: point, Runs: []load.Measure{m}})
}

// Save writes the report to a file as JSON.
func (r *Report) Save(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Read reads a report that was saved. It fails when the file is none, or of another Format.
func Read(path string) (*Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("report: %s: expected a report as JSON: %w", path, err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("report: %s has format %d, expected %d: show it with the program that made it", path, r.Format, Format)
	}
	return r, nil
}
