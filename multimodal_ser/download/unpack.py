"""Unpack a zip archive that nobody vouches for.

The list of contents is judged before anything is written, and an archive that
holds one member that could leave the folder, hide another or fill the disk is
refused whole: it is not what it claims to be. Where a checksum vouches for the
archive, a member with an impossible path is left out instead. Each file appears under its name
only when it is complete and its CRC-32 holds, so unpacking may be interrupted
at any time, and goes on where it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import struct
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from multimodal_ser.download.fetch import check_room
from multimodal_ser.errors import DownloadError

#: Refused above this many bytes a byte of archive. Deflate reaches 1032, sound
#: and film stay below 10; the difference is what a zip bomb lives on.
MOST_EXPANSION = 100
MOST_MEMBERS = 100_000

_CHUNK_BYTES = 1 << 20
_LONGEST_NAME_BYTES = 255
_DEEPEST = 20
#: Names that are no files on Windows, whatever their ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,  # among them a name that claims to be UTF-8 and is not
    OverflowError,
    NotImplementedError,  # a format newer than this library
)


class Member(NamedTuple):
    """One unpacked file: its path below the folder, size in bytes, CRC-32."""

    path: str
    size: int
    crc: int


class Unpacked(NamedTuple):
    """What became of an archive.

    Attributes:
        members: the files that are now in the folder.
        written: how many of them were not there before.
        left_out: name in the archive -> why it was left out.
    """

    members: list[Member]
    written: int
    left_out: dict[str, str]


def unpack(
    archive: str | Path,
    folder: str | Path,
    *,
    wanted: Callable[[str], bool] = lambda path: True,
    vouched: bool = False,
    progress: bool = False,
) -> Unpacked:
    """Unpack the wanted members of a zip archive, skipping those already there.

    Args:
        archive: a zip file.
        folder: where to; made if need be. Nothing is written outside it, not
            through links inside it either.
        wanted: told a member's path, says whether to unpack it. What a Mac
            leaves in archives is left out before it is asked.
        vouched: the archive is known to be its makers' own, so a member that
            cannot be unpacked safely is their oversight and is left out.
        progress: show a bar.

    Raises:
        DownloadError: this is no whole zip archive; not vouched for, it holds
            a member that is encrypted or a link, or a path that is absolute,
            has ``..``, a drive, a backslash, a device's name or control
            characters; or it holds a name twice, or more than
            :data:`MOST_EXPANSION` times its own size. Or the disk has not
            enough room.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "a.zip", "w") as file:
        ...     file.writestr("Actor_01/a.wav", b"sound")
        >>> unpack(folder / "a.zip", folder / "out").members[0].path
        'Actor_01/a.wav'
        >>> (folder / "out" / "Actor_01" / "a.wav").read_bytes()
        b'sound'
    """
    archive, folder = Path(archive), Path(folder)
    with _telling(archive), zipfile.ZipFile(archive) as opened:
        chosen, left_out = _choose(archive, opened, wanted, vouched)
        folder.mkdir(parents=True, exist_ok=True)
        places = {info: _place(archive, folder, info.filename) for info in chosen}
        lacking = [info for info in chosen if not _is_there(places[info], info)]
        check_room(folder, sum(info.file_size for info in lacking))
        for info in _with_bar(lacking, archive.name, progress):
            _write(opened, info, places[info])
    members = [Member(info.filename, info.file_size, info.CRC) for info in chosen]
    return Unpacked(members, len(lacking), left_out)


@contextlib.contextmanager
def _telling(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, OSError) as error:
        # EINVAL: a list of contents that points before the archive's start.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"{archive}: it is no whole zip archive ({said[:200]!r}); delete it and fetch it again"
        ) from None


def _choose(
    archive: Path, opened: zipfile.ZipFile, wanted: Callable[[str], bool], vouched: bool
) -> tuple[list[zipfile.ZipInfo], dict[str, str]]:
    infos = opened.infolist()
    if len(infos) > MOST_MEMBERS:
        raise _refusal(archive, f"{len(infos)} members", f"there are more than {MOST_MEMBERS}")
    dangers = {info.orig_filename: reason for info in infos if (reason := _danger(info))}
    if dangers and not vouched:
        raise _refusal(archive, *next(iter(dangers.items())))
    safe = [info for info in infos if info.orig_filename not in dangers]
    _check_distinct(archive, safe)
    chosen, left_out = [], dangers
    for info in safe:
        if info.is_dir():
            continue
        reason = _why_leave_out(info) or ("" if wanted(info.filename) else "not asked for")
        if reason:
            left_out[info.filename] = reason
        else:
            chosen.append(info)
    total = sum(info.file_size for info in infos)
    if total > MOST_EXPANSION * archive.stat().st_size:
        reason = f"it would become {total / 1e9:.1f} GB, over {MOST_EXPANSION} times its size"
        raise _refusal(archive, f"{len(infos)} members", reason)
    return chosen, left_out


def _refusal(archive: Path, name: str, reason: str) -> DownloadError:
    return DownloadError(
        f"{archive}: {name[:200]!r}: {reason}; nothing was unpacked, fetch the archive from "
        "where its makers put it"
    )


def _danger(info: zipfile.ZipInfo) -> str:
    """Return why a member may not be unpacked, or ""."""
    # What follows a NUL is hidden from all but orig_filename.
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device"
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "it is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed in an unusual way"
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name):
        return "its path is absolute or written for Windows"
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        return "its name has characters that cannot be seen"
    parts = name.removesuffix("/").split("/")
    if len(parts) > _DEEPEST:
        return f"it lies more than {_DEEPEST} folders deep"
    return next((reason for reason in map(_danger_of_part, parts) if reason), "")


def _danger_of_part(part: str) -> str:
    if part in ("", ".", ".."):
        return "its path leads elsewhere"
    if len(part.encode()) > _LONGEST_NAME_BYTES:
        return f"its name is longer than {_LONGEST_NAME_BYTES} bytes"
    if _DEVICES.fullmatch(part) or part.endswith((".", " ")) or ":" in part:
        return "its name means something else on some systems"
    return ""


def _why_leave_out(info: zipfile.ZipInfo) -> str:
    parts = PurePosixPath(info.filename).parts
    if parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._"):
        return "left behind by a Mac"
    if not info.flag_bits & _UTF8_FLAG and not info.filename.isascii():
        return "its name is in an unknown encoding"
    return ""


def _check_distinct(archive: Path, infos: list[zipfile.ZipInfo]) -> None:
    # As the strictest file system sees it: neither case nor accents' spelling count.
    seen: dict[str, bool] = {}
    for info in infos:
        key = unicodedata.normalize("NFC", info.filename.rstrip("/")).casefold()
        if key in seen and not (info.is_dir() and seen[key]):
            raise _refusal(archive, info.filename, "it is there twice")
        seen[key] = info.is_dir()
    for key in seen:
        for parent in PurePosixPath(key).parents:
            if seen.get(str(parent), True) is False:
                raise _refusal(archive, key, f"{str(parent)!r} is a file and a folder at once")


def _place(archive: Path, folder: Path, name: str) -> Path:
    place = folder.joinpath(*PurePosixPath(name).parts)
    # Links that lie in the folder already lead where they like.
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise _refusal(archive, name, f"{place.parent} is a link that leads out of {folder}")
    if place.is_dir():
        raise _refusal(archive, name, f"{place} is a folder")
    return place


def _is_there(place: Path, info: zipfile.ZipInfo) -> bool:
    try:
        found = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    regular = stat.S_ISREG(found.st_mode) and found.st_size == info.file_size
    return regular and crc_of(place) == info.CRC


def crc_of(path: str | Path) -> int:
    """Return the CRC-32 of a file, as zip archives note it.

    Example:
        >>> crc_of(os.devnull)
        0
    """
    crc = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
    return crc


def _with_bar(infos: list[zipfile.ZipInfo], name: str, progress: bool):
    from tqdm import tqdm

    total = sum(info.file_size for info in infos)
    with tqdm(
        total=total, desc=name, unit="B", unit_scale=True, leave=False, disable=not progress
    ) as bar:
        for info in infos:
            yield info
            bar.update(info.file_size)


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, and always the same name: a killed run leaves one at most, and
    # the next one overwrites it.
    temporary = place.parent / ".unpacking"
    temporary.unlink(missing_ok=True)
    try:
        with opened.open(info) as source, open(temporary, "xb") as file:
            # Reading to the end compares the CRC; no more than file_size comes.
            # Not flushed to the disk file by file, which takes longer than all
            # else: a file that a power cut has emptied is found by its size.
            while chunk := source.read(_CHUNK_BYTES):
                file.write(chunk)
        if temporary.stat().st_size != info.file_size:
            raise zipfile.BadZipFile(f"{info.filename} is shorter than it should be")
        os.replace(temporary, place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def say_left_out(archive: str, unpacked: Unpacked) -> None:
    """Print what was left out and why, a line a reason, to standard error.

    Args:
        archive: its name, for the line.
        unpacked: what :func:`unpack` returned.
    """
    by_reason: dict[str, list[str]] = {}
    for name, reason in unpacked.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in sorted(by_reason.items()):
        some = ", ".join(ascii(name) for name in names[:2]) + (", ..." if len(names) > 2 else "")
        print(f"{archive}: left out {len(names)}, {reason}: {some}", file=sys.stderr)
