package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// outcome is what a command line came to.
type outcome struct {
	status   int
	out, err string
	ran      string
}

// run gives a command line to a small program, whose verbs say how they were called.
func run(args ...string) outcome {
	var out, errs bytes.Buffer
	var o outcome
	verb := func(name, args string, least, most int, fail error) cli.Verb {
		return cli.Verb{Name: name, Args: args, Short: "does " + name, Long: "Does " + name + " at length.", Min: least, Max: most,
			Examples: [][2]string{{"@ " + name + " x", "an example of " + name}}, Exits: map[int]string{3: "not there"},
			Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
				loud := flags.Bool("loud", false, "with noise")
				wait := flags.Duration("wait", time.Second, "how `long`")
				size := flags.Uint64("size", 0, "how `big`")
				format := flags.String("o", "text", "the `format`")
				return func(_ context.Context, c *cli.Call) error {
					o.ran = fmt.Sprintf("%s %q loud=%v wait=%v size=%d o=%s given=%v", name, c.Args, *loud, *wait, *size, *format, c.AnyGiven("size", "loud"))
					return fail
				}
			}}
	}
	p := &cli.Program{Name: "prog", About: "About it.", Epilogue: "The end.", Verbs: []cli.Verb{
		verb("put", "KEY VALUE", 2, 2, nil),
		verb("log append", "DATA", 1, 1, nil),
		verb("log get", "INDEX", 1, 1, cli.Exit(3, errors.New("no such entry"))),
		verb("status", "", 0, 0, errors.New("no node answers")),
		verb("quiet", "[X]", 0, -1, cli.Exit(4, nil)),
	}}
	o.status = p.Run(context.Background(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	o.out, o.err = out.String(), errs.String()
	return o
}

func TestFlagsAndArgumentsMix(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"put k v":                           `put ["k" "v"] loud=false wait=1s size=0 o=text given=false`,
		"put --loud k v":                    `put ["k" "v"] loud=true wait=1s size=0 o=text given=true`,
		"put k --loud v":                    `put ["k" "v"] loud=true wait=1s size=0 o=text given=true`,
		"put k v --loud=false -o json":      `put ["k" "v"] loud=false wait=1s size=0 o=json given=true`,
		"put k -wait 3s v -size=7":          `put ["k" "v"] loud=false wait=3s size=7 o=text given=true`,
		"put -- --loud -o":                  `put ["--loud" "-o"] loud=false wait=1s size=0 o=text given=false`,
		"put -o -- k v":                     `put ["k" "v"] loud=false wait=1s size=0 o=-- given=false`,
		"put - -":                           `put ["-" "-"] loud=false wait=1s size=0 o=text given=false`,
		"put k --o= v":                      `put ["k" "v"] loud=false wait=1s size=0 o= given=false`,
		"put k -o=a=b v":                    `put ["k" "v"] loud=false wait=1s size=0 o=a=b given=false`,
		"log append --size 1 x --wait 1h2m": `log append ["x"] loud=false wait=1h2m0s size=1 o=text given=true`,
	} {
		o := run(strings.Fields(line)...)
		require.Zero(t, o.status, "%s: %s", line, o.err)
		require.Equal(t, want, o.ran, line)
		require.Empty(t, o.err)
	}
}

func TestWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                   "expected a verb: put, log append, log get, status, quiet",
		"pit k v":            `unknown verb "pit"; did you mean "put"?`,
		"frobnicate":         `unknown verb "frobnicate"; the verbs are put, log append`,
		"log":                `expected append or get after "log"`,
		"log apend x":        `expected append or get after "log", found "apend"; did you mean "append"?`,
		"log zzzzzz":         `found "zzzzzz"`,
		"lgo append x":       `unknown verb "lgo"; did you mean "log append"?`,
		"--loud put":         "expected a verb before the flag --loud",
		"put k":              `expected the arguments KEY VALUE, found 1: ["k"]`,
		"put a b c":          `expected the arguments KEY VALUE, found 3`,
		"put":                "expected the arguments KEY VALUE, found none",
		"status x":           "expected no arguments, found 1",
		"put k v --luod":     "unknown flag --luod; did you mean --loud?",
		"put k -5":           "unknown flag -5; put -- before an argument that begins with a dash",
		"put k v --size":     "the flag --size needs a value: how big",
		"put k v --size=x":   `the flag --size can't be "x": expected a whole number, 0 or more (how big)`,
		"put k v --wait 5":   `the flag --wait can't be "5": expected a time such as 300ms, 5s or 1m30s (how long)`,
		"put k v --loud=5":   `the flag --loud can't be "5": expected true or false (with noise)`,
		"put k v --size -1":  `the flag --size can't be "-1"`,
		"help frobnicate":    `unknown verb "frobnicate"`,
		"put k v --=":        "unknown flag --=",
		"put k v ---loud":    "unknown flag ---loud",
		"put k v -o":         "the flag -o needs a value",
		"log append --nosuh": "unknown flag --nosuh",
	} {
		o := run(strings.Fields(line)...)
		require.Equal(t, cli.ExitMisuse, o.status, line)
		require.Contains(t, o.err, want, line)
		require.Contains(t, o.err, "--help says more", line)
		require.Empty(t, o.ran, line)
		require.Empty(t, o.out, line)
	}
}

func TestExitStatuses(t *testing.T) {
	t.Parallel()
	o := run("log", "get", "7")
	require.Equal(t, cli.ExitNotFound, o.status)
	require.Equal(t, "prog log get: no such entry\n", o.err)
	o = run("status")
	require.Equal(t, cli.ExitFailed, o.status)
	require.Equal(t, "prog status: no node answers\n", o.err)
	o = run("quiet", "a", "b", "c")
	require.Equal(t, cli.ExitUnequal, o.status)
	require.Empty(t, o.err)
	require.ErrorContains(t, cli.Exit(4, nil), "exit status 4")
	cause := errors.New("cause")
	require.ErrorIs(t, cli.Exit(3, cause), cause)
}

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"--help", "help", "-h", "-help"} {
		o := run(line)
		require.Zero(t, o.status)
		for _, part := range []string{"About it.", "put KEY VALUE", "does log append", "The end.", "prog VERB --help"} {
			require.Contains(t, o.out, part, line)
		}
		require.Empty(t, o.err)
	}
	for _, line := range []string{"put --help", "help put", "put k -h", "put --nope=1 -h k"} {
		o := run(strings.Fields(line)...)
		if strings.Contains(line, "nope") {
			require.Equal(t, cli.ExitMisuse, o.status, "what comes first counts")
			continue
		}
		require.Zero(t, o.status, line)
		for _, part := range []string{"Usage: prog put [FLAGS] KEY VALUE", "Does put at length.", "# an example of put", "prog put x", "--wait long\n        how long (default 1s)",
			"-o format", "0  done", "3  not there"} {
			require.Contains(t, o.out, part, line)
		}
		require.Empty(t, o.ran)
	}
	for _, line := range []string{"help log", "log --help"} {
		o := run(strings.Fields(line)...)
		require.Zero(t, o.status)
		require.Contains(t, o.out, "log append DATA")
		require.NotContains(t, o.out, "put KEY")
	}
	require.Contains(t, run("help", "log", "get").out, "Does log get at length.")
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"engine", "election", "peer", "peers", "client"}
	for name, want := range map[string]string{"enigne": "engine", "engin": "engine", "Engine": "engine", "pers": "peers", "peer": "peer", "cilent": "client",
		"xyz": "", "": "", "e": "", "elction": "election", "électio": "election"} {
		require.Equal(t, want, cli.Nearest(name, names), name)
	}
	require.Empty(t, cli.Nearest("put", nil))
}
