"""Files that anyone may have made are opened here, and files of ours are written whole or not."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import IO

#: How the name of a file begins while it is being written, and after how many
#: seconds such a file is taken for what a killed run left behind.
WRITING, LITTER_SECONDS = ".writing-", 24 * 3600
#: With what ``tempfile`` puts behind it, so that files of other programs stay.
_DRAFT = re.compile(re.escape(WRITING) + r"[a-z0-9_]{3,12}")
#: What a file system answers that knows no fsync of folders.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EISDIR}


def open_regular(path: str | Path, limit_bytes: int | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Opening a pipe would wait for its writer and reading a device never end; and what is looked
    at is what is open, whatever takes the place of the path meanwhile.

    Args:
        path: of the file, or a link to it.
        limit_bytes: how large it may be; None sets no limit.

    Raises:
        OSError: it cannot be opened; with ``EINVAL``, it is a folder, a pipe, a device or a
            socket; with ``EFBIG``, it is larger than the limit.
        ValueError: the path holds a null character.

    Example:
        >>> open_regular(os.devnull)
        Traceback (most recent call last):
        OSError: [Errno 22] it is no regular file: '/dev/null'
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path)) from None
        raise
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and not (limit_bytes and found.st_size > limit_bytes):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISREG(found.st_mode):
        said = f"it has {found.st_size} bytes, more than {limit_bytes}"
        raise OSError(errno.EFBIG, said, os.fspath(path))
    raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))


def write_atomically(
    path: str | Path, write: Callable[[IO[bytes]], object], *, drafts: Path | None = None
) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    When it returns, the new content survives a power cut: the file is synchronised before it
    gets its name, and the folder after (https://lwn.net/Articles/457667/).

    Args:
        path: the file to write; its folder is made.
        write: called with a binary file object open for writing.
        drafts: the folder in which the file is written, on the same file system; None takes
            that of ``path``. What killed runs left in it more than a day ago is removed.

    Raises:
        OSError: the folder or file cannot be written; the old file stays.

    Example:
        >>> target = Path(tempfile.mkdtemp()) / "a" / "b.txt"
        >>> write_atomically(target, lambda file: file.write(b"done"))
        >>> target.read_text()
        'done'
    """
    path = Path(path)
    drafts = drafts or path.parent
    make_folder(path.parent)
    if not drafts.is_dir():
        drafts.mkdir(exist_ok=True)
    remove_litter(drafts)
    handle, temporary = tempfile.mkstemp(dir=drafts, prefix=WRITING)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # a full disk does not say for which file
        with contextlib.suppress(OSError):  # else it is removed after a day
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they survive a power cut.

    Raises:
        OSError: it cannot be made.

    Example:
        >>> make_folder(Path("."))
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: str | Path) -> None:
    """Write a folder's names to the disk, where the file system can.

    Raises:
        OSError: the disk failed.

    Example:
        >>> sync_folder(".")
    """
    if os.name != "posix":  # Windows opens no folders, and writes names in order
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def remove_litter(folder: str | Path) -> None:
    """Remove drafts that are a day old, or a day ahead of a clock that was put back.

    Example:
        >>> remove_litter("no/such/folder")
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _DRAFT.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    if abs(age_s) > LITTER_SECONDS:
                        os.unlink(entry.path)


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp ignores it and makes
    # files that only their owner can read.
    mask = os.umask(0)
    os.umask(mask)
    return mask
