# The project's verbs. Each is safe to repeat; `make help` lists them.
#
# An interpreter of another name: make setup PYTHON=/path/to/python3.11

PYTHON  ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV    := .venv
BIN     := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV     := $(VENV)/.dev
TESTS   ?=
WORKERS ?= auto
WAITING ?= 8
PYTEST  := $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadgroup
# To collect a test takes a millisecond, in each worker: only files that have such rows are looked through.
ROWS     = $(shell grep -rlE --include='test_*.py' 'exhaustive|support\.thinned' tests)
WIRED    = $(shell grep -l netns $(ROWS))
UV_LOCK := $(BIN)/python -m uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
           --no-emit-index-url --no-emit-find-links --no-strip-extras --prerelease=if-necessary-or-explicit

# Workers of a parallel run, mutants and every program that a test starts read what was compiled once.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage test-all test-long lint format types compiled check servers fuzz mutants accuracy native bench torture soak pages pictures site dist lock clean
.SILENT: help

help: ## list the verbs
	grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r verb text; \
	do printf '  make %-9s %s\n' "$$verb" "$$text"; done

setup: $(DEV) ## create .venv with everything that development needs, from the locks

demo: $(RUNTIME) ## sweep a simulated estate on this machine and show what is found
	@$(BIN)/python -m scanner.cli.demo --output runs

test: $(DEV) ## run what guards behaviour, in parallel (TESTS=tests/cli, WORKERS=2)
	$(PYTEST) -m "not exhaustive" $(TESTS)

coverage: $(DEV) ## the same with coverage, of which less than 90 % fails; it takes a quarter longer
	$(PYTEST) -m "not exhaustive" --cov --cov-report=term:skip-covered --cov-fail-under=90

# Rows over real packets wait for the network more than they compute, so more of them go on at a time, with the
# mutants and the minute of fuzz beside them, which stand back.
test-all: test ## run everything: test, then the exhaustive rows, mutants, and a minute of fuzz
	$(PYTEST) -m "exhaustive and not netns and not long" $(ROWS)
	nice -n 5 $(BIN)/python -m tests.mutation & mutants=$$!; \
	nice -n 5 $(BIN)/python -m tests.fuzz --seconds 60 & fuzz=$$!; code=0; \
	$(PYTEST) --numprocesses=$(WAITING) -m "exhaustive and netns and not long" $(WIRED) || code=$$?; \
	wait $$mutants || code=$$?; wait $$fuzz || code=$$?; exit $$code

test-long: $(DEV) ## run the rows that take minutes each, which neither of the two runs (TESTS=tests/package)
	$(PYTEST) -m long $(or $(TESTS),$(ROWS))

lint: $(DEV) ## style, formatting, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(DEV) ## rewrite files as the formatter wants them
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

types: $(DEV) ## mypy, strict, on code and tests
	$(BIN)/mypy

compiled: $(DEV) ## compile code and tests once; else each worker of a first parallel run does it for itself
	$(BIN)/python -m pytest --collect-only -qq >/dev/null

check: lint types test ## what to run before every commit; CI runs test-all besides

servers: ## bring real servers and receivers for tests into .servers, as far as what brings them is here
	@$(call need_python)
	$(PYTHON) tests/servers/bring.py

fuzz: $(DEV) ## fuzz everything that reads hostile bytes (SECONDS=60, CORPUS=folder to keep)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(CORPUS),--corpus $(CORPUS))

mutants: $(DEV) ## apply deliberate errors to the protocol core; each must be caught by a test
	$(BIN)/python -m tests.mutation

accuracy: $(DEV) ## hold the sweep against PyMongo, nmap and hostile servers, and write the pages on it
	$(BIN)/python -m tests.accuracy

native: $(DEV) ## compile the core in build/compiled, a copy of the checkout that tests and bench run from
	$(BIN)/python deploy/package/compile.py build/compiled

bench: $(DEV) ## measure the speed of every engine on this machine
	$(BIN)/python -m bench

torture: $(DEV) ## kill sweeps, take their power away, and count what was lost (TORTURE="--kills 50 --every 10")
	$(BIN)/python -m tests.torture $(TORTURE)

soak: $(DEV) ## sweep for MINUTES (30) among good and hostile servers, SOAK="--workers 2"; fail when anything grows
	$(BIN)/python -m tests.soak.soak --minutes $(or $(MINUTES),30) --output runs/soak $(SOAK)

pages: $(DEV) ## write again the pages that are made from the code: settings, commands, manual pages
	$(BIN)/python -m scanner.setup.manual docs/settings.md
	$(BIN)/python -m scanner.cli.pages docs

pictures: $(DEV) ## record the real commands and pages again, for the documentation; what looks the same stays
	$(BIN)/python -m tests.pictures docs/pictures

site: $(DEV) ## build the documentation as a site in build/site, which asks nobody for anything
	rm -rf build/site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html -c docs -d build/site-pages . build/site

lock: $(DEV) ## resolve the locks anew: names, versions and hashes, and no index address
	$(BIN)/python -m pip install --quiet uv
	$(UV_LOCK) --extra fleet --extra kafka --extra lab --extra notify --extra syn --extra build pyproject.toml -o requirements.lock
	$(UV_LOCK) -c requirements.lock --extra fleet --extra kafka --extra lab --extra notify --extra syn --extra build --extra test --extra dev --extra dist --extra docs --extra fuzz \
	  pyproject.toml -o requirements-dev.lock
	$(UV_LOCK) tests/servers/secantus.in -o tests/servers/secantus.lock
	$(UV_LOCK) tests/servers/deploy.in -o tests/servers/deploy.lock

dist: $(DEV) ## make what is released: sdist, wheel, SBOM and checksums in dist, built twice and checked
	$(BIN)/python deploy/package/dist.py dist

clean: ## remove what the verbs made, but no run and no server
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

# A lock or the project file that is newer than its stamp is installed again; pip skips what is there.
$(BIN)/python:
	@$(call need_python)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is not complete here; on Debian: apt-get install python3-venv" >&2; exit 2; }

$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(RUNTIME) $@

# What is installed for development is enough to run; so `make demo` after `make setup` installs nothing.
$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

define need_python
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "mongosweep needs Python 3.11 or newer; found: $$("$(PYTHON)" --version 2>&1 | head -n 1)." >&2; \
  echo "Say where one is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
endef
