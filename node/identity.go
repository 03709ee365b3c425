package node

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// UUID names a directory: a node that lost its directory is another member (FAULTS: wiped disk, same node id).
type UUID [16]byte

// String gives the UUID in hexadecimal.
func (u UUID) String() string { return hex.EncodeToString(u[:]) }

// ClusterID is the identity of the cluster with a name: the first 16 bytes of its SHA-256.
func ClusterID(name string) [16]byte {
	sum := sha256.Sum256([]byte(name))
	return [16]byte(sum[:16])
}

// Identity is what a node's directory says of itself: the content of the node file (docs/format.md, "Node file").
type Identity struct {
	// Cluster is the ClusterID of the cluster's name.
	Cluster   [16]byte
	Node      NodeID
	Directory UUID
	// Admitted: every other initial member has pinned this directory; without that it takes part in nothing.
	Admitted bool
	// Joined: the directory was made to be added to a running cluster; it is not one of those with which the cluster began, whatever its name.
	Joined bool
	// Pins is sorted by node.
	Pins []Pin
	// Groups are those of which the directory holds a replica, by id. Each was complete on the disk before it was listed, so one that is listed and
	// not there was lost.
	Groups []HeldGroup
}

// Pin is the directory that a peer uses, as this node saw it first.
type Pin struct {
	Node      NodeID
	Directory UUID
}

// HeldGroup is a group as it was made; none of it changes afterwards.
type HeldGroup struct {
	ID   GroupID
	Name string
	// Machine: the group has a state machine; without one it is log-only.
	Machine bool
	// SegmentSize is in bytes.
	SegmentSize uint64
}

// String says all of it.
func (g HeldGroup) String() string {
	kind := "log-only"
	if g.Machine {
		kind = "with a machine"
	}
	return fmt.Sprintf("group %d %q, %s, segments of %d bytes", uint64(g.ID), g.Name, kind, g.SegmentSize)
}

// ReadIdentity reads the node file in dir without changing anything. It fails with an error that wraps fs.ErrNotExist when there is none. It blocks on
// the device; any goroutine.
func ReadIdentity(fsys fs.FS, dir string) (*Identity, error) {
	name := nodeFile(dir)
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("node: reading %s: %w", name, err)
	}
	id, err := decodeIdentity(raw)
	switch {
	case errors.Is(err, errUnknownFormat):
		return nil, fmt.Errorf("node: %s: %w; nothing was changed", name, err)
	case err != nil:
		return nil, fmt.Errorf("node: %s is damaged: %w; nothing was changed: restore this very file from a copy, the node can't tell without it whom it has recognised and what it holds", name, err)
	}
	return id, nil
}

// loadIdentity reads the node file, or makes one for a directory that holds nothing yet.
func loadIdentity(fsys fs.FS, dir string, cluster [16]byte, self raft.NodeID, join bool, fresh func() UUID) (*Identity, error) {
	id, err := ReadIdentity(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := fsys.List(path.Join(dir, "groups")); err == nil {
			return nil, fmt.Errorf("node: %s holds groups but no NODE file: it is damaged, or not a node's directory; nothing was changed", dir)
		}
		id := &Identity{Cluster: cluster, Node: self, Directory: fresh(), Joined: join}
		return id, id.save(fsys, dir)
	}
	switch {
	case err != nil:
		return nil, err
	case id.Node != self:
		return nil, fmt.Errorf("node: %s is the directory of node %s, not of %s; nothing was changed", dir, id.Node, self)
	case id.Cluster != cluster:
		return nil, fmt.Errorf("node: %s belongs to another cluster (id %x, expected %x); nothing was changed", dir, id.Cluster, cluster)
	case join && !id.Joined && !id.Admitted:
		return nil, fmt.Errorf("node: %s was made for an initial member of a new cluster; a node that joins one needs an empty directory; nothing was changed", dir)
	}
	// A process may have been killed between the file's renaming and its sync: a pin that is seen must not be forgotten.
	if err := fsys.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("node: syncing %s: %w", dir, err)
	}
	return id, nil
}

func randomUUID() UUID {
	var u UUID
	rand.Read(u[:])
	return u
}

// pinned gives the directory that is pinned for a peer.
func (id *Identity) pinned(peer raft.NodeID) (UUID, bool) {
	for _, p := range id.Pins {
		if p.Node == peer {
			return p.Directory, true
		}
	}
	return UUID{}, false
}

