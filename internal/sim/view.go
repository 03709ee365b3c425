package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/ledgerkv/ledgerkv/node/transport"
)

var noFaults transport.ManualFaults

// Trace is what happened in a run, for people.
type Trace struct {
	Plan Plan
	all  []happening
}

// WriteText writes a line for each thing that happened; clients says whether those of the clients are wanted, too.
func (t *Trace) WriteText(w io.Writer, clients bool) error {
	var b strings.Builder
	b.WriteString(t.Plan.String())
	for i := range t.all {
		if t.all[i].what == clientDid && !clients {
			continue
		}
		b.WriteString(t.all[i].String())
		b.WriteString("\n")
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}

// stack is the stack of a panic, without what recovers it.
func stack() string { return string(debug.Stack()) }

func contains(lanes []*lane, l *lane) bool {
	for _, x := range lanes {
		if x == l {
			return true
		}
	}
	return false
}
