"""Imports go one way: a room imports only rooms of lower tiers, so no circle can come back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "multimodal_ser"

#: The rooms, lowest tier first; rooms of one tier do not import each other.
TIERS = (
    ("errors", "VERSION"),
    ("plugins",),
    ("compute",),
    ("estimators", "tables"),
    ("export",),
    ("datasets", "evaluation", "fusion"),
    ("audio", "download", "reports"),
    ("video",),
    ("workflows",),
    ("app",),
    ("cli",),
)
TIER_OF = {room: tier for tier, rooms in enumerate(TIERS) for room in rooms}
TOP_ROOM = {"__init__.py", "__main__.py", "errors.py", "plugins.py", "py.typed"}
#: Rooms whose public functions are not all typed yet.
UNTYPED_ROOMS: set[str] = set()
HEAVY = {"tensorflow", "keras", "librosa", "cv2", "av", "sklearn", "xgboost", "torch"}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """What a file imports of the package, inside its functions too: 'tables.clips', ..."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("multimodal_ser"):
            base = node.module.split(".")[1:]
            found |= {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {n.removeprefix("multimodal_ser.") for n in names if "multimodal_ser." in n}
    return found


@pytest.mark.parametrize(("path", "name"), [pytest.param(*m, id=m[1]) for m in modules()])
def test_imports_go_down(path, name):
    room = name.split(".")[0]
    if room in {"__init__", "__main__"}:
        return  # the face of the package names its rooms as texts; __main__ is the command
    assert room in TIER_OF, f"give {room} a tier in tests/test_architecture.py"
    rooms = {other.split(".")[0] for other in imported(path)} - {room}
    assert {other for other in rooms if TIER_OF[other] >= TIER_OF[room]} == set()


def test_no_circle_of_files():
    """Within a room too, function-level imports included."""
    names = {name.removesuffix(".__init__") for _, name in modules()}
    graph = {}
    for path, name in modules():
        owner = name.removesuffix(".__init__")
        parts = {other if other in names else other.rpartition(".")[0] for other in imported(path)}
        graph[owner] = (parts & names) - {owner}
    while leaves := [name for name, needs in graph.items() if not needs & set(graph)]:
        for name in leaves:
            del graph[name]
    assert graph == {}


def test_the_top_room_is_nearly_empty():
    found = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert found <= TOP_ROOM


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


def public_functions(tree: ast.Module):
    """The functions of a module and of its public classes, ``__init__`` and such included."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for owner in [tree, *(node for node in classes if not node.name.startswith("_"))]:
        for node in owner.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                not node.name.startswith("_") or node.name.endswith("__")
            ):
                yield node


def is_typed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    given = function.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    bare = {arg.arg for arg in every if arg is not None and arg.annotation is None}
    return function.returns is not None and bare <= {"self", "cls"}


@pytest.mark.parametrize(
    ("source", "typed"),
    [
        ("def f(a: int, *b: int, c: int = 1, **d: int) -> int: ...", True),
        ("def f(a: int): ...", False),
        ("def f(a) -> int: ...", False),
        ("def f(*, a) -> int: ...", False),
        ("def f(**a) -> int: ...", False),
        ("class C:\n    def __init__(self, a: int) -> None: ...", True),
        ("class C:\n    def __init__(self, a) -> None: ...", False),
        ("class C:\n    def _f(self, a): ...", True),
    ],
)
def test_untyped_functions_are_found(source, typed):
    assert all(map(is_typed, public_functions(ast.parse(source)))) is typed


def test_public_functions_are_typed():
    untyped = [
        f"{name}.{function.name}"
        for path, name in modules()
        if name.split(".")[0] not in UNTYPED_ROOMS
        for function in public_functions(ast.parse(path.read_text()))
        if not is_typed(function)
    ]
    assert untyped == []
