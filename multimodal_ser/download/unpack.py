"""Unpack chosen members of a zip archive that may be damaged or hostile.

``zipfile`` reads the archive and checks CRC-32. It lacks limits against zip bombs and refusals:
it mends paths that lead out of a folder and follows links that are in one, and it writes files
under their names while they are incomplete.
"""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import DownloadError

#: Refused above this many bytes per byte of archive. Deflate reaches 1032; speech and video stay
#: below 10, and a zip bomb needs the difference.
MOST_EXPANSION = 100
MOST_MEMBERS = 100_000

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,  # among them a name that claims to be UTF-8 and is not
    OverflowError,
    NotImplementedError,  # a format newer than this library
)


def unpack(
    archive: str | Path, folder: str | Path, paths: Iterable[str], *, progress: bool = False
) -> int:
    """Unpack members, found by their file names, to given paths; return how many were written.

    A file that is there with the right size is not written again; each appears under its name
    only when it is complete. Other members are ignored.

    Args:
        archive: a zip file.
        folder: where to; made if need be.
        paths: where below ``folder`` each file goes, such as ``"Actor_01/a.wav"``; the member is
            the one with this file name, whatever folder of the archive it is in.
        progress: show a bar.

    Raises:
        DownloadError: this is no whole zip archive; it has more than :data:`MOST_MEMBERS` members
            or none that is wanted; wanted ones are links, encrypted, doubled, have a path that
            leads out of the archive, or expand to more than :data:`MOST_EXPANSION` times its
            size; or a link in ``folder`` leads out of it.
        OSError: the folder cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "a.zip", "w") as file:
        ...     file.writestr("audio/a.wav", b"sound")
        >>> unpack(folder / "a.zip", folder, ["Actor_01/a.wav"])
        1
        >>> (folder / "Actor_01" / "a.wav").read_bytes()
        b'sound'
    """
    from tqdm import tqdm

    archive, folder = Path(archive), Path(folder)
    with _refusing(archive), zipfile.ZipFile(archive) as opened:
        members = _choose(opened, {PurePosixPath(path).name: path for path in paths})
        size = sum(info.file_size for info in members.values())
        if size > MOST_EXPANSION * archive.stat().st_size:
            raise zipfile.BadZipFile(f"over {MOST_EXPANSION} times its size when unpacked")
        todo = {path: info for path, info in members.items() if not _is_there(folder, path, info)}
        for path, info in tqdm(todo.items(), archive.name, leave=False, disable=not progress):
            write_atomically(folder / path, partial(_copy, opened, info))
    return len(todo)


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, OSError) as error:
        # EINVAL: a list of contents that points before the archive's start.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise DownloadError(
            f"{archive}: it cannot be used ({ascii(str(error))[:200]}); delete it and fetch it "
            "again from where its makers put it"
        ) from None


def _choose(opened: zipfile.ZipFile, wanted: dict[str, str]) -> dict[str, zipfile.ZipInfo]:
    """Return path -> member, each of them safe."""
    infos = opened.infolist()
    chosen: dict[str, zipfile.ZipInfo] = {}
    if len(infos) > MOST_MEMBERS:
        raise zipfile.BadZipFile(f"{len(infos)} members, more than {MOST_MEMBERS}")
    for info in infos:
        name = PurePosixPath(info.filename.replace("\\", "/")).name
        if name not in wanted or info.is_dir():
            continue
        if danger := _danger(info):
            raise zipfile.BadZipFile(f"{info.orig_filename}: {danger}")
        other = chosen.setdefault(wanted[name], info)
        if (other.CRC, other.file_size) != (info.CRC, info.file_size):
            raise zipfile.BadZipFile(f"{name}: it is there twice")
    if not chosen:
        raise zipfile.BadZipFile("it holds nothing of what was asked for")
    return chosen


def _danger(info: zipfile.ZipInfo) -> str:
    """Return why a member may not be unpacked, or ""."""
    # What follows a NUL is hidden from all but orig_filename.
    name = info.orig_filename
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "it is a link or a device"
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is encrypted, or compressed in an unusual way"
    if name.startswith("/") or ".." in name.split("/") or set(name) & set("\\:\0"):
        return "its path leads elsewhere"
    return ""


def _is_there(folder: Path, path: str, info: zipfile.ZipInfo) -> bool:
    place = folder / path
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise DownloadError(f"{place.parent}: a link that leads out of {folder}; delete it")
    return not place.is_symlink() and place.is_file() and place.stat().st_size == info.file_size


def _copy(opened: zipfile.ZipFile, info: zipfile.ZipInfo, file: BinaryIO) -> None:
    with opened.open(info) as source:
        shutil.copyfileobj(source, file, 1 << 20)  # compares the CRC, and stops at file_size
    if file.tell() != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename} is shorter than it should be")
