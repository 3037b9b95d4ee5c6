"""The released models reach a wheel, and are found in it and in a clone."""

import runpy
from pathlib import Path

import pytest

from multimodal_ser.workflows import released

setuptools = pytest.importorskip("setuptools")

WEIGHTS = "learners/00-svc/estimator.onnx"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "models" / "some" / "learners" / "00-svc").mkdir(parents=True)
    for name in ("params.json", WEIGHTS):
        (tmp_path / "models" / "some" / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(released.MODELS_VARIABLE, raising=False)
    return tmp_path


def build(monkeypatch, target: Path, editable: bool):
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(Path(__file__).parents[1] / "setup.py"))
    command = given["cmdclass"]["build_py"](setuptools.Distribution())
    command.ensure_finalized()
    command.build_lib, command.editable_mode = str(target), editable
    command.run()
    return command


def test_a_wheel_carries_the_models_where_they_are_looked_for(project, monkeypatch):
    command = build(monkeypatch, project / "built", editable=False)
    monkeypatch.setattr(released, "_PACKAGE", project / "built" / "multimodal_ser")
    assert released.released_models() == ("some",)
    weights = released.find("some") / WEIGHTS
    assert weights.read_text() == WEIGHTS
    outputs = {Path(path).name for path in command.get_outputs()}
    assert {"params.json", "estimator.onnx"} <= outputs


def test_an_editable_install_uses_them_where_they_lie(project, monkeypatch):
    build(monkeypatch, project / "built", editable=True)
    assert not (project / "built").exists()
    monkeypatch.setattr(released, "_PACKAGE", project / "multimodal_ser")
    # "models" beside an installed package is somebody else's; beside a clone's, ours.
    assert released.released_models() == ()
    (project / "pyproject.toml").touch()
    assert released.released_models() == ("some",)


def test_package_data_names_every_file_that_is_no_code():
    """A wheel has what a clone has: the detector's weights and their licence too."""
    import tomllib

    root = Path(__file__).parents[1]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    named = patterns["package-data"]["multimodal_ser"]
    package = root / "multimodal_ser"
    wanted = {path for pattern in named for path in package.glob(pattern) if path.is_file()}
    there = {path for path in package.rglob("*") if path.is_file()}
    assert {path for path in there if path.suffix not in (".py", ".pyc")} == wanted
    assert package / "video/detectors/weights/face_detection_yunet_2026may.onnx" in wanted
