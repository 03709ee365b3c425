package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
)

// offline is what the verbs that read ledgers from disk have in common.
type offline struct {
	out   format
	group string
	live  bool
}

func (o *offline) define(flags *flag.FlagSet) {
	o.out.define(flags)
	flags.StringVar(&o.group, "group", "", "only the group of this `name or id`")
	flags.BoolVar(&o.live, "live", false, "look even if a running node uses the directory; what it is writing may look damaged")
}

// place is a ledger on disk.
type place struct {
	dir string
	// node is the node's directory, empty when the ledger was named directly.
	node string
	// name is the group's, as the node file or the node's configuration has it, or its id.
	name string
	// unlisted: the node file can be read and does not list the group.
	unlisted bool
}

// named is what a ledger is called in output.
func (p place) named(in *ledger.Inspection) string { return string(in.Identity.Node) + " " + p.name }

// nodesIn gives the directories of nodes that a directory is or, as dev makes it, holds.
func nodesIn(dir string) ([]string, error) {
	if isNode(dir) {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var nodes []string
	for _, e := range entries {
		if sub := filepath.Join(dir, e.Name()); isNode(sub) {
			nodes = append(nodes, sub)
		}
	}
	return nodes, nil
}

// isNode reports whether a directory looks like a node's, damaged or not.
func isNode(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "NODE"))
	return err == nil || isDir(filepath.Join(dir, "groups"))
}

// find gives the ledgers in a directory: that of a group, of a node, or of several nodes, as dev makes it.
func (o *offline) find(dir string) ([]place, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	var places []place
	if _, err := os.Stat(filepath.Join(dir, "GROUP")); err == nil {
		places = []place{{dir: dir, name: filepath.Base(dir)}}
	} else {
		nodes, err := nodesIn(dir)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			more, err := ledgersIn(n)
			if err != nil {
				return nil, err
			}
			places = append(places, more...)
		}
	}
	if places == nil {
		return nil, fmt.Errorf("%s holds no ledger: expected the directory of a node (which holds groups), of a group (which holds a file GROUP), or of several nodes", dir)
	}
	if o.group != "" {
		places = slices.DeleteFunc(places, func(p place) bool { return p.name != o.group && !isGroupID(p.dir, o.group) })
		if len(places) == 0 {
			return nil, fmt.Errorf("%s has no group %q", dir, o.group)
		}
	}
	return places, o.checkUse(places)
}

func isGroupID(dir, text string) bool {
	id, err := strconv.ParseUint(text, 10, 64)
	return err == nil && filepath.Base(dir) == groupDir(node.GroupID(id))
}

// groupDir is the name of a group's directory.
func groupDir(id node.GroupID) string { return fmt.Sprintf("%016x", uint64(id)) }

// ledgersIn gives the ledgers in a node's directory: those that are there, and those that the node file lists and that are not.
func ledgersIn(dir string) ([]place, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "groups"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	names, listed := groupNamesIn(dir), ids
	if id, err := node.ReadIdentity(fs.OS, dir); err == nil {
		listed = nil
		for _, g := range id.Groups {
			listed = append(listed, groupDir(g.ID))
			names[uint64(g.ID)] = g.Name
		}
	}
	ids = append(slices.Clone(ids), listed...)
	slices.Sort(ids)
	var places []place
	for _, id := range slices.Compact(ids) {
		p := place{dir: filepath.Join(dir, "groups", id), node: dir, name: id, unlisted: !slices.Contains(listed, id)}
		if id, err := strconv.ParseUint(id, 16, 64); err == nil {
			p.name = strconv.FormatUint(id, 10)
			if name := names[id]; name != "" {
				p.name = name
			}
		}
		places = append(places, p)
	}
	return places, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// groupNamesIn gives the names of a node's groups, as far as its configuration tells.
func groupNamesIn(dir string) map[uint64]string {
	names := map[uint64]string{}
	c, err := config.Load(dir)
	if err != nil {
		return names
	}
	c.SetDefaults()
	for _, g := range c.Groups {
		names[g.ID] = g.Name
	}
	return names
}

// checkUse refuses directories that running nodes use.
func (o *offline) checkUse(places []place) error {
	if o.live {
		return nil
	}
	checked := map[string]bool{}
	for _, p := range places {
		lock := filepath.Join(p.node, "LOCK")
		if _, err := os.Stat(lock); p.node == "" || checked[p.node] || err != nil {
			continue
		}
		checked[p.node] = true
		held, err := fs.OS.Lock(lock)
		if errors.Is(err, fs.ErrLocked) {
			return fmt.Errorf("%s is in use by a running node: stop it first, or look all the same with --live", p.node)
		}
		if err != nil {
			return err
		}
		if err := held.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (p place) inspect() (*ledger.Inspection, error) {
	in, err := ledger.Inspect(fs.OS, p.dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.dir, err)
	}
	return in, nil
}

// each inspects one ledger after the other.
func (o *offline) each(call *cli.Call, visit func(p place, in *ledger.Inspection) error) error {
	places, err := o.find(call.Args[0])
	if err != nil {
		return err
	}
	for _, p := range places {
		in, err := p.inspect()
		if err != nil {
			return err
		}
		if err := visit(p, in); err != nil {
			return err
		}
	}
	return nil
}
