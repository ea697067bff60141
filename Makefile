# Every verb sets up what it needs in .venv; nothing but Python >= 3.11 with venv, pip and a C compiler is assumed.
# The kernel is Rust: where there is none, maturin fetches one for the build.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo serve native wheel test test-slow test-browser test-all check fix docs bench bench-read conformance constraints clean

help:  ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bucketlog needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing; on Debian run: apt-get install python3-venv"; exit 1; }
	@echo "setting up .venv (once)"
	@command -v cargo >/dev/null || echo "there is no Rust here: one is fetched for the build, into the user's cache"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --upgrade pip -c constraints.txt
	@$(BIN)/python -m pip install -q -c constraints.txt --group dev -e '.[all]' || { \
	  command -v cargo >/dev/null || \
	  echo "The kernel is written in Rust, 1.89 or newer, and there is no cargo here. Install one, with rustup" \
	    "or, on Debian 12, with: apt-get install cargo-web rustc-web. Then run this again."; exit 1; }
	@touch $@ .venv/native

# The kernel again, when its source has changed.
.venv/native: .venv/ready native/Cargo.toml $(wildcard native/src/*.rs)
	@test -f $@ && test -z "$$(find native/Cargo.toml native/src -newer $@)" || { \
	  echo "building the kernel"; $(BIN)/maturin develop --release -q; }
	@touch $@

native: .venv/native  ## build the kernel, if its source has changed

wheel: .venv/ready  ## a wheel for this platform in dist/
	$(BIN)/maturin build --release --out dist

demo: .venv/native  ## the whole story of server access logging, told with real requests
	@$(BIN)/bucketlog demo

serve: .venv/native  ## S3 with access logging on 127.0.0.1:9000
	@$(BIN)/bucketlog serve

test: .venv/native  ## the tests that take seconds
	$(PYTEST) -q -n 2 --dist loadfile -m "not slow and not browser"

test-slow: .venv/native  ## crashes under load, big bodies, real clients at length
	$(PYTEST) -q -m "slow and not browser" --timeout 900

test-browser: .venv/native  ## the console in Chromium; screenshots in artefacts/
	@command -v chromium >/dev/null || \
	  { echo "There is no chromium; on Debian: apt-get install chromium fonts-dejavu-core"; exit 1; }
	$(PYTEST) -q -m browser

test-all: test test-slow test-browser  ## all of them

check: .venv/native  ## format, lint, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell src native/src tests docs README.md CHANGELOG.md
	@cargo clippy --version >/dev/null 2>&1 || echo "NOT CHECKED: the kernel, as cargo clippy is not installed"
	! cargo fmt --version >/dev/null 2>&1 || cargo fmt --check --manifest-path native/Cargo.toml
	! cargo clippy --version >/dev/null 2>&1 || \
	  cargo clippy -q --manifest-path native/Cargo.toml --release --all-targets -- -D warnings

fix: .venv/ready  ## format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/native  ## write the reference pages from the tables
	$(BIN)/python docs/generate.py

bench: .venv/native  ## CPU per request, logging on against off, streaming
	$(BIN)/python bench/serve.py

# Large, and of use for comparing only; it sees what is in .venv.
.venv-bench/ready: .venv/ready bench/requirements.txt
	@echo "setting up .venv-bench (once)"
	@$(PYTHON) -m venv .venv-bench
	@$(BIN)/python -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
	  > "$$(.venv-bench/bin/python -c 'import site; print(site.getsitepackages()[0])')/main.pth"
	@.venv-bench/bin/python -m pip install -q --no-deps -r bench/requirements.txt
	@touch $@

bench-read: .venv/native .venv-bench/ready  ## reading: the kernel and files to Arrow, beside all other ways
	.venv-bench/bin/python bench/read.py

conformance: .venv/native .venv-bench/ready  ## run every known reader over the conformance set, write its page
	.venv-bench/bin/python conformance/compare.py

constraints: .venv/ready  ## pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable | grep -v ' @ ' > constraints.txt

clean:  ## forget .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
