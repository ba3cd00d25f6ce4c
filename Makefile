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

WORKERS ?= 2
test: setup ## The whole suite, integration included (WORKERS=2 processes, each with servers of its own)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-browser: setup ## The live page in a real browser, which has to be there
	E2E_BROWSER=required $(BIN)/python -m pytest tests/browser

test-containers: setup ## Integration against testcontainers' servers, images, compose file, a trial with random kills; needs Docker
	E2E_STACK=testcontainers $(BIN)/python -m pytest tests/integration tests/chaos
	E2E_CONTAINERS=1 $(BIN)/python -m pytest tests/containers

test-drills: setup ## A broker lost, the store lost, rolling restarts, an upgrade: minutes each, under load
	E2E_DRILLS=1 $(BIN)/python -m pytest tests/drills

PROMPT = test_scene test_scenarios_outage test_scenarios test_producer_lease test_producer_finnhub test_sink_outage test_backfill
test-prompt: setup ## How quick things are said to be, asked strictly; wants a machine on which nothing else runs
	E2E_PATIENCE=1 $(BIN)/python -m pytest $(PROMPT:%=tests/integration/%.py) tests/chaos/test_outages.py tests/browser/test_page_live.py

test-security: setup ## All services against servers with TLS, passwords and rights, and each way not to be let in
	E2E_SECURITY=1 $(BIN)/python -m pytest tests/security

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

AUDIT := .candlewick/audit
$(AUDIT)/.installed: deploy/supply/tools.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --require-hashes -r deploy/supply/tools.txt
	@touch $@

audit: setup $(AUDIT)/.installed ## Licences, bills of materials, known vulnerabilities (AUDIT_FLAGS=--online demands their database)
	$(BIN)/python -m deploy.supply --tools $(AUDIT)/bin $(AUDIT_FLAGS)

LOCK := uv pip compile --universal --generate-hashes --no-header --no-annotate --quiet
lock: ## Pin the dependencies anew (needs uv)
	$(LOCK) --all-extras --group dev pyproject.toml -o requirements/dev.txt
	for extra in producer processor sink; do \
	  $(LOCK) -c requirements/dev.txt --extra $$extra pyproject.toml -o requirements/$$extra.txt; done
	for extra in tools ccxt calendars otel; do \
	  $(LOCK) -c requirements/dev.txt --extra $$extra pyproject.toml -o deploy/container/$$extra.txt; done
	$(LOCK) --python-version 3.11 deploy/supply/tools.in -o deploy/supply/tools.txt
	$(LOCK) deploy/examples/requirements.in -o deploy/examples/requirements.txt
	echo setuptools | $(LOCK) -c requirements/dev.txt - -o deploy/container/build.txt

pin-images: ## Print the digests that the base and the servers' images have now (asks their registries)
	@set -e; for image in python:3.11-slim $$(sed -n 's/^    image: \([^$$]*\)$$/\1/p' docker-compose.yml); do \
	  digest=$$(docker buildx imagetools inspect $$image --format '{{.Manifest.Digest}}'); echo "$$image@$$digest"; done

.PHONY: help setup demo up down status test test-browser test-containers test-drills test-prompt test-security check fix bench audit lock pin-images
