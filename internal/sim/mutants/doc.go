// Mutants puts known bugs back into the tree, one at a time, and sees whether the simulators notice. A bug that none of them notices is a hole in
// them.
//
//	go run ./internal/sim/mutants                       all mutants; make mutants does this
//	go run ./internal/sim/mutants -only name,name -v    some, with what the killing run printed
//	go run ./internal/sim/mutants -results file         to be stopped and gone on with
//	go run ./internal/sim/mutants -o json               the table as a document
//	go run ./internal/sim/mutants -list                 what there is, and what each would do to a user
//
// The mutants are the text files beside this program. Each names the bug, the law or the issue that it comes from, what a user would see,
// and a piece of source with what takes its place:
//
//	mutant vote-granted-twice
//	breaks: law 1; daos-raft#70
//	shows: two leaders in a term, and acknowledged writes of one of them disappear
//	file: raft/election.go
//	old:
//		free := m.Term > c.term || c.vote == m.From || c.vote == None && c.termLeader == None
//	new:
//		free := true
//	end
//
// Old and new are whole lines, tabs included; old must occur exactly once in the file. More file, old and new sections may follow before end. A
// mutant whose old text does not occur any more fails the tests of this package: bring it up to date with the code, or remove it when its bug can't be made
// any more.
//
// Nothing is written to the tree: go build -overlay reads the changed files from a temporary directory. Mutants never reach any other build.
//
// A driver (driver.go) is a program that looks for broken laws from a seed. A mutant is given to the simulator, unless it names another driver, with the reason why
// the simulator can't see it:
//
//	by: flip; bits that flip in files that nobody reads again
//
// The driver gets one range of seeds after the other, until it fails or its CPU time is used up. Before that it has to pass on the unchanged tree. All mutants get a
// minute before the survivors get the rest of their time. With -results a file keeps what is known, so that a trial which was stopped goes on where it was; what is known of
// another state of the source does not count.
package main
