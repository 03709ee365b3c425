package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// formatsJSON is what is printed of entry formats.
type formatsJSON struct {
	// Nodes gives the highest format that each node knows, Groups the one in force in each group.
	Nodes  []knownJSON   `json:"nodes"`
	Groups []inForceJSON `json:"groups"`
}

type knownJSON struct {
	ID        string `json:"id"`
	Version   string `json:"version,omitempty"`
	Reachable bool   `json:"reachable"`
	Knows     uint32 `json:"knows"`
}

type inForceJSON struct {
	Name   string `json:"name"`
	Format uint32 `json:"format"`
}

func formatVerb() cli.Verb {
	return cli.Verb{
		Name:  "format",
		Short: "print which entry format is in force, and which the nodes know",
		Long: `Prints the highest format of entries that each node's program knows, and the one in force in each group, as the replica says that knows the most of
its log. A newer program does not put a newer format in force by itself: as long as nobody does ("ledgerkv format raise"), the older program can come back.`,
		Examples: [][2]string{{"@ format", "two tables"}, {"@ format -o json", `{"nodes":[{"id","version","reachable","knows"}],"groups":[{"name","format"}]}`}},
		Exits:    map[int]string{cli.ExitFailed: "no node answers"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "")
			out.define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					nodes, err := c.Status(ctx)
					if err != nil {
						return err
					}
					printed := describeFormats(describeNodes(nodes, conn.group))
					if out == asJSON {
						return writeJSON(call.Out, printed)
					}
					return printFormats(call.Out, printed)
				})
			}
		},
	}
}

// describeFormats gives what nodes say of formats. Endpoints that belong to no node that anybody knows are left out.
func describeFormats(nodes []nodeJSON) formatsJSON {
	all := formatsJSON{Nodes: []knownJSON{}, Groups: []inForceJSON{}}
	for _, n := range nodes {
		if n.ID == "" {
			continue
		}
		all.Nodes = append(all.Nodes, knownJSON{ID: n.ID, Version: n.Version, Reachable: n.Reachable, Knows: n.Format})
		for _, g := range n.Groups {
			at := slices.IndexFunc(all.Groups, func(x inForceJSON) bool { return x.Name == g.Name })
			if at < 0 {
				at = len(all.Groups)
				all.Groups = append(all.Groups, inForceJSON{Name: g.Name})
			}
			all.Groups[at].Format = max(all.Groups[at].Format, g.Format) // it only rises
		}
	}
	return all
}

func printFormats(w io.Writer, all formatsJSON) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tVERSION\tKNOWS")
	for _, n := range all.Nodes {
		knows := "unreachable"
		if n.Reachable {
			knows = fmt.Sprintf("up to %d", n.Knows)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", n.ID, orDash(n.Version), knows)
	}
	fmt.Fprintln(t, "\nGROUP\tIN FORCE")
	for _, g := range all.Groups {
		fmt.Fprintf(t, "%s\t%d\n", g.Name, g.Format)
	}
	return t.Flush()
}

func formatRaiseVerb() cli.Verb {
	return cli.Verb{
		Name:  "format raise",
		Short: "put a newer entry format in force",
		Long: `Puts the highest format of entries that the leaders know in force, or the one that --to names, in every group or in the one that --group names, once
all nodes run a program that knows it. It can't be taken back: from then on an older program is refused. A node that has not been upgraded, or
can't be reached, is named, and nothing is done: upgrade it, or remove it.`,
		Examples: [][2]string{{"@ format raise", "after a rolling upgrade"}, {"@ format raise --to 2 --group log", "format 2, in the group log"}},
		Exits:    map[int]string{cli.ExitFailed: "a member does not know the format, or can't be asked"},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "")
			out.define(flags)
			to := flags.Uint("to", 0, "the `format`; 0: the highest that the leader knows")
			return func(ctx context.Context, call *cli.Call) error {
				if *to > 1<<32-1 {
					return cli.Misuse("expected a format below 2^32, found %d", *to)
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					return raiseFormats(ctx, c, call, conn.group, uint32(*to), out)
				})
			}
		},
	}
}

// raiseFormats raises the format in one group, or in all, and prints what is in force.
func raiseFormats(ctx context.Context, c *client.Client, call *cli.Call, group string, to uint32, out format) error {
	groups := []string{group}
	if group == "" {
		var err error
		if groups, err = groupNames(ctx, c); err != nil {
			return err
		}
	}
	raised := []inForceJSON{}
	for _, g := range groups {
		f, err := c.RaiseFormat(ctx, g, to)
		if err != nil {
			return fmt.Errorf("group %s: %w", g, err)
		}
		raised = append(raised, inForceJSON{g, f})
		if out == asJSON {
			continue
		}
		if _, err := fmt.Fprintf(call.Out, "format %d is in force in %s\n", f, g); err != nil {
			return err
		}
	}
	if out == asJSON {
		return writeJSON(call.Out, map[string]any{"groups": raised})
	}
	return nil
}
