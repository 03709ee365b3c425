package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
)

const (
	// attemptTimeout, retryTimeout and callTimeout are how long clients wait: for one node's answer, over all attempts, and in all.
	attemptTimeout = 700 * time.Millisecond
	retryTimeout   = 4 * time.Second
	callTimeout    = 6 * time.Second
	// generation is how long a set of keys is used. The search for an order of a key's operations takes long only where many are uncertain.
	generation = 3 * time.Second
	// keysPerGeneration is few, so that clients meet on keys.
	keysPerGeneration = 6
	// maxPause is the longest time that a client thinks between two operations.
	maxPause = 30 * time.Millisecond
	// maxPadding is the most that a value or an entry is lengthened by, in bytes.
	maxPadding = 6000
)

// workload is the clients of a run.
type workload struct {
	rec       *history.Recorder
	endpoints []string
	ctx       context.Context
	cancel    context.CancelFunc
	wait      sync.WaitGroup
	clients   []*client.Client
	// readers counts the runs of readers of the log.
	readers atomic.Int64
	tally   *tally
}

// startWorkload starts so many writers, and two readers of the log. Their random numbers need no seed: what they do depends on the machine anyway.
func startWorkload(rec *history.Recorder, endpoints []string, writers int, t *tally) (*workload, error) {
	w := &workload{rec: rec, endpoints: endpoints, tally: t}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	for i := range writers {
		c, err := w.open(i)
		if err != nil {
			return w, err
		}
		local, err := w.open(i + 1)
		if err != nil {
			return w, err
		}
		s := &session{workload: w, client: c, local: local, id: i, seen: map[string]history.Item{}}
		w.start(s.run)
	}
	if err := w.startAsking(writers + 3); err != nil {
		return w, err
	}
	for i := range 2 {
		c, err := w.open(i)
		if err != nil {
			return w, err
		}
		w.start(func() { w.follow(c, writers+i, i == 1) })
	}
	return w, nil
}

// open makes a client that asks the i-th node first.
func (w *workload) open(i int) (*client.Client, error) {
	i %= len(w.endpoints)
	endpoints := append(append([]string(nil), w.endpoints[i:]...), w.endpoints[:i]...)
	return w.openWith(client.Options{Endpoints: endpoints, AttemptTimeout: attemptTimeout, DialTimeout: attemptTimeout, RetryTimeout: retryTimeout})
}

func (w *workload) openWith(o client.Options) (*client.Client, error) {
	o.Agent = "chaos"
	c, err := client.Open(o)
	if err == nil {
		w.clients = append(w.clients, c)
	}
	return c, err
}

func (w *workload) start(f func()) {
	w.wait.Add(1)
	go func() {
		defer w.wait.Done()
		f()
	}()
}

// stop lets every operation end, and closes the clients.
func (w *workload) stop() {
	w.cancel()
	w.wait.Wait()
	for _, c := range w.clients {
		_ = c.Close() // it has nothing to say
	}
}
