package kv_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/ledgerkv/ledgerkv/kv"
)

// exampleStore opens a store in a directory of its own; done closes it and removes the directory.
func exampleStore() (store *kv.Store, done func()) {
	dir, err := os.MkdirTemp("", "ledgerkv")
	if err != nil {
		log.Fatal(err)
	}
	store, err = kv.Open(kv.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	return store, func() {
		if err := store.Close(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "ledgerkv")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	store, err := kv.Open(kv.Options{Dir: dir}) // one node, no port
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	revision, err := store.Put(ctx, []byte("topics/orders"), []byte("8 queues"))
	if err != nil {
		log.Fatal(err)
	}
	item, err := store.Get(ctx, []byte("topics/orders"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("revision %d: %s = %s, version %d\n", revision, item.Key, item.Value, item.Version)
	// Output: revision 1: topics/orders = 8 queues, version 1
}

func ExampleStore_Txn() {
	store, done := exampleStore()
	defer done()
	ctx := context.Background()

	// Whoever puts the key first has the lock; the other learns who it is.
	lock := []byte("locks/printer")
	for _, owner := range []string{"alice", "bob"} {
		result, err := store.Txn(ctx, kv.If(kv.Version(lock).Equals(0)).
			Then(kv.Put(lock, []byte(owner))).
			Else(kv.Get(lock)))
		if err != nil {
			log.Fatal(err)
		}
		if result.Succeeded {
			fmt.Println(owner, "has the lock since revision", result.Revision)
		} else {
			fmt.Printf("%s waits for %s\n", owner, result.Results[0].Item.Value)
		}
	}
	// Output:
	// alice has the lock since revision 1
	// bob waits for alice
}

func ExampleStore_Range() {
	store, done := exampleStore()
	defer done()
	ctx := context.Background()
	for _, topic := range []string{"orders", "payments", "audit"} {
		if _, err := store.Put(ctx, []byte("topics/"+topic), nil); err != nil {
			log.Fatal(err)
		}
	}

	// Two at a time: the next page begins just behind the last key, at the same revision.
	page := kv.RangeOptions{From: []byte("topics/"), To: []byte("topics0"), Limit: 2}
	for more := true; more; {
		result, err := store.Range(ctx, page)
		if err != nil {
			log.Fatal(err)
		}
		for _, item := range result.Items {
			fmt.Println(string(item.Key))
			page.From = append(item.Key, 0)
		}
		page.Revision, more = result.Revision, result.More
	}
	// Output:
	// topics/audit
	// topics/orders
	// topics/payments
}

func ExampleStore_View() {
	store, done := exampleStore()
	defer done()
	ctx := context.Background()
	for _, value := range []string{"old", "new"} {
		if _, err := store.Put(ctx, []byte("k"), []byte(value)); err != nil {
			log.Fatal(err)
		}
	}

	past, err := store.View(ctx, kv.GetOptions{Revision: 1})
	if err != nil {
		log.Fatal(err)
	}
	item, err := past.Get([]byte("k"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s at revision %d\n", item.Value, past.Revision())
	// Output: old at revision 1
}
