package transport_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
)

// TestMain checks, when all tests are over and everything is closed, that no goroutine of a transport is left.
func TestMain(m *testing.M) {
	code := m.Run()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, stack := range bytes.Split(stacks, []byte("\n\n")) {
		if code == 0 && bytes.Contains(stack, []byte("/node/transport.")) {
			fmt.Printf("a goroutine was left behind:\n%s\n", stack)
			code = 1
		}
	}
	os.Exit(code)
}
