# `make demo` and `make test` need Python >= 3.11 with pip, and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check format lint types slow docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Create .venv with everything pinned in constraints.txt

demo: $(INSTALLED) ## Draw lookalike birds, train, evaluate and report; writes ./demo
	@$(BIN)/fieldmark demo

test: $(INSTALLED) ## Run every check and the fast tests
	@scripts/check

check: test

slow: $(INSTALLED) ## Run the tests that take long
	@OMP_NUM_THREADS=1 $(BIN)/pytest -m slow

format: $(INSTALLED) ## Rewrite the sources in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: $(INSTALLED) ## Check format, lint rules and import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo

types: $(INSTALLED) ## Check the types
	@$(BIN)/mypy

docs: $(INSTALLED) ## Render the documentation as a static site; writes ./site
	@$(BIN)/python scripts/render_docs.py

clean: ## Remove caches, the demo's output and the site; .venv stays
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis demo site

# The stamp is written last: an install that was cut off starts again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Fieldmark needs Python 3.11 or newer; name one, such as: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Installing into $(VENV); the first time this takes minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
