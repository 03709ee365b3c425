package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/ledger"
)

// entryJSON is a record as dump prints it.
type entryJSON struct {
	Node       string  `json:"node"`
	Group      string  `json:"group"`
	Index      uint64  `json:"index"`
	Term       uint64  `json:"term"`
	Kind       string  `json:"kind"`
	Position   uint64  `json:"position"`
	Time       string  `json:"time"`
	Length     int     `json:"length"`
	BodyLength int     `json:"body_length"`
	BodyCRC    uint32  `json:"body_crc"`
	Checksum   uint32  `json:"checksum"`
	Body       *string `json:"body,omitempty"`
	BodyBase64 *string `json:"body_base64,omitempty"`
}

// dump is what the ledger dump verb was asked for.
type dump struct {
	offline
	from, to uint64
	bodies   bool
}

func ledgerDumpVerb() cli.Verb {
	return cli.Verb{
		Name: "ledger dump", Args: "DIR", Min: 1, Max: 1,
		Short: "print the entries of ledgers on disk",
		Long: `Prints a line for each entry in the ledgers below DIR, which is the directory of a group, of a node, or of several nodes: index, term, kind, position,
time, length of the record and of its body, the body's CRC and the chained checksum. It reads the files of a node that does not run, and changes nothing. Where a
ledger is damaged it goes on behind the damage and fails in the end; "ledger verify" says more.`,
		Examples: [][2]string{
			{"@ ledger dump ledgerkv-dev/n1 --group log --bodies", "the log group of a node, with what the entries hold"},
			{"@ ledger dump ledgerkv-dev/n1 --from 100 --to 110 -o json", "some entries, a JSON object a line"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var d dump
			d.define(flags)
			flags.Uint64Var(&d.from, "from", 0, "the first `index`")
			flags.Uint64Var(&d.to, "to", 0, "the last `index`; 0 is the end")
			flags.BoolVar(&d.bodies, "bodies", false, "print the bodies, too, in quotes where they are not printable")
			return d.run
		},
	}
}

// errEnough ends a walk at the last entry that is wanted.
var errEnough = errors.New("enough")

func (d *dump) run(ctx context.Context, call *cli.Call) error {
	w := bufio.NewWriter(call.Out)
	damaged := 0
	err := d.each(call, func(p place, in *ledger.Inspection) error {
		if d.out == asText {
			fmt.Fprintf(w, "# %s: %s\n# index term kind position time length body body-crc checksum\n", p.named(in), p.dir)
		}
		_, faults, err := in.Walk(func(r ledger.Record) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case uint64(r.ID.Index) < d.from:
				return nil
			case d.to != 0 && uint64(r.ID.Index) > d.to:
				return errEnough
			}
			return d.line(w, p, in, r)
		})
		for _, f := range faults {
			damaged++
			fmt.Fprintf(call.Err, "%s: %v\n", p.named(in), f)
		}
		if errors.Is(err, errEnough) {
			err = nil
		}
		return err
	})
	if ferr := w.Flush(); err == nil {
		err = ferr
	}
	if err == nil && damaged > 0 {
		err = damageError(damaged)
	}
	return err
}

// damageError says in how many places something is damaged.
func damageError(places int) error {
	if places == 1 {
		return errors.New("one place is damaged")
	}
	return fmt.Errorf("%d places are damaged", places)
}

func (d *dump) line(w *bufio.Writer, p place, in *ledger.Inspection, r ledger.Record) error {
	at := time.Unix(0, r.Time).UTC().Format(time.RFC3339Nano)
	kind := kindName(uint8(r.Kind))
	if d.out == asJSON {
		j := entryJSON{Node: string(in.Identity.Node), Group: p.name, Index: uint64(r.ID.Index), Term: uint64(r.ID.Term), Kind: kind, Position: uint64(r.Position),
			Time: at, Length: len(r.Raw), BodyLength: len(r.Body), BodyCRC: r.BodyCRC, Checksum: r.Checksum}
		if d.bodies {
			j.Body, j.BodyBase64 = textOrBase64(r.Body)
		}
		return writeJSONLine(w, j)
	}
	_, err := fmt.Fprintf(w, "%d %d %s %d %s %d %d %08x %08x", r.ID.Index, r.ID.Term, kind, r.Position, at, len(r.Raw), len(r.Body), r.BodyCRC, r.Checksum)
	if err == nil && d.bodies {
		_, err = fmt.Fprintf(w, " %s", onLine(r.Body))
	}
	if err == nil {
		err = w.WriteByte('\n')
	}
	return err
}
