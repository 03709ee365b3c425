package pebble_test

import (
	"fmt"
	"log"
	"os"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

func Example() {
	dir, err := os.MkdirTemp("", "pebble")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		log.Fatal(err)
	}
	engine, err := store.Engine(1, 0)
	if err != nil {
		log.Fatal(err)
	}

	// What entries 7 and 8 of the log say, as one batch of two revisions.
	batch := engine.Begin()
	batch.Advance()
	if _, err := batch.Put([]byte("topics/orders"), []byte("4 partitions"), 0); err != nil {
		log.Fatal(err)
	}
	batch.Advance()
	if _, err := batch.Put([]byte("topics/orders"), []byte("8 partitions"), 0); err != nil {
		log.Fatal(err)
	}
	if err := batch.Commit(8); err != nil {
		log.Fatal(err)
	}
	for _, rev := range []statemachine.Revision{1, statemachine.Latest} {
		view, err := engine.View(rev)
		if err != nil {
			log.Fatal(err)
		}
		item, _, err := view.Get([]byte("topics/orders"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("revision %d: %s, version %d\n", view.Revision(), item.Value, item.Version)
		if err := view.Close(); err != nil {
			log.Fatal(err)
		}
	}

	// Until it is flushed, the log must be kept: a crash now would need entries 7 and 8 again.
	fmt.Println("applied", engine.Applied(), "durable", engine.Durable())
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}
	store, err = pebble.Open(dir, pebble.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if engine, err = store.Engine(1, 0); err != nil {
		log.Fatal(err)
	}
	fmt.Println("applied", engine.Applied(), "durable", engine.Durable())
	// Output:
	// revision 1: 4 partitions, version 1
	// revision 2: 8 partitions, version 2
	// applied 8 durable 0
	// applied 8 durable 8
}
