import multiprocessing
import os

import numpy as np
import pytest

from multimodal_ser.cache import Cache, content_key, default_folder, write_atomically


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.bin"
    path.write_bytes(b"some sound")
    return path


def make(cache, path, version=1, params=None, calls=None):
    def function():
        calls.append(1)
        return {"values": np.arange(3.0)}

    return cache.make(path, "set", version, params or {"rate_hz": 22050}, function)


def test_a_second_call_computes_nothing(tmp_path, clip):
    cache, calls = Cache(tmp_path / "cache"), []
    first = make(cache, clip, calls=calls)
    second = make(cache, clip, calls=calls)
    assert len(calls) == 1
    np.testing.assert_array_equal(first["values"], second["values"])


def test_a_renamed_file_keeps_its_entry(tmp_path, clip):
    cache, calls = Cache(tmp_path / "cache"), []
    make(cache, clip, calls=calls)
    make(cache, clip.rename(tmp_path / "other.bin"), calls=calls)
    assert len(calls) == 1


@pytest.mark.parametrize("change", ["content", "version", "params"])
def test_any_change_of_what_it_is_made_from_computes_anew(tmp_path, clip, change):
    cache, calls = Cache(tmp_path / "cache"), []
    make(cache, clip, calls=calls)
    if change == "content":
        clip.write_bytes(b"some other sound")
    version = 2 if change == "version" else 1
    params = {"rate_hz": 16000} if change == "params" else None
    make(cache, clip, version, params, calls)
    assert len(calls) == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut", b"not a zip at all"])
def test_a_damaged_entry_is_made_again(tmp_path, clip, damage):
    cache, calls = Cache(tmp_path / "cache"), []
    make(cache, clip, calls=calls)
    cache.path(content_key(clip, "set", 1, {"rate_hz": 22050})).write_bytes(damage)
    assert make(cache, clip, calls=calls)["values"].tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def fail(file):
        file.write(b"half of the new")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def _put(folder, number):
    Cache(folder).put("ab" * 32, {"values": np.full(50_000, number)})


def test_two_writers_of_one_entry_leave_a_whole_one(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put, args=(tmp_path, n)) for n in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(Cache(tmp_path).get("ab" * 32)["values"].tolist()) in ({1}, {2})


def test_the_environment_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MULTIMODAL_SER_CACHE", str(tmp_path))
    assert default_folder() == tmp_path


def test_written_files_are_as_readable_as_any_other(tmp_path):
    write_atomically(tmp_path / "a", lambda file: file.write(b"x"))
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
