import hashlib
import os
import re

import pytest

from multimodal_ser.download import weights
from multimodal_ser.download.weights import WEIGHTS, Weights, weights_bytes, weights_file
from multimodal_ser.errors import MissingWeights, SerError, UnknownName

CONTENT = b"not a network"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A known file of weights, and folders in which to put it."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    known = Weights("a.onnx", len(CONTENT), digest, "https://example.org/a.onnx", "MIT", "me")
    monkeypatch.setitem(WEIGHTS, "a", known)
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path / "named"))
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "named").mkdir()
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("read", [weights_file, weights_bytes])
def test_the_named_folder_comes_before_the_cache(folder, read):
    own, named = folder / "cache/weights/a.onnx", folder / "named/a.onnx"
    own.write_bytes(CONTENT)
    assert read("a") in (own, CONTENT)
    named.write_bytes(CONTENT[::-1])
    with pytest.raises(MissingWeights, match=rf"{re.escape(str(named))}.*its SHA-256 is another"):
        read("a")
    named.write_bytes(CONTENT)
    assert read("a") in (named, CONTENT)


def test_without_the_variable_the_cache_is_the_place(folder, monkeypatch):
    monkeypatch.delenv(weights.WEIGHTS_VARIABLE)
    assert weights.weights_folders() == (folder / "cache" / "weights",)


def test_a_missing_file_says_what_where_from_and_under_which_licence(folder):
    with pytest.raises(MissingWeights) as caught:
        weights_file("a")
    said = str(caught.value)
    assert isinstance(caught.value, SerError) and "\n" not in said
    for word in (
        "a.onnx",
        "--names a'",
        "https://example.org/a.onnx",
        "MIT",
        str(folder / "named"),
    ):
        assert word in said


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x"])
def test_another_length_is_refused(folder, content):
    (folder / "named/a.onnx").write_bytes(content)
    with pytest.raises(MissingWeights, match=f"{len(content)} bytes instead of {len(CONTENT)}"):
        weights_file("a")


def test_a_file_that_changes_is_checked_again(folder, monkeypatch):
    path = folder / "named/a.onnx"
    path.write_bytes(CONTENT)
    checked, real = [], weights.check_content
    monkeypatch.setattr(weights, "check_content", lambda *a: checked.append(a[0]) or real(*a))
    assert weights_file("a") == weights_file("a") == path
    assert checked == ["a"]
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(MissingWeights):
        weights_file("a")


def test_unknown_weights_list_those_known():
    with pytest.raises(UnknownName, match="choose one of: yunet, blendshapes, mini_xception"):
        weights_file("resnet")


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_every_entry_is_whole(name):
    known = WEIGHTS[name]
    assert re.fullmatch(r"[0-9a-f]{64}", known.sha256) and known.size_bytes > 0
    assert known.url.startswith("https://") and known.licence and known.source
    assert "/" not in known.file and len({entry.file for entry in WEIGHTS.values()}) == len(WEIGHTS)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["yunet", "blendshapes", "mini_xception"])
def test_the_real_files_are_those_of_the_table(name, shared_data, monkeypatch):
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(shared_data / "weights"))
    assert weights_file(name).parent == shared_data / "weights"
    assert len(weights_bytes(name)) == WEIGHTS[name].size_bytes
