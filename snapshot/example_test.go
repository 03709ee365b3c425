package snapshot_test

import (
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

// An image is written chunk by chunk, and is there when Commit says so.
func ExampleStore() {
	store, err := snapshot.Open(disk.New(1), "images", snapshot.Identity{Group: 1, Incarnation: 1})
	if err != nil {
		panic(err)
	}
	w, err := store.Create(raft.Base{ID: raft.EntryID{Index: 42, Term: 2}})
	if err != nil {
		panic(err)
	}
	defer w.Abort()
	for _, chunk := range []string{"alpha", "beta"} {
		if err := w.Chunk([]byte(chunk)); err != nil {
			panic(err)
		}
	}
	if _, err := w.Commit(); err != nil {
		panic(err)
	}

	newest, _ := store.Newest()
	r, err := store.Open(newest)
	if err != nil {
		panic(err)
	}
	defer r.Close()
	fmt.Println("state at", newest.Base.ID)
	for {
		chunk, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", chunk)
	}
	// Output:
	// state at 42(t2)
	// alpha
	// beta
}

// The two sides of a transfer are fed frames and the time. Here the network is a loop.
func ExampleFetches() {
	id := snapshot.Identity{Group: 1, Incarnation: 1}
	leader, _ := snapshot.Open(disk.New(1), "images", id)
	follower, _ := snapshot.Open(disk.New(2), "images", id)
	w, _ := leader.Create(raft.Base{ID: raft.EntryID{Index: 42, Term: 2}})
	w.Chunk([]byte("alpha"))
	meta, err := w.Commit()
	if err != nil {
		panic(err)
	}

	offers := snapshot.NewOffers(snapshot.OffersOptions{})
	fetches := snapshot.NewFetches(snapshot.FetchesOptions{}, func(raft.GroupID) (snapshot.Target, bool) {
		return snapshot.Target{Identity: id, Store: follower}, true
	})
	image, err := leader.Open(meta)
	if err != nil {
		panic(err)
	}
	offers.Offer(snapshot.Offer{Peer: "n2", Term: 2, Meta: meta, Source: image})
	for now := raft.Monotonic(1); ; now++ {
		out := offers.Turn(now)
		for _, sent := range out.Sent {
			fmt.Println("sent to", sent.Peer, sent.Err)
			return
		}
		for _, f := range out.Frames {
			if err := fetches.Handle(now, "n1", f.Head, f.Body); err != nil {
				panic(err)
			}
		}
		back := fetches.Turn(now)
		for _, a := range back.Arrived {
			fmt.Println("arrived", a.Meta.Base.ID)
		}
		for _, f := range back.Frames {
			if err := offers.Handle(now, "n2", f.Head); err != nil {
				panic(err)
			}
		}
	}
	// Output:
	// arrived 42(t2)
	// sent to n2 <nil>
}
