package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// digestJSON is a ledger in short.
type digestJSON struct {
	Dir       string `json:"dir"`
	Node      string `json:"node"`
	Group     string `json:"group"`
	First     uint64 `json:"first"`
	FirstTerm uint64 `json:"first_term"`
	Last      uint64 `json:"last"`
	LastTerm  uint64 `json:"last_term"`
	Begin     uint64 `json:"begin"`
	End       uint64 `json:"end"`
	Checksum  uint32 `json:"checksum"`
	Records   int    `json:"records"`
	Bytes     uint64 `json:"bytes"`
}

func newDigestJSON(p place, in *ledger.Inspection, d ledger.Digest) digestJSON {
	return digestJSON{Dir: p.dir, Node: string(in.Identity.Node), Group: p.name, First: uint64(d.First.Index), FirstTerm: uint64(d.First.Term),
		Last: uint64(d.Last.Index), LastTerm: uint64(d.Last.Term), Begin: uint64(d.Begin), End: uint64(d.End), Checksum: d.Checksum, Records: d.Records, Bytes: d.Bytes}
}

func ledgerDigestVerb() cli.Verb {
	return cli.Verb{
		Name: "ledger digest", Args: "DIR", Min: 1, Max: 1,
		Short: "print ledgers on disk in short, to compare replicas",
		Long: `Prints a line for each ledger below DIR: which entries it holds, from which position to which, and the chained checksum of the last entry, which stands for
all entries below it. Two replicas that agree on an entry's index and checksum agree on everything below it that both hold, byte for byte. --at takes the digest at an index,
so that replicas that stopped at different places can be compared. It reads the files of nodes that do not run, and changes nothing.`,
		Examples: [][2]string{{"@ ledger digest ledgerkv-dev", "all ledgers of all nodes"}, {"@ ledger digest ledgerkv-dev --group kv --at 1000", "up to entry 1000"}},
		Exits:    map[int]string{cli.ExitNotFound: "the log does not hold the entry of --at", cli.ExitFailed: "something is damaged, or could not be read"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var o offline
			o.define(flags)
			at := flags.Uint64("at", 0, "up to this `index`; 0 is the end of each log")
			return func(_ context.Context, call *cli.Call) error { return digest(&o, call, raft.Index(*at)) }
		},
	}
}

func digest(o *offline, call *cli.Call, at raft.Index) error {
	all := []digestJSON{}
	err := o.each(call, func(p place, in *ledger.Inspection) error {
		d, err := in.DigestAt(at)
		var compacted *ledger.CompactedError
		if errors.Is(err, ledger.ErrMismatch) || errors.As(err, &compacted) {
			return cli.Exit(cli.ExitNotFound, fmt.Errorf("%s: %w", p.named(in), err))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.named(in), err)
		}
		j := newDigestJSON(p, in, d)
		all = append(all, j)
		if o.out == asText {
			_, err = fmt.Fprintf(call.Out, "%s: entries %d to %d, positions %d to %d, checksum %08x\n", p.named(in), j.First, j.Last, j.Begin, j.End, j.Checksum)
		}
		return err
	})
	if err == nil && o.out == asJSON {
		err = writeJSON(call.Out, map[string][]digestJSON{"ledgers": all})
	}
	return err
}
