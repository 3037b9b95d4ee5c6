"""An archive gives its files, or nothing; and nothing outside its folder."""

import contextlib
import io
import os
import random
import stat
import struct
import sys
import zipfile

import pytest

from multimodal_ser.download import unpack as module
from multimodal_ser.download.unpack import Member, crc_of, unpack
from multimodal_ser.errors import DownloadError

FILES = {f"Actor_{n % 3:02d}/{n:02d}.wav": random.Random(n).randbytes(5_000) for n in range(9)}


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "a.zip"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "out"


def pack(archive, files, **how):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, **how) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_refused(archive, folder, said):
    with pytest.raises(DownloadError, match=said) as caught:
        unpack(archive, folder)
    assert str(caught.value).isprintable()
    assert tree(archive.parent).keys() == {archive.name}, "nothing was written anywhere"


def test_every_file_comes_out(archive, folder):
    unpacked = unpack(pack(archive, FILES), folder)
    assert tree(folder) == FILES
    assert [member.path for member in unpacked.members] == list(FILES)
    assert all(Member(path, 5_000, crc_of(folder / path)) in unpacked.members for path in FILES)
    assert (unpacked.written, unpacked.left_out) == (9, {})


def test_what_is_there_is_not_written_again(archive, folder):
    unpack(pack(archive, FILES), folder)
    times = {path: (folder / path).stat().st_mtime_ns for path in FILES}
    damaged, absent, longer, *_ = FILES
    (folder / damaged).write_bytes(b"?" + FILES[damaged][1:])
    (folder / absent).unlink()
    (folder / longer).write_bytes(FILES[longer] + b"?")
    assert unpack(archive, folder).written == 3
    assert tree(folder) == FILES
    same = {path for path in FILES if (folder / path).stat().st_mtime_ns == times[path]}
    assert same == set(FILES) - {damaged, absent, longer}


@pytest.mark.parametrize("after", [0, 1, 5, 8])
def test_an_interrupted_unpacking_goes_on(archive, folder, monkeypatch, after):
    pack(archive, FILES)
    real, moved = os.replace, []

    def replace(source, target):
        if len(moved) == after:
            raise KeyboardInterrupt
        moved.append(target)
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            unpack(archive, folder)
    assert len(tree(folder)) == after, "no half of a file, nor a temporary one"
    assert unpack(archive, folder).written == len(FILES) - after
    assert tree(folder) == FILES


def test_what_a_killed_run_left_is_overwritten(archive, folder):
    (folder / "Actor_00").mkdir(parents=True)
    (folder / "Actor_00" / ".unpacking").write_bytes(b"half")
    unpack(pack(archive, FILES), folder)
    assert tree(folder) == FILES


def test_only_what_is_wanted_comes_out(archive, folder):
    unpacked = unpack(pack(archive, FILES), folder, wanted=lambda path: "Actor_01" in path)
    assert set(tree(folder)) == {path for path in FILES if "Actor_01" in path}
    assert set(unpacked.left_out) == {path for path in FILES if "Actor_01" not in path}


