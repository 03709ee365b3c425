package main

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// memberJSON is a member of a group as it is printed.
type memberJSON struct {
	ID        string `json:"id"`
	Peer      string `json:"peer"`
	Client    string `json:"client,omitempty"`
	Role      string `json:"role"`
	Leader    bool   `json:"leader,omitempty"`
	Promote   bool   `json:"promote,omitempty"`
	Replaces  string `json:"replaces,omitempty"`
	Priority  uint16 `json:"priority"`
	Lag       uint64 `json:"lag"`
	HeardMS   int64  `json:"heard_ms"`
	Directory string `json:"directory,omitempty"`
}

// membershipJSON is a group's membership as it is printed.
type membershipJSON struct {
	Group   string       `json:"group"`
	Leader  string       `json:"leader"`
	Term    uint64       `json:"term"`
	Index   uint64       `json:"configuration_index"`
	CTerm   uint64       `json:"configuration_term"`
	Joint   bool         `json:"joint"`
	Members []memberJSON `json:"members"`
}

func memberListVerb() cli.Verb {
	return cli.Verb{
		Name:  "member list",
		Short: "print who is in the groups",
		Long: `Asks the leader of each group who is in it, and prints a line for each member: voter or learner, or, while one set of voters takes over
from another, joining or leaving; its priority; how many entries it is behind; when it was heard of last; and the directory that alone may use the
name. A directory that no configuration names yet is printed as a dash.`,
		Examples: [][2]string{
			{"@ member list", "a table"},
			{"@ member list -o json", `{"groups":[{"group","leader","members":[{"id","role","priority","lag","heard_ms",...}]}]}`},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var conn connection
			var out format
			conn.define(flags, "")
			out.define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				return conn.with(ctx, func(ctx context.Context, c *client.Client) error {
					groups, err := conn.groups(ctx, c)
					if err != nil {
						return err
					}
					var all []membershipJSON
					for _, g := range groups {
						m, err := c.LeaderMembers(ctx, g)
						if err != nil {
							return fmt.Errorf("group %s: %w", g, err)
						}
						all = append(all, newMembershipJSON(g, m))
					}
					if out == asJSON {
						return writeJSON(call.Out, map[string][]membershipJSON{"groups": all})
					}
					return printMemberships(call.Out, all)
				})
			}
		},
	}
}

// groups gives the group that was named, or all.
func (c *connection) groups(ctx context.Context, cl *client.Client) ([]string, error) {
	if c.group != "" {
		return []string{c.group}, nil
	}
	return groupNames(ctx, cl)
}

func newMembershipJSON(group string, m client.Members) membershipJSON {
	out := membershipJSON{Group: group, Leader: m.Leader, Term: m.Term, Index: uint64(m.Configuration.Index), CTerm: m.Configuration.Term, Joint: m.Joint}
	for _, x := range m.Members {
		j := memberJSON{ID: x.ID, Peer: x.Peer, Client: x.Client, Role: roleOf(x), Leader: x.ID == m.Leader, Promote: x.Promote, Replaces: x.Replaces,
			Priority: x.Priority, HeardMS: -1, Lag: uint64(m.Last), Directory: hex.EncodeToString(x.Directory)}
		if x.Known {
			j.Lag, j.HeardMS = lagOf(m, x), x.Heard.Milliseconds()
		}
		out.Members = append(out.Members, j)
	}
	return out
}

// lagOf is how many entries of the log a member is not known to have on disk.
func lagOf(m client.Members, x client.Member) uint64 { return uint64(m.Last - min(x.Match, m.Last)) }

// roleOf names a member's standing.
func roleOf(m client.Member) string {
	switch {
	case m.Voter && m.WasVoter, m.Voter:
		return "voter"
	case m.Leaves:
		return "leaving"
	case m.WasVoter:
		return "voter until demoted"
	}
	return "learner"
}

func printMemberships(w io.Writer, all []membershipJSON) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tNODE\tADDRESS\tROLE\tPRIORITY\tLAG\tHEARD\tDIRECTORY")
	for _, g := range all {
		for _, m := range g.Members {
			role, heard := m.Role, "-"
			switch {
			case m.Leader:
				role, heard = role+", leads", "itself"
			case m.HeardMS >= 0:
				heard = (time.Duration(m.HeardMS) * time.Millisecond).String() + " ago"
			}
			if m.Promote {
				role += ", to be a voter"
			}
			if m.Replaces != "" {
				role += " instead of " + m.Replaces
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", g.Group, m.ID, m.Peer, role, m.Priority, m.Lag, heard, orDash(m.Directory))
		}
	}
	return t.Flush()
}
