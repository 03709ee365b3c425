package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// itemJSON is an item as it is printed.
type itemJSON struct {
	Key            *string `json:"key,omitempty"`
	KeyBase64      *string `json:"key_base64,omitempty"`
	Value          *string `json:"value,omitempty"`
	ValueBase64    *string `json:"value_base64,omitempty"`
	CreateRevision uint64  `json:"create_revision"`
	ModRevision    uint64  `json:"mod_revision"`
	Version        uint64  `json:"version"`
}

func newItemJSON(i client.Item, withValue bool) itemJSON {
	out := itemJSON{CreateRevision: uint64(i.CreateRevision), ModRevision: uint64(i.ModRevision), Version: i.Version}
	out.Key, out.KeyBase64 = textOrBase64(i.Key)
	if withValue {
		out.Value, out.ValueBase64 = textOrBase64(i.Value)
	}
	return out
}

func putVerb() cli.Verb {
	return cli.Verb{
		Name: "put", Args: "KEY VALUE", Min: 2, Max: 2,
		Short: "set a key",
		Long: `Sets KEY to VALUE and prints the store's new revision. When it returns, a majority of the nodes has the write on disk. If it
fails it says whether nothing was done or whether that is not known; then read before you repeat it.`,
		Examples: [][2]string{
			{"@ put topics/orders 'partitions=8'", "set a key"},
			{"@ put blob - < picture.png", "take the value from standard input"},
			{"@ put -- -k -1", "a key and a value that begin with a dash"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "kv")
			out.define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				value, err := argument(call, call.Args[1])
				if err != nil {
					return err
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					revision, err := c.Put(ctx, []byte(call.Args[0]), value)
					if err != nil {
						return err
					}
					return printRevision(call, out, revision)
				})
			}
		},
	}
}

func printRevision(call *cli.Call, out format, revision client.Revision) error {
	if out == asJSON {
		return writeJSON(call.Out, map[string]uint64{"revision": uint64(revision)})
	}
	_, err := fmt.Fprintf(call.Out, "revision %d\n", revision)
	return err
}

func revisionFlag(flags *flag.FlagSet) *uint64 {
	return flags.Uint64("revision", 0, "read the state at this `revision`; 0 is the newest")
}

func getVerb() cli.Verb {
	return cli.Verb{
		Name: "get", Args: "KEY", Min: 1, Max: 1,
		Short: "print a key's value",
		Long: `Prints the value of KEY, byte for byte, and nothing else (on a terminal a newline follows). The read is linearizable: it sees every
write that had completed when it began, unless a flag asks for less. With -o json it prints the revisions and the version, too.`,
		Examples: [][2]string{
			{"@ get topics/orders", "print a value"},
			{"@ get topics/orders -o json", "with its revisions"},
			{"@ get topics/orders --revision 7", "as it was at revision 7"},
			{"@ get topics/orders --at-least 7 --nearest", "with the write that was answered with revision 7, from the nearest node"},
		},
		Exits: map[int]string{cli.ExitNotFound: "the key does not exist"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			var read reading
			conn.define(flags, "kv")
			out.define(flags)
			read.define(flags, &conn)
			revision := revisionFlag(flags)
			return func(ctx context.Context, call *cli.Call) error {
				level, err := read.level(call)
				if err != nil {
					return err
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					opts := client.GetOptions{Level: level, Revision: client.Revision(*revision)}
					r, err := c.GetWith(ctx, []byte(call.Args[0]), opts)
					if err != nil {
						return fmt.Errorf("%s: %w", onLine([]byte(call.Args[0])), err)
					}
					if out == asText {
						return raw(call.Out, r.Item.Value)
					}
					return writeJSON(call.Out, struct {
						itemJSON
						Revision uint64 `json:"revision"`
						Applied  uint64 `json:"applied"`
					}{newItemJSON(r.Item, true), uint64(r.Revision), uint64(r.Applied)})
				})
			}
		},
	}
}

