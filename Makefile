# `make check` is everything that CI runs; the steps are in .ci/check and can be run one by one: `make race`.

PACKAGES ?= ./...

.PHONY: check fmt vet staticcheck tidy build cross test race interop peers mutants mutants-short fuzz cover bench help

check:
	.ci/check

fmt vet staticcheck tidy build cross test race interop peers mutants-short:
	.ci/check $@

# fuzz runs every fuzz target for a while; .ci/fuzz takes a directory and a target besides.
FUZZTIME ?= 1m
fuzz:
	.ci/fuzz $(FUZZTIME)

# mutants puts known bugs back into the tree, one at a time, and demands that the simulator notices each: make mutants MUTANTS='-only name -v'
# What is known is kept in mutants.results; stopped, it goes on from there.
mutants:
	go run ./internal/sim/mutants -results mutants.results $(MUTANTS)

# cover prints the statement coverage of each package.
cover:
	go test -cover $(PACKAGES)

# bench runs the benchmarks with their allocations: make bench PACKAGES=./ledger
bench:
	go test -run '^$$' -bench . -benchmem $(PACKAGES)

help:
	@echo 'make check    all that CI runs: fmt vet staticcheck tidy build cross test race interop peers mutants-short, each a target of its own, and short fuzzing'
	@echo 'make fuzz     every fuzz target for a minute; FUZZTIME=10m for longer'
	@echo 'make mutants  known bugs put back, one at a time, for the simulators to notice; MUTANTS=-help for its flags'
	@echo 'make cover    statement coverage of each package'
	@echo 'make bench    benchmarks with allocations; PACKAGES=./ledger for one package'
