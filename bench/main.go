// Command bench measures LedgerKV on this machine: go run ./bench -quick. bench/README.md says how to run it and how to read what it finds.
package main

import (
	"os"

	"github.com/ledgerkv/ledgerkv/bench/ours"
	"github.com/ledgerkv/ledgerkv/bench/suite"
)

func main() { os.Exit(suite.Main(ours.Systems(), os.Args[1:])) }
