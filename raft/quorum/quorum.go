package quorum

import (
	"cmp"
	"slices"
)

// Majority is how many of n voters are a majority. Two majorities of the same n voters have one in common.
// REQUIRES: n > 0.
func Majority(n int) int { return n/2 + 1 }

// Reached is the largest value that a majority of the voters is at or above; values holds one for each voter and is
// reordered. It does not keep values. REQUIRES: values is not empty.
func Reached[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)-Majority(len(values))]
}

// Outcome is how a vote stands.
type Outcome uint8

const (
	// Pending: neither a majority for nor one against can be told yet.
	Pending Outcome = iota
	// Won: a majority granted.
	Won
	// Lost: so many refused that no majority can grant any more.
	Lost
)

// String names the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Won:
		return "won"
	case Lost:
		return "lost"
	}
	return "pending"
}

// Tally counts the votes of one set of voters.
type Tally struct {
	// Voters is the number of voters, Granted and Refused how many of them answered so.
	Voters, Granted, Refused int
}

// Outcome says how the vote stands. A set without voters can't be won.
func (t Tally) Outcome() Outcome {
	switch need := Majority(t.Voters); {
	case t.Granted >= need:
		return Won
	case t.Voters-t.Refused < need:
		return Lost
	}
	return Pending
}

// Both is the outcome of a vote that must be won in two sets of voters.
func Both(a, b Outcome) Outcome {
	switch {
	case a == Lost || b == Lost:
		return Lost
	case a == Won && b == Won:
		return Won
	}
	return Pending
}
