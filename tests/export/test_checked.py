"""A network is checked once; whatever is not surely that network's record is checked again."""

import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from multimodal_ser.errors import ModelError
from multimodal_ser.export import checked
from multimodal_ser.export import runtime as light
from multimodal_ser.export.graph import Graph
from multimodal_ser.export.runtime import LightNetwork

VALUES = np.float32([[1, 2, 3]])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / checked.FOLDER


@pytest.fixture
def looks(monkeypatch):
    """The networks that were looked at, one entry a time."""
    seen, check = [], light.check
    monkeypatch.setattr(light, "check", lambda *given: seen.append(given[1]) or check(*given))
    return seen


def doubled(size: int | None = 3) -> bytes:
    graph = Graph((size,))
    return graph.content(graph.add("Add", graph.input, graph.input), (size,))


def records(cache):
    return sorted(cache.glob("*")) if cache.is_dir() else []


def test_a_network_is_looked_at_once_and_gives_the_same(cache, looks):
    first = LightNetwork(doubled(), "a")
    second = LightNetwork(doubled(), "b")
    assert looks == ["a"] and len(records(cache)) == 1
    assert second.input_shape == first.input_shape == (None, 3)
    assert second.output_shape == first.output_shape == (None, 3)
    np.testing.assert_array_equal(second.predict_on_batch(VALUES), first.predict_on_batch(VALUES))
    assert looks == ["a"]


def test_a_change_of_one_byte_is_another_network(cache, looks):
    content = doubled()
    LightNetwork(content, "a")
    LightNetwork(content.replace(b"multimodal_ser", b"multimodal_set"), "b")
    assert looks == ["a", "b"] and len(records(cache)) == 2


def test_shapes_that_were_not_looked_at_are(cache, looks):
    LightNetwork(doubled(None), "a").predict_on_batch(np.ones((1, 7), np.float32))
    LightNetwork(doubled(None), "b").predict_on_batch(np.ones((1, 7), np.float32))
    assert looks == ["a"]
    network = LightNetwork(doubled(None), "c")
    network.predict_on_batch(np.ones((1, 8), np.float32))
    network.predict_on_batch(np.ones((5, 7), np.float32))
    assert looks == ["a", "c"]


def test_limits_hold_for_shapes_beyond_those_on_record(monkeypatch):
    monkeypatch.setattr(light, "_MOST_BYTES", 2**16)
    LightNetwork(doubled(None)).predict_on_batch(np.ones((1, 7), np.float32))
    with pytest.raises(ModelError):
        LightNetwork(doubled(None)).predict_on_batch(np.ones((1, 2**16), np.float32))


@pytest.mark.parametrize("name", ["_MOST_BYTES", "_MOST_OPERATIONS", "_MOST_STRUCTURE", "CHECK"])
def test_other_limits_are_another_check(name, looks, monkeypatch):
    LightNetwork(doubled(), "a")
    monkeypatch.setattr(light, name, getattr(light, name) + 1)
    LightNetwork(doubled(), "b")
    assert looks == ["a", "b"]


@pytest.mark.parametrize("versions", [("onnx-99.dist-info", "onnxruntime-1.dist-info"), ("", "")])
def test_another_or_unknown_checker_checks_again(versions, cache, looks, monkeypatch):
    LightNetwork(doubled(), "a")
    monkeypatch.setattr(checked, "checkers", lambda: versions)
    LightNetwork(doubled(), "b")
    assert looks == ["a", "b"] and len(records(cache)) == (2 if all(versions) else 1)


def test_another_version_of_the_package_checks_again(looks, monkeypatch):
    LightNetwork(doubled(), "a")
    monkeypatch.setattr(checked, "VERSION", "99")
    LightNetwork(doubled(), "b")
    assert looks == ["a", "b"]


def _changed(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "no JSON": lambda path: path.write_bytes(b"\x80\x04K\x01."),
    "nested": lambda path: path.write_bytes(b"[" * 8000),
    "too long": lambda path: path.write_bytes(path.read_bytes() + b" " * 2**15),
    "another field": lambda path: _changed(path, more=1),
    "negative": lambda path: _changed(path, within=[[-1, 3]]),
    "no number": lambda path: _changed(path, within=[["1", 3]]),
    "too many": lambda path: _changed(path, within=[[1, 3]] * (checked.MOST_SHAPES + 1)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "writable by all": lambda path: path.chmod(0o666),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_record_is_none(how, cache, looks):
    LightNetwork(doubled(), "a")
    (path,) = records(cache)
    DAMAGE[how](path)
    network = LightNetwork(doubled(), "b")
    np.testing.assert_array_equal(network.predict_on_batch(VALUES), 2 * VALUES)
    assert looks == ["a", "b"]
    if how != "a folder":  # which stays, and nothing is kept
        LightNetwork(doubled(), "c")
        assert looks == ["a", "b"] and stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners")
def test_the_record_of_another_user_is_none(looks, monkeypatch):
    LightNetwork(doubled(), "a")
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    LightNetwork(doubled(), "b")
    assert looks == ["a", "b"]


def test_without_a_cache_that_can_be_written_all_goes_on(tmp_path, looks, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "file" / "below"))
    for name in "ab":
        LightNetwork(doubled(), name).predict_on_batch(VALUES)
    assert looks == ["a", "b"]


def test_a_network_that_is_refused_is_never_on_record(cache):
    for content in (b"", b"PK\x03\x04", doubled()[:-3]):
        for _ in range(2):
            with pytest.raises(ModelError):
                LightNetwork(content)
    assert records(cache) == []


def test_large_networks_are_looked_at_each_time(cache, looks, monkeypatch):
    monkeypatch.setattr(checked, "LARGEST_BYTES", 20)
    for name in "ab":
        LightNetwork(doubled(), name)
    assert looks == ["a", "b"] and records(cache) == []


def test_the_latest_shapes_are_remembered(cache):
    network = LightNetwork(doubled(None))
    for size in range(1, 2 * checked.MOST_SHAPES):
        network.predict_on_batch(np.ones((1, size), np.float32))
    within = json.loads(records(cache)[0].read_text())["within"]
    assert len(within) == checked.MOST_SHAPES and within[-1] == [1, 2 * checked.MOST_SHAPES - 1]


def test_a_network_on_record_needs_no_onnx(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(doubled())
    code = (
        "import sys, numpy as np; from multimodal_ser.export.runtime import load; "
        f"load({str(path)!r}).predict_on_batch(np.ones((1, 3), np.float32)); "
        "print('onnx' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [one.stdout.strip() for one in said] == ["True", "False"]
