package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

// Writer puts keys and appends entries without pause and writes down what was acknowledged, and how long the longest time without an
// acknowledgement was.
type Writer struct {
	client *client.Client
	// size is the least length of a value and of an entry, in bytes.
	size   int
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	keys    map[string]string
	entries map[client.Index]string
	last    map[string]time.Time
	longest map[string]time.Duration
	acked   map[string]int
	errs    map[string]int
}

const storeGroup, logGroup = process.StoreGroup, process.LogGroup

// statusEvery is how often what is waited for is looked at.
const statusEvery = 20 * time.Millisecond

// StartWriter starts so many writers to each group, whose values and entries have at least size bytes.
func StartWriter(c *client.Client, writers, size int) *Writer {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Writer{client: c, size: size, cancel: cancel, keys: map[string]string{}, entries: map[client.Index]string{}, last: map[string]time.Time{},
		longest: map[string]time.Duration{}, acked: map[string]int{}, errs: map[string]int{}}
	for i := range writers {
		w.done.Add(2)
		go w.run(func(n int) error { return w.put(ctx, i, n) }, ctx)
		go w.run(func(n int) error { return w.append(ctx, i, n) }, ctx)
	}
	return w
}

// writeTimeout bounds one write, so that one that hangs on a dead node is seen as uncertain and not waited for.
const writeTimeout = 5 * time.Second

func (w *Writer) run(write func(n int) error, ctx context.Context) {
	defer w.done.Done()
	for n := 0; ctx.Err() == nil; n++ {
		if err := write(n); err != nil && ctx.Err() == nil {
			w.mu.Lock()
			w.errs[fmt.Sprintf("%.80v", err)]++
			w.mu.Unlock()
		}
	}
}

func (w *Writer) put(ctx context.Context, writer, n int) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	key, value := fmt.Sprintf("w%d/%08d", writer, n), fmt.Sprintf("value %d of writer %d %*s", n, writer, w.size, "")
	if _, err := w.client.Put(ctx, []byte(key), []byte(value)); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[key] = value
	w.note(storeGroup)
	return nil
}

func (w *Writer) append(ctx context.Context, writer, n int) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	body := fmt.Sprintf("entry %d of writer %d %*s", n, writer, w.size, "")
	at, err := w.client.Log(logGroup).Append(ctx, []byte(body))
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries[at.Index] = body
	w.note(logGroup)
	return nil
}

// note counts an acknowledgement. The mutex is held.
func (w *Writer) note(group string) {
	now := time.Now()
	if last, ok := w.last[group]; ok {
		w.longest[group] = max(w.longest[group], now.Sub(last))
	}
	w.last[group] = now
	w.acked[group]++
}

// Pause forgets when the last acknowledgement was: what follows is meant to be a long time without one.
func (w *Writer) Pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.last)
}

// Acked is how many writes to a group were acknowledged so far.
func (w *Writer) Acked(group string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked[group]
}

// Summary is what the writers have seen so far: acknowledged writes and the longest time without one, by group, and how often each error came.
func (w *Writer) Summary() (acked map[string]int, longest map[string]time.Duration, errs map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.acked), maps.Clone(w.longest), maps.Clone(w.errs)
}

// Await blocks until so many more writes to each group were acknowledged.
func (w *Writer) Await(ctx context.Context, more int) error {
	goal := map[string]int{storeGroup: w.Acked(storeGroup) + more, logGroup: w.Acked(logGroup) + more}
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	for w.Acked(storeGroup) < goal[storeGroup] || w.Acked(logGroup) < goal[logGroup] {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("chaos: waiting for %d more acknowledged writes: %w", more, ctx.Err())
		}
	}
	return nil
}

// Stop ends the writers.
func (w *Writer) Stop() {
	w.cancel()
	w.done.Wait()
}

// Check reads everything back that was acknowledged, and demands the same state of every node. The log may have been trimmed: its entries
// from first on have to be there.
func (w *Writer) Check(ctx context.Context, c *process.Cluster, first client.Index) error {
	got := map[string]string{}
	from := []byte("w")
	for {
		page, err := c.Client.Range(ctx, client.RangeOptions{From: from, To: []byte("x"), MaxBytes: 4 << 20})
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			got[string(item.Key)] = string(item.Value)
		}
		if !page.More {
			break
		}
		from = append(page.Items[len(page.Items)-1].Key, 0)
	}
	for key, value := range w.keys {
		if got[key] != value {
			return fmt.Errorf("chaos: acknowledged key %s is lost or changed: %q, expected %q", key, got[key], value)
		}
	}
	for index, body := range w.entries {
		if index < first {
			continue
		}
		rec, err := c.Client.Log(logGroup).Get(ctx, index)
		if err != nil || string(rec.Body) != body {
			return fmt.Errorf("chaos: acknowledged entry %d is lost or changed: %q, expected %q: %w", index, rec.Body, body, err)
		}
	}
	return c.SameState(ctx)
}
