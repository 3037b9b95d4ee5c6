"""An archive gives its files, or nothing; and nothing outside its folder."""

import contextlib
import os
import random
import stat
import struct
import warnings
import zipfile

import pytest

from multimodal_ser.download import unpack as module
from multimodal_ser.download.unpack import unpack
from multimodal_ser.errors import DownloadError

FILES = {f"Actor_{n % 3:02d}/{n:02d}.wav": random.Random(n).randbytes(5_000) for n in range(9)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    # No test here cuts the power, and a busy disk makes each flush slow.
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "a.zip"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "out"


def pack(archive, files, kind=zipfile.ZIP_DEFLATED):
    with warnings.catch_warnings(), zipfile.ZipFile(archive, "w", kind) as opened:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in files.items() if isinstance(files, dict) else files:
            opened.writestr(name, content)
    return archive


def tree(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_refused(archive, folder, paths=("Actor_01/a.wav",)):
    with pytest.raises(DownloadError) as caught:
        unpack(archive, folder, paths)
    assert str(caught.value).isprintable()
    assert tree(archive.parent).keys() == {archive.name}, "nothing was written anywhere"


def test_every_file_comes_out(archive, folder):
    assert unpack(pack(archive, FILES), folder, FILES) == 9
    assert tree(folder) == FILES


def test_only_what_is_asked_for_comes_out_whatever_its_folder(archive, folder):
    mac = {"__MACOSX/._01.wav": b"1", ".DS_Store": b"2", "../../evil.sh": b"3"}
    pack(archive, mac | {f"deep/{path}": content for path, content in FILES.items()})
    chosen = {path: content for path, content in FILES.items() if "Actor_01" in path}
    assert unpack(archive, folder, chosen) == 3
    assert tree(folder) == chosen
    assert tree(archive.parent).keys() == {"a.zip", *(f"data/out/{path}" for path in chosen)}


def test_what_is_there_is_not_written_again(archive, folder):
    unpack(pack(archive, FILES), folder, FILES)
    times = {path: (folder / path).stat().st_mtime_ns for path in FILES}
    absent, longer, *same = FILES
    (folder / absent).unlink()
    (folder / longer).write_bytes(FILES[longer] + b"?")
    assert unpack(archive, folder, FILES) == 2
    assert tree(folder) == FILES
    assert all((folder / path).stat().st_mtime_ns == times[path] for path in same)


@pytest.mark.parametrize("after", [0, 5])
def test_an_interrupted_unpacking_is_resumed(archive, folder, monkeypatch, after):
    pack(archive, FILES)
    real, moved = os.replace, []

    def replace(source, target):
        if len(moved) == after:
            raise KeyboardInterrupt
        moved.append(target)
        real(source, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "replace", replace)
        unpack(archive, folder, FILES)
    assert len(tree(folder)) == after, "no half of a file, nor a temporary one"
    assert unpack(archive, folder, FILES) == len(FILES) - after
    assert tree(folder) == FILES


@pytest.mark.parametrize(
    "name",
    ["../a.wav", "x/../../a.wav", "/etc/a.wav", "//host/a.wav", "C:/a.wav", "C:\\a.wav",
     "..\\a.wav", "\\\\host\\a.wav", "x:/a.wav"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused(archive, folder, name):
    assert_refused(pack(archive, {"b.wav": b"1", name: b"2"}), folder, ["b.wav", "a.wav"])


def test_a_name_that_hides_its_end_is_refused(archive, folder):
    pack(archive, {"a.wav?/../../evil": b"1"})
    archive.write_bytes(archive.read_bytes().replace(b"a.wav?", b"a.wav\x00"))
    assert_refused(archive, folder)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_is_refused(archive, folder, kind):
    info = zipfile.ZipInfo("a.wav")
    info.external_attr = (kind | 0o777) << 16
    assert_refused(pack(archive, {info: b"/etc"}), folder)


def test_a_name_that_is_there_twice(archive, folder):
    assert_refused(pack(archive, [("a.wav", b"1"), ("a.wav", b"2")]), folder)
    assert unpack(pack(archive, [("x/a.wav", b"1"), ("a.wav", b"1")]), folder, ["a.wav"]) == 1


def test_a_bomb_is_refused(archive, folder, monkeypatch):
    assert_refused(pack(archive, {"a.wav": bytes(5_000_000)}), folder)
    silent_in_parts = bytes(200_000) + random.Random(0).randbytes(20_000)
    pack(archive, {"a.wav": silent_in_parts, "b.wav": b"1"})
    monkeypatch.setattr(module, "MOST_MEMBERS", 1)
    assert_refused(archive, folder)
    monkeypatch.setattr(module, "MOST_MEMBERS", 2)
    assert unpack(archive, folder, ["a.wav"]) == 1


def overwrite(archive, at, value, size=4):
    """Overwrite a field of the first entry of the list of contents."""
    content = archive.read_bytes()
    start = content.index(b"PK\x01\x02") + at
    value = value.to_bytes(size, "little")
    archive.write_bytes(content[:start] + value + content[start + size :])


@pytest.mark.parametrize("claimed", [0, 4_999, 5_001, 400_000, 2**32 - 2])
def test_a_false_size_is_found(archive, folder, claimed):
    overwrite(pack(archive, FILES), 24, claimed)
    with pytest.raises(DownloadError):
        unpack(archive, folder, FILES)
    assert set(tree(folder)) <= set(FILES) - {next(iter(FILES))}


def test_a_false_crc_is_found(archive, folder):
    overwrite(pack(archive, FILES), 16, 7)
    assert_refused(archive, folder, FILES)


def test_an_encrypted_or_unusual_archive_is_refused(archive, folder):
    overwrite(pack(archive, FILES), 8, 1, 2)
    assert_refused(archive, folder, FILES)
    assert_refused(pack(archive, FILES, zipfile.ZIP_LZMA), folder, FILES)


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_or_an_empty_one(archive, folder, content):
    archive.write_bytes(content)
    assert_refused(archive, folder)


def test_links_that_are_there_are_not_followed_out(archive, folder, tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    folder.mkdir(parents=True)
    (folder / "a.wav").symlink_to(tmp_path / "victim")
    assert unpack(pack(archive, {"a.wav": b"four"}), folder, ["a.wav"]) == 1
    assert (folder / "a.wav").read_bytes() == b"four"
    (folder / "Actor_00").symlink_to(tmp_path)
    with pytest.raises(DownloadError):
        unpack(pack(archive, FILES), folder, FILES)
    assert set(tree(tmp_path)) >= {"victim", "a.zip"}
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not list(tmp_path.glob("*.wav"))


def damaged(content, random_):
    """Return the archive with bytes flipped, cut, doubled or overwritten."""
    content = bytearray(content)
    for _ in range(random_.randrange(1, 6)):
        at = random_.randrange(len(content))
        match random_.randrange(5):
            case 0:
                content[at] ^= 1 << random_.randrange(8)
            case 1:
                del content[at : at + random_.randrange(1, 200)]
            case 2:
                content[at:at] = content[at : at + random_.randrange(1, 200)]
            case 3:
                content[at : at + 4] = struct.pack("<I", random_.randrange(2**32))
            case 4:  # most headers are at the end
                content[-random_.randrange(1, min(600, len(content)))] = random_.randrange(256)
        if not content:
            break
    return bytes(content)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_archive_gives_right_files_or_none(tmp_path, seed):
    random_ = random.Random(seed)
    small = {path: content[:200] for path, content in FILES.items()}
    whole = pack(tmp_path / "whole.zip", small).read_bytes()
    for number in range(40):
        archive, out = tmp_path / str(number) / "a.zip", tmp_path / str(number) / "out"
        archive.parent.mkdir()
        archive.write_bytes(damaged(whole, random_))
        with contextlib.suppress(DownloadError):
            unpack(archive, out, small)
        found = tree(archive.parent)
        del found["a.zip"]
        assert found.keys() <= {f"out/{path}" for path in small}
        assert all(content in small.values() for content in found.values())
