// Command ledgerkv is LedgerKV's server, a cluster of real processes to try it with, and its client. "ledgerkv --help" lists the
// verbs, and "ledgerkv VERB --help" teaches each.
//
// The program is thin: verbs turn their arguments into calls of packages client, kv/server, node and ledger, and print what those
// say. What is its own is in internal: the command line (cli), the configuration of a node (config) and the language
// of transactions (script).
package main
