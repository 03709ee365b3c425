package suite

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/ledgerkv/ledgerkv/bench/report"
)

// machine describes what the run is made on, with data below dir. What a system doesn't tell stays empty.
func machine(dir string, procs int) report.Machine {
	m := report.Machine{System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), GOMAXPROCS: procs, Go: runtime.Version(), FileSystem: fileSystem(dir)}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += ", Linux " + strings.TrimSpace(string(release))
	}
	m.Processor = after("/proc/cpuinfo", "model name")
	if kib, err := strconv.ParseUint(strings.TrimSuffix(after("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.Memory = kib << 10
	}
	if averages, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(averages)); len(fields) > 3 {
			m.Load = strings.Join(fields[:3], " ")
			if one, err := strconv.ParseFloat(fields[0], 64); err == nil && one > 0.5 {
				m.Warnings = append(m.Warnings, fmt.Sprintf("other programs were at work on the machine when the run began: load average %s on %d processors", m.Load, m.CPUs))
			}
		}
	}
	switch m.FileSystem {
	case "tmpfs", "ramfs", "overlay":
		m.Warnings = append(m.Warnings, fmt.Sprintf("the data is on %s, where flushes may cost nothing: choose a directory on a disk with -dir", m.FileSystem))
	}
	return m
}

// after gives what stands behind a word and a colon, on the first line that begins with it.
func after(path, word string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if name, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == word {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// fileSystem names the type of the file system that a directory is on: that of the longest mount point above it.
func fileSystem(dir string) string {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "an unknown file system"
	}
	best, kind := "", "an unknown file system"
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		within := f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/")
		if within && len(f[1]) >= len(best) {
			best, kind = f[1], f[2]
		}
	}
	return kind
}
