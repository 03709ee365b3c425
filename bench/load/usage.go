package load

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// meter is a reading of everything that Usage is the difference of.
type meter struct {
	cpu                      time.Duration
	written, flushes         uint64
	device, deviceWritten    uint64
	peak                     uint64
	allocations, allocated   uint64
	cpuOK, writtenOK, peakOK bool
	flushesOK, deviceOK      bool
	pids                     []int
}

// readMeter reads for this process and those of the cluster. Without /proc there is less to read. The peak of memory is set back by each reading.
func readMeter(cluster Cluster, device string) meter {
	var m meter
	if p, ok := cluster.(Processes); ok {
		m.pids = p.PIDs()
	}
	m.cpu, m.cpuOK = ownCPU()
	m.writtenOK, m.peakOK = true, true
	for _, proc := range append([]string{"self"}, names(m.pids)...) {
		m.addProcess(proc)
	}
	if f, ok := cluster.(FlushCounter); ok {
		m.flushes, m.flushesOK = f.Flushes(), true
	}
	m.device, m.deviceWritten, m.deviceOK = deviceFigures(device)
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	m.allocations, m.allocated = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	return m
}

func names(pids []int) []string {
	out := make([]string, len(pids))
	for i, p := range pids {
		out[i] = strconv.Itoa(p)
	}
	return out
}

// addProcess adds the figures of a process, "self" or a number.
func (m *meter) addProcess(proc string) {
	written, ok := field("/proc/"+proc+"/io", "write_bytes:")
	m.written, m.writtenOK = m.written+written, m.writtenOK && ok
	peak, ok := field("/proc/"+proc+"/status", "VmHWM:")
	m.peak, m.peakOK = m.peak+peak<<10, m.peakOK && ok
	if err := os.WriteFile("/proc/"+proc+"/clear_refs", []byte("5"), 0); err != nil {
		m.peakOK = false
	}
	if proc != "self" {
		cpu, ok := processCPU(proc)
		m.cpu, m.cpuOK = m.cpu+cpu, m.cpuOK && ok
	}
}

// since gives what was used from an earlier reading to this one. When processes came or went in between, their part is not known.
func (m meter) since(before meter) Usage {
	u := Usage{Allocations: known(m.allocations-before.allocations, true), Allocated: known(m.allocated-before.allocated, true)}
	same := fmt.Sprint(m.pids) == fmt.Sprint(before.pids)
	u.CPU = known(m.cpu-before.cpu, same && m.cpuOK && before.cpuOK)
	u.Written = known(m.written-before.written, same && m.writtenOK && before.writtenOK)
	u.Flushes = known(m.flushes-before.flushes, m.flushesOK && before.flushesOK && m.flushes >= before.flushes)
	u.DeviceFlushes = known(m.device-before.device, m.deviceOK && before.deviceOK)
	u.DeviceWritten = known(m.deviceWritten-before.deviceWritten, m.deviceOK && before.deviceOK)
	u.Peak = known(m.peak, same && m.peakOK && before.peakOK)
	return u
}

func known[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return &v
}

// field gives the number behind a word at the beginning of a line.
func field(path, word string) (uint64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, word); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, err := strconv.ParseUint(fields[0], 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// tick is the unit of times in /proc/PID/stat: the kernel's USER_HZ is 100 on every system that Go runs on.
const tick = 10 * time.Millisecond

// processCPU gives the processor time of another process, to 10 ms.
func processCPU(proc string) (time.Duration, bool) {
	data, err := os.ReadFile("/proc/" + proc + "/stat")
	if err != nil {
		return 0, false
	}
	// The name, in parentheses, may hold anything; the state is the field after it, user and system time are the 12th and 13th.
	_, rest, _ := strings.Cut(string(data[max(0, strings.LastIndexByte(string(data), ')')):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 64)
	system, err2 := strconv.ParseUint(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err1 == nil && err2 == nil
}

// deviceFigures gives how many flushes the block device below a directory has carried out, and how many bytes were written to it.
func deviceFigures(dir string) (flushes, written uint64, ok bool) {
	if dir == "" {
		return 0, 0, false
	}
	major, minor, ok := deviceOf(dir)
	if !ok {
		return 0, 0, false
	}
	device := filepath.Join("/sys/dev/block", fmt.Sprintf("%d:%d", major, minor))
	if _, err := os.Stat(filepath.Join(device, "partition")); err == nil {
		device += "/.." // flushes are those of the whole disk; Join would take the link away
	}
	data, err := os.ReadFile(device + "/stat")
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(data))
	if len(fields) < 16 { // the kernel counts flushes since 5.5, in the 16th field
		return 0, 0, false
	}
	sectors, err1 := strconv.ParseUint(fields[6], 10, 64)
	flushes, err2 := strconv.ParseUint(fields[15], 10, 64)
	return flushes, sectors * 512, err1 == nil && err2 == nil
}
