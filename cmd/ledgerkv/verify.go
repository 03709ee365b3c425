package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/ledger"
)

// faultJSON is something wrong with a ledger.
type faultJSON struct {
	Path   string `json:"path,omitempty"`
	Offset int64  `json:"offset"`
	Index  uint64 `json:"index,omitempty"`
	Error  string `json:"error"`
}

// findings is what is wrong with something, and what is remarkable and does no harm.
type findings struct {
	Faults []faultJSON `json:"faults,omitempty"`
	Notes  []string    `json:"notes,omitempty"`
}

func (f *findings) fault(err error) { f.Faults = append(f.Faults, newFaultJSON(err)) }

func (f *findings) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// verdict is what is said first.
func (f *findings) verdict() string {
	if len(f.Faults) > 0 {
		return "DAMAGED"
	}
	return "good"
}

func (f *findings) print(w io.Writer) (err error) {
	for _, f := range f.Faults {
		if err == nil && f.Path == "" {
			_, err = fmt.Fprintf(w, "  %s\n", f.Error)
		} else if err == nil {
			_, err = fmt.Fprintf(w, "  %s offset %d, entry %d: %s\n", f.Path, f.Offset, f.Index, f.Error)
		}
	}
	for _, n := range f.Notes {
		if err == nil {
			_, err = fmt.Fprintf(w, "  harmless: %s\n", n)
		}
	}
	return err
}

// leftoverJSON is a stretch of a file behind the log's end.
type leftoverJSON struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
}

// ledgerJSON is a ledger that was verified.
type ledgerJSON struct {
	digestJSON
	Leftovers []leftoverJSON `json:"leftovers,omitempty"`
	findings
}

// verifiedJSON is what verify prints.
type verifiedJSON struct {
	Nodes   []nodeFileJSON `json:"nodes,omitempty"`
	Ledgers []ledgerJSON   `json:"ledgers"`
	// Advice is what can be done, when something is damaged.
	Advice string `json:"advice,omitempty"`
}

const advice = `Leave the node stopped and its directory as it is: nothing in it may be removed, made anew or taken from an older copy. The group goes on without this replica while a majority
is well. If the file system or the device has another copy of a damaged file, put back that very file and verify again; a directory that was moved, put back. Otherwise
"Damage" in docs/operations.md says how to go on without this node.`

func newFaultJSON(err error) faultJSON {
	var corrupt *ledger.CorruptionError
	var unknown *ledger.FormatError
	switch {
	case errors.As(err, &corrupt):
		return faultJSON{corrupt.Path, corrupt.Offset, uint64(corrupt.Index), corrupt.Err.Error()}
	case errors.As(err, &unknown):
		return faultJSON{unknown.Path, unknown.Offset, 0, "unknown format: " + unknown.What}
	}
	return faultJSON{Error: err.Error()}
}

func ledgerVerifyVerb() cli.Verb {
	return cli.Verb{
		Name: "ledger verify", Args: "DIR", Min: 1, Max: 1,
		Short: "check every record of ledgers on disk",
		Long: `Reads every record of the ledgers below DIR (the directory of a group, of a node, or of several nodes), checks each record's checksums and the chain that
links them, and the files around them; of a node it checks the node file, too, and that every group which that lists is there. It prints what is wrong and where: the file, the offset in it and
the entry. What stands behind a log's end is no damage and is shown: a power cut leaves what was not flushed, a truncation what it took back, and a file that is used again what it held
before. It reads the files of a node that does not run, and changes nothing. What to do about damage is printed with it, and in docs/operations.md.`,
		Examples: [][2]string{{"@ ledger verify ledgerkv-dev/n1", "all ledgers of a node"}, {"@ ledger verify ledgerkv-dev", "those of all nodes"}},
		Exits:    map[int]string{cli.ExitFailed: "something is damaged, or could not be read"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var o offline
			o.define(flags)
			return func(ctx context.Context, call *cli.Call) error { return verify(ctx, &o, call) }
		},
	}
}

func verify(ctx context.Context, o *offline, call *cli.Call) error {
	places, err := o.find(call.Args[0])
	if err != nil {
		return err
	}
	all, damaged := verifiedJSON{Ledgers: []ledgerJSON{}}, 0
	for _, dir := range nodesOf(places) {
		n := verifyNode(dir)
		damaged += len(n.Faults)
		all.Nodes = append(all.Nodes, n)
		if o.out == asText {
			err = n.print(call.Out)
		}
		if err != nil {
			return err
		}
	}
	for _, p := range places {
		l, err := verifyLedger(ctx, p)
		if err != nil {
			return err
		}
		damaged += len(l.Faults)
		all.Ledgers = append(all.Ledgers, l)
		if o.out == asText {
			err = l.print(call.Out)
		}
		if err != nil {
			return err
		}
	}
	if damaged > 0 {
		all.Advice = advice
	}
	if o.out == asJSON {
		err = writeJSON(call.Out, all)
	} else if damaged > 0 {
		_, err = fmt.Fprintln(call.Out, advice)
	}
	if err == nil && damaged > 0 {
		err = damageError(damaged)
	}
	return err
}

// verifyLedger reads a ledger. It fails only when ctx is done.
func verifyLedger(ctx context.Context, p place) (ledgerJSON, error) {
	l := ledgerJSON{digestJSON: digestJSON{Dir: p.dir, Group: p.name}}
	in, err := p.inspect()
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.unlisted:
		l.note("no replica of the group was made here: a crash came before it was complete, and the next start makes it")
		return l, nil
	case errors.Is(err, fs.ErrNotExist):
		l.fault(fmt.Errorf("%s is gone, and with it the replica's votes and what it acknowledged: %w", p.dir, err))
		return l, nil
	case err != nil:
		l.fault(err)
		return l, nil
	}
	d, faults, err := in.Walk(func(ledger.Record) error { return ctx.Err() })
	if err != nil {
		return l, err
	}
	l.digestJSON = newDigestJSON(p, in, d)
	l.Notes = in.Notes
	for _, f := range faults {
		l.fault(f)
	}
	for _, left := range in.Leftovers {
		l.Leftovers = append(l.Leftovers, leftoverJSON{left.Path, left.Offset, left.Bytes})
	}
	return l, nil
}

func (l *ledgerJSON) print(w io.Writer) error {
	name := l.Dir
	if l.Node != "" {
		name = l.Node + " " + l.Group
	}
	_, err := fmt.Fprintf(w, "%s: %s, %d records, entries %d to %d, positions %d to %d\n", name, l.verdict(), l.Records, l.First, l.Last, l.Begin, l.End)
	if err == nil {
		err = l.findings.print(w)
	}
	for _, left := range l.Leftovers {
		if err == nil {
			_, err = fmt.Fprintf(w, "  behind the log's end, and no part of it: %s offset %d, %d bytes\n", left.Path, left.Offset, left.Bytes)
		}
	}
	return err
}
