package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/node"
)

// version is the module's version as the binary was built from it, with the commit where that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "(devel)" {
			v += "-" + s.Value[:12]
		}
	}
	return v
}

func versionVerb() cli.Verb {
	return cli.Verb{
		Name: "version", Short: "print the version",
		Long:     "Prints the program's version, the version of the entry format that it writes, and the Go version that built it.",
		Examples: [][2]string{{"@ version", "print the version"}},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var out format
			out.define(flags)
			return func(_ context.Context, call *cli.Call) error {
				if out == asJSON {
					return writeJSON(call.Out, map[string]any{"version": version(), "format": node.FormatVersion, "go": runtime.Version()})
				}
				_, err := fmt.Fprintf(call.Out, "ledgerkv %s, format %d, %s %s/%s\n", version(), node.FormatVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			}
		},
	}
}
