package check

// Rule is a rule that a history can break.
type Rule string

// Violation is the error of a history that can't have happened.
type Violation struct {
	// Rule is the rule that was broken.
	Rule Rule
	// Problem says what was expected and what was found.
	Problem string
	// Ops are the operations involved, most often two or three, in the order in which they began.
	Ops []OpID
	// Timeline shows them, one line each, for people.
	Timeline string
}

// Error gives the rule, the problem and the timeline.
func (v *Violation) Error() string {
	return "check: " + string(v.Rule) + ": " + v.Problem + "\n" + v.Timeline
}
