package raft

// DiskStalled tells the core that this replica's disk does not keep up, or does again. A leader then hands leadership over as soon as
// another voter is fit for it, and a replica that is stalled does not ask for elections. The core also sees for itself that
// nothing has become durable for a StallTimeout; it forgets what it saw when something does.
func (c *Core) DiskStalled(stalled bool) {
}
