package flushes

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// traced are the system calls that Verify lets strace write down.
const traced = "fsync,fdatasync,msync,sync_file_range,syncfs,openat,write,pwrite64,writev,pwritev,pwritev2,access,faccessat,faccessat2"

// Trace is what a trace shows of writes, one after the other.
type Trace struct {
	// Writes are how many were done.
	Writes int
	// Calls counts what flushed between the first write's beginning and the last one's end, by system call; a write to a file opened with O_SYNC is
	// "pwrite64 (O_SYNC)".
	Calls map[string]int
	// Nodes is, for each write, how many nodes began and ended a flush while it went on. Memory that msync flushes has no path; each thread that does so counts as a
	// node.
	Nodes []int
}

// Flushes is the sum of Calls.
func (t *Trace) Flushes() int {
	sum := 0
	for _, n := range t.Calls {
		sum += n
	}
	return sum
}

// Flushed is how many writes had so many nodes flush meanwhile.
func (t *Trace) Flushed(quorum int) int {
	n := 0
	for _, nodes := range t.Nodes {
		if nodes >= quorum {
			n++
		}
	}
	return n
}

// A line of strace -f -y: the thread, and a call, the beginning of one, or the end of one.
var (
	lineForm    = regexp.MustCompile(`^(\d+)\s+(.*)$`)
	callForm    = regexp.MustCompile(`^(\w+)\((.*)$`)
	resumedForm = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)$`)
	pathForm    = regexp.MustCompile(`^\d+<([^>]*)>`)
	openedForm  = regexp.MustCompile(`\)\s+= \d+<([^>]*)>`)
	resultForm  = regexp.MustCompile(`\)\s+= (-?\d+)`)
)

// reader goes through a trace line by line.
type reader struct {
	dir     string
	trace   Trace
	current int             // the write that goes on, -1 between them
	open    map[string]call // calls that have begun, by thread
	synced  map[string]bool // files whose writes are flushes, by path
	nodes   map[string]bool // those that flushed during the current write
	between map[string]int  // calls since the last write ended
}

// call is a system call that has begun.
type call struct {
	thread     string
	name, args string
	begun      int // the write that went on then, -1 if none
}

// Read reads what strace has written down about a store that keeps the data of a node below dir, in a directory of the node's own.
func Read(from io.Reader, dir string) (*Trace, error) {
	r := &reader{dir: strings.TrimSuffix(dir, "/") + "/", current: -1, open: map[string]call{}, synced: map[string]bool{}, between: map[string]int{}}
	r.trace.Calls = map[string]int{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := lineForm.FindStringSubmatch(lines.Text()); m != nil {
			r.line(m[1], m[2])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("flushes: reading a trace: %w", err)
	}
	return &r.trace, nil
}

func (r *reader) line(thread, text string) {
	if m := resumedForm.FindStringSubmatch(text); m != nil {
		c, ok := r.open[thread]
		delete(r.open, thread)
		if ok && c.name == m[1] {
			r.ended(c, m[2])
		}
		return
	}
	m := callForm.FindStringSubmatch(text)
	if m == nil {
		return // a signal, or an exit
	}
	c := call{thread: thread, name: m[1], args: m[2], begun: r.current}
	if before, unfinished := strings.CutSuffix(strings.TrimSpace(m[2]), "<unfinished ...>"); unfinished {
		c.args = before
		r.open[thread] = c
		return
	}
	r.ended(c, m[2])
}

// ended takes a call that has ended, with what strace says from its last argument on.
func (r *reader) ended(c call, rest string) {
	switch c.name {
	case "access", "faccessat", "faccessat2":
		r.mark(c.args)
	case "openat":
		if opened := openedForm.FindStringSubmatch(rest); opened != nil {
			r.synced[opened[1]] = strings.Contains(c.args, "O_SYNC") || strings.Contains(c.args, "O_DSYNC")
		}
	case "write", "pwrite64", "writev", "pwritev", "pwritev2":
		if path := pathForm.FindStringSubmatch(c.args); path != nil && r.synced[path[1]] && succeeded(rest) {
			r.flushed(c, c.name+" (O_SYNC)", path[1])
		}
	case "fsync", "fdatasync", "sync_file_range", "syncfs":
		if path := pathForm.FindStringSubmatch(c.args); path != nil && succeeded(rest) {
			r.flushed(c, c.name, path[1])
		}
	case "msync":
		if succeeded(rest) {
			r.flushed(c, c.name, r.dir+"memory flushed by "+c.thread+"/")
		}
	}
}

func succeeded(rest string) bool {
	m := resultForm.FindStringSubmatch(rest)
	return m != nil && !strings.HasPrefix(m[1], "-")
}

// mark takes a call that stands for the beginning or the end of a write.
func (r *reader) mark(args string) {
	if number, ok := numberAfter(args, markBegun); ok {
		for name, n := range r.between { // between two writes: of the work in the background
			if r.trace.Writes > 0 {
				r.trace.Calls[name] += n
			}
		}
		r.current, r.nodes, r.between = number, map[string]bool{}, map[string]int{}
	}
	if number, ok := numberAfter(args, markEnded); ok && number == r.current {
		r.trace.Writes++
		r.trace.Nodes = append(r.trace.Nodes, len(r.nodes))
		r.current = -1
	}
}

func numberAfter(args, path string) (int, bool) {
	_, after, ok := strings.Cut(args, path)
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(after, `"`)
	number, err := strconv.Atoi(digits)
	return number, err == nil
}

// flushed counts a flush, and the node that it is of if it began and ended during one write. A range that is merely started is not known to be flushed.
func (r *reader) flushed(c call, name, path string) {
	if r.current < 0 {
		r.between[name]++
		return
	}
	r.trace.Calls[name]++
	below, ok := strings.CutPrefix(path, r.dir)
	if !ok || c.begun != r.current || c.name == "sync_file_range" {
		return
	}
	node, _, _ := strings.Cut(below, "/")
	r.nodes[node] = true
}
