// Package interop proves that the core speaks Raft and not a dialect of its own: members that run raft.Core and members that run
// go.etcd.io/raft/v3 (v3.7, a core that others have trusted with their data for ten years) form one group, under the random schedules
// of raft/rafttest, held against the same laws by the same checker: one leader a term, one vote a term and voter, leaders with every committed
// entry, committed entries that never change and that a quorum has on disk, equal machines at equal applied indexes, watermarks that
// never go back, fresh reads, log matching. Messages are lost, repeated, reordered and cut off one way; processes lose what they had not
// synced, in part or in whole. After each run everything is mended, and the members must come together and go on. Elections are won by both kinds, and each
// kind commits what the other appended; TestInterop fails where that did not happen.
//
// The module is one of its own, with its own dependencies. `make interop` runs it.
//
// Membership is static: theirs takes effect when it is applied, ours when it is appended, so a change would mean two things at a time.
// Logs are not compacted, so no images are sent: a MsgSnap carries the state itself and a MsgImage only names it, and that is the
// business of two transports, not of two cores.
//
// Leases are off, as theirs are not promised by followers in so many words, and so are quiet groups. Hand-over to preferred voters and from stalled disks
// is on: it is the business of our leaders alone.
//
// # How an etcd/raft node becomes a rafttest.Core
//
// It runs with asynchronous storage writes. What one MsgStorageAppend orders becomes an output's State, Truncate and Append; its responses to
// others are SendSynced, its responses to the node itself are handed back by Synced, which goes by output, in order, as theirs must. A MsgStorageApply
// is answered once the harness has applied its entries; that they are the log's own is checked. The translation
// takes a Ready after each thing that the node is told, so that what it says about its log (below) is said of the log as
// it was then. Two settings are not theirs by default: check-quorum and pre-vote are on, which ours always has, and
// proposals are not sent on to the leader.
//
// Two things that theirs allows are not used. A MsgVote or MsgPreVote of theirs may leave before the term, the own vote and the log that it boasts
// of are durable, when storage writes are asynchronous; here it waits for them, as it does with their synchronous writes and as law 5
// has it. A candidate that crashed in between could otherwise ask again in the same term with a shorter log, and win by an answer to
// its first request. And the commit index of their hard state is not persisted, as ours is not: it may lag anyway.
//
// # Messages
//
// PreVote, Vote and their answers are MsgPreVote, MsgVote, MsgPreVoteResp, MsgVoteResp. Last is (Index, LogTerm); Force is the context
// "CampaignTransfer". Both protocols put the term asked for into a pre-vote and its grant, and the own term into a refusal, and
// neither changes its term for a pre-vote. Whoever has heard of a leader lately refuses in ours, with its own lower term, which
// theirs ignores, and is silent in theirs, which ours takes for a lost answer. Ours answers a vote request of an old term, theirs does
// not; the candidate then learns of the higher term from the next refused pre-vote.
//
// Append is MsgApp. Ours names (Prev, Last] and the harness adds the entries from the sender's log, so Last is the last entry carried, or
// Prev. Theirs sends its whole commit index and leaves it to the follower to stop at Last; ours promises not to exceed Last, so
// it is cut there, which is what the follower would do.
//
// An accepting AppendResp is a MsgAppResp that acknowledges Index. Theirs does not say the entry's term; ours does, and checks it. The
// translation adds it from the follower's log, where in the term of the message it can't have changed since: what is acknowledged in a term is
// not truncated in it. Their answer to a heartbeat or append of an old term is a MsgAppResp too, of index 0; it becomes an
// acknowledgement of nothing, which is true of every log, and works by its higher term. Ours is a refusal that names no entry; to theirs
// it is a refusal at index 0, which by then is stale or leads to a probe.
//
// A refusing AppendResp is a MsgAppResp with Index = Prev, (RejectHint, LogTerm) = Hint. Both hints are the last entry at or below Prev of a term
// no higher than Prev's, and both leaders skip what has a higher term than the hint. Ours never hints below its commit index, which
// is as true. Theirs does not repeat Prev's term; ours goes by its index.
//
// Heartbeat is MsgHeartbeat. Both send the smaller of commit index and match, so the follower may follow it blindly, and theirs panics
// when it can't: every such heartbeat of ours is a check of ours. Ours wants Round and SentAt back; they travel in the context, which their follower returns
// as it is. Their context is the number of the leader's latest unconfirmed read, 8 bytes, or nothing; it travels as Round, which our
// follower returns as it is, 0 for nothing. So a read of theirs is confirmed by answers of ours and the other way round. Both numbers
// rise within a term, and an answer to a later one confirms the earlier ones, in both.
//
// HeartbeatResp is MsgHeartbeatResp. Ours tells the follower's last entry, from which the leader sees that an append was lost; the translation
// reads it from the log of their node. Theirs needs no such thing: any answer makes its leader send again. Our refusal, the answer to a heartbeat of an old
// term, has no round, so to theirs it confirms no read.
//
// ReadIndex and ReadIndexResp, a follower's reads, are MsgReadIndex and MsgReadIndexResp; the read's name is their request context. Theirs has
// no term in the request, so it gets its sender's. Who is no leader refuses in ours; theirs would send the request on under the name of
// who asked, and knows no refusal: both are lost here, and whoever asked asks again or gives up.
//
// Transfer is MsgTimeoutNow; both start an election without a pre-vote.
//
// An entry of theirs has no kind but that of configuration changes, so the kind is the first byte of its data; the entry that opens a
// term is empty on both sides. Terms begin at 1 here: theirs takes a message of term 0 for one from the node itself.
package interop
