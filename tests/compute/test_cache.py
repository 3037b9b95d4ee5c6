import errno
import multiprocessing
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from multimodal_ser.compute import files, versions
from multimodal_ser.compute.cache import (
    Array,
    Cache,
    content_key,
    default_folder,
    write_atomically,
)
from multimodal_ser.errors import MediaError, StoreError


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

    with pytest.raises(OSError):
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


def test_a_full_disk_is_an_error_that_names_the_store_and_harms_nothing(tmp_path):
    """RLIMIT_FSIZE makes every larger write fail, as a full disk does."""
    code = f"""
import resource, sys
import numpy as np
from multimodal_ser.compute.cache import Cache
store = Cache({str(tmp_path)!r})
store.put("ab" * 32, {{"values": np.arange(5)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    store.put("ab" * 32, {{"values": np.zeros(100_000)}})
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith(f"StoreError {tmp_path}: ")
    assert "--cache" in done.stdout
    assert done.stderr == ""
    assert Cache(tmp_path).get("ab" * 32)["values"].tolist() == [0, 1, 2, 3, 4]
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        ".writing",
        "ab",
        f"{'ab' * 32}.npz",
    ]


def test_no_space_is_told_with_its_reason(tmp_path, monkeypatch):
    def full(*_values, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(os, "fsync", full)
        Cache(tmp_path).put("ab" * 32, {"values": np.arange(3)})
    with pytest.raises(OSError) as raised:
        write_atomically(tmp_path / "t.csv", full)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(tmp_path / "t.csv")


def test_a_store_that_is_no_folder_is_an_error(tmp_path, clip):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError):
        make(Cache(tmp_path / "store"), clip, calls=[])


def test_no_flipped_byte_of_an_entry_goes_unnoticed(tmp_path):
    values = np.random.default_rng(0).standard_normal(50)
    store = Cache(tmp_path)
    store.put("ab" * 32, {"values": values})
    path = store.path("ab" * 32)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        found = store.get("ab" * 32)
        if found is not None and "values" in found:
            np.testing.assert_array_equal(found["values"], values)


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path, clip):
    cache = Cache(tmp_path / "cache")

    def function():
        clip.write_bytes(b"the rest of the copy came in")
        return {"values": np.arange(3)}

    with pytest.raises(MediaError) as raised:
        cache.make(clip, "set", 1, {}, function)
    assert raised.value.path == str(clip)
    assert not (tmp_path / "cache").exists()


def test_what_killed_runs_left_is_removed_after_a_day(tmp_path):
    folder = tmp_path / "ab"
    folder.mkdir()
    old, young = folder / ".writing-old", folder / ".writing-young"
    for path in (old, young):
        path.write_bytes(b"half an entry")
    long_ago = time.time() - 25 * 3600
    os.utime(old, (long_ago, long_ago))
    Cache(tmp_path).put("ab" * 32, {"values": np.arange(3)})
    assert not old.exists()
    assert young.exists(), "another run may be writing it"


def test_litter_is_found_where_drafts_are_and_by_a_clock_that_was_put_back(tmp_path):
    store = Cache(tmp_path)
    store.put("ab" * 32, {"values": np.arange(3)})
    for name, hours in ((".writing-abcdefgh", -25), (".writing-ahead_01", 1000)):
        path = tmp_path / ".writing" / name
        path.write_bytes(b"half an entry")
        os.utime(path, (time.time() + hours * 3600,) * 2)
    (tmp_path / ".writing" / ".writing-notes.txt").write_text("not ours")
    store.put("cd" * 32, {"values": np.arange(3)})
    assert os.listdir(tmp_path / ".writing") == [".writing-notes.txt"]


def test_a_put_looks_at_no_other_entry(tmp_path, monkeypatch):
    """So that it costs the same in a store of any size."""
    store = Cache(tmp_path)
    store.put("ab" * 32, {"values": np.arange(3)})
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(path) or scandir(path))
    store.put("ab" * 31 + "cd", {"values": np.arange(3)})
    assert [len(os.listdir(path)) for path in looked] == [0]


GOOD = np.arange(6, dtype=np.float32).reshape(2, 3)
WRONG = {
    "shape": {"values": GOOD.T},
    "axes": {"values": GOOD.ravel()},
    "dtype": {"values": GOOD.astype(float)},
    "NaN": {"values": np.where(GOOD == 4, np.float32("nan"), GOOD)},
    "infinity": {"values": np.where(GOOD == 4, np.float32("inf"), GOOD)},
    "less": {},
    "more": {"values": GOOD, "other": GOOD},
    "names": {"value": GOOD},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_not_as_expected_counts_as_absent_and_is_replaced(tmp_path, clip, wrong):
    store, expected = Cache(tmp_path / "store"), {"values": Array((None, 3))}
    key = content_key(clip, "set", 1, {})
    store.put(key, wrong)
    assert store.get(key, expected) is None
    made = store.make(clip, "set", 1, {}, lambda: {"values": GOOD}, expected)
    np.testing.assert_array_equal(made["values"], GOOD)
    np.testing.assert_array_equal(store.get(key, expected)["values"], GOOD)


def _folder(path):
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_bytes(b"x")


IN_THE_WAY = {
    "folder": _folder,
    "FIFO": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "circle": lambda path: path.symlink_to(path),
    "link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
}


@pytest.mark.parametrize("put", IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_is_no_file_counts_as_absent_and_is_replaced(tmp_path, clip, put):
    store, calls = Cache(tmp_path / "store"), []
    place = store.path(content_key(clip, "set", 1, {"rate_hz": 22050}))
    place.parent.mkdir(parents=True)
    put(place)
    for _ in range(2):
        assert make(store, clip, calls=calls)["values"].tolist() == [0, 1, 2]
    assert len(calls) == 1
    assert place.is_file() and not place.is_symlink()


def test_entries_of_other_libraries_are_made_anew(tmp_path, clip, monkeypatch):
    store, calls = Cache(tmp_path), []
    make(store, clip, calls=calls)
    monkeypatch.setattr(versions, "libraries", lambda: '{"numpy":"1.0"}')
    make(store, clip, calls=calls)
    make(store, clip, calls=calls)
    assert len(calls) == 2


def test_entries_of_earlier_versions_that_do_not_name_theirs_are_taken(tmp_path, clip):
    store, calls = Cache(tmp_path), []
    place = store.path(content_key(clip, "set", 1, {"rate_hz": 22050}))
    place.parent.mkdir()
    np.savez(place, values=np.arange(3.0))
    assert make(store, clip, calls=calls)["values"].tolist() == [0, 1, 2]
    assert calls == []


KINDS = [
    np.float32([[1.5, np.nan], [-np.inf, 0]]),
    np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
    np.arange(20.0)[::3],
    np.array(7, np.int64),
    np.empty((0, 5), np.float16),
    np.array(["a", "\u00e4\n"]),
    np.array([True, False]),
    np.array([1, 2], ">i4"),
]


@pytest.mark.parametrize("values", KINDS, ids=[f"{v.dtype.str}{v.shape}" for v in KINDS])
def test_every_kind_of_array_comes_back_and_may_be_changed(tmp_path, values):
    store = Cache(tmp_path)
    store.put("ab" * 32, {"values": values, "line\nbreak": np.zeros(2)})
    found = store.get("ab" * 32)
    assert list(found) == ["values", "line\nbreak"]
    np.testing.assert_array_equal(found["values"], values)
    assert (found["values"].dtype, found["values"].shape) == (values.dtype, values.shape)
    found["values"][...] = found["values"]  # raises where it is read-only


def test_an_entry_without_arrays_is_one(tmp_path):
    Cache(tmp_path).put("ab" * 32, {})
    assert Cache(tmp_path).get("ab" * 32) == {}


@pytest.mark.parametrize("values", [np.array([None]), np.zeros(2, "i4,f4")])
def test_what_could_not_be_read_is_not_written(tmp_path, values):
    with pytest.raises(ValueError):
        Cache(tmp_path).put("ab" * 32, {"values": values})
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize("cut", [1, 4, 5, 100])
def test_a_cut_entry_is_none(tmp_path, cut):
    store = Cache(tmp_path)
    store.put("ab" * 32, {"values": np.arange(100)})
    path = store.path("ab" * 32)
    path.write_bytes(path.read_bytes()[:-cut])
    assert store.get("ab" * 32) is None


@pytest.mark.parametrize("same", [True, False])
def test_archives_of_earlier_versions_are_taken_where_their_libraries_are_these(tmp_path, same):
    place = Cache(tmp_path).path("ab" * 32)
    place.parent.mkdir()
    with open(place, "wb") as file:
        np.savez(file, values=np.arange(3))
    with zipfile.ZipFile(place, "a") as archive:
        archive.comment = versions.libraries().encode() if same else b'{"numpy":"1.0"}'
    assert (Cache(tmp_path).get("ab" * 32) is not None) == same


def test_file_and_folder_are_synchronised_before_and_after_the_rename(tmp_path, monkeypatch):
    """What is not on the disk in this order may be lost, or half, after a power cut."""
    done, fsync, replace = [], os.fsync, os.replace

    def synchronised(handle):
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def renamed(old, new):
        done.append("renamed")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synchronised)
    monkeypatch.setattr(os, "replace", renamed)
    target = tmp_path / "new" / "deep" / "a.txt"
    write_atomically(target, lambda file: file.write(b"done"))
    assert done[:2] == [str(tmp_path), str(tmp_path / "new")], "the folders that were made"
    assert done[2].startswith(str(target.parent / ".writing-"))
    assert done[3:] == ["renamed", str(target.parent)]


def test_a_file_system_without_fsync_of_folders_is_no_error(tmp_path, monkeypatch):
    fsync = os.fsync

    def no_folders(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", no_folders)
    write_atomically(tmp_path / "a", lambda file: file.write(b"done"))
    assert (tmp_path / "a").read_bytes() == b"done"


def test_only_regular_files_of_some_size_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"12345")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(OSError) as raised:
            files.open_regular(path)
        assert raised.value.errno in (errno.EINVAL, errno.EISDIR)
    with pytest.raises(OSError) as raised:
        files.open_regular(tmp_path / "file", 4)
    assert raised.value.errno == errno.EFBIG
    with files.open_regular(tmp_path / "file", 5) as file:
        assert file.read() == b"12345"


def _many(folder, start):
    cache = Cache(folder)
    rng = np.random.default_rng(0)
    entries = [(f"{k:02x}" * 32, rng.standard_normal(2000)) for k in range(40)]
    for key, values in entries[start:] + entries[:start]:
        found = cache.get(key)
        assert found is None or np.array_equal(found["values"], values)
        cache.put(key, {"values": values})


def test_two_runs_on_one_store_disturb_each_other_not(tmp_path):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_many, args=(tmp_path, start)) for start in (0, 3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert len(list(tmp_path.rglob("*.npz"))) == 40
    assert not list(tmp_path.rglob(".writing-*"))
