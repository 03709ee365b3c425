// Command embedded keeps a store in its own process: one node, one directory, no port. Each run counts itself.
//
//	go run ./examples/embedded ./data
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"

	"github.com/ledgerkv/ledgerkv/kv"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: embedded DIR")
	}
	if err := run(context.Background(), os.Args[1], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string, out io.Writer) (err error) {
	store, err := kv.Open(kv.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	key := []byte("runs")
	for {
		runs, err := store.Get(ctx, key)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		count, _ := strconv.Atoi(string(runs.Value)) // nothing yet: 0
		swap, err := store.CompareAndSwap(ctx, key, runs.ModRevision, strconv.AppendInt(nil, int64(count)+1, 10))
		if err != nil {
			return err
		}
		if swap.Swapped { // otherwise somebody else counted meanwhile
			_, err = fmt.Fprintf(out, "run %d, revision %d\n", count+1, swap.Revision)
			return err
		}
	}
}
