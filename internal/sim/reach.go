package sim

import (
	"fmt"
	"strings"
)

// situation is something that a run can get into.
type situation int

const (
	leaderElected situation = iota
	leaderStalled
	imageMade
	imageSent
	imageInstalled
	baseReset
	installInterrupted
	truncation
	truncationAcrossSegments
	tornTailInFiller
	powerCutAtIO
	powerCutInRecovery
	powerCutOfAll
	replicaStopped
	startRefused
	turnsWithinIO
	resetWithFramesUnderWay
	wipedStayedOut
	rotFound
	diskFullAnswered
	uncertainAnswered
	redirected
	quorumHealed
	powerCutWhenDelicate
	leaseHeld
	leaderElectedWithLeases
	restartUnderLease
	handOverUnderLease
	handOverInAPlot
	deafLeaderAsked
	thawedLeaderAsked
	leaderCameBack
	readByLease
	followerAsked
	readByEarlierRound
	readWaited
	clientCutOff
	answerHeld
	changeCommitted
	jointCommitted
	jointLeftByAnother
	leaderCrashedWhileJoint
	crashedWhileJoint
	imageSentWhileJoint
	imageInstalledWhileJoint
	learnerPromoted
	lostNodeReplaced
	memberRemoved
	removedNodeAdded
	removedNodeCampaigned
	leaderRemovedItself
	leaderDemotedItself
	changeRefusedEarly
	changeTruncated
	handedToPreferred
	fellSilent
	faultWhileSilent
	rotInNodeFile
	rotInGroupFile
	nameLost
	oldImageRefused
	formatRaised
	formatRefused
	formatTruncated
	crashedWhileRaising
	imageOverFormat
	oldProgramRefused
	situations
)

var situationNames = [situations]string{"leader elected", "leader stalled on its disk", "image made", "image sent", "image installed", "log reset to a base",
	"installation interrupted by a crash", "uncommitted entries truncated", "truncation across a segment", "tail torn in a filler", "power cut at an I/O",
	"power cut during recovery", "power cut of all", "replica stopped by its disk", "start refused", "turns in the middle of an I/O",
	"connection reset with frames under way", "wiped node kept out", "bit rot found", "write refused on a full disk", "client told that the outcome is uncertain",
	"client redirected", "quorum healed alone", "power cut soon after files changed",
	"lease held", "leader elected where leases are on", "node started again within a lease", "hand-over under a lease", "hand-over that the leader hears nothing of",
	"leader asked for the latest that hears nobody", "leader asked for the latest that was frozen",
	"leader deposed that came back",
	"read served by a lease", "read round asked for by a follower", "read served by an earlier round", "read that waited for entries", "client's request cut off", "client's answer held",
	"configuration committed", "joint configuration committed", "joint configuration left by another leader", "leader crashed in a joint configuration",
	"crash in a joint configuration", "image sent in a joint configuration", "image installed in a joint configuration", "learner promoted by itself",
	"node that had lost something replaced", "member removed", "removed node added again", "removed node asked for votes", "leader removed itself", "leader took its own vote",
	"membership change refused before the term's first commit", "configuration truncated",
	"leadership handed to a preferred voter", "groups fell silent", "fault while a group was silent", "rot in the node file", "rot in a group file", "name lost",
	"older disk refused under a new directory", "format raised", "format not raised as a member does not know it", "format entry truncated",
	"crash while a format was being raised", "image over the raising of a format", "older program refused"}

// Reached counts the situations that runs have been in, and the faults that struck.
type Reached struct {
	count  [situations]uint64
	struck [faultKinds]uint64
}

func (r *Reached) add(s situation) { r.count[s]++ }

// Merge adds what another run has reached.
func (r *Reached) Merge(other *Reached) {
	for i, n := range other.count {
		r.count[i] += n
	}
	for i, n := range other.struck {
		r.struck[i] += n
	}
}

// EnoughRuns is the number of runs in which every situation and every kind of fault comes about.
const EnoughRuns = 2000

// Missing names what has never come about: situations, and kinds of faults.
func (r *Reached) Missing() []string {
	var missing []string
	for i, n := range r.count {
		if n == 0 {
			missing = append(missing, situationNames[i])
		}
	}
	for k, n := range r.struck {
		if n == 0 {
			missing = append(missing, "fault: "+FaultKind(k).String())
		}
	}
	return missing
}

// String gives the counts, a line each.
func (r *Reached) String() string {
	var b strings.Builder
	for i, n := range r.count {
		fmt.Fprintf(&b, "%10d  %s\n", n, situationNames[i])
	}
	for k, n := range r.struck {
		fmt.Fprintf(&b, "%10d  fault: %s\n", n, FaultKind(k))
	}
	return b.String()
}
