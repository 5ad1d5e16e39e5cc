# The names of every task. Each works in a fresh clone: what it needs is installed first, hash-locked, into .venv.
# With uv it takes two seconds, with pip half a minute.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin

# The first Python that runs and is new enough: a shim of a version manager may exist and not run.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
UV_LOCK := uv pip compile pyproject.toml --extra postgresql --group build --universal --python-version 3.11 \
	--generate-hashes --no-annotate -q --custom-compile-command "make lock"

# Tests of one file stay in one process: they share what is dear to start. Three for two cores: they wait, a sixth of the
# time, for daemons and browsers.
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest
PYTEST_FLAGS ?= -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "maild needs Python 3.11 or newer (Debian: apt install python3 python3-pip)" >&2; exit 1; }
	@# Without its own pip: Debian's Python has none to give unless python3-venv is installed.
	$(PYTHON) -m venv --without-pip .venv

ifeq ($(UV),uv)
INSTALL = uv pip install -q --compile-bytecode --python $(BIN)/python
else
INSTALL = $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check install -q
endif

.venv/run.stamp: requirements/run.txt pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: requirements/dev.txt pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ .venv/run.stamp

.PHONY: install
install: .venv/run.stamp ## the program and what it needs, into .venv

.PHONY: run
run: .venv/run.stamp ## a running maild with sample people and mail
	@exec $(BIN)/maild demo

.PHONY: test
test: .venv/dev.stamp ## the whole suite
	$(PYTEST) $(PYTEST_FLAGS)

.PHONY: check
check: .venv/dev.stamp ## format, lint, types, import contracts
	@# All of them, so that one look shows all that is wrong.
	@status=0; for task in "ruff format --check ." "ruff check ." mypy lint-imports; do \
		echo "$(BIN)/$$task"; $(BIN)/$$task || status=1; done; exit $$status

.PHONY: format
format: .venv/dev.stamp ## write every file as the formatter wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: ## resolve requirements/*.txt anew (needs uv)
	$(UV_LOCK) -o requirements/run.txt
	$(UV_LOCK) --group dev -o requirements/dev.txt

.PHONY: docs
docs: .venv/dev.stamp ## generate the reference pages
	$(BIN)/python -m maild.config.reference > docs/settings.md
	$(BIN)/maild rules schema > docs/rules.schema.json
	$(BIN)/python -m tests.security.permissions > docs/permissions.md

.PHONY: screenshots
screenshots: .venv/dev.stamp ## pictures of every page into docs/screenshots (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots docs/screenshots

.PHONY: crash
crash: .venv/dev.stamp ## the whole crash harness: some hours, root for the power cuts
	MAILD_CRASH=whole $(PYTEST) tests/crash --timeout=0

.PHONY: endure
endure: .venv/dev.stamp ## the real daemon for an hour (MINUTES=60) under slow peers, mail and faults at once
	$(BIN)/python -m tests.endurance $${MINUTES:-60}

.PHONY: year
year: .venv/dev.stamp ## a scripted year of a house, by the real daemon with a moved clock: some minutes (needs Chromium)
	$(BIN)/python -m tests.year

.PHONY: image
image: .venv/dev.stamp ## build the Dockerfile and try it, without Docker: root, buildah, debootstrap
	$(BIN)/python -m tests.image

.PHONY: bench
bench: .venv/dev.stamp ## measure against Postfix and Dovecot, side by side
	$(BIN)/python -m bench

.PHONY: clean
clean: ## remove what the tasks made; never mail
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find maild tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
