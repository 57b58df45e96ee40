# `make help` lists the commands. Needed: Python 3.11 or newer, pip and make; the browser tests also want what
# APT_PACKAGES names. Everything else is put into .tools and .venv by `make setup`, in the versions of uv.lock.

APT_PACKAGES := chromium

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
	$(if $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes),$(name))))
BIN := .venv/bin
UV := .tools/bin/uv
STAMP := .venv/.set-up
UP ?=
TESTS ?= tests/unit tests/property tests/contract tests/integration
PYTEST := $(BIN)/python -m pytest
# Most of these tests wait for others most of the time: more of them at once than there are cores.
ABREAST ?= -n 4 --dist worksteal
IN_PAIRS ?= -n 2 --dist worksteal  # each has servers of its own

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast test-chaos test-browser check format bench clean browser

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv with everything in it; quick when nothing changed

$(UV):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found." >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --root-user-action=ignore --target .tools uv

$(STAMP): pyproject.toml uv.lock | $(UV)
	UV_PYTHON_DOWNLOADS=never $(UV) sync --quiet --frozen --python "$(PYTHON)"
	@touch $@

run: setup  ## start everything on this machine; options: make run UP="--port 8090 --hubs 2"
	$(BIN)/hugmood up $(UP)

# The browser tests have a process of their own: Playwright's loop and asyncio's exclude each other. All run, also
# after a failure, so that one run tells everything; the last thing printed is a summary of pytest.
test: setup browser  ## all tests: the quick ones, then those that kill things, then the browser
	@failed=0; \
	$(PYTEST) $(ABREAST) $(TESTS) || failed=1; \
	$(PYTEST) $(IN_PAIRS) tests/chaos || failed=1; \
	$(PYTEST) tests/browser || failed=1; \
	exit $$failed

test-fast: setup  ## unit and property tests only
	$(PYTEST) tests/unit tests/property

test-chaos: setup  ## only the tests that kill things
	$(PYTEST) $(IN_PAIRS) tests/chaos

test-browser: setup browser  ## only the tests in a real browser
	$(PYTEST) tests/browser

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(APT_PACKAGES); \
	else \
		echo "The browser tests want Chromium: install it (Debian, Ubuntu: apt install $(APT_PACKAGES))." >&2; \
	fi

check: setup  ## format, lint, types, imports, spelling, contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell --ignore-regex '\b[a-z]+In\b'  # camelCase of JavaScript

format: setup  ## put the code into its format, and repair what can be repaired
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup  ## measure every target, briefly, and say what moved; some only: make bench BENCH="hugs idle"
	$(BIN)/python -m loadtest.bench $(BENCH)

clean:  ## remove what setup and tests have made; the data in .hugmood stays
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench-results screenshots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
