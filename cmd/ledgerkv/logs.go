package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"strconv"
)

// recordJSON is an entry of a log as it is printed.
type recordJSON struct {
	Index      uint64  `json:"index"`
	Term       uint64  `json:"term"`
	Kind       string  `json:"kind"`
	Position   uint64  `json:"position"`
	Time       string  `json:"time"`
	Body       *string `json:"body,omitempty"`
	BodyBase64 *string `json:"body_base64,omitempty"`
}

func newRecordJSON(r client.Record) recordJSON {
	out := recordJSON{Index: uint64(r.Index), Term: r.Term, Kind: kindName(uint8(r.Kind)), Position: r.Position, Time: r.Time.UTC().Format(time.RFC3339Nano)}
	out.Body, out.BodyBase64 = textOrBase64(r.Body)
	return out
}

// kindNames are the kinds of entries, by the numbers of the record header.
var kindNames = [...]string{1: "empty", 2: "data", 3: "configuration", 4: "trim", 5: "format"}

func kindName(kind uint8) string {
	if int(kind) < len(kindNames) && kind > 0 {
		return kindNames[kind]
	}
	return fmt.Sprintf("kind-%d", kind)
}

func logAppendVerb() cli.Verb {
	return cli.Verb{
		Name: "log append", Args: "DATA", Min: 1, Max: 1,
		Short: "append an entry to a log",
		Long: `Appends DATA as one entry to a log group and prints where it is: its index and term, and the position and length of its record, in bytes, which are
the same on every replica. When it returns, a majority of the nodes has the entry on disk.`,
		Examples: [][2]string{{"@ log append 'hello'", "append an entry"}, {"@ log append - < message.bin", "take it from standard input"}},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "log")
			out.define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				body, err := argument(call, call.Args[0])
				if err != nil {
					return err
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					at, err := c.Log(conn.group).Append(ctx, body)
					if err != nil {
						return err
					}
					if out == asJSON {
						return writeJSON(call.Out, map[string]uint64{"index": uint64(at.Index), "term": at.Term, "position": at.Position, "length": uint64(at.Length)})
					}
					_, err = fmt.Fprintf(call.Out, "index %d, term %d, position %d, length %d\n", at.Index, at.Term, at.Position, at.Length)
					return err
				})
			}
		},
	}
}

// parseIndex reads an index of 1 or more.
func parseIndex(text string) (client.Index, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, cli.Misuse("expected an index of 1 or more, found %q", text)
	}
	return client.Index(n), nil
}

func logGetVerb() cli.Verb {
	return cli.Verb{
		Name: "log get", Args: "INDEX", Min: 1, Max: 1,
		Short: "print an entry of a log",
		Long: `Prints the body of the entry at INDEX, byte for byte, and nothing else (on a terminal a newline follows). With -o json it prints index, term, kind,
position and time, too. Not every index holds data: a leader opens its term with an empty entry, for instance.`,
		Examples: [][2]string{{"@ log get 7", "print an entry"}, {"@ log get 7 -o json", "with its position and time"}},
		Exits:    map[int]string{cli.ExitNotFound: "the log has no such entry yet, or no more"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "log")
			out.define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				index, err := parseIndex(call.Args[0])
				if err != nil {
					return err
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					r, err := c.Log(conn.group).Get(ctx, index)
					if err != nil {
						return fmt.Errorf("index %d: %w", index, err)
					}
					if out == asJSON {
						return writeJSON(call.Out, newRecordJSON(r))
					}
					return raw(call.Out, r.Body)
				})
			}
		},
	}
}

// tail is what the log tail verb was asked for.
type tail struct {
	conn     connection
	out      format
	from     uint64
	count    uint64
	follow   bool
	allKinds bool
}

// tailBefore is how many of the last entries tail begins with when nothing is said.
const tailBefore = 10

func logTailVerb() cli.Verb {
	return cli.Verb{
		Name:  "log tail",
		Short: "print a log's entries as they come",
		Long: `Prints the entries of a log, a line each: the index, a tab and the body (in quotes, as Go writes strings, where it is not printable), and goes on with those
that come, from whichever node is there, until it is interrupted. It begins with --from, or with the last ten indexes. With -o json each line is
a JSON object. --timeout does not count here.`,
		Examples: [][2]string{
			{"@ log tail", "the last entries, and then what comes"},
			{"@ log tail --from 1 --follow=false", "the whole log as it is now"},
			{"@ log tail --from 1 --count 100", "the first hundred entries"},
		},
		Exits: map[int]string{cli.ExitNotFound: "the log begins behind --from: what was before is removed"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var t tail
			t.conn.define(flags, "log")
			t.out.define(flags)
			flags.Uint64Var(&t.from, "from", 0, "the first `index`")
			flags.Uint64Var(&t.count, "count", 0, "stop after so many entries; 0 is no bound")
			flags.BoolVar(&t.follow, "follow", true, "wait for entries that are still to come; --follow=false stops at the log's end as it is now")
			flags.BoolVar(&t.allKinds, "all", false, "print entries that hold no data, too")
			return t.run
		},
	}
}

func (t *tail) run(ctx context.Context, call *cli.Call) error {
	c, limited, cancel, err := t.conn.open(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer c.Close()
	first, last := client.Index(t.from), client.Index(0)
	if t.from == 0 || !t.follow {
		lowest, commit, err := logEnds(limited, c, t.conn.group)
		if err != nil {
			return t.conn.explain(err)
		}
		last = commit
		if t.from == 0 {
			first = max(lowest, 1)
			if commit > tailBefore {
				first = max(first, commit-tailBefore+1)
			}
		}
	}
	err = t.print(ctx, call, c, first, last)
	if ended(ctx) {
		return nil
	}
	return t.conn.explain(err)
}

// logEnds gives a log's first index and its last committed one, as far as any node knows.
func logEnds(ctx context.Context, c *client.Client, group string) (first, commit client.Index, err error) {
	nodes, err := c.Status(ctx)
	if err != nil {
		return 0, 0, err
	}
	found := false
	for _, n := range nodes {
		for _, g := range n.Groups {
			if g.Name == group {
				found, first, commit = true, max(first, g.First), max(commit, g.Commit)
			}
		}
	}
	if !found {
		return 0, 0, fmt.Errorf("%w: %q", client.ErrNoGroup, group)
	}
	return first, commit, nil
}

// print prints entries from first on; without follow up to last.
func (t *tail) print(ctx context.Context, call *cli.Call, c *client.Client, first, last client.Index) error {
	if !t.follow && first > last {
		return nil
	}
	f := c.Log(t.conn.group).Follow(client.FollowOptions{From: first, AllKinds: true})
	defer f.Close()
	for printed := uint64(0); ; {
		r, err := f.Next(ctx)
		if err != nil {
			return err
		}
		if t.allKinds || r.Kind == client.KindData {
			if err := t.line(call.Out, r); err != nil {
				return err
			}
			printed++
		}
		if t.count > 0 && printed == t.count || !t.follow && r.Index >= last {
			return nil
		}
	}
}

func (t *tail) line(w io.Writer, r client.Record) error {
	if t.out == asJSON {
		return writeJSONLine(w, newRecordJSON(r))
	}
	text := onLine(r.Body)
	if r.Kind != client.KindData {
		text = "(" + kindName(uint8(r.Kind)) + ")"
	}
	_, err := fmt.Fprintf(w, "%d\t%s\n", r.Index, text)
	return err
}
