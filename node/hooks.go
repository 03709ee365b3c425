package node

// ImageEvent is what became of an image.
type ImageEvent uint8

const (
	// ImageMade: it is on this node's disk.
	ImageMade ImageEvent = iota
	// ImageSent: a peer has all of it.
	ImageSent
	// ImageInstalled: it has taken the place of this node's log and machine.
	ImageInstalled
)

// image reports what became of an image.
func (n *Node) image(group GroupID, event ImageEvent, index Index) {
	if h := n.opts.Hooks.Image; h != nil {
		h(group, event, index)
	}
}

// dropped reports lost messages.
func (n *Node) dropped(peer NodeID, count int) {
	if h := n.opts.Hooks.Dropped; h != nil && count > 0 {
		h(peer, count)
	}
}
