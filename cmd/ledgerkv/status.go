package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// nodeJSON is a node's state as it is printed.
type nodeJSON struct {
	ID        string      `json:"id"`
	PID       int         `json:"pid"`
	Reachable bool        `json:"reachable"`
	Client    string      `json:"client"`
	Peer      string      `json:"peer"`
	Admin     string      `json:"admin"`
	Dir       string      `json:"dir,omitempty"`
	Version   string      `json:"version,omitempty"`
	Format    uint32      `json:"format,omitempty"` // the highest that it knows
	Error     string      `json:"error,omitempty"`
	Groups    []groupJSON `json:"groups"`
}

// groupJSON is a replica's state as it is printed.
type groupJSON struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Term     uint64 `json:"term"`
	Leader   string `json:"leader"`
	Ready    bool   `json:"ready"`
	Commit   uint64 `json:"commit"`
	Applied  uint64 `json:"applied"`
	Synced   uint64 `json:"synced"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Position uint64 `json:"position"`
	Checksum uint32 `json:"checksum"`
	Engine   string `json:"engine,omitempty"`
	Revision uint64 `json:"revision,omitempty"`
	Format   uint32 `json:"format,omitempty"` // the one in force
	DiskFull bool   `json:"disk_full,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

func statusVerb() cli.Verb {
	return cli.Verb{
		Name:  "status",
		Short: "print how the nodes and their groups are",
		Long: `Asks every node for its state and prints a line for each group of each node: its role, how far its log is committed, applied and
synced, which entries it holds, and where the log ends, with the chained checksum there. Replicas whose last entry, position and checksum are
equal hold the same log. A node that does not answer has a line of its own.`,
		Examples: [][2]string{
			{"@ status", "a table"},
			{"@ status -o json", `{"nodes":[{"id","pid","reachable","client","peer","admin","groups":[{"name","role","term","leader",...}]}]}`},
		},
		Exits: map[int]string{cli.ExitFailed: "no node answers"},
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
					printed := describeNodes(nodes, conn.group)
					if !conn.named() { // of the endpoints that we guessed, only those of the cluster that we found
						printed = slices.DeleteFunc(printed, func(n nodeJSON) bool { return n.ID == "" })
					}
					if out == asJSON {
						return writeJSON(call.Out, map[string][]nodeJSON{"nodes": printed})
					}
					return printNodes(call.Out, printed)
				})
			}
		},
	}
}

// describeNodes gives nodes as they are printed, sorted by id. What an unreachable node is called the others know.
func describeNodes(nodes []client.NodeStatus, group string) []nodeJSON {
	known := map[string]client.Member{}
	for _, n := range nodes {
		for _, g := range n.Groups {
			for _, m := range g.Members {
				known[m.Client] = m
			}
		}
	}
	var out []nodeJSON
	for _, n := range nodes {
		j := nodeJSON{ID: n.ID, PID: n.PID, Reachable: n.Reachable, Client: n.Client, Peer: n.Peer, Admin: n.Admin, Dir: n.Dir, Version: n.Version, Format: n.Format, Groups: []groupJSON{}}
		if !n.Reachable {
			m := known[n.Endpoint]
			j.ID, j.Client, j.Peer, j.Error = m.ID, n.Endpoint, m.Peer, n.Err.Error()
		}
		for _, g := range n.Groups {
			if group == "" || g.Name == group {
				j.Groups = append(j.Groups, newGroupJSON(g))
			}
		}
		out = append(out, j)
	}
	slices.SortStableFunc(out, func(a, b nodeJSON) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func newGroupJSON(g client.GroupStatus) groupJSON {
	return groupJSON{Name: g.Name, Role: g.Role, Term: g.Term, Leader: g.Leader, Ready: g.Ready, Commit: uint64(g.Commit), Applied: uint64(g.Applied), Synced: uint64(g.Synced),
		First: uint64(g.First), Last: uint64(g.Last), Position: g.Position, Checksum: g.Checksum, Engine: g.Machine, Revision: uint64(g.Revision), Format: g.Format, DiskFull: g.DiskFull, Problem: g.Problem}
}

func printNodes(w io.Writer, nodes []nodeJSON) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tPID\tCLIENT\tGROUP\tROLE\tTERM\tLEADER\tCOMMIT\tAPPLIED\tSYNCED\tFIRST\tLAST\tPOSITION\tCHECKSUM")
	var problems []string
	for _, n := range nodes {
		if !n.Reachable {
			fmt.Fprintf(t, "%s\t-\t%s\t-\tunreachable%s\n", orDash(n.ID), n.Client, strings.Repeat("\t-", 9))
			problems = append(problems, fmt.Sprintf("%s: %s", orDash(n.ID), n.Error))
		}
		for _, g := range n.Groups {
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%08x\n", n.ID, n.PID, n.Client, g.Name, g.Role, g.Term, orDash(g.Leader),
				g.Commit, g.Applied, g.Synced, g.First, g.Last, g.Position, g.Checksum)
			if g.Problem != "" {
				problems = append(problems, fmt.Sprintf("%s, group %s: %s", n.ID, g.Name, g.Problem))
			}
			if g.DiskFull {
				problems = append(problems, fmt.Sprintf("%s, group %s: the disk is full; writes go on when space returns", n.ID, g.Name))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range problems {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func transferVerb() cli.Verb {
	return cli.Verb{
		Name: "transfer", Args: "--to NODE",
		Short: "hand leadership to a node",
		Long: `Hands the leadership of every group, or of the one that --group names, to NODE, and returns when it leads. Writes wait or are sent elsewhere
meanwhile; none is lost. It fails when NODE is down or too far behind.`,
		Examples: [][2]string{{"@ transfer --to n2", "n2 leads all groups"}, {"@ transfer --to n2 --group log", "n2 leads the group log"}},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "")
			out.define(flags)
			to := flags.String("to", "", "the `node` that is to lead; required")
			return func(ctx context.Context, call *cli.Call) error {
				if *to == "" {
					return cli.Misuse("--to is required: the node that is to lead")
				}
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					groups := []string{conn.group}
					if conn.group == "" {
						var err error
						if groups, err = groupNames(ctx, c); err != nil {
							return err
						}
					}
					for _, g := range groups {
						if err := c.Transfer(ctx, g, *to); err != nil {
							return fmt.Errorf("group %s: %w", g, err)
						}
						if out == asJSON {
							continue
						}
						if _, err := fmt.Fprintf(call.Out, "%s leads %s\n", *to, g); err != nil {
							return err
						}
					}
					if out == asJSON {
						return writeJSON(call.Out, map[string]any{"leader": *to, "groups": groups})
					}
					return nil
				})
			}
		},
	}
}

// groupNames gives the names of the cluster's groups, in the order of their ids.
func groupNames(ctx context.Context, c *client.Client) ([]string, error) {
	nodes, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	var groups []client.GroupStatus
	for _, n := range nodes {
		groups = append(groups, n.Groups...)
	}
	slices.SortFunc(groups, func(a, b client.GroupStatus) int { return cmp.Compare(a.ID, b.ID) })
	var names []string
	for _, g := range groups {
		if !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names, nil
}
