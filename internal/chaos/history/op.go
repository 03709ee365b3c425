package history

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what an operation does.
type Kind string

// The kinds of operations.
const (
	// Put sets Key to Value.
	Put Kind = "put"
	// Get reads Key.
	Get Kind = "get"
	// Range reads the keys with Prefix.
	Range Kind = "range"
	// Delete removes Key, DeletePrefix the keys with Prefix.
	Delete       Kind = "delete"
	DeletePrefix Kind = "delete prefix"
	// Swap sets Key to Value if the revision of its last change is Expected, 0 for a missing key. ExpectedValue is what the key then holds. Txn does
	// the same by a transaction, which sets Second to SecondValue besides, if Second is not empty.
	Swap Kind = "cas"
	Txn  Kind = "txn"
	// Append appends Value to the log.
	Append Kind = "append"
	// LogGet reads the entry at Index. Follow is one entry that a reader of the log was given.
	LogGet Kind = "log get"
	Follow Kind = "follow"
)

// Outcome is what the client knows of its operation.
type Outcome string

// The outcomes.
const (
	// OK: it was carried out, and the results are set.
	OK Outcome = "ok"
	// Failed: it was not carried out and never will be.
	Failed Outcome = "failed"
	// Uncertain: it was carried out, or will be, or never.
	Uncertain Outcome = "uncertain"
)

// Op is an operation: what was asked, when, and what was answered. Fields that a kind does not have are zero.
type Op struct {
	Client int  `json:"client"`
	Kind   Kind `json:"kind"`
	// Call and Return are when it was sent and when it had ended, since the beginning of the history, by one monotonic clock.
	Call   time.Duration `json:"call"`
	Return time.Duration `json:"return"`
	// Local: the read may be answered by any replica with what it has.
	Local bool `json:"local,omitempty"`

	Key           string `json:"key,omitempty"`
	Prefix        string `json:"prefix,omitempty"`
	Value         string `json:"value,omitempty"`
	Expected      uint64 `json:"expected,omitempty"`
	ExpectedValue string `json:"expected_value,omitempty"`
	Second        string `json:"second,omitempty"`
	SecondValue   string `json:"second_value,omitempty"`

	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"`

	// Revision is the write's own, or the one that was read.
	Revision uint64 `json:"revision,omitempty"`
	// Items are what a read found; of a Swap or Txn that did not swap, the item in its way.
	Items   []Item `json:"items,omitempty"`
	Deleted uint64 `json:"deleted,omitempty"`
	Swapped bool   `json:"swapped,omitempty"`

	// Reader tells the runs of a reader of the log apart: a new one may begin anywhere.
	Reader   int    `json:"reader,omitempty"`
	Index    uint64 `json:"index,omitempty"`
	Term     uint64 `json:"term,omitempty"`
	Position uint64 `json:"position,omitempty"`
	// Data: the entry is a client's, and Value what it holds.
	Data bool `json:"data,omitempty"`
	// Missing: a LogGet was told that the log does not reach so far. First: it was told that the log begins there.
	Missing bool   `json:"missing,omitempty"`
	First   uint64 `json:"first,omitempty"`
}

// Item is a key's value as it was read.
type Item struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Create  uint64 `json:"create"`
	Mod     uint64 `json:"mod"`
	Version uint64 `json:"version"`
}

// String is the operation in a line.
func (o *Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%v, %v] client %d: %s", o.Call, o.Return, o.Client, o.Kind)
	part := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s %s", name, value)
		}
	}
	number := func(name string, value uint64) {
		if value != 0 {
			fmt.Fprintf(&b, " %s %d", name, value)
		}
	}
	if o.Local {
		b.WriteString(" (local)")
	}
	part("key", o.Key)
	part("prefix", o.Prefix)
	part("value", o.Value)
	number("if at", o.Expected)
	part("and", o.Second)
	part("=", o.SecondValue)
	fmt.Fprintf(&b, " → %s", o.Outcome)
	number("revision", o.Revision)
	for _, i := range o.Items {
		fmt.Fprintf(&b, " {%s=%s mod %d version %d}", i.Key, i.Value, i.Mod, i.Version)
	}
	number("deleted", o.Deleted)
	if o.Swapped {
		b.WriteString(" swapped")
	}
	number("index", o.Index)
	number("position", o.Position)
	if o.Missing {
		b.WriteString(" missing")
	}
	number("the log begins at", o.First)
	part("error", o.Error)
	return b.String()
}
