# Thin calls only; what they do is in deploy/cli and pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t14

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## Make the virtual environment with the pinned dependencies

demo: setup ## The whole pipeline on a simulated venue, with a live page (DEMO_SECONDS=60 ends by itself)
	$(BIN)/candlewick demo

up: setup ## Start Kafka, registry and Cassandra
	$(BIN)/candlewick up

down: setup ## Stop them
	$(BIN)/candlewick down

status: setup ## What runs, and where
	$(BIN)/candlewick status

test: setup ## The whole suite, integration included
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## Format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Benchmarks; one JSON line each
	$(BIN)/python -m tests.bench

lock: ## Pin the dependencies anew (needs uv)
	for extra in producer processor sink; do \
	  uv pip compile --universal --generate-hashes --no-header --no-annotate --extra $$extra pyproject.toml -o requirements/$$extra.txt --quiet; done
	uv pip compile --universal --generate-hashes --no-header --no-annotate --all-extras --group dev pyproject.toml -o requirements/dev.txt --quiet

.PHONY: help setup demo up down status test check fix bench lock
