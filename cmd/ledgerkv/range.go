package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// rangePageBytes is how much a range asks for at a time.
const rangePageBytes = 1 << 20

// selection is what the range verb was asked for.
type selection struct {
	conn                         connection
	out                          format
	read                         reading
	from, to                     string
	limit                        uint64
	revision                     *uint64
	reverse, keysOnly, countOnly bool
}

func rangeVerb() cli.Verb {
	return cli.Verb{
		Name: "range", Args: "[PREFIX]", Max: 1,
		Short: "print the keys that begin with a prefix",
		Long: `Prints each key that begins with PREFIX and its value, a line each with a tab between, in the order of the keys' bytes; keys and values
that are not printable stand in quotes, as Go writes strings. Without a PREFIX, --from and --to select the keys in [FROM, TO), or all. However many
there are, all are of one revision. No key at all is no error.`,
		Examples: [][2]string{
			{"@ range topics/", "all keys that begin with topics/"},
			{"@ range --from a --to c --limit 10 --reverse", "the ten greatest keys from a on and below c"},
			{"@ range topics/ --count-only", "how many there are"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var s selection
			s.conn.define(flags, "kv")
			s.out.define(flags)
			s.read.define(flags, &s.conn)
			s.revision = revisionFlag(flags)
			flags.StringVar(&s.from, "from", "", "the first `key`")
			flags.StringVar(&s.to, "to", "", "the `key` before which to stop")
			flags.Uint64Var(&s.limit, "limit", 0, "print so many keys at most; 0 is no bound")
			flags.BoolVar(&s.reverse, "reverse", false, "in descending order")
			flags.BoolVar(&s.keysOnly, "keys-only", false, "without the values")
			flags.BoolVar(&s.countOnly, "count-only", false, "only how many there are")
			return s.run
		},
	}
}

func (s *selection) run(ctx context.Context, call *cli.Call) error {
	level, err := s.read.level(call)
	if err != nil {
		return err
	}
	opts := client.RangeOptions{From: []byte(s.from), To: []byte(s.to), Reverse: s.reverse, KeysOnly: s.keysOnly, CountOnly: s.countOnly,
		Revision: client.Revision(*s.revision), Level: level, MaxBytes: rangePageBytes}
	if len(call.Args) == 1 {
		if s.from != "" || s.to != "" {
			return cli.Misuse("expected a PREFIX, or --from and --to, found both")
		}
		opts.Prefix = []byte(call.Args[0])
	}
	opts.From, opts.To = opts.Bounds()
	opts.Prefix = nil
	return s.conn.with(ctx, func(ctx context.Context, c *client.Client) error {
		if s.countOnly {
			return s.count(ctx, call, c, opts)
		}
		return s.print(ctx, call, c, opts)
	})
}

func (s *selection) count(ctx context.Context, call *cli.Call, c *client.Client, opts client.RangeOptions) error {
	opts.Limit = int(min(s.limit, math.MaxInt32))
	opts.MaxBytes = 0
	r, err := c.Range(ctx, opts)
	if err != nil {
		return err
	}
	if s.out == asJSON {
		return writeJSON(call.Out, rangeJSON{Revision: uint64(r.Revision), Count: uint64(r.Count), More: r.More})
	}
	_, err = fmt.Fprintln(call.Out, r.Count)
	return err
}

// rangeJSON is a range's result as it is printed.
type rangeJSON struct {
	Revision uint64     `json:"revision"`
	Count    uint64     `json:"count"`
	More     bool       `json:"more"`
	Items    []itemJSON `json:"items,omitempty"`
}

// print reads page by page, all at the revision of the first one.
func (s *selection) print(ctx context.Context, call *cli.Call, c *client.Client, opts client.RangeOptions) error {
	w := bufio.NewWriter(call.Out)
	var all rangeJSON
	for {
		if s.limit > 0 {
			opts.Limit = int(min(s.limit-all.Count, math.MaxInt32))
		}
		page, err := c.Range(ctx, opts)
		if err != nil {
			return err
		}
		all.Revision, all.More = uint64(page.Revision), page.More
		all.Count += uint64(len(page.Items))
		for _, item := range page.Items {
			if s.out == asJSON {
				all.Items = append(all.Items, newItemJSON(item, !s.keysOnly))
			} else if err := s.line(w, item); err != nil {
				return err
			}
		}
		if !page.More || s.limit > 0 && all.Count >= s.limit {
			break
		}
		opts.Revision = page.Revision
		last := page.Items[len(page.Items)-1].Key
		if s.reverse {
			opts.To = last
		} else {
			opts.From = append(last, 0)
		}
	}
	if s.out == asJSON {
		return writeJSON(call.Out, all)
	}
	return w.Flush()
}

func (s *selection) line(w *bufio.Writer, item client.Item) error {
	if s.keysOnly {
		_, err := fmt.Fprintln(w, onLine(item.Key))
		return err
	}
	_, err := fmt.Fprintf(w, "%s\t%s\n", onLine(item.Key), onLine(item.Value))
	return err
}
