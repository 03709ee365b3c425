// Package smtest tests engines and machines, and stands in for an engine on disk.
//
// RunEngine is what every statemachine.Engine has to pass, and RunMachine what every statemachine.Machine has to. Both are called
// from the tests of the implementation.
//
// Model is the simplest engine that is right: the others are compared with it. It also behaves like an engine on disk
// without a disk: on Crash it falls back to some committed batch that is not older than what is durable, and what becomes
// durable is up to the test (Flush, Settle). Models holds the models of a node, by place; the simulator uses it in place of a
// store on disk.
//
// Randomised tests log their seed; the environment variable LEDGERKV_SEED sets it.
package smtest
