package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"
)

// Recorder takes in operations. Its methods may be called from any goroutine.
type Recorder struct {
	start time.Time

	mu   sync.Mutex
	ops  []Op
	file *os.File
	buf  *bufio.Writer
	err  error
}

// NewRecorder makes a recorder that writes each operation to a file, which it makes, as a line of JSON. Its clock begins now.
func NewRecorder(path string) (*Recorder, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &Recorder{start: time.Now(), file: f, buf: bufio.NewWriterSize(f, 1<<16)}, nil
}

// Now is the time on the history's clock.
func (r *Recorder) Now() time.Duration { return time.Since(r.start) }

// Add records an operation that has ended.
func (r *Recorder) Add(op Op) {
	line, err := json.Marshal(&op)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
	if err == nil {
		_, err = r.buf.Write(append(line, '\n'))
	}
	r.err = errors.Join(r.err, err)
}

// Ops are the operations recorded so far, in the order in which they ended. They are not to be changed.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops[:len(r.ops):len(r.ops)]
}

// Close writes what is still to be written. It fails if anything could not be.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.buf.Flush(), r.file.Close())
}
