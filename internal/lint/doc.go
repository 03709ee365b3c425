// Package lint holds the architecture as a test: `go test ./internal/lint` fails on an import arrow that docs/architecture.md
// does not draw, a package linked where it must not be, a file or function that has outgrown itself, an exported symbol
// without a word, a name in a comment or on a page that no longer exists, and a few habits that are not ours.
//
// Load reads the source tree, without compiling it; each rule is a method of Tree that gives its Findings. What the rules allow
// stands in tables: Rooms for the arrows, Exceptions for the lengths. Only tests use this package.
package lint
