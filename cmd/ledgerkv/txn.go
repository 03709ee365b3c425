package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/script"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

func txnVerb() cli.Verb {
	return cli.Verb{
		Name: "txn", Args: "[FILE]", Max: 1,
		Short: "carry out a transaction",
		Long: `Reads a transaction from FILE, or from standard input, and carries it out in one step: when every "if" holds, the "then" lines, otherwise
the "else" lines. A line is one condition or operation:

  if version|create|mod|value KEY =|!=|<|> OPERAND
  then put KEY VALUE
  then get KEY
  then del KEY
  then del --prefix PREFIX
  then range PREFIX

and likewise with else. The version, create and mod revision of a key that does not exist are 0. Words with spaces, and words that begin with
a quote or #, stand in double quotes, with the escapes of Go's strings: "a \"b\"\n\xff". A # begins a comment. A branch may write a
key once. A transaction that only reads is a read, for which the flags say how new it has to be. What comes out is a line for each operation.`,
		Examples: [][2]string{
			{"printf 'if version lock = 0\\nthen put lock alice\\nelse get lock\\n' | @ txn", "take a lock, or see who has it"},
			{"@ txn move.txn", "take the transaction from a file"},
		},
		Exits: map[int]string{cli.ExitUnequal: `a comparison failed: the "else" lines were carried out`},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "kv")
			out.define(flags)
			var read reading
			read.define(flags, &conn)
			return func(ctx context.Context, call *cli.Call) error {
				txn, err := readScript(call)
				if err != nil {
					return err
				}
				if txn.Level, err = read.level(call); err != nil {
					return err
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					r, err := c.Txn(ctx, txn)
					if err == nil {
						err = printTxn(call, out, r)
					}
					if err == nil && !r.Succeeded {
						return cli.Exit(cli.ExitUnequal, nil)
					}
					return err
				})
			}
		},
	}
}

func readScript(call *cli.Call) (model.Txn, error) {
	if len(call.Args) == 0 || call.Args[0] == "-" {
		txn, err := script.Parse(call.In)
		if err != nil {
			return txn, fmt.Errorf("standard input: %w", err)
		}
		return txn, nil
	}
	f, err := os.Open(call.Args[0])
	if err != nil {
		return model.Txn{}, err
	}
	defer f.Close()
	txn, err := script.Parse(f)
	if err != nil {
		return txn, fmt.Errorf("%s: %w", call.Args[0], err)
	}
	return txn, nil
}

// opJSON is an operation's result as it is printed.
type opJSON struct {
	Op      string     `json:"op"`
	Found   *bool      `json:"found,omitempty"`
	Item    *itemJSON  `json:"item,omitempty"`
	Deleted *uint64    `json:"deleted,omitempty"`
	Items   []itemJSON `json:"items,omitempty"`
	More    bool       `json:"more,omitempty"`
}

func printTxn(call *cli.Call, out format, r client.TxnResult) error {
	if out == asText {
		return printTxnText(call.Out, r)
	}
	answer := struct {
		Succeeded bool     `json:"succeeded"`
		Revision  uint64   `json:"revision"`
		Results   []opJSON `json:"results"`
	}{r.Succeeded, uint64(r.Revision), []opJSON{}}
	for i := range r.Results {
		answer.Results = append(answer.Results, newOpJSON(&r.Results[i]))
	}
	return writeJSON(call.Out, answer)
}

func newOpJSON(r *client.OpResult) opJSON {
	out := opJSON{Op: r.Kind.String()}
	switch r.Kind {
	case model.OpGet:
		out.Found = &r.Found
		if r.Found {
			item := newItemJSON(r.Item, true)
			out.Item = &item
		}
	case model.OpDelete, model.OpDeleteRange:
		out.Deleted = &r.Deleted
	case model.OpRange:
		out.More = r.Range.More
		for _, item := range r.Range.Items {
			out.Items = append(out.Items, newItemJSON(item, true))
		}
	}
	return out
}

func printTxnText(w io.Writer, r client.TxnResult) error {
	verdict := "then"
	if !r.Succeeded {
		verdict = "else"
	}
	_, err := fmt.Fprintf(w, "%s, revision %d\n", verdict, r.Revision)
	for i := range r.Results {
		if err != nil {
			return err
		}
		err = printOp(w, &r.Results[i])
	}
	return err
}

func printOp(w io.Writer, r *client.OpResult) error {
	var err error
	switch r.Kind {
	case model.OpPut:
		_, err = fmt.Fprintln(w, "put")
	case model.OpGet:
		if !r.Found {
			_, err = fmt.Fprintln(w, "get\tnot found")
			break
		}
		_, err = fmt.Fprintf(w, "get\t%s\t%s\n", onLine(r.Item.Key), onLine(r.Item.Value))
	case model.OpDelete, model.OpDeleteRange:
		_, err = fmt.Fprintf(w, "del\t%d\n", r.Deleted)
	case model.OpRange:
		for _, item := range r.Range.Items {
			if _, err = fmt.Fprintf(w, "range\t%s\t%s\n", onLine(item.Key), onLine(item.Value)); err != nil {
				return err
			}
		}
		if r.Range.More {
			_, err = fmt.Fprintln(w, "range\tand more")
		}
	}
	return err
}
