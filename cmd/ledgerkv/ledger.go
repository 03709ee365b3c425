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
	// name is the group's, as the node's configuration has it, or its id.
	name string
}

// named is what a ledger is called in output.
func (p place) named(in *ledger.Inspection) string { return string(in.Identity.Node) + " " + p.name }

// find gives the ledgers in a directory: that of a group, of a node, or of several nodes, as dev makes it.
func (o *offline) find(dir string) ([]place, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	places, err := ledgersIn(dir)
	if err != nil {
		return nil, err
	}
	if places == nil {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			more, err := ledgersIn(filepath.Join(dir, e.Name()))
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
	return err == nil && filepath.Base(dir) == fmt.Sprintf("%016x", id)
}

// ledgersIn gives the ledger in a group's directory, or those in a node's; nil for any other directory.
func ledgersIn(dir string) ([]place, error) {
	if _, err := os.Stat(filepath.Join(dir, "GROUP")); err == nil {
		return []place{{dir: dir, name: filepath.Base(dir)}}, nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, "groups"))
	if errors.Is(err, os.ErrNotExist) || err != nil && !isDir(filepath.Join(dir, "groups")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := groupNamesIn(dir)
	var places []place
	for _, e := range entries {
		p := place{dir: filepath.Join(dir, "groups", e.Name()), node: dir, name: e.Name()}
		if id, err := strconv.ParseUint(e.Name(), 16, 64); err == nil {
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

// each inspects one ledger after the other.
func (o *offline) each(call *cli.Call, visit func(p place, in *ledger.Inspection) error) error {
	places, err := o.find(call.Args[0])
	if err != nil {
		return err
	}
	for _, p := range places {
		in, err := ledger.Inspect(fs.OS, p.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p.dir, err)
		}
		if err := visit(p, in); err != nil {
			return err
		}
	}
	return nil
}
