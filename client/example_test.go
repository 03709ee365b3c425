package client_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/client"
)

func Example() {
	address, stop := serveMemory()
	defer stop()

	c, err := client.Open(client.Options{Endpoints: []string{address}})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	ctx := context.Background()

	revision, err := c.Put(ctx, []byte("topics/orders"), []byte("3 partitions"))
	switch {
	case errors.Is(err, client.ErrUncertain):
		fmt.Println("it may have been written: read before writing again")
	case err != nil:
		fmt.Println("it was not written:", err)
	}
	item, err := c.Get(ctx, []byte("topics/orders"))
	fmt.Println(revision, string(item.Value), err)
	_, err = c.Get(ctx, []byte("topics/none"))
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// 1 3 partitions <nil>
	// true
}

// A lock is a key that only one can make.
func ExampleClient_CompareAndSwap() {
	address, stop := serveMemory()
	defer stop()
	c, err := client.Open(client.Options{Endpoints: []string{address}})
	if err != nil {
		panic(err)
	}
	defer c.Close()

	for _, owner := range []string{"alice", "bob"} {
		swap, err := c.CompareAndSwap(context.Background(), []byte("locks/printer"), 0, []byte(owner))
		if err != nil {
			panic(err)
		}
		if swap.Swapped {
			fmt.Println(owner, "has it")
		} else {
			fmt.Println(owner, "waits for", string(swap.Current.Value))
		}
	}
	// Output:
	// alice has it
	// bob waits for alice
}
