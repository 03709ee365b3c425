package node

import (
	"errors"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// provisioner is the loop that prepares zero-filled space ahead of need, so that no write of the log ever meets a full disk or has to
// grow a file.
type provisioner struct {
	node *Node
	loop *Loop
	work worklist
}

func newProvisioner(n *Node) *provisioner {
	p := &provisioner{node: n}
	p.loop = n.newLoop("provisioner", p.turn)
	p.work = worklist{stage: provisionerStage, loop: p.loop}
	return p
}

func (p *provisioner) turn() (more bool) {
	for _, r := range p.work.take() {
		if r.failed() {
			continue
		}
		again, err := r.ledger.Provision()
		full := errors.Is(err, fs.ErrNoSpace)
		if r.diskFull.Swap(full) && !full {
			p.node.syncer.work.add(r) // what waited for space
		}
		if err != nil && !full {
			r.fail(err)
			continue
		}
		if again {
			p.work.add(r)
			more = true
		}
		if r.throttled.Load() {
			r.owner.work.add(r)
		}
	}
	return more
}

// retry looks again at the groups that met a full disk. Ticker.
func (p *provisioner) retry() {
	for _, r := range p.node.replicas() {
		if r.diskFull.Load() {
			p.work.add(r)
		}
	}
}
