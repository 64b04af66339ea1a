# The two commands of the README are `make demo` and `make check`. Everything else serves them.

CARGO ?= cargo
RUNNER = target/release/runner

.PHONY: setup demo check bench stress compare install

## Install what is missing (Debian and Ubuntu) and fetch the kernel and sources that the demo and the tests boot.
setup:
	@scripts/setup

## Run smoke tests and real kernel selftests on a real kernel; ends with a JUnit file.
demo: setup
	@scripts/demo

## Formatting, lints, documentation and every test. The tests boot real kernels.
check: setup
	@scripts/check

## Measure start-up beside a bare QEMU boot of the same kernel; prints ratios.
bench: setup
	@scripts/bench

## Boot N machines of our own monitor in a row, 100 unless said otherwise: make stress N=1000
stress: setup
	@scripts/stress $(N)

## A suite's tests beside its own runner: make compare KERNEL=bzImage SUITE=ltp TREE=/opt/ltp TESTS=math
compare:
	@scripts/compare $(KERNEL) $(SUITE) $(TREE) $(TESTS)

## Install the one binary for this user.
install:
	$(CARGO) install --path runner --locked
