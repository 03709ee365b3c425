package raft

// Wake ends the silence of a quiet group (Config.QuietAfter): a leader sends heartbeats again, a follower asks its leader for a sign
// of life and looks for another if there is none. It changes nothing in a group that is awake. Any other call that gives a replica
// something to do wakes it, too.
func (c *Core) Wake() {
}
