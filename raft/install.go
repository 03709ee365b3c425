package raft

// askForImage asks the node to send the peer an image: it needs entries that are at or below the base.
func (c *Core) askForImage(p *peer) {
	p.state, p.probing = Image, false
	p.flight.clear()
	m := Message{Type: MsgImage, To: p.ID}
	if c.cfg.LogOnly {
		m.Image = &ImageMeta{Base: c.base}
	}
	c.send(m)
}

// ImageSent answers a MsgImage that left this core: the image that ends with id has reached the peer, or, not ok, none will. The
// leader then probes the peer above the image, or tries again after the peer's next answer to a heartbeat.
func (c *Core) ImageSent(to NodeID, id EntryID, ok bool) {
	p := c.peer(to)
	if c.role != Leader || p == nil || p.state != Image {
		return
	}
	c.stir()
	if !ok {
		p.probe(p.match+1, true)
		return
	}
	p.probe(min(id.Index, c.log.last)+1, false)
}

// offerImage: an image is here. It is installed only if it holds what the log lacks: never over committed or matching entries
// (etcd#1763), and never beside conflicting ones (hashicorp/raft#704).
func (c *Core) offerImage(m *Message) error {
	base := &m.Image.Base
	if base.ID.Index == 0 || base.ID.Term == 0 || base.ID.Term > m.Term || base.ID.Index > maxIndex {
		return protocolError(m, "the image ends with %s, which is no entry of a term up to %d", base.ID, m.Term)
	}
	if err := base.Configuration.Validate(); err != nil {
		return protocolError(m, "the image's configuration: %v", err)
	}
	switch {
	case c.installing != nil: // one at a time; the leader asks again
	case base.ID.Index <= c.commit:
		c.acknowledge(c.log.id(c.commit))
	case c.log.has(base.ID):
		c.setCommit(base.ID.Index)
		c.acknowledge(base.ID)
	default:
		c.installing = base
		c.out.Install = m.Image
	}
	return nil
}

// Installed answers Output.Install: the whole log, durably, is now the base of the image, or, not ok, is what it was. Then entries
// are accepted again. It panics unless b is the base of the image being installed.
func (c *Core) Installed(b Base, ok bool) {
	c.assert(c.installing != nil && c.out.Install == nil && b.ID == c.installing.ID, "Installed answers the Install that was given out")
	c.installing = nil
	if !ok {
		return
	}
	c.assert(b.ID.Index > c.commit && b.ID.Term <= c.term, "law 2: an image holds more than what was committed")
	c.assert(len(c.out.Append) == 0 && c.out.Truncate == 0, "no entries are accepted during an installation")
	c.base = b
	c.log.reset(b.ID)
	c.commit, c.applied, c.synced, c.handed = b.ID.Index, b.ID.Index, b.ID.Index, b.ID.Index
	c.unsynced = c.unsynced[:0]
	c.configurations = append(c.configurations[:0], ConfigurationEntry{ID: b.ID, Configuration: b.Configuration})
	c.configurationInForceChanged()
	if c.leader != None {
		c.acknowledge(b.ID)
	}
}

// Compacted says that the log now begins at b: what was at or below it has been removed. It panics unless b is applied and in the
// log; a base at or below the present one changes nothing.
func (c *Core) Compacted(b Base) {
	if b.ID.Index <= c.log.base.Index {
		return
	}
	c.assert(b.ID.Index <= c.commit, "law 2: only committed entries are removed")
	c.assert(c.log.has(b.ID), "the base is an entry of the log")
	c.base = b
	c.log.compact(b.ID)
	c.synced = max(c.synced, b.ID.Index)
	n := 0
	for n+1 < len(c.configurations) && c.configurations[n+1].ID.Index <= b.ID.Index {
		n++
	}
	c.configurations = c.configurations[n:]
}
