# `make check` is everything that CI runs; the steps are in .ci/check and can be run one by one: `make race`.

PACKAGES ?= ./...

.PHONY: check fmt vet staticcheck tidy build cross test race interop cover bench help

check:
	.ci/check

fmt vet staticcheck tidy build cross test race interop:
	.ci/check $@

# cover prints the statement coverage of each package.
cover:
	go test -cover $(PACKAGES)

# bench runs the benchmarks with their allocations: make bench PACKAGES=./ledger
bench:
	go test -run '^$$' -bench . -benchmem $(PACKAGES)

help:
	@echo 'make check    all that CI runs: fmt vet staticcheck tidy build cross test race interop, each a target of its own'
	@echo 'make cover    statement coverage of each package'
	@echo 'make bench    benchmarks with allocations; PACKAGES=./ledger for one package'
