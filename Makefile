# The two commands of the README are `make up` and `make test`; each sets up what it needs.
# `make help` lists the rest.

PYTHON ?= $(shell sh requirements/python.sh)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
NODE_TESTS := tests/e2e/node
UP_ARGS ?=
MATRIX = PYTHONPATH=tests/support $(BIN)/python -m matrix.report
MATRIX_ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help up test check unit lint types floors format generate clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

$(NODE_TESTS)/node_modules: $(NODE_TESTS)/package.json
	cd $(NODE_TESTS) && npm install --silent --no-audit --no-fund --no-package-lock
	@touch $@

up: $(RUNTIME) ## set up and start the gateway on 127.0.0.1:8000
	$(BIN)/federation up $(UP_ARGS)

check: lint types floors generated ## format, lint, types, floors, freshness of generated files

lint: $(DEV) ## ruff: format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV) ## mypy, strict
	$(BIN)/mypy

floors: $(DEV) ## import contracts
	$(BIN)/lint-imports

.PHONY: generated
generated: $(DEV) ## generated files are fresh
	$(BIN)/python -m federation.catalogue.build --check
	$(BIN)/python -m federation.cli.reference --check .
	$(MATRIX) --check .

generate: $(DEV) ## write the generated files anew
	$(BIN)/python -m federation.catalogue.build
	$(BIN)/python -m federation.cli.reference .
	$(MATRIX) --write .

.PHONY: matrix
matrix: $(DEV) ## every dialect to every dialect: play the cells and print the table
	$(MATRIX) --run $(MATRIX_ARGS) .

.PHONY: cluster
cluster: $(DEV) ## two replicas, PostgreSQL, Redis and nginx by deploy/: what holds, what may be lost, how true limits are
	FEDERATION_CLUSTER=long $(BIN)/pytest tests/api/test_cluster.py tests/api/test_cluster_losses.py -v -p no:cacheprovider
	PYTHONPATH=tests/support $(BIN)/python -m bench.limits_cluster

format: $(DEV) ## format, and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

unit: $(DEV) ## the pure tests alone, in seconds
	$(BIN)/pytest tests/unit

test: check $(NODE_TESTS)/node_modules ## every check that CI runs
	$(BIN)/pytest tests -n 3 --dist loadfile --cov --cov-report= -p no:cacheprovider -rfER
	$(BIN)/coverage combine --quiet 2>/dev/null || true
	$(BIN)/coverage report --skip-covered --fail-under=95 \
	  --include='src/federation/errors.py,src/federation/ports.py,src/federation/schema/*,src/federation/domain/*,src/federation/catalogue/*,src/federation/pricing/*,src/federation/config/*,src/federation/dialects/*,src/federation/credentials/*,src/federation/routing/*,src/federation/governance/*,src/federation/guardrails/*,src/federation/resilience/*,src/federation/transport/*,src/federation/storage/*,src/federation/telemetry/*,src/federation/gateway/*,src/federation/control/*'

clean: ## remove the environment and everything built
	rm -rf $(VENV) $(NODE_TESTS)/node_modules build dist .pytest_cache .mypy_cache .ruff_cache

-include bench/bench.mk
