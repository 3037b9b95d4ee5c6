"""What is required: floors, ceilings, hashes, and what each kind of installation leaves out."""

import ast
import importlib.metadata
import re
import runpy
import sys
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from multimodal_ser.errors import MissingLibrary
from multimodal_ser.plugins import EXTRAS, require

setuptools = pytest.importorskip("setuptools")

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "multimodal_ser"
FILES = ("requirements.txt", "requirements-dev.txt")
LOCK = ROOT / "requirements.lock"
#: The distribution of an import, where the two have other names.
DISTRIBUTION = {
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "PIL": "pillow",
}
#: What a POSIX system has and Windows lacks, as it is imported or called.
POSIX_MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
POSIX_CALLS = re.compile(
    r"os\.(fork|forkpty|geteuid|getuid|getpgid|killpg|mkfifo|nice|setsid|statvfs|sync|uname"
    r"|O_NOFOLLOW|O_NONBLOCK|O_DIRECTORY)|signal\.(SIGKILL|SIGALRM|SIGHUP|alarm|setitimer)"
)
#: What a guard looks at before it calls one of these.
GUARD = re.compile(r"os\.name|sys\.platform|hasattr|getattr")


def listed(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def metadata():
    """What setup.py tells setuptools: the wheel's own requirements, and its extras."""
    given: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", given.update)
        runpy.run_path(str(ROOT / "setup.py"))
    own = [Requirement(line) for line in given["install_requires"]]
    extras = {
        extra: [Requirement(line) for line in lines]
        for extra, lines in given["extras_require"].items()
    }
    return own, extras


def names(requirements) -> set[str]:
    return {canonicalize_name(one.name) for one in requirements}


def test_every_requirement_has_a_floor_and_a_ceiling(metadata):
    own, extras = metadata
    every = [*own, *chain(*extras.values()), *chain(*map(listed, FILES))]
    assert len(every) > 50
    for one in every:
        assert {part.operator for part in one.specifier} == {">=", "<"}, str(one)


def test_a_library_has_one_range_wherever_it_is_required(metadata):
    own, extras = metadata
    seen: dict[str, str] = {}
    for one in [*own, *chain(*extras.values()), *chain(*map(listed, FILES))]:
        assert seen.setdefault(one.name, str(one.specifier)) == str(one.specifier), one.name


def test_prediction_and_training_together_are_requirements_txt(metadata):
    own, extras = metadata
    assert [*map(str, own), *map(str, extras["train"])] == list(map(str, listed(FILES[0])))


def test_the_wheel_itself_requires_nothing_that_an_extra_brings(metadata):
    own, extras = metadata
    assert not names(own) & names(chain(*extras.values()))
    assert not [one for one in names(own) if one.startswith(("tensorflow", "torch"))]
    for library, extra in EXTRAS.items():
        brought = {one.removesuffix("-cpu") for one in names(extras[extra])}
        assert library in brought, f"[{extra}] does not bring {library}"


def third_party_imports(tree: ast.AST):
    """Every import that is made at run time: those for annotations alone are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        else:
            yield from third_party_imports(node)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_every_import_is_required_and_an_extras_is_asked_for_first(path, metadata):
    own, text = names(metadata[0]), path.read_text()
    for name in set(third_party_imports(ast.parse(text))):
        if name in EXTRAS:
            asked = r"load_keras\(|require\(" if name in ("keras", "h5py") else r"require\("
            assert re.search(asked, text), f"{path.name} imports {name} without plugins.require"
        elif name not in sys.stdlib_module_names and name != "multimodal_ser":
            assert canonicalize_name(DISTRIBUTION.get(name, name)) in own, name


def locked() -> dict[str, list[Requirement]]:
    entries = re.sub(r"\\\n\s*", " ", LOCK.read_text()).splitlines()
    found: dict[str, list[Requirement]] = {}
    for line in entries:
        if line and not line.startswith(("#", " ")):
            text, *hashes = line.split(" --hash=")
            assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", h) for h in hashes), text
            one = Requirement(text)
            found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


def test_the_lock_has_a_version_in_range_of_all_that_is_required():
    pins = locked()
    for one in chain(*map(listed, FILES)):
        versions = {part.version for pin in pins[canonicalize_name(one.name)]
                    for part in pin.specifier}  # fmt: skip
        assert versions and all(map(one.specifier.contains, versions)), str(one)


def test_the_lock_names_no_place_of_its_own():
    text = LOCK.read_text()
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links", text)


def test_the_lock_brings_all_that_it_needs():
    """pip, when it checks hashes, refuses a library that another needs and that has none."""
    pins = locked()
    for name in sorted(pins):
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # it is for another system
        if not any(pin.specifier.contains(importlib.metadata.version(name)) for pin in pins[name]):
            continue  # the environment is not the locked one
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in pins, f"{name} needs {need}"


@pytest.mark.parametrize("library", EXTRAS)
def test_what_is_not_installed_is_said_with_its_extra(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibrary) as caught:
        require(library)
    assert caught.value.extra == EXTRAS[library]
    assert f"pip install 'multimodal-ser[{EXTRAS[library]}]'" in str(caught.value)


def unguarded(tree: ast.AST, guarded: bool = False):
    """What only POSIX has, outside whatever asks first which system this is."""
    for node in ast.iter_child_nodes(tree):
        inside = (
            guarded
            or (
                isinstance(node, ast.If | ast.IfExp | ast.BoolOp)
                and bool(GUARD.search(ast.unparse(getattr(node, "test", node))))
            )
            or (
                isinstance(node, ast.Try)
                and any("ImportError" in ast.unparse(one.type or node) for one in node.handlers)
            )
        )
        if isinstance(node, ast.Attribute) and POSIX_CALLS.fullmatch(ast.unparse(node)):
            if not inside:
                yield ast.unparse(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            asked = {getattr(node, "module", None), *(alias.name for alias in node.names)}
            if not inside and asked & POSIX_MODULES:
                yield ast.unparse(node)
        else:
            yield from unguarded(node, inside)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", 1),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", 0),
        ("os.fork()", 1),
        ("if os.name == 'posix' and s in (signal.SIGKILL,):\n    os.fork()", 0),
        ("hasattr(os, 'geteuid') and os.geteuid() == 0", 0),
        ("if ready:\n    os.geteuid()", 1),
    ],
)
def test_calls_that_only_posix_has_are_found(source, found):
    assert len(list(unguarded(ast.parse(source)))) == found


def test_nothing_calls_what_only_posix_has_without_asking():
    calls = {path.name: list(unguarded(ast.parse(path.read_text())))
             for path in PACKAGE.rglob("*.py")}  # fmt: skip
    assert {name: found for name, found in calls.items() if found} == {}


def test_floors_keep_out_what_runs_code_from_a_file():
    """Releases in which a crafted model file runs code when it is opened."""
    ranges = {one.name: one.specifier for one in listed(FILES[0])}
    for name, bad in (("keras", "3.14.1"), ("keras", "3.8.0"), ("skops", "0.12.0"),
                      ("onnx", "1.20.1")):  # fmt: skip
        assert not ranges[name].contains(Version(bad)), (name, bad)
