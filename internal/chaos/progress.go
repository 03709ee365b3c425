package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
)

// progress shows how a run goes: one line that is written over on a terminal, a line now and then elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	line     func() string
	quit     chan struct{}
	once     sync.Once
	wait     sync.WaitGroup

	mu    sync.Mutex
	phase string
}

// How often progress is shown.
const terminalEvery, plainEvery = 250 * time.Millisecond, 10 * time.Second

func newProgress(w *world) *progress {
	p := &progress{out: w.opts.out, terminal: w.opts.terminal, quit: make(chan struct{})}
	p.line = func() string {
		sum := w.tally.outcomes()
		return fmt.Sprintf("%v of %v  %s  %d ok %d failed %d uncertain  %v", w.rec.Now().Round(time.Second), w.opts.length, p.get(), sum[history.OK], sum[history.Failed],
			sum[history.Uncertain], w.watch)
	}
	every := plainEvery
	if p.terminal {
		every = terminalEvery
	}
	p.wait.Add(1)
	go func() {
		defer p.wait.Done()
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.show()
			case <-p.quit:
				return
			}
		}
	}()
	return p
}

func (p *progress) show() {
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%.180s", p.line())
		return
	}
	fmt.Fprintln(p.out, p.line())
}

// say sets what the run is about.
func (p *progress) say(phase string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase = phase
}

func (p *progress) get() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.phase
}

// stop ends the display; the line is gone.
func (p *progress) stop() {
	p.once.Do(func() {
		close(p.quit)
		p.wait.Wait()
		if p.terminal {
			fmt.Fprint(p.out, "\r\x1b[K")
		}
	})
}
