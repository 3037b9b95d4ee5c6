# 'make demo' shows the whole path on a corpus it makes; 'make test' tests it,
# 'make test-fast' in a minute and a half what is quick to test, 'make test-all'
# also what is long. All set up a virtual environment in .venv first; PYTHON names
# another interpreter to make it from, VENV another place for it. 'make lock'
# refreshes requirements.lock; 'make test-lowest' tests the lowest versions that
# requirements.txt allows, in an environment of its own. 'make docs' builds the site.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOWEST ?= .venv-lowest

.PHONY: demo test test-fast test-long test-lowest test-all lint format docs setup lock clean

# One process per core, a file of tests to each; fixtures are made once per process.
# A process that dies ends the run: xdist may wait for ever for one it started anew.
SPREAD := --numprocesses auto --dist loadfile --max-worker-restart 0
PYTEST := $(BIN)/python -m pytest $(SPREAD)
FAST := -m "not slow and not long and not real_data" tests

# uv resolves; it is a tool of these two targets alone, in an environment of its own.
UV := .venv-uv/bin/uv
# What requirements.lock was made for: every system, and these versions of Python.
LOCKED := sys.version_info[:2] in ((3, 11), (3, 12), (3, 13))

demo: $(READY)
	$(BIN)/multimodal-ser demo

test: lint
	$(PYTEST) -m "not long"

test-fast: $(READY)
	$(PYTEST) $(FAST)

test-long: $(READY)
	$(PYTEST) -m long

test-lowest: $(UV)
	$(PYTHON) -m venv --clear $(LOWEST)
	$(UV) pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		-r requirements.txt -r requirements-dev.txt
	$(LOWEST)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(LOWEST)/bin/python -m pytest $(SPREAD) $(FAST)

test-all: test test-long test-lowest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The notebooks are run, once for each state of the library. The variable hides an advertisement.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo 'the site is in site/: open site/index.html'

setup: $(READY)

lock: $(UV)
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-emit-index-url --custom-compile-command 'make lock' \
		requirements.txt requirements-dev.txt --output-file requirements.lock

$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet 'uv>=0.8,<1'

$(READY): requirements.txt requirements-dev.txt requirements.lock pyproject.toml setup.py
	$(PYTHON) -c 'import sys; sys.exit("multimodal_ser needs Python 3.11 or newer; this is " + sys.version.split()[0] + "; name another with PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	if $(BIN)/python -c 'import sys; sys.exit(not ($(LOCKED)))'; then \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock; \
	else \
		echo 'requirements.lock is for other versions of Python; installing requirements.txt'; \
		$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt; \
	fi
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $(READY)

clean:
	rm -rf $(VENV) $(LOWEST) .venv-uv demo-output site build/notebooks
