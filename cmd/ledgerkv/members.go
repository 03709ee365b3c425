package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// wish is what the members of a group are to become. It looks at what they are, so that it can be repeated at any time.
type wish struct {
	// changes gives what is still to be asked for, nothing when it was asked for already. It fails when the wish makes no sense there.
	changes func(group string, m client.Members) ([]client.MemberChange, error)
	// missing says what is still to come before the wish has come true; empty when it has.
	missing func(m client.Members) string
	// done says what has come true.
	done string
	// senseless, unless nil, says in the end whether the wish made no sense in any group.
	senseless func() error
}

// changing is what the verbs that change members have in common.
type changing struct {
	conn connection
	out  format
	wait bool
}

func (c *changing) define(flags *flag.FlagSet) {
	c.conn.define(flags, "")
	flags.Lookup("timeout").Usage = "how long to try each step; the wait for a node to catch up has no end"
	c.out.define(flags)
	flags.BoolVar(&c.wait, "wait", true, "wait until it has come true; with --wait=false only until it is on its way")
}

// changedJSON is what became of a wish in a group, as it is printed.
type changedJSON struct {
	Group string `json:"group"`
	Done  bool   `json:"done"`
	// Waiting is what is still to come.
	Waiting string `json:"waiting,omitempty"`
	Error   string `json:"error,omitempty"`
}

