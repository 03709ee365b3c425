package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
)

// repeatable is what the help of every verb that changes members says.
const repeatable = `
It goes through the groups one after the other, or takes the one that --group names. Each step is carried out on the condition that the members
are those that were seen; so two commands at a time do no harm, and one that failed or was interrupted can be given again: it does what is left.`

func memberAddVerb() cli.Verb {
	return cli.Verb{
		Name: "member add", Args: "NODE=HOST:PORT", Min: 1, Max: 1,
		Short: "add a node",
		Long: `Adds a node, which has to run already ("ledgerkv server --join"), at its peer port HOST:PORT. It begins as a learner, which has no vote, and becomes
a voter by itself when it has caught up.` + repeatable,
		Examples: [][2]string{
			{"@ member add n4=host-d:7412", "as a learner that becomes a voter"},
			{"@ member add n4=host-d:7412 --no-promote", "as a learner that stays one: a reader, or a copy far away"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var c changing
			c.define(flags)
			voter := flags.Bool("voter", false, "with a vote at once; until it has caught up, the cluster may stand still for the want of it")
			stays := flags.Bool("no-promote", false, "it stays a learner")
			return func(ctx context.Context, call *cli.Call) error {
				id, address, err := nodeAt(call.Args[0])
				if err != nil {
					return err
				}
				if *voter && *stays {
					return cli.Misuse("expected --voter or --no-promote, found both")
				}
				return c.run(ctx, call, addition(id, address, *voter, !*stays))
			}
		},
	}
}

func nodeAt(text string) (id, address string, err error) {
	peers, err := config.ParsePeers(text)
	if err != nil || len(peers) != 1 {
		return "", "", cli.Misuse("expected NODE=HOST:PORT, found %q", text)
	}
	return peers[0].ID, peers[0].Peer, nil
}

func memberReplaceVerb() cli.Verb {
	return cli.Verb{
		Name: "member replace", Args: "OLD NEW=HOST:PORT", Min: 2, Max: 2,
		Short: "put a node in the place of one that is lost",
		Long: `For a node that has lost its directory or its machine: adds NEW, which has to run already ("ledgerkv server --join") and needs a name that no node
had before, and removes OLD in the same step in which NEW, having caught up, gets its vote. OLD need not run.` + repeatable,
		Examples: [][2]string{{"@ member replace n2 n4=host-b:7412", "n4 takes the place of n2"}},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var c changing
			c.define(flags)
			return func(ctx context.Context, call *cli.Call) error {
				id, address, err := nodeAt(call.Args[1])
				if err != nil {
					return err
				}
				if id == call.Args[0] {
					return cli.Misuse("expected a new name for the new node: %s belongs to the directory that was lost, for ever", id)
				}
				return c.run(ctx, call, replacement(call.Args[0], id, address))
			}
		},
	}
}

// plainVerb is a verb that takes the names of nodes, or what goes with them, and nothing else.
func plainVerb(v cli.Verb, wished func(args []string) (wish, error)) cli.Verb {
	v.Min = 1
	v.Long += repeatable
	v.Define = func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
		var c changing
		c.define(flags)
		return func(ctx context.Context, call *cli.Call) error {
			w, err := wished(call.Args)
			if err != nil {
				return err
			}
			return c.run(ctx, call, w)
		}
	}
	return v
}

func memberRemoveVerb() cli.Verb {
	return plainVerb(cli.Verb{
		Name: "member remove", Args: "NODE", Max: 1,
		Short:    "remove a node",
		Long:     `Removes a node, which need not run. A leader hands over first. Afterwards stop its process; its name can't be used by another directory.`,
		Examples: [][2]string{{"@ member remove n3", "the others go on without it"}},
	}, func(args []string) (wish, error) { return removal(args[0]), nil })
}

func memberPromoteVerb() cli.Verb {
	return plainVerb(cli.Verb{
		Name: "member promote", Args: "NODE", Max: 1,
		Short:    "give a learner its vote",
		Long:     `Gives a learner its vote now, caught up or not.`,
		Examples: [][2]string{{"@ member promote n4", "n4 votes"}},
	}, func(args []string) (wish, error) {
		return of(args, args[0]+" is a voter", func(m client.Member) bool { return m.Voter },
			func(id string) client.MemberChange { return client.MemberChange{Kind: client.PromoteMember, ID: id} }), nil
	})
}

func memberDemoteVerb() cli.Verb {
	return plainVerb(cli.Verb{
		Name: "member demote", Args: "NODE", Max: 1,
		Short:    "take a voter's vote",
		Long:     `Makes a voter a learner, which goes on to get and serve what is written, but no longer votes.`,
		Examples: [][2]string{{"@ member demote n3", "n3 is a learner"}},
	}, func(args []string) (wish, error) {
		return of(args, args[0]+" is a learner", func(m client.Member) bool { return !m.Voter },
			func(id string) client.MemberChange { return client.MemberChange{Kind: client.DemoteMember, ID: id} }), nil
	})
}

func memberAddressVerb() cli.Verb {
	return plainVerb(cli.Verb{
		Name: "member address", Args: "NODE=HOST:PORT", Max: 1,
		Short:    "change where the others reach a node",
		Long:     `Changes the peer port of a node that has moved, with its directory. Start it there with --peer HOST:PORT.`,
		Examples: [][2]string{{"@ member address n3=host-e:7412", "the others look for n3 there"}},
	}, func(args []string) (wish, error) {
		id, address, err := nodeAt(args[0])
		return of([]string{id}, id+" is at "+address, func(m client.Member) bool { return m.Peer == address },
			func(id string) client.MemberChange {
				return client.MemberChange{Kind: client.SetAddress, ID: id, Address: address}
			}), err
	})
}

func priorityVerb() cli.Verb {
	return plainVerb(cli.Verb{
		Name: "priority", Args: "NODE=N...", Max: -1,
		Short: "say which nodes are to lead",
		Long: `Sets how much nodes are preferred as leaders, 0 to 255; 0 is where all begin. A leader hands over to a voter with a higher number that has been up and
caught up for some seconds; of nodes with the same number any may lead.`,
		Examples: [][2]string{{"@ priority n1=10 n2=5", "n1 leads while it can, otherwise n2"}},
	}, func(args []string) (wish, error) {
		ids, values, err := pairs(args, "NODE=N with N from 0 to 255")
		if err != nil {
			return wish{}, err
		}
		numbers := map[string]uint16{}
		done := "the priorities are set:"
		for i, id := range ids {
			n, err := strconv.ParseUint(values[i], 10, 8)
			if err != nil {
				return wish{}, cli.Misuse("expected a priority from 0 to 255 for %s, found %q", id, values[i])
			}
			numbers[id] = uint16(n)
			done += fmt.Sprintf(" %s=%d", id, n)
		}
		return of(ids, done, func(m client.Member) bool { return m.Priority == numbers[m.ID] },
			func(id string) client.MemberChange {
				return client.MemberChange{Kind: client.SetPriority, ID: id, Priority: numbers[id]}
			}), nil
	})
}
