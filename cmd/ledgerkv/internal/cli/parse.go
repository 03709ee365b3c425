package cli

import (
	"flag"
	"strings"
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
			return nil, Misuse("the flag %s needs a value: %s", dashed(name), f.Usage)
		} else {
			value, args = args[0], args[1:]
		}
	}
	if err := flags.Set(name, value); err != nil {
		return nil, Misuse("the flag %s can't be %q: %v (%s)", dashed(name), value, err, f.Usage)
	}
	c.given[name] = true
	return args, nil
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
