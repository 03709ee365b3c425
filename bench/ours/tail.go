package ours

import (
	"context"
	"sync"

	"github.com/ledgerkv/ledgerkv/client"
)

// tail follows a log on behalf of all callers and tells each when its entry has come.
type tail struct {
	begun  sync.Once
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	seen    client.Index
	err     error
	waiting map[chan<- error]client.Index
}

// follow begins to follow the log from its present end, the first time that it is called.
func (t *tail) follow(l *client.Log) error {
	t.begun.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		t.cancel, t.ended, t.waiting = cancel, make(chan struct{}), map[chan<- error]client.Index{}
		at, err := l.Append(ctx, []byte("the tail begins here"))
		if t.err = err; err != nil {
			close(t.ended)
			return
		}
		go t.read(ctx, l.Follow(client.FollowOptions{From: at.Index}))
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// read takes what comes until ctx is done.
func (t *tail) read(ctx context.Context, f *client.Follower) {
	defer close(t.ended)
	defer f.Close()
	for {
		rec, err := f.Next(ctx)
		t.mu.Lock()
		t.seen, t.err = max(t.seen, rec.Index), err
		for waiter, index := range t.waiting {
			if index <= t.seen || err != nil {
				waiter <- err
				delete(t.waiting, waiter)
			}
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// await blocks until the entry at an index has come.
func (t *tail) await(ctx context.Context, index client.Index) error {
	came := make(chan error, 1)
	t.mu.Lock()
	if t.seen >= index || t.err != nil {
		defer t.mu.Unlock()
		return t.err
	}
	t.waiting[came] = index
	t.mu.Unlock()
	select {
	case err := <-came:
		return err
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting, came)
		return ctx.Err()
	}
}

// close ends the reading and waits for it.
func (t *tail) close() {
	if t.cancel != nil {
		t.cancel()
		<-t.ended
	}
}
