"""Imports go one way; see the rooms in docs/architecture.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "multimodal_ser"

BASE = {
    "errors",
    "tables",
    "tableio",
    "labels",
    "selection",
    "media",
    "adaptation",
    "cache",
    "cluster",
    "parallel",
    "workers",
    "plugins",
    "networks",
    "keras_classifier",
    "sklearn_classifiers",
    "weights",
    "estimators",
    "fetch",
    "light",
    "onnx_graph",
    "export_networks",
    "export_estimators",
    "released",
}
ROOMS = {"datasets", "audio", "video", "fusion", "evaluation"}
#: Modules above the rooms, lowest first: each may import those before it.
TOP = (
    *("reports", "terminal", "inference", "training", "benchmarking", "replication"),
    *("synthetic", "demo", "cli"),
)
HEAVY = {"tensorflow", "keras", "librosa", "cv2", "av", "sklearn", "xgboost", "torch"}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("multimodal_ser"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "multimodal_ser" and len(name) > 1}
    return found - {"VERSION"}


def allowed(room: str) -> set[str]:
    if room in BASE:
        return BASE
    if room in ROOMS:
        return BASE | {room}
    return BASE | ROOMS | set(TOP[: TOP.index(room) + 1])


@pytest.mark.parametrize(("path", "name"), [pytest.param(*m, id=m[1]) for m in modules()])
def test_imports_go_one_way(path, name):
    room = name.split(".")[0]
    if room == "__init__":
        return  # fetches names lazily, as texts
    assert room in BASE | ROOMS | set(TOP), f"give {room} a place in tests/test_architecture.py"
    assert imported_rooms(path) <= allowed(room)


def test_nothing_imports_pipelines():
    for path, name in modules():
        assert "pipelines" not in path.read_text().replace("pipelines/", ""), name


@pytest.mark.parametrize("call", ["import multimodal_ser", "main(['--help'])"])
def test_a_light_start(call):
    code = "import sys\nfrom multimodal_ser.cli import main\n"
    code += f"try:\n    {call}\nexcept SystemExit:\n    pass\n"
    code += f"print('LOADED', sorted({HEAVY!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("LOADED []")


def test_public_names_have_docstrings():
    bare = []
    for path, name in modules():
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), f"{name} does not say what it is for"
        bare += [
            f"{name}.{node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert bare == []
