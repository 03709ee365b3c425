package cli

import "fmt"

// exitError is an error with an exit status of its own.
type exitError struct {
	status int
	// err is what is written; nil: nothing, because the verb has said all there is to say.
	err error
}

// Error gives the reason.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

// Unwrap gives the reason.
func (e *exitError) Unwrap() error { return e.err }

// Exit gives err an exit status. With a nil err the program ends with the status and writes nothing more.
func Exit(status int, err error) error { return &exitError{status, err} }

// Misuse is an error of the command line.
func Misuse(format string, args ...any) error {
	return &exitError{ExitMisuse, fmt.Errorf(format, args...)}
}
