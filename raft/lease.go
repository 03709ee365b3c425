package raft

// LeaseRead says at which index a linearizable read may be served that arrived by now, without a round: while a quorum has promised
// to vote for nobody else (Config.LeaseDuration; Raft thesis §6.4.1). now is the caller's clock, that of Tick, read after the read
// arrived; a process that was paused finds its lease gone. It is false on any other replica than the leader, without a lease, during
// a transfer, and before an entry of the leader's term is committed: use ReadIndex then.
func (c *Core) LeaseRead(now Monotonic) (Index, bool) {
	return 0, false
}
