package snapshot

import (
	"github.com/ledgerkv/ledgerkv/raft"
)

// Ask makes the frame by which a replica asks a peer for an image that ends at or above an entry. What comes of it, if anything, is an offer: the frame
// belongs to no transfer, and is repeated by whoever asks until an image is there.
func Ask(to raft.NodeID, group raft.GroupID, least raft.Index) Frame {
	return Frame{To: to, Head: appendFrame(nil, message{kind: frameAsk, group: group, least: least})}
}

// Asked reads a frame made by Ask; asked is false for every other frame. ErrFrame: it can't be understood.
func Asked(head []byte) (group raft.GroupID, least raft.Index, asked bool, err error) {
	if len(head) < 2 || frameType(head[1]) != frameAsk {
		return 0, 0, false, nil
	}
	m, err := decodeFrame(head)
	return m.group, m.least, true, err
}