func delVerb() cli.Verb {
	return cli.Verb{
		Name: "del", Args: "KEY", Min: 1, Max: 1,
		Short:    "remove a key",
		Long:     `Removes KEY, or, with --prefix, every key that begins with KEY, 16,384 of them in a step, and prints how many keys were removed and the store's revision.`,
		Examples: [][2]string{{"@ del topics/orders", "remove a key"}, {"@ del --prefix topics/", "remove all keys that begin with topics/"}},
		Exits:    map[int]string{cli.ExitNotFound: "the key does not exist (never with --prefix)"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "kv")
			out.define(flags)
			prefix := flags.Bool("prefix", false, "remove every key that begins with KEY")
			return func(ctx context.Context, call *cli.Call) error {
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					key := []byte(call.Args[0])
					remove := c.Delete
					if *prefix {
						remove = c.DeletePrefix
					}
					r, err := remove(ctx, key)
					if err == nil {
						err = printDeleted(call, out, r)
					}
					if err == nil && r.Deleted == 0 && !*prefix {
						return cli.Exit(cli.ExitNotFound, fmt.Errorf("%s: %w", onLine(key), client.ErrNotFound))
					}
					return err
				})
			}
		},
	}
}

func printDeleted(call *cli.Call, out format, r client.DeleteResult) error {
	if out == asJSON {
		return writeJSON(call.Out, map[string]uint64{"deleted": r.Deleted, "revision": uint64(r.Revision)})
	}
	_, err := fmt.Fprintf(call.Out, "deleted %d, revision %d\n", r.Deleted, r.Revision)
	return err
}

func casVerb() cli.Verb {
	return cli.Verb{
		Name: "cas", Args: "KEY --mod-revision N VALUE", Min: 2, Max: 2,
		Short: "set a key if it has not changed",
		Long: `Sets KEY to VALUE if the revision of the key's last change is N, which "get -o json" tells; 0 means that the key must not exist. Otherwise
nothing is changed and what is there is printed.`,
		Examples: [][2]string{
			{"@ cas lock --mod-revision 0 alice", "make a key that must not exist"},
			{"@ cas topics/orders --mod-revision 7 'partitions=16'", "change a key that was last changed at revision 7"},
		},
		Exits: map[int]string{cli.ExitUnequal: "the key has another revision; nothing was changed"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "kv")
			out.define(flags)
			expected := flags.Uint64("mod-revision", 0, "the `revision` that the key has to have; required")
			return func(ctx context.Context, call *cli.Call) error {
				if !call.Given("mod-revision") {
					return cli.Misuse("--mod-revision is required: the revision of the key's last change, 0 if it must not exist")
				}
				value, err := argument(call, call.Args[1])
				if err != nil {
					return err
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					r, err := c.CompareAndSwap(ctx, []byte(call.Args[0]), client.Revision(*expected), value)
					if err == nil {
						err = printSwap(call, out, r)
					}
					if err == nil && !r.Swapped {
						return cli.Exit(cli.ExitUnequal, nil)
					}
					return err
				})
			}
		},
	}
}

func printSwap(call *cli.Call, out format, r client.SwapResult) error {
	if out == asJSON {
		answer := struct {
			Swapped  bool      `json:"swapped"`
			Revision uint64    `json:"revision"`
			Current  *itemJSON `json:"current,omitempty"`
		}{Swapped: r.Swapped, Revision: uint64(r.Revision)}
		if r.Found {
			item := newItemJSON(r.Current, true)
			answer.Current = &item
		}
		return writeJSON(call.Out, answer)
	}
	var err error
	switch {
	case r.Swapped:
		_, err = fmt.Fprintf(call.Out, "swapped, revision %d\n", r.Revision)
	case r.Found:
		_, err = fmt.Fprintf(call.Out, "not swapped: mod revision %d, value %s\n", r.Current.ModRevision, onLine(r.Current.Value))
	default:
		_, err = fmt.Fprintf(call.Out, "not swapped: the key does not exist\n")
	}
	return err
}
