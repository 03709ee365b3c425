package image_test

import (
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// An engine gives its versions in order, compacted ones included, and gets those back that still count.
func Example() {
	item := func(mod statemachine.Revision, version uint64, value string) statemachine.Event {
		return statemachine.Event{Item: statemachine.Item{Key: []byte("topics/orders"), Value: []byte(value), Create: 1, Mod: mod, Version: version}}
	}
	cursor := &versions{left: []statemachine.Event{item(1, 1, "one"), item(4, 2, "two"), item(7, 3, "three")}}
	img := image.New(image.Header{Applied: 12, Revision: 7, Compacted: 5}, cursor)
	defer img.Close()

	r, err := image.NewReader(img)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", r.Header())
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s at %d: %s\n", ev.Item.Key, ev.Item.Mod, ev.Item.Value)
	}
	// Output:
	// {Applied:12 Revision:7 Compacted:5}
	// topics/orders at 4: two
	// topics/orders at 7: three
}
