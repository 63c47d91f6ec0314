# posecli: every target makes its own .venv; nothing outside this folder changes.
PYTHON ?= python3
BIN := .venv/bin
PIP_ARGS ?=
IN := -c constraints.txt --disable-pip-version-check --quiet $(PIP_ARGS)
DEMO := posecli-out
# Processes that run the tests, at most four: each takes a gigabyte or more. 0 runs them in pytest's own, for a debugger.
WORKERS ?= logical

.DEFAULT_GOAL := help
.PHONY: help demo setup test check fmt golden bench

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed ## Install, find the people in the example photos, say where the pictures are
	@$(BIN)/posecli annotate examples -o $(DEMO) --poses $(DEMO)/poses.json --quiet
	@echo "pictures: $(CURDIR)/$(DEMO)"
	@echo "poses:    $(CURDIR)/$(DEMO)/poses.json"

setup: .venv/developed ## Install with what the tests and linters need

test: .venv/developed ## Run the whole suite, offline, on all cores
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal $(ARGS)

check: .venv/developed ## Lint, check formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: .venv/developed ## Format, and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: .venv/developed ## Print the largest deviations from the original's own poses
	$(BIN)/python scripts/golden_report.py

bench: .venv/developed ## Time the decoder on photos
	$(BIN)/python scripts/bench_decode.py

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit("posecli needs Python 3.10 or newer; run: make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/python pyproject.toml constraints.txt
	@echo "installing posecli and PyTorch into .venv: a minute or more, gigabytes where PyTorch has no CPU build to offer"
	$(BIN)/python -m pip install $(IN) -e .
	@touch $@

.venv/developed: .venv/installed
	$(BIN)/python -m pip install $(IN) -e '.[dev]'
	@touch $@
