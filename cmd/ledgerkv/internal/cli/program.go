package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// The exit statuses.
const (
	ExitDone     = 0 // done
	ExitFailed   = 1 // failed
	ExitMisuse   = 2 // the command line makes no sense
	ExitNotFound = 3 // no such key or index
	ExitUnequal  = 4 // a comparison failed
)

// Streams are what a program reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Verb is something that a program does.
type Verb struct {
	// Name is one word or two: "put", "log append".
	Name string
	// Args is how the arguments are written in help: "KEY VALUE".
	Args string
	// Short is one line, Long a paragraph.
	Short, Long string
	// Examples are command lines, with @ for the program's name, each with what it does.
	Examples [][2]string
	// Exits says what the statuses mean here, beside ExitDone, ExitFailed and ExitMisuse.
	Exits map[int]string
	// Min and Max bound the number of arguments; Max below 0: any number.
	Min, Max int
	// Define declares the verb's flags and gives what is run with them: a closure over where the flags are kept.
	Define func(flags *flag.FlagSet) func(ctx context.Context, call *Call) error
}

// Call is a verb being run.
type Call struct {
	Streams
	// Args are the arguments that are no flags.
	Args []string
	// given names the flags that were given.
	given map[string]bool
}

// Given reports whether a flag was on the command line.
func (c *Call) Given(flagName string) bool { return c.given[flagName] }

// AnyGiven reports whether one of the flags was on the command line.
func (c *Call) AnyGiven(flagNames ...string) bool {
	for _, name := range flagNames {
		if c.given[name] {
			return true
		}
	}
	return false
}

// Program is a table of verbs.
type Program struct {
	Name string
	// About is the help's first paragraph, Epilogue its last.
	About, Epilogue string
	Verbs           []Verb
}

// Run carries out a command line, without the program's name, and gives the exit status. Errors are written to Streams.Err.
func (p *Program) Run(ctx context.Context, args []string, s Streams) int {
	verb, rest, err := p.find(args)
	if err != nil {
		return p.report(err, nil, s)
	}
	if verb == nil {
		return p.help(rest, s)
	}
	flags := flag.NewFlagSet(verb.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	run := verb.Define(flags)
	call := &Call{Streams: s, given: map[string]bool{}}
	if err := call.parse(flags, rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			p.verbHelp(verb, flags, s.Out)
			return ExitDone
		}
		return p.report(err, verb, s)
	}
	if n := len(call.Args); n < verb.Min || verb.Max >= 0 && n > verb.Max {
		return p.report(Misuse("expected %s, found %s", describeArgs(verb), countArgs(call.Args)), verb, s)
	}
	return p.report(run(ctx, call), verb, s)
}

func describeArgs(v *Verb) string {
	if v.Args == "" {
		return "no arguments"
	}
	return "the arguments " + v.Args
}

func countArgs(args []string) string {
	if len(args) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d: %q", len(args), args)
}

// report writes an error and gives its exit status.
func (p *Program) report(err error, verb *Verb, s Streams) int {
	if err == nil {
		return ExitDone
	}
	status, shown := ExitFailed, true
	var e *exitError
	if errors.As(err, &e) {
		status, shown = e.status, e.err != nil
	}
	name := p.Name
	if verb != nil {
		name += " " + verb.Name
	}
	if shown {
		fmt.Fprintf(s.Err, "%s: %v\n", name, err)
	}
	if status == ExitMisuse {
		fmt.Fprintf(s.Err, "%s --help says more\n", name)
	}
	return status
}

// find gives the verb that a command line begins with, and what follows it. Without a verb, help is asked for: about what follows.
func (p *Program) find(args []string) (*Verb, []string, error) {
	switch {
	case len(args) == 0:
		return nil, nil, Misuse("expected a verb: %s", strings.Join(p.names(), ", "))
	case args[0] == "help":
		return nil, args[1:], nil
	case args[0] == "-h" || args[0] == "-help" || args[0] == "--help":
		return nil, nil, nil
	}
	for _, words := range []int{2, 1} {
		if len(args) < words {
			continue
		}
		if v := p.verb(strings.Join(args[:words], " ")); v != nil {
			return v, args[words:], nil
		}
	}
	return p.unknown(args)
}

func (p *Program) verb(name string) *Verb {
	for i := range p.Verbs {
		if p.Verbs[i].Name == name {
			return &p.Verbs[i]
		}
	}
	return nil
}

func (p *Program) names() []string {
	var names []string
	for _, v := range p.Verbs {
		names = append(names, v.Name)
	}
	return names
}

// unknown says that there is no such verb, and which one may be meant.
func (p *Program) unknown(args []string) (*Verb, []string, error) {
	if strings.HasPrefix(args[0], "-") {
		return nil, nil, Misuse("expected a verb before the flag %s: %s", args[0], strings.Join(p.names(), ", "))
	}
	var second []string // of the verbs that begin with this word
	for _, name := range p.names() {
		if first, rest, ok := strings.Cut(name, " "); ok && first == args[0] {
			second = append(second, rest)
		}
	}
	if second == nil {
		return nil, nil, Misuse("unknown verb %q%s", args[0], p.suggestVerb(args))
	}
	if len(args) == 1 {
		return nil, nil, Misuse("expected %s after %q", alternatives(second), args[0])
	}
	if args[1] == "-h" || args[1] == "-help" || args[1] == "--help" {
		return nil, args[:1], nil
	}
	return nil, nil, Misuse("expected %s after %q, found %q%s", alternatives(second), args[0], args[1], suggestion(Nearest(args[1], second)))
}

func (p *Program) suggestVerb(args []string) string {
	names := p.names()
	if near := Nearest(args[0], names); near != "" {
		return suggestion(near)
	}
	if len(args) > 1 {
		if near := Nearest(args[0]+" "+args[1], names); near != "" {
			return suggestion(near)
		}
	}
	return "; the verbs are " + strings.Join(names, ", ")
}

func alternatives(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func suggestion(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
