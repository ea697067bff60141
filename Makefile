# Every verb sets up what it needs in .venv; nothing but Python >= 3.11 with venv, pip and a C compiler is assumed.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-slow test-all check fix docs bench constraints clean

help:  ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bucketlog needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing; on Debian run: apt-get install python3-venv"; exit 1; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --upgrade pip -c constraints.txt
	@$(BIN)/python -m pip install -q -c constraints.txt --group dev -e '.[all]'
	@touch $@

demo: .venv/ready  ## the whole story of server access logging, told with real requests
	@$(BIN)/bucketlog demo

serve: .venv/ready  ## S3 with access logging on 127.0.0.1:9000
	@$(BIN)/bucketlog serve

test: .venv/ready  ## the tests that take seconds
	$(PYTEST) -q -n 2 --dist loadfile -m "not slow"

test-slow: .venv/ready  ## crashes under load, big bodies, real clients at length
	$(PYTEST) -q -m slow --timeout 900

test-all: test test-slow  ## both

check: .venv/ready  ## format, lint, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell src tests docs README.md CHANGELOG.md

fix: .venv/ready  ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/ready  ## write the reference pages from the tables
	$(BIN)/python docs/generate.py

bench: .venv/ready  ## CPU per request, logging on against off, streaming
	$(BIN)/python bench/serve.py

constraints: .venv/ready  ## pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' > constraints.txt

clean:  ## forget .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