// withPin is a copy with one more pin.
func (id *Identity) withPin(peer raft.NodeID, dir UUID) *Identity {
	next := *id
	next.Pins = append(slices.Clone(id.Pins), Pin{peer, dir})
	slices.SortFunc(next.Pins, func(a, b Pin) int { return cmp.Compare(a.Node, b.Node) })
	return &next
}

// withGroup is a copy with one more group.
func (id *Identity) withGroup(g HeldGroup) *Identity {
	next := *id
	next.Groups = append(slices.Clone(id.Groups), g)
	slices.SortFunc(next.Groups, func(a, b HeldGroup) int { return cmp.Compare(a.ID, b.ID) })
	return &next
}

// GroupMismatchError says that a directory holds a group as something else than it is opened as. Nothing was changed.
type GroupMismatchError struct {
	// Path is the node file.
	Path        string
	Held, Asked HeldGroup
}

// Error says what the directory holds, what was asked for and what to do.
func (e *GroupMismatchError) Error() string {
	return fmt.Sprintf("node: %s: this directory holds %v; the configuration says %v. Id, name, kind and segment size are fixed when a group is made: mend the configuration",
		e.Path, e.Held, e.Asked)
}

// MembersMismatchError says that a group was made among other members than Options.Peers names, and that none of its members were changed
// since. Nothing was changed.
type MembersMismatchError struct {
	// Made are the members among whom the group was made, Asked those of Options.Peers; both by id.
	Made, Asked []NodeID
}

// Error says what was found, what was asked for and what to do.
func (e *MembersMismatchError) Error() string {
	return fmt.Sprintf("node: the group was made among the members %q; the configuration says %q. Whoever took part by one of them could commit without whoever took part by the other: "+
		"go back to the former and change the members of the running cluster", e.Made, e.Asked)
}

// madeAmong checks that a group whose members were never changed is among those that the options name. Once they have been changed the options
// are history.
func (n *Node) madeAmong(c raft.Configuration) error {
	if n.joined || slices.ContainsFunc(c.Members, func(m raft.Member) bool { return m.Directory != [16]byte{} }) {
		return nil
	}
	if asked := n.opts.members(); !slices.Equal(c.Voters(), asked.Voters()) {
		return &MembersMismatchError{Made: c.Voters(), Asked: asked.Voters()}
	}
	return nil
}

// holds reports whether the directory is known to hold a group, and refuses one that it knows as something else.
func (n *Node) holds(asked HeldGroup) (bool, error) {
	n.identityMu.Lock()
	defer n.identityMu.Unlock()
	for _, g := range n.identity.Groups {
		if g == asked {
			return true, nil
		}
		if g.ID == asked.ID || g.Name == asked.Name {
			return false, &GroupMismatchError{Path: nodeFile(n.opts.Dir), Held: g, Asked: asked}
		}
	}
	return false, nil
}

// hold lists a group whose files are complete and durable. REQUIRES: holds said false of it.
func (n *Node) hold(g HeldGroup) error {
	n.identityMu.Lock()
	defer n.identityMu.Unlock()
	next := n.identity.withGroup(g)
	if err := next.save(n.opts.FS, n.opts.Dir); err != nil {
		return fmt.Errorf("could not record that the directory holds the group: %w", err)
	}
	n.identity = next
	return nil
}

// openLedger opens the group's ledger. One that was never there is made, complete and durable, and only then listed in the node file: a crash in between
// leaves one that is there and not listed, which is listed now. One that is listed and not there was lost, with its votes and what it
// acknowledged, and is not made again.
func (n *Node) openLedger(lo ledger.Options, g HeldGroup) (*ledger.Ledger, error) {
	held, err := n.holds(g)
	if err != nil {
		return nil, err
	}
	exists, err := ledger.Exists(lo)
	switch {
	case err != nil:
		return nil, err
	case held && !exists:
		return nil, &ledger.CorruptionError{Path: path.Join(lo.Dir, "GROUP"), Err: fmt.Errorf(
			"the group file is missing, and the node file says that this directory holds %v; a new one would have forgotten its votes and what it acknowledged: "+
				"put back the very directory %s if it was moved", g, lo.Dir)}
	case !exists:
		var boot raft.Configuration // who joins learns from the leader who the members are
		if !n.joined {
			boot = n.opts.members()
		}
		if err := ledger.Create(lo, boot); err != nil {
			return nil, err
		}
	}
	l, err := ledger.Open(lo)
	if err != nil || held {
		return l, err
	}
	if err := n.hold(g); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
