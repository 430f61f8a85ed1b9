# Everything one needs to know about building Postroom: `make help`.
# PYTHON=/path/to/python chooses the interpreter of .venv (3.11 or newer).

BIN := .venv/bin
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -gt 4 ] && n=4; echo $$n)
PYTEST := $(BIN)/python -m pytest
IN_PARALLEL := --numprocesses $(JOBS) --dist loadgroup

SECONDS ?= 600
SEED ?= $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check format messages bench bench-out bench-in bench-urgent bench-claim bench-route bench-parse bench-web e2e fuzz lock clean
.PHONY: run-environment dev-environment parts

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: run-environment ## a Postroom with people, mail and trouble in it; nothing leaves the machine
	$(BIN)/postroom demo

test: dev-environment parts ## all tests, with real Postfix, Dovecot and Chromium where they can be had
	$(PYTEST) $(IN_PARALLEL) --durations=15 $(ARGS)

FAST := tests/core tests/store tests/adapters tests/flows tests/house

test-fast: dev-environment ## what is decided, remembered and done, in less than a minute: neither faces nor processes
	$(PYTEST) $(IN_PARALLEL) -m "not slow" --durations=5 $(FAST) $(ARGS)

check: dev-environment ## style, types and the import rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	POSTROOM_DATA_DIR=.mypy_cache/data $(BIN)/mypy
	$(BIN)/lint-imports --no-logo

messages: dev-environment ## take new texts of the pages into the catalogues of translations, and compile them
	$(BIN)/python scripts/make_messages.py

format: dev-environment ## let ruff put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-out bench-in bench-urgent bench-claim bench-route bench-parse bench-web ## how fast it is here, compared with bare servers in the same run

bench-out: run-environment ## queue to the other server's 250
	$(BIN)/postroom bench out $(ARGS)

bench-urgent: run-environment ## a message posted, to the other server's 250, with an empty queue
	$(BIN)/postroom bench urgent $(ARGS)

bench-claim: run-environment ## the next 1,000 out of a short queue and out of a long one
	$(BIN)/postroom bench claim $(ARGS)

bench-route: run-environment ## a batch of mails beside a small archive and beside a large one
	$(BIN)/postroom bench route $(ARGS)

bench-parse: run-environment ## what reading a mail costs: ordinary, huge and hostile ones
	$(BIN)/postroom bench parse $(ARGS)

bench-in: run-environment ## the SMTP door to the routed record
	$(BIN)/postroom bench in $(ARGS)

bench-web: run-environment ## every list and record page; ARGS="--data-dir data" visits a house of yours, else a seeded one
	$(BIN)/postroom bench web $(ARGS)

e2e: dev-environment parts ## the tests that use a browser and real mail servers
	$(PYTEST) tests/e2e $(ARGS)

fuzz: dev-environment ## strange mails for ten minutes (SECONDS=600), then the property tests, long and with fresh dice
	PYTHONPATH=. nice $(BIN)/python -m tests.corpus.fuzz --seconds $(SECONDS) --seed $(SEED)
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) $(IN_PARALLEL) -m hypothesis --timeout=3600 $(ARGS)

lock: dev-environment ## resolve requirements/*.lock anew (ARGS=--upgrade takes the newest versions)
	UV=$(BIN)/uv scripts/lock $(ARGS)

clean: ## remove what was made here, and no data
	rm -rf .venv build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

run-environment:
	@scripts/setup run

dev-environment:
	@scripts/setup dev

parts:
	@scripts/test-parts
