# The two commands of the README are `make demo` and `make check`. Everything else serves them.

CARGO ?= cargo
RUNNER = target/release/runner

.PHONY: setup demo check bench bench-logs compare stress faults install

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

## A suite's tests by its own runner and by ours, test by test: make compare KERNEL=bzImage SUITE=kselftest TREE=installed-tree
compare: setup
	@scripts/compare $(SUITE) $(TREE) $(TESTS)

## Boot N machines of our own monitor in a row, 100 unless said otherwise: make stress N=1000
stress: setup
	@scripts/stress $(N)

## Read logs of 1 GiB: time and memory. Another size in MiB: make bench-logs SIZE=256
bench-logs:
	@SIZE=$(SIZE) scripts/bench-logs

## Commit every kind of fault in kernels that check themselves; builds those once. One kind of kernel: make faults KIND=race
faults: setup
	@scripts/faults $(KIND)

## Install the one binary for this user.
install:
	$(CARGO) install --path runner --locked