@pytest.mark.parametrize(
    "name",
    [
        "../a.wav", "a/../../a.wav", "a/..", "/etc/a.wav", "//host/a.wav", "C:/a.wav", "c:a.wav",
        "..\\a.wav", "a\\b.wav", "\\\\host\\a.wav", "./a.wav", "a//b.wav", "a/./b.wav", "..",
        "CON", "nul.wav", "a/COM1.mp4", "lpt9", "a./b.wav", "a /b.wav", "a.wav ", "a.wav:stream",
        "a\nb.wav", "a\x1b[2J.wav", "a\u202evaw.exe", "x" * 256, "é" * 128, "a/" * 21 + "b",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused(archive, folder, name):
    assert_refused(pack(archive, {"good.wav": b"1", name: b"2"}), folder, "nothing was unpacked")
    unpacked = unpack(archive, folder, vouched=True)
    assert tree(archive.parent).keys() == {archive.name, "data/out/good.wav"}
    assert list(unpacked.left_out) == [name]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_link_or_a_device_is_refused(archive, folder, kind):
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    assert_refused(pack(archive, {info: b"/etc"}), folder, "a link or a device")
    unpack(archive, folder, vouched=True)
    assert not os.path.lexists(folder / "link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("first", "second"),
    [("a.wav", "a.wav"), ("a.wav", "A.WAV"), ("\u00e9.wav", "e\u0301.wav"), ("a", "a/b"),
     ("a/b", "A"), ("a/b/c", "a"), ("a", "a/")],
)  # fmt: skip
def test_a_name_that_is_there_twice_is_refused(archive, folder, first, second):
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(first, b"1")
        opened.writestr(second, b"")
    assert_refused(archive, folder, r"twice|at once")


def test_folders_of_their_own_are_fine(archive, folder):
    unpack(pack(archive, {"a/": b"", "a/b/": b"", "a/b/c.wav": b"1"}), folder)
    assert tree(folder) == {"a/b/c.wav": b"1"}


def test_a_bomb_is_refused(archive, folder):
    assert_refused(pack(archive, {"a.wav": bytes(5_000_000)}), folder, "over 100 times")


def test_sound_that_is_silent_in_parts_is_no_bomb(archive, folder):
    files = {"a.wav": bytes(200_000) + random.Random(0).randbytes(20_000)}
    unpack(pack(archive, files), folder)
    assert tree(folder) == files


def test_a_full_disk_is_told_before(archive, folder, monkeypatch):
    usage = type("Usage", (), {"free": 44_999})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match="are needed"):
        unpack(pack(archive, FILES), folder)
    assert tree(folder) == {}


def central(content, at, value, size=4):
    """Overwrite a field of the first entry of the list of contents."""
    start = content.index(b"PK\x01\x02") + at
    return content[:start] + value.to_bytes(size, "little") + content[start + size :]


@pytest.mark.parametrize("claimed", [0, 1, 4_999, 5_001, 400_000, 2**32 - 2])
def test_a_false_size_is_found(archive, folder, claimed):
    pack(archive, FILES)
    archive.write_bytes(central(archive.read_bytes(), 24, claimed))
    with pytest.raises(DownloadError):
        unpack(archive, folder)
    assert set(tree(folder)) <= set(FILES) - {next(iter(FILES))}


def test_a_false_crc_is_found(archive, folder):
    pack(archive, FILES)
    archive.write_bytes(central(archive.read_bytes(), 16, 7))
    with pytest.raises(DownloadError, match="no whole zip archive"):
        unpack(archive, folder)
    assert tree(folder) == {}


def test_an_encrypted_archive_is_refused(archive, folder):
    pack(archive, FILES)
    archive.write_bytes(central(archive.read_bytes(), 8, 1, 2))
    assert_refused(archive, folder, "encrypted")


@pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_unusual_compression_is_refused(archive, folder, kind):
    with zipfile.ZipFile(archive, "w", kind) as opened:
        opened.writestr("a.wav", b"1")
    assert_refused(archive, folder, "unusual")


def test_a_name_that_hides_its_end_is_refused(archive, folder):
    pack(archive, {"good.wav?/../../evil": b"1"})
    archive.write_bytes(archive.read_bytes().replace(b"good.wav?", b"good.wav\x00"))
    assert_refused(archive, folder, "cannot be seen")


def test_names_in_an_unknown_encoding_are_left_out(archive, folder):
    pack(archive, {"aXb.wav": b"1", "c.wav": b"2"})
    archive.write_bytes(archive.read_bytes().replace(b"aXb.wav", b"a\xe4b.wav"))
    unpacked = unpack(archive, folder)
    assert tree(folder) == {"c.wav": b"2"}
    assert list(unpacked.left_out.values()) == ["its name is in an unknown encoding"]


def test_names_that_claim_to_be_utf8_and_are_not(archive, folder):
    pack(archive, {"a\u00e9b.wav": b"1"})
    archive.write_bytes(archive.read_bytes().replace("\u00e9".encode(), b"\xff\xfe"))
    assert_refused(archive, folder, "no whole zip archive")


def test_names_in_utf8_are_fine(archive, folder):
    unpack(pack(archive, {"Stimme_\u00e4\u65e5.wav": b"1"}), folder)
    assert tree(folder) == {"Stimme_\u00e4\u65e5.wav": b"1"}


def test_what_a_mac_leaves_is_left_out(archive, folder, capsys):
    files = {"__MACOSX/._a.wav": b"1", "Actor_01/._a.wav": b"2", ".DS_Store": b"3", "a.wav": b"4"}
    unpacked = unpack(pack(archive, files), folder)
    assert tree(folder) == {"a.wav": b"4"}
    module.say_left_out("a.zip", unpacked)
    assert "left out 3, left behind by a Mac: '__MACOSX/._a.wav'" in capsys.readouterr().err


def test_a_link_that_lies_there_is_not_followed_out(archive, folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir(parents=True)
    (folder / "Actor_00").symlink_to(elsewhere)
    with pytest.raises(DownloadError, match="a link that leads out"):
        unpack(pack(archive, FILES), folder)
    assert tree(elsewhere) == {}


def test_a_link_in_a_files_place_is_replaced_not_followed(archive, folder, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder.mkdir(parents=True)
    (folder / "a.wav").symlink_to(victim)
    (folder / ".unpacking").symlink_to(victim)
    unpack(pack(archive, {"a.wav": b"1"}), folder)
    assert victim.read_bytes() == b"mine"
    assert not (folder / "a.wav").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="folders can be written by their owner")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_an_error(archive, folder):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    with pytest.raises(OSError, match="denied"):
        unpack(pack(archive, FILES), folder)


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>", b"PK\x05\x06" + bytes(10)])
def test_what_is_no_archive(archive, folder, content):
    archive.write_bytes(content)
    assert_refused(archive, folder, "no whole zip archive")


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
            case 4:  # most headers lie at the end
                content[-random_.randrange(1, min(600, len(content)))] = random_.randrange(256)
        if not content:
            break
    return bytes(content)


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_archive_gives_right_files_or_none(tmp_path, seed):
    random_ = random.Random(seed)
    small = {path: content[:200] for path, content in FILES.items()}
    whole = pack(tmp_path / "whole.zip", small).read_bytes()
    contents = set(small.values())
    for number in range(40):
        place = tmp_path / str(number)
        place.mkdir()
        archive = place / "a.zip"
        archive.write_bytes(damaged(whole, random_))
        with contextlib.suppress(DownloadError):
            unpack(archive, place / "out")
        found = tree(place)
        assert all(content in contents for path, content in found.items() if path != "a.zip")
        assert all(path == "a.zip" or path.startswith("out" + os.sep) for path in found)


def test_the_crc_is_that_of_zip(tmp_path):
    (tmp_path / "a").write_bytes(FILES["Actor_00/00.wav"])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        opened.write(tmp_path / "a", "a")
        assert crc_of(tmp_path / "a") == opened.getinfo("a").CRC
