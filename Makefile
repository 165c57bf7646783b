# What people and CI run. Every target works in a fresh clone; setup/install.sh brings the tools that are missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Each target runs many things at once by itself, and what is installed first the rest needs.
.NOTPARALLEL:

# The tools that come from PyPI are found before the system's.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Tests and benches of the Python package take it from the sources.
export PYTHONPATH := $(CURDIR)/python
# The interpreter of .venv, or the system's where there is no venv.
PYTHON = $(shell test -x .venv/bin/python && echo .venv/bin/python || echo python3)
PIAL := target/release/pial
CARGO ?= cargo
# Tests interrupt what they start, and what runs in the background may have been started with interrupts ignored.
TESTED = env --default-signal=INT,QUIT,HUP

.PHONY: help build setup data demo test lint docs bench bench-memory clean

help:
	@echo "make build   compile; leaves $(PIAL)"
	@echo "make demo    fetch real images, run examples/diffusion.yaml on them, twice"
	@echo "make test    static analysis, documentation, all tests"
	@echo "make lint    static analysis alone"
	@echo "make docs    the Rust documentation, into target/doc"
	@echo "make bench   beside make, ninja, a bare loop and nipype; three quarters of an hour"
	@echo "make bench-memory   what launching from a fat process costs, one round; an hour, and peers to install"
	@echo "make clean   remove all that these made"

build:
	$(CARGO) build --release --locked --target-dir target

setup:
	setup/install.sh

data: setup
	$(PYTHON) examples/data/fetch.py demo-data

demo: data build
	setup/demo.sh $(PIAL)

test: setup lint docs data
	setup/uml.sh
	$(TESTED) $(CARGO) test --workspace --locked
	$(TESTED) $(PYTHON) -m unittest discover --start-directory python/tests
	$(TESTED) $(PYTHON) -m unittest discover --start-directory tests

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	$(PYTHON) tests/test_dependencies.py
	$(PYTHON) -m mypy python/pial

docs:
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --document-private-items

bench: setup build
	$(PYTHON) bench/run.py all
	$(PYTHON) bench/python.py all

bench-memory: build
	bench/memory/setup.sh
	python3 bench/memory/run.py all

clean:
	rm -rf target .venv demo-data demo-results demo-work bench/results
