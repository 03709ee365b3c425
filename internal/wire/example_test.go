package wire_test

import (
	"bytes"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

func Example() {
	var stream bytes.Buffer
	w := wire.NewWriter(&stream, wire.Limits{})
	_ = w.Append(1, true, []byte("a head"), []byte("a body "), []byte("in two pieces"))
	_ = w.Append(2, true, []byte("a head alone"))
	_ = w.Flush() // one write for both

	r := wire.NewReader(&stream, wire.Limits{})
	for {
		f, err := r.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d %q %q\n", f.Kind, f.Head, f.Body)
	}
	// Output:
	// 1 "a head" "a body in two pieces"
	// 2 "a head alone" ""
	// EOF
}