// run makes a wish come true in one group after the other. What fails in one does not keep it from the others.
func (c *changing) run(ctx context.Context, call *cli.Call, w wish) error {
	cl, limited, cancel, err := c.conn.open(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	groups, err := c.conn.groups(limited, cl)
	cancel()
	if err != nil {
		return c.conn.explain(err)
	}
	var results []changedJSON
	var failures []error
	for _, g := range groups {
		say := func(format string, args ...any) {
			if c.out != asJSON {
				fmt.Fprintf(call.Out, "%s: %s\n", g, fmt.Sprintf(format, args...))
			}
		}
		waiting, err := c.inGroup(ctx, cl, g, w, say)
		result := changedJSON{Group: g, Done: err == nil && waiting == "", Waiting: waiting}
		if err != nil {
			result.Error = err.Error()
			failures = append(failures, fmt.Errorf("group %s: %w", g, err))
		}
		results = append(results, result)
	}
	if c.out == asJSON {
		if err := writeJSON(call.Out, map[string][]changedJSON{"groups": results}); err != nil {
			return err
		}
	}
	if len(failures) > 0 && len(failures) < len(groups) {
		failures = append(failures, errors.New("it is done in the other groups; the same command does the rest, and nothing twice"))
	}
	if len(failures) == 0 && w.senseless != nil {
		return w.senseless()
	}
	return c.conn.explain(errors.Join(failures...))
}

// pollPause is how long to wait between two looks at the members.
const pollPause = 100 * time.Millisecond

// inGroup makes a wish come true in a group: look, ask for what is missing on the condition that nothing has changed meanwhile, look again.
func (c *changing) inGroup(ctx context.Context, cl *client.Client, group string, w wish, say func(string, ...any)) (waiting string, err error) {
	said := ""
	for {
		m, err := cl.LeaderMembers(ctx, group)
		if err != nil {
			return waiting, err
		}
		changes, err := w.changes(group, m)
		if err != nil {
			return waiting, err
		}
		if len(changes) > 0 {
			err := cl.ChangeMembers(ctx, group, changes, &m.Configuration)
			if err != nil && !errors.Is(err, client.ErrConfigurationChanged) && !errors.Is(err, client.ErrUncertain) {
				return waiting, err
			}
		} else if waiting = w.missing(m); waiting == "" {
			say("%s", w.done)
			return "", nil
		} else if !c.wait {
			say("%s", waiting)
			return waiting, nil
		} else if waiting != said {
			say("%s", waiting)
			said = waiting
		}
		timer := time.NewTimer(pollPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return waiting, fmt.Errorf("%w: %s", ctx.Err(), waiting)
		}
	}
}

// settled says what keeps the configuration from being in force for good.
func settled(m client.Members) string {
	if m.Joint || !m.Committed {
		return "the members are changing"
	}
	return ""
}

// unknown says that a node is not in a group, and who is.
func unknown(group, id string, m client.Members) error {
	var ids []string
	for _, x := range m.Members {
		ids = append(ids, x.ID)
	}
	return cli.Exit(cli.ExitNotFound, fmt.Errorf("%s is not a member of %s; the members are %s", id, group, strings.Join(ids, ", ")))
}

// addition adds a node.
func addition(id, address string, voter, promote bool) wish {
	kind, standing := client.AddLearner, "a learner"
	if voter {
		kind = client.AddVoter
	}
	if voter || promote {
		standing = "a voter"
	}
	return wish{
		done: id + " is " + standing,
		changes: func(_ string, m client.Members) ([]client.MemberChange, error) {
			x, member := m.Member(id)
			if member && x.Peer != address {
				return nil, fmt.Errorf("%s is a member already, at %s; to move it say: ledgerkv member address %s=%s", id, x.Peer, id, address)
			}
			if member && (x.Voter || !voter && x.Promote == promote) {
				return nil, nil
			}
			return []client.MemberChange{{Kind: kind, ID: id, Address: address, Promote: promote && !voter}}, nil
		},
		missing: func(m client.Members) string {
			if x, _ := m.Member(id); (voter || promote) && !x.Voter {
				return catchingUp(m, x, "")
			}
			return settled(m)
		},
	}
}

// catchingUp says how far a learner is. The number is rounded, so that not every look prints a line.
func catchingUp(m client.Members, x client.Member, instead string) string {
	text := x.ID + " is a learner"
	if lag := lagOf(m, x); !x.Known || x.Match == 0 {
		text += " and has nothing of the log yet"
	} else if lag > 0 {
		text += fmt.Sprintf(", %s entries behind", about(lag))
	}
	return text + "; it becomes a voter" + instead + " when it has caught up"
}

// about is a number without its lower digits.
func about(n uint64) string {
	unit := uint64(1)
	for n/unit >= 10 {
		unit *= 10
	}
	if unit < 1000 {
		return "some"
	}
	return fmt.Sprintf("about %d", n/unit*unit)
}

// replacement adds a node that takes the place of another.
func replacement(old, id, address string) wish {
	return wish{
		done: id + " has replaced " + old,
		changes: func(group string, m client.Members) ([]client.MemberChange, error) {
			before, isMember := m.Member(old)
			x, added := m.Member(id)
			switch {
			case !isMember && !added:
				return nil, unknown(group, old, m)
			case added && x.Peer != address:
				return nil, fmt.Errorf("%s is a member already, at %s", id, x.Peer)
			case !isMember, added && x.Replaces == old, before.Leaves:
				return nil, nil
			case added && x.Voter:
				return []client.MemberChange{{Kind: client.RemoveMember, ID: old}}, nil
			case before.Voter:
				return []client.MemberChange{{Kind: client.AddLearner, ID: id, Address: address, Priority: before.Priority, Promote: true, Replaces: old}}, nil
			}
			return []client.MemberChange{{Kind: client.AddLearner, ID: id, Address: address, Priority: before.Priority}, {Kind: client.RemoveMember, ID: old}}, nil
		},
		missing: func(m client.Members) string {
			if x, _ := m.Member(id); x.Promote {
				return catchingUp(m, x, " instead of "+old)
			}
			return settled(m)
		},
	}
}

// removal removes a node. In a group that it is not in there is nothing to do.
func removal(id string) wish {
	found := false
	return wish{
		done: id + " is no member",
		changes: func(_ string, m client.Members) ([]client.MemberChange, error) {
			x, member := m.Member(id)
			found = found || member
			if member && !x.Leaves {
				return []client.MemberChange{{Kind: client.RemoveMember, ID: id}}, nil
			}
			return nil, nil
		},
		missing: settled,
		senseless: func() error {
			if found {
				return nil
			}
			return cli.Exit(cli.ExitNotFound, fmt.Errorf("%s was no member of any group; ledgerkv member list says who is", id))
		},
	}
}

// of is a wish for members that there are: what is to be done about each that fails a test.
func of(ids []string, done string, is func(client.Member) bool, change func(id string) client.MemberChange) wish {
	return wish{
		done: done,
		changes: func(group string, m client.Members) (changes []client.MemberChange, err error) {
			for _, id := range ids {
				x, member := m.Member(id)
				if !member {
					return nil, unknown(group, id, m)
				}
				if !is(x) {
					changes = append(changes, change(id))
				}
			}
			return changes, nil
		},
		missing: settled,
	}
}

// pairs reads arguments of the form id=value.
func pairs(args []string, form string) (ids, values []string, err error) {
	for _, a := range args {
		id, value, ok := strings.Cut(a, "=")
		if !ok || id == "" || value == "" || slices.Contains(ids, id) {
			return nil, nil, cli.Misuse("expected %s, each node once, found %q", form, a)
		}
		ids, values = append(ids, id), append(values, value)
	}
	return ids, values, nil
}
