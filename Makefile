# `make help` lists the targets. Each does its own set-up, from nothing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .build

GO_SOURCES := $(shell find services/go -name '*.go' -o -name 'go.*' -o -name '*.txt')
RUST_SOURCES := $(shell find services/rust -path services/rust/target -prune -o -name '*.rs' -print -o -name 'Cargo.*' -print -o -name '*.txt' -print)

.DEFAULT_GOAL := help
.PHONY: help setup services demo test test-programs test-parts quick soak lint format lock captures verdicts packages bench docs clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.ready  ## virtual environment with the locked dependencies

$(BUILD)/.ready: services/build.sh $(GO_SOURCES) $(RUST_SOURCES)
	services/build.sh $(BUILD)
	@touch $@

services: $(BUILD)/.ready  ## build the Go and the Rust service

demo: setup  ## replay recorded requests against both services
	@services/demo.sh

test: setup services lint  ## everything CI checks
	$(MAKE) --output-sync=target --keep-going -j2 test-programs test-parts

# Two halves of about the same length, side by side.
PROGRAMS := tests/cli tests/e2e tests/services
test-programs:
	$(BIN)/pytest $(PROGRAMS)
test-parts:
	$(BIN)/pytest $(addprefix --ignore=,$(PROGRAMS))

quick: setup  ## the tests that need neither services nor packages
	$(BIN)/pytest -m 'not e2e and not packages'

soak: setup services  ## the sidecar's tests at length: 10 minutes at load, 5,000 clients, 100 flips
	SHADOW_SOAK=1 $(BIN)/pytest -rP tests/e2e/sidecar -k 'flips or thousands or flat'

lint: setup  ## formatting, lint, types, layers, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup  ## pin what pyproject.toml asks for; needs uv
	uv pip compile --universal --quiet pyproject.toml --group dev --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --python-version 3.11 -o requirements.lock

captures: setup services  ## record replay_data/catalogue*.jsonl.gz anew
	$(BIN)/python -m services.record
	$(BIN)/python -m services.record --demo
	$(BIN)/python -m services.trial

verdicts: setup services  ## can the verdicts be trusted? Measured, as a table
	$(BIN)/python -m bench.verdicts

packages:  ## nginx, wrk, chromium, postgresql, promtool, actionlint: for benchmarks and tests
	@.ci/packages

bench: setup services packages  ## speed and memory beside the alternatives (FULL=1, PROFILE=1)
	$(BIN)/python -m bench $(if $(FULL),--full) $(if $(PROFILE),--profile)

docs: setup  ## write docs/reference from the code
	$(BIN)/python docs/generate.py

clean:  ## remove what was built
	rm -rf $(VENV) $(BUILD) .shadow services/rust/target
