# Everything sets itself up: a virtual environment in .venv, the packages of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where .ci/bring puts programs that some tests need.
export PATH := $(CURDIR)/.tools/bin:$(PATH)
JOBS ?= 4
INPUTS ?= 1000000
SECONDS ?= 60
SEED ?= 1
DURATION ?= 300

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-integration test-workflows lint format types bench fuzz chaos audit pictures schema check clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "promptlayer-bridge needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

# What developing and testing take besides, most of what is installed: not for the demo.
$(VENV)/.ready: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## the whole loop on this machine, no account needed
	$(BIN)/promptlayer-bridge demo

test: $(VENV)/.ready ## every test; not what test-workflows runs
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --ignore tests/workflows tests

test-unit: $(VENV)/.ready ## only what needs no process and no network, within a minute
	$(BIN)/python -m pytest -n $(JOBS) tests/unit

test-integration: $(VENV)/.ready ## the rest of the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --ignore tests/unit --ignore tests/workflows tests

test-workflows: $(VENV)/.ready ## the GitHub Action and the GitLab component, by act and gitlab-ci-local
	.ci/bring act gitlab-ci-local
	$(BIN)/python -m pytest tests/workflows

lint: $(VENV)/.ready ## formatting and lint, nothing is changed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/.ready ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(VENV)/.ready ## odd inputs for what strangers reach: INPUTS=1000000 SECONDS=60 SEED=1
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seconds $(SECONDS) --seed $(SEED) --jobs $(JOBS)
	OPENAPI_EXAMPLES=100 $(BIN)/python -m pytest -n $(JOBS) tests/integration/web/test_openapi.py

chaos: $(VENV)/.ready ## break everything on purpose, for minutes: SEED=1 DURATION=300
	$(BIN)/python -m tests.chaos --seed $(SEED) --duration $(DURATION)

types: $(VENV)/.ready ## strict types
	$(BIN)/mypy

bench: $(VENV)/.ready ## the figures of docs/figures.md, one JSON line each
	$(BIN)/python -m tests.bench

audit: ## known vulnerabilities of what constraints.txt pins; asks PyPI's advisory database
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

pictures: $(VENV)/.ready ## the dashboard's pictures in docs/, from the demo, by a Chromium
	$(BIN)/python -m tests.dashboard_pictures

schema: $(VENV)/.ready ## write prompts-schema/ anew from the models
	$(BIN)/promptlayer-bridge schema --write prompts-schema

check: lint types test ## what .ci/run does

clean: ## forget the virtual environment and all caches
	rm -rf $(VENV) .venv-audit .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo .tools *.egg-info
