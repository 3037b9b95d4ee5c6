# 'make demo' shows the whole path on a corpus it makes; 'make test' tests it,
# 'make test-fast' in a minute and a half what is quick to test, 'make test-all'
# also what is long. All set up a virtual environment in .venv first; PYTHON names
# another interpreter to make it from, VENV another place for it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-fast test-long test-all lint format setup clean

# One process per core, a file of tests to each; fixtures are made once per process.
# A process that dies ends the run: xdist may wait for ever for one it started anew.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --max-worker-restart 0

demo: $(READY)
	$(BIN)/multimodal-ser demo

test: lint
	$(PYTEST) -m "not long"

test-fast: $(READY)
	$(PYTEST) -m "not slow and not long and not real_data" tests

test-long: $(READY)
	$(PYTEST) -m long

test-all: test test-long

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(READY)

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("multimodal_ser needs Python 3.11 or newer; this is " + sys.version.split()[0] + "; name another with PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $(READY)

clean:
	rm -rf $(VENV) demo-output
