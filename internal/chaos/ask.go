package main

import (
	"context"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
)

// A client that waits for each answer leaves a leader that has fallen silent, and never sees what that says once it goes on. These read without
// waiting for the answers before, and are patient: when a leader that was stopped goes on, it finds reads that were sent long after another one was
// elected, and has to know that it may not answer them.
const (
	askEvery = 50 * time.Millisecond
	// patience is longer than any node is stopped.
	patience = 8 * time.Second
	// maxAsked bounds the reads that one client has under way.
	maxAsked = 256
)

// startAsking starts such a client for each node; their ids begin with id.
func (w *workload) startAsking(id int) error {
	for i, endpoint := range w.endpoints {
		c, err := w.openWith(client.Options{Endpoints: []string{endpoint}, AttemptTimeout: patience, DialTimeout: attemptTimeout, RetryTimeout: patience})
		if err != nil {
			return err
		}
		w.start(func() { w.ask(c, id+i) })
	}
	return nil
}

// ask reads a key now and again until the run ends.
func (w *workload) ask(c *client.Client, id int) {
	asked := make(chan struct{}, maxAsked)
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-w.ctx.Done():
			return
		}
		select {
		case asked <- struct{}{}:
		default:
			continue // enough are under way
		}
		w.start(func() {
			defer func() { <-asked }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			op := history.Op{Client: id, Call: w.rec.Now()}
			op.Key = keyOf(int(op.Call / generation))
			w.lookUp(ctx, &op, c, client.Linearizable)
			op.Return = w.rec.Now()
			w.rec.Add(op)
			w.tally.count(&op)
		})
	}
}
