package cli

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// help answers "help" with what follows it: about the program, a verb, or the verbs that begin with a word.
func (p *Program) help(about []string, s Streams) int {
	if len(about) == 0 {
		p.mainHelp(p.Verbs, s.Out)
		return ExitDone
	}
	if v := p.verb(strings.Join(about, " ")); v != nil {
		flags := flag.NewFlagSet(v.Name, flag.ContinueOnError)
		v.Define(flags)
		p.verbHelp(v, flags, s.Out)
		return ExitDone
	}
	var family []Verb
	for _, v := range p.Verbs {
		if first, _, ok := strings.Cut(v.Name, " "); ok && len(about) == 1 && first == about[0] {
			family = append(family, v)
		}
	}
	if family == nil {
		_, _, err := p.unknown(about)
		return p.report(err, nil, s)
	}
	p.mainHelp(family, s.Out)
	return ExitDone
}

func (p *Program) mainHelp(verbs []Verb, w io.Writer) {
	fmt.Fprintf(w, "%s\n\nUsage: %s VERB [FLAGS] [ARGUMENTS]\n\n", p.About, p.Name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range verbs {
		fmt.Fprintf(t, "  %s\t%s\n", strings.TrimSpace(v.Name+" "+v.Args), v.Short)
	}
	t.Flush()
	fmt.Fprintf(w, "\n%s VERB --help says more, with examples.\n", p.Name)
	if p.Epilogue != "" {
		fmt.Fprintf(w, "\n%s\n", p.Epilogue)
	}
}

func (p *Program) verbHelp(v *Verb, flags *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, "Usage: %s\n\n%s\n", strings.Join(strings.Fields(p.Name+" "+v.Name+" [FLAGS] "+v.Args), " "), v.Long)
	if len(v.Examples) > 0 {
		fmt.Fprint(w, "\nExamples:\n")
		for _, e := range v.Examples {
			fmt.Fprintf(w, "  # %s\n  %s\n", e[1], strings.ReplaceAll(e[0], "@", p.Name))
		}
	}
	p.flagHelp(flags, w)
	fmt.Fprint(w, "\nExit status:\n")
	exits := map[int]string{ExitDone: "done", ExitFailed: "failed", ExitMisuse: "the command line makes no sense"}
	maps.Copy(exits, v.Exits)
	for _, status := range slices.Sorted(maps.Keys(exits)) {
		fmt.Fprintf(w, "  %d  %s\n", status, exits[status])
	}
}

// flagHelp lists flags, each with its default unless that says nothing.
func (p *Program) flagHelp(flags *flag.FlagSet, w io.Writer) {
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprint(w, "\nFlags:\n")
			first = false
		}
		name, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  %s\n", strings.TrimSpace(dashed(f.Name)+" "+name))
		fmt.Fprintf(w, "        %s", strings.ReplaceAll(usage, "\n", "\n        "))
		if d := f.DefValue; d != "" && d != "0" && d != "false" && d != "0s" {
			fmt.Fprintf(w, " (default %s)", d)
		}
		fmt.Fprintln(w)
	})
}
