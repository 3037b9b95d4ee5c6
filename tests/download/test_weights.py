import hashlib
import re

import pytest
from local_server import Fault

from multimodal_ser.cli import main
from multimodal_ser.download import weights
from multimodal_ser.download.weights import WEIGHTS, Weights, weights_bytes
from multimodal_ser.errors import MissingWeights, UnknownName

CONTENT = b"not a network"


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    """A known file of weights on a server, and folders in which to put it."""
    server.files["a.onnx"] = CONTENT
    digest = hashlib.sha256(CONTENT).hexdigest()
    known = Weights("a.onnx", len(CONTENT), digest, server.url("a.onnx"), "MIT", "me")
    monkeypatch.setitem(WEIGHTS, "a", known)
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path / "named"))
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "named").mkdir()
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    return tmp_path


def test_the_named_folder_comes_before_the_cache(folder):
    (folder / "cache/weights/a.onnx").write_bytes(CONTENT)
    assert weights_bytes("a") == CONTENT
    (folder / "named/a.onnx").write_bytes(CONTENT[::-1])
    with pytest.raises(MissingWeights):
        weights_bytes("a")


def test_without_the_variable_the_cache_is_the_place(folder, monkeypatch):
    monkeypatch.delenv(weights.WEIGHTS_VARIABLE)
    assert weights.weights_folders() == (folder / "cache" / "weights",)


def test_a_missing_file_says_what_where_from_and_under_which_licence(folder):
    with pytest.raises(MissingWeights) as caught:
        weights_bytes("a")
    words = ["a.onnx", "--names a", WEIGHTS["a"].url, "MIT", str(folder / "named")]
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x"])
def test_another_length_is_refused(folder, content):
    (folder / "named/a.onnx").write_bytes(content)
    with pytest.raises(MissingWeights):
        weights_bytes("a")


def test_unknown_weights_list_those_known():
    with pytest.raises(UnknownName) as caught:
        weights_bytes("resnet")
    assert caught.value.names == ("yunet", "mini_xception")


def test_the_command_puts_them_where_they_are_looked_for(folder, server, capsys):
    assert main(["download", "weights", "--names", "a", "--quiet"]) == 0
    assert weights_bytes("a") == CONTENT
    shown = capsys.readouterr()
    assert ("licence MIT" in shown.out, shown.err) == (True, "")
    assert main(["download", "weights", "--names", "a", "--offline"]) == 0
    assert len(server.seen) == 1


def test_the_command_keeps_none_that_are_wrong(folder, server):
    server.usual = Fault(flip=True)
    assert main(["download", "weights", "--names", "a", "--quiet"]) == 2
    assert not list((folder / "named").glob("a*"))
    assert main(["download", "weights", "--names", "a,other"]) == 2


@pytest.mark.parametrize("name", list(WEIGHTS))
def test_every_entry_is_whole(name):
    known = WEIGHTS[name]
    assert re.fullmatch(r"[0-9a-f]{64}", known.sha256) and known.size_bytes > 0
    assert known.url.startswith("https://") and known.licence and known.source
    assert "/" not in known.file and len({entry.file for entry in WEIGHTS.values()}) == len(WEIGHTS)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["yunet", "mini_xception"])
def test_the_real_files_are_those_of_the_table(name, shared_data, folder, server, monkeypatch):
    real = (shared_data / "weights" / WEIGHTS[name].file).read_bytes()
    server.files["real"] = real
    server.faults = [Fault(cut_after=100_000)]
    monkeypatch.setitem(WEIGHTS, name, WEIGHTS[name]._replace(url=server.url("real")))
    assert main(["download", "weights", "--names", name, "--quiet"]) == 0
    assert weights_bytes(name) == real
    assert len(real) == WEIGHTS[name].size_bytes
