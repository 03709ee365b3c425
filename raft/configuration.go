package raft

// Member is a replica's place in a configuration.
type Member struct {
	ID NodeID
	// Address is where the node's peers reach it, host:port. The core does not look at it.
	Address string
	// Voter: the member votes in the configuration, or, while it is joint, in its incoming half.
	Voter bool
	// WasVoter: the member votes in the outgoing half. Only while joint.
	WasVoter bool
	// Priority orders the members for elections; higher is preferred. 0 is the default.
	Priority uint16
}

// Configuration is a group's membership, in its joint form (Raft thesis §4.3). A member with neither vote is a learner.
type Configuration struct {
	// Joint: decisions need a majority of Voter members and a majority of WasVoter members.
	Joint bool
	// Members is sorted by ID, without repeats.
	Members []Member
}
