package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	os.Exit(program().Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

func program() *cli.Program {
	return &cli.Program{
		Name: "ledgerkv",
		About: `LedgerKV keeps a replicated commit log and a consistent key-value store. This program is its server, a cluster to try it with,
and its client. To begin, run "ledgerkv dev" and follow what it prints.`,
		Epilogue: `Verbs that talk to a cluster find it by --endpoints or by the environment variable LEDGERKV_ENDPOINTS, both host:port,host:port,...
and otherwise expect the cluster that "ledgerkv dev" starts. Data may be printed as JSON with -o json; bytes that are not UTF-8 are
given in base64 there, under a name that ends in _base64. A value of - is read from standard input. Put -- before an argument that begins with a dash.

Exit status: 0 done, 1 failed, 2 the command line makes no sense, 3 no such key or index, 4 a comparison failed.`,
		Verbs: []cli.Verb{devVerb(), serverVerb(), putVerb(), getVerb(), delVerb(), rangeVerb(), txnVerb(), casVerb(),
			logAppendVerb(), logGetVerb(), logTailVerb(), benchVerb(), statusVerb(), transferVerb(),
			memberListVerb(), memberAddVerb(), memberReplaceVerb(), memberRemoveVerb(), memberPromoteVerb(), memberDemoteVerb(), memberAddressVerb(), priorityVerb(), formatVerb(), formatRaiseVerb(),
			ledgerDumpVerb(), ledgerVerifyVerb(), ledgerDigestVerb(), versionVerb()},
	}
}

// ended reports whether an operation came to its end because the user ended the program.
func ended(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
