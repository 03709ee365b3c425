// Package cli is how the binary takes its arguments: verbs, flags that may stand anywhere, help that teaches, and exit statuses.
//
// A Program is a table of verbs; its Run finds the verb, parses what follows with the standard library's flag package, one flag at a time, so
// that flags and arguments may be mixed, and says what it expected when something does not fit, with the nearest name. A
// verb's Run fails with an error whose exit status is ExitFailed unless it was made by Exit or Misuse.
package cli
