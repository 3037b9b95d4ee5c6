"""Recipes run as a command runs them, in this process."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def recipe(monkeypatch):
    """Return the import of a recipe by its name."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "pipelines"))
    return importlib.import_module


@pytest.fixture
def main(monkeypatch):
    """Run a recipe with words of a command line; return its exit status."""

    def run(name, *words):
        module = importlib.import_module(name)
        monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, words)])
        try:
            return module.main() or 0
        except SystemExit as status:
            return status.code or 0

    return run
