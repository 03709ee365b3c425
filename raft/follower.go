package raft

import "fmt"

// hearLeader takes what only the leader of the present term sends.
func (c *Core) hearLeader(m *Message, entries []Entry) error {
	if c.termLeader != None && c.termLeader != m.From {
		return protocolError(m, "law 1: %q leads term %d; there can't be two leaders in a term", string(c.termLeader), c.term)
	}
	configs, err := c.checkEntries(m, entries)
	if err != nil {
		return err
	}
	c.becomeFollower(c.term, m.From, "")
	switch m.Type {
	case MsgAppend:
		c.takeEntries(m, entries, configs)
	case MsgHeartbeat:
		if c.installing == nil {
			c.followCommit(m.Commit, c.log.last)
		}
		answer := Message{Type: MsgHeartbeatResp, To: m.From, Last: c.log.lastID(), Round: m.Round, SentAt: m.SentAt}
		if m.Lease > 0 && m.Lease <= c.cfg.LeaseDuration {
			c.promise.give(m)
			answer.Lease = m.Lease
		}
		answer.Quiet = c.followSilence(m)
		c.send(answer)
	case MsgImage:
		return c.offerImage(m)
	case MsgTransfer:
		switch {
		case !c.mayCampaign() || c.stalled():
			c.send(Message{Type: MsgTransfer, To: m.From, Round: m.Round, Reject: true})
		case !c.bound(c.term+1, true, m.Round):
			c.campaign(true, m.Round)
		}
	}
	return nil
}

// checkEntries sees that the entries are those that the message names, and decodes configurations.
func (c *Core) checkEntries(m *Message, entries []Entry) (configs []Configuration, err error) {
	if m.Type != MsgAppend {
		return nil, nil
	}
	if m.Last.Index < m.Prev.Index || uint64(len(entries)) != uint64(m.Last.Index-m.Prev.Index) {
		return nil, protocolError(m, "it has %d entries for (%s, %s]", len(entries), m.Prev, m.Last)
	}
	prev := m.Prev
	if prev.Index == 0 != (prev.Term == 0) {
		return nil, protocolError(m, "it begins after %s, which is no entry", prev)
	}
	for i := range entries {
		e := &entries[i]
		if e.ID.Index != prev.Index+1 || e.ID.Term < max(prev.Term, 1) || e.Size < RecordHeaderSize {
			return nil, protocolError(m, "entry %s of %d bytes follows %s", e.ID, e.Size, prev)
		}
		if e.Kind == KindConfig {
			config, err := DecodeConfiguration(e.Body)
			if err == nil {
				err = config.Validate()
			}
			if err != nil {
				return nil, fmt.Errorf("raft: ignored an append from %q: the configuration at %s: %w", string(m.From), e.ID, err)
			}
			configs = append(configs, config)
		}
		prev = e.ID
	}
	if prev != m.Last {
		return nil, protocolError(m, "its entries end with %s, not %s", prev, m.Last)
	}
	return configs, nil
}

// takeEntries appends what is new and removes what conflicts (Raft thesis §3.5), never below the commit index and never
// without a conflict.
func (c *Core) takeEntries(m *Message, entries []Entry, configs []Configuration) {
	switch {
	case c.installing != nil:
		return // the log is about to be replaced
	case m.Prev.Index < c.commit:
		// What is committed matches whatever the leader has.
		c.acknowledge(c.log.id(c.commit))
		return
	case !c.log.has(m.Prev):
		c.send(Message{Type: MsgAppendResp, To: m.From, Reject: true, Prev: m.Prev, Hint: c.hint(m.Prev)})
		return
	}
	known := 0
	for known < len(entries) && c.log.has(entries[known].ID) {
		if entries[known].Kind == KindConfig {
			configs = configs[1:]
		}
		known++
	}
	if known < len(entries) {
		if first := entries[known].ID.Index; first <= c.log.last {
			c.truncate(first)
		}
		c.appendEntries(entries[known:], configs)
	}
	c.followCommit(m.Commit, m.Last.Index)
	c.acknowledge(m.Last)
}

// acknowledge tells the leader that the log matches its own up to id. It leaves once that is durable.
func (c *Core) acknowledge(id EntryID) {
	c.send(Message{Type: MsgAppendResp, To: c.leader, Last: id})
}

// hint is the last entry at or below prev that the leader may have: the last one of a term no higher than prev's, and never
// below the commit index.
func (c *Core) hint(prev EntryID) EntryID {
	if id, ok := c.log.atMost(prev.Index, prev.Term); ok && id.Index > c.commit {
		return id
	}
	return c.log.id(c.commit)
}
