# `make` lists the targets. All of them run in .venv, which the first one makes.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
RUN := $(VENV)/bin
CANDIDATES := $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11
SETTINGS := pyproject.toml requirements.lock tools/environment.py $(wildcard platform/utp/core/native/*.[ch])
NPM = "$$(for p in $(RUN)/python $(CANDIDATES); do command -v "$$p" && break; done)" tools/node.py web_ui
BENCHES := $(sort $(wildcard bench/*.py))

.PHONY: help install ui dev client e2e e2e-platform screenshots verify-ui demo test test-faults test-gpu test-cluster test-api-fuzz verify lint types contracts check-lock bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed-train ## install into .venv what training and the cluster need

demo: $(VENV)/.installed-train ## install, start the platform with its page, train a model on it (the first time 2 to 15 minutes)
	@$(MAKE) --no-print-directory ui || echo "The page can't be built (see above); the demo goes on in the terminal." >&2
	@$(RUN)/utp data sample digits datasets/digits
	@$(RUN)/utp up --open
	@$(RUN)/utp run submit configs/digits.py --follow
	@$(RUN)/utp status
	@echo "Look at the run in the page (utp login-link prints a new link to sign in); $(RUN)/utp down ends what was started."

test: $(VENV)/.installed-dev ## run all tests but those on a real Ray and the long fuzzing
	@$(RUN)/python -m pytest

test-faults: $(VENV)/.installed-dev ## run the tests that kill processes and fill disks, alone
	@$(RUN)/python -m pytest -m fault || { code=$$?; [ $$code -eq 5 ] && echo "There are no fault tests yet." || exit $$code; }

test-gpu: $(VENV)/.installed-dev ## run the tests that need a GPU, which `make test` skips where there is none
	@$(RUN)/python -m pytest -m gpu

test-cluster: $(VENV)/.installed-dev ## run the tests on a platform with a real Ray
	@$(RUN)/python -m pytest -m ray

test-api-fuzz: $(VENV)/.installed-dev ## send thousands of made-up requests to the API
	@$(RUN)/python -m pytest -m fuzz tests/api/fuzz -s

verify: lint types contracts check-lock test verify-ui ## what a change must pass: lint, types, import contracts, lock, tests, the page

lint: $(VENV)/.installed-dev
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

types: $(VENV)/.installed-dev
	@$(RUN)/mypy
	@$(RUN)/mypy tools

contracts: $(VENV)/.installed-dev
	@$(RUN)/lint-imports

check-lock: $(VENV)/.installed-dev
	@$(RUN)/python tools/environment.py check-lock

bench: $(VENV)/.installed-dev ## run every measurement in bench/, one after the other
	@for file in $(BENCHES); do echo "== $$file"; $(RUN)/python $$file || exit 1; done
	@$(if $(BENCHES),:,echo "There are no measurements in bench/ yet.")

lock: $(VENV)/.installed-dev ## bring requirements.lock up to pyproject.toml (UPGRADE=1: to the newest versions)
	@$(RUN)/python tools/environment.py lock $(if $(UPGRADE),--upgrade)

ui: web_ui/node_modules/.package-lock.json ## build the page into web_ui/out (Node from PATH, or from a Python package)
	@echo "Building the page."
	@$(NPM) run build > web_ui/build.log 2>&1 || { cat web_ui/build.log >&2; exit 1; }

dev: web_ui/node_modules/.package-lock.json $(VENV)/.installed-train ## the page with hot reload on :3000, beside the API on :8000
	@$(RUN)/python -m utp.entrypoints.api --port 8000 & api=$$!; trap "kill $$api" EXIT; \
	API_ORIGIN=http://127.0.0.1:8000 $(NPM) run dev

e2e: ui $(VENV)/.installed-dev ## the page in a real browser, on the real API with real runs
	@$(NPM) run e2e

e2e-platform: ui $(VENV)/.installed-dev ## the page in a real browser, on a platform that trains (`utp up`; 5 to 10 minutes)
	@$(NPM) run e2e-platform

screenshots: ui $(VENV)/.installed-dev ## every page, light and dark, 1280 and 390 wide, into web_ui/screenshots
	@$(NPM) run screenshots

verify-ui: web_ui/node_modules/.package-lock.json web_ui/tools/openapi/node_modules/.package-lock.json $(VENV)/.installed-dev ## what a change of the page must pass: lint, types, tests, generated client
	@$(RUN)/python -m utp.entrypoints.openapi | cmp -s - web_ui/openapi.json || \
		{ echo "web_ui/openapi.json is not what the API says: run make client, and commit what it changes." >&2; exit 1; }
	@$(NPM) run verify

client: web_ui/tools/openapi/node_modules/.package-lock.json $(VENV)/.installed-dev ## write the page's API types anew, from the API
	@$(RUN)/python -m utp.entrypoints.openapi > web_ui/openapi.json
	@$(NPM) run api

web_ui/tools/openapi/node_modules/.package-lock.json: web_ui/tools/openapi/package-lock.json
	@$(NPM) --prefix tools/openapi ci --no-audit --no-fund && touch $@

web_ui/node_modules/.package-lock.json: web_ui/package-lock.json
	@$(NPM) ci --no-audit --no-fund && touch $@

clean: ## remove caches and build output; .venv, datasets, runs and checkpoints stay
	@rm -rf dist build .uv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage coverage.xml htmlcov
	@find platform tests tools configs bench -name __pycache__ -type d -prune -exec rm -rf {} +

# tools/environment.py writes the stamp last, so an install that was cut off is repaired by the next call.
$(VENV)/.installed-%: $(SETTINGS)
	@for python in $(CANDIDATES); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exec "$$python" tools/environment.py $*; \
	done; \
	echo "make: Python 3.11 or newer is needed; found: $$(python3 --version 2>&1 || true)." >&2; \
	echo "Install one (sudo apt install python3 python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
	exit 1
