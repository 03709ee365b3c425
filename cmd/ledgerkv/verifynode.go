package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
)

// nodeFileJSON is a node file that was verified.
type nodeFileJSON struct {
	Dir       string     `json:"dir"`
	Node      string     `json:"node,omitempty"`
	Directory string     `json:"directory,omitempty"`
	Admitted  bool       `json:"admitted"`
	Peers     []string   `json:"peers,omitempty"`
	Groups    []heldJSON `json:"groups,omitempty"`
	findings
}

// heldJSON is a group that a node file lists.
type heldJSON struct {
	ID          uint64 `json:"id"`
	Name        string `json:"name"`
	Machine     bool   `json:"machine"`
	SegmentSize uint64 `json:"segment_size"`
}

// nodesOf gives the directories of the nodes to which ledgers belong.
func nodesOf(places []place) []string {
	var nodes []string
	for _, p := range places {
		if p.node != "" && !slices.Contains(nodes, p.node) {
			nodes = append(nodes, p.node)
		}
	}
	return nodes
}

// verifyNode reads a node file and compares it with the groups that are there.
func verifyNode(dir string) nodeFileJSON {
	j := nodeFileJSON{Dir: dir}
	id, err := node.ReadIdentity(fs.OS, dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there are groups and no node file, without which the node can't tell whom it has recognised and what it holds: %w", err)
	}
	if err != nil {
		j.fault(err)
		return j
	}
	j.Node, j.Directory, j.Admitted = string(id.Node), id.Directory.String(), id.Admitted
	for _, p := range id.Pins {
		j.Peers = append(j.Peers, string(p.Node))
	}
	for _, g := range id.Groups {
		j.Groups = append(j.Groups, heldJSON{uint64(g.ID), g.Name, g.Machine, g.SegmentSize})
		j.check(id, g)
	}
	places, err := ledgersIn(dir)
	if err != nil {
		j.fault(err)
	}
	for _, p := range places {
		if p.unlisted {
			j.note("%s is not listed: a crash came before that, and the next start lists it", p.dir)
		}
	}
	return j
}

// check compares a group that is there with what the node file says of it.
func (j *nodeFileJSON) check(id *node.Identity, g node.HeldGroup) {
	dir := filepath.Join(j.Dir, "groups", groupDir(g.ID))
	in, err := ledger.Inspect(fs.OS, dir)
	if err != nil {
		return // what is said of the ledger says so
	}
	want := ledger.Identity{Cluster: id.Cluster, Group: g.ID, Incarnation: in.Identity.Incarnation, Node: id.Node, Directory: id.Directory}
	if in.Identity != want || in.SegmentSize != g.SegmentSize {
		j.fault(fmt.Errorf("%s belongs to something else: the node file says %v of node %s, directory %v; the group file says group %d of node %s, directory %v, segments of %d bytes",
			dir, g, id.Node, id.Directory, uint64(in.Identity.Group), in.Identity.Node, node.UUID(in.Identity.Directory), in.SegmentSize))
	}
}

func (j *nodeFileJSON) print(w io.Writer) error {
	name := j.Dir
	if j.Node != "" {
		name = j.Node
	}
	state := "admitted"
	if !j.Admitted {
		state = "not admitted yet"
	}
	_, err := fmt.Fprintf(w, "%s: node file %s, %s, %d peers, %d groups\n", name, j.verdict(), state, len(j.Peers), len(j.Groups))
	if err == nil {
		err = j.findings.print(w)
	}
	return err
}
