package process

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Inspect looks at the ledgers of a node that does not run, by the groups' places in Groups.
func (n *Node) Inspect() (inspections []*ledger.Inspection, err error) {
	for group := range Groups {
		in, err := ledger.Inspect(fs.OS, filepath.Join(n.Dir, "groups", fmt.Sprintf("%016x", group+1)))
		if err != nil {
			return nil, err
		}
		inspections = append(inspections, in)
	}
	return inspections, nil
}

// SameLedgers demands sound ledgers on disk, with the same bytes at the same positions over the range that all nodes have. The bytes are those of
// whole records, which hold the checksum of the record before: the chain is compared by it. It gives how many entries of each group were
// compared. REQUIRES: Converged, no write since, and no node runs.
func (c *Cluster) SameLedgers() (compared map[string]int, err error) {
	replicas := make([][]*ledger.Inspection, len(Groups))
	for _, n := range c.Nodes {
		inspections, err := n.Inspect()
		if err != nil {
			return nil, fmt.Errorf("process: ledgers of %s: %w", n.ID, err)
		}
		for group, in := range inspections {
			replicas[group] = append(replicas[group], in)
		}
	}
	compared = map[string]int{}
	for group, name := range Groups {
		if compared[name], err = c.sameLedger(replicas[group]); err != nil {
			return nil, fmt.Errorf("process: group %s: %w", name, err)
		}
	}
	return compared, nil
}

func (c *Cluster) sameLedger(replicas []*ledger.Inspection) (int, error) {
	var first, last raft.Index
	for i, in := range replicas {
		d, err := in.DigestAt(0)
		if err != nil {
			return 0, fmt.Errorf("ledger of %s: %w", c.Nodes[i].ID, err)
		}
		if i == 0 || d.Last.Index < last {
			last = d.Last.Index
		}
		first = max(first, in.Base.ID.Index+1)
	}
	var want [][sha256.Size]byte
	for i, in := range replicas {
		have, err := sums(in, first, last)
		if err != nil {
			return 0, fmt.Errorf("ledger of %s: %w", c.Nodes[i].ID, err)
		}
		if i == 0 {
			want = have
		}
		if len(have) == 0 || len(have) != len(want) {
			return 0, fmt.Errorf("expected the same entries, at least one, from %d to %d: %s has %d, %s %d", first, last, c.Nodes[i].ID, len(have), c.Nodes[0].ID, len(want))
		}
		for at := range have {
			if have[at] != want[at] {
				return 0, fmt.Errorf("entry %d of %s has other bytes or another position than that of %s", first+raft.Index(at), c.Nodes[i].ID, c.Nodes[0].ID)
			}
		}
	}
	return len(want), nil
}

// sums are checksums over position and bytes of a ledger's records with an index in [first, last], all of which are to be sound.
func sums(in *ledger.Inspection, first, last raft.Index) (all [][sha256.Size]byte, err error) {
	_, faults, err := in.Walk(func(r ledger.Record) error {
		if r.ID.Index >= first && r.ID.Index <= last {
			all = append(all, sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, uint64(r.Position)), r.Raw...)))
		}
		return nil
	})
	return all, errors.Join(append(faults, err)...)
}
