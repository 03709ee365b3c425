package cli

import (
	"flag"
	"strings"
	"time"
)

// parse takes flags and arguments in any order. What follows "--" is arguments, and "-" alone is one.
func (c *Call) parse(flags *flag.FlagSet, args []string) error {
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		switch {
		case a == "--":
			c.Args = append(c.Args, args...)
			return nil
		case a == "-" || !strings.HasPrefix(a, "-"):
			c.Args = append(c.Args, a)
			continue
		}
		rest, err := c.parseFlag(flags, a, args)
		if err != nil {
			return err
		}
		args = rest
	}
	return nil
}

// parseFlag sets the flag that a names, from a itself or from the argument behind it, and gives what is left of args.
func (c *Call) parseFlag(flags *flag.FlagSet, a string, args []string) ([]string, error) {
	name, value, joined := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
	if name == "h" || name == "help" {
		return nil, flag.ErrHelp
	}
	f := flags.Lookup(name)
	if f == nil {
		return nil, Misuse("unknown flag %s%s", a, flagHint(flags, name))
	}
	if !joined {
		if isSwitch(f) {
			value = "true"
		} else if len(args) == 0 {
			return nil, Misuse("the flag %s needs a value: %s", dashed(name), usageOf(f))
		} else {
			value, args = args[0], args[1:]
		}
	}
	if err := flags.Set(name, value); err != nil {
		return nil, Misuse("the flag %s can't be %q: %s (%s)", dashed(name), value, expected(f, err), usageOf(f))
	}
	c.given[name] = true
	return args, nil
}

// usageOf is what a flag is for, without the marks around the name of its value.
func usageOf(f *flag.Flag) string {
	_, usage := flag.UnquoteUsage(f)
	return usage
}

// expected says what a flag's value should have been. Of the types that the flag package knows it only says that parsing failed.
func expected(f *flag.Flag, err error) string {
	g, ok := f.Value.(flag.Getter)
	if !ok {
		return err.Error()
	}
	switch g.Get().(type) {
	case time.Duration:
		return "expected a time such as 300ms, 5s or 1m30s"
	case bool:
		return "expected true or false"
	case int, int64:
		return "expected a whole number"
	case uint, uint64:
		return "expected a whole number, 0 or more"
	}
	return err.Error()
}

func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// dashed is a flag's name as it is written: one dash before one letter, otherwise two.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func flagHint(flags *flag.FlagSet, name string) string {
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := Nearest(name, names); near != "" {
		return "; did you mean " + dashed(near) + "?"
	}
	return "; put -- before an argument that begins with a dash"
}
