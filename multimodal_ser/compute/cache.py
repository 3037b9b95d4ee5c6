"""A store of extracted features, keyed by what they were made from.

The key is a hash of the file's content, the extractor's name and version, and
its parameters. So a file may be renamed or moved without being read again,
and changing the file, a parameter or the extractor makes just that anew.
Entries are written to a temporary name and renamed, so an interrupted run
leaves either a whole entry or none, and several runs may share a store. What is
damaged, of another shape, type or library, or no file at all, counts as absent and
is replaced.

An entry is one line that begins with :data:`MAGIC` and goes on as JSON (the libraries
that made it; name, type and shape of each array), the arrays' bytes one after the other, and a
CRC-32 of all before it. NumPy's own archives, which entries were and whose name they keep, take
four times as long to read (``benchmarks/store.py``); they are
read still.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from multimodal_ser.compute import versions
from multimodal_ser.compute.files import open_regular, remove_litter, write_atomically
from multimodal_ser.errors import MediaError, StoreError

__all__ = [
    "Array",
    "Cache",
    "content_digest",
    "content_key",
    "default_folder",
    "unchanged",
    "write_atomically",
]

#: Names the folder of the store when none is given on the command line.
CACHE_VARIABLE = "MULTIMODAL_SER_CACHE"

#: How an entry begins; NumPy's archives begin as every ZIP file does.
MAGIC = b"multimodal_ser entry 1 "

#: The folder of a store in which entries are written.
DRAFTS = ".writing"


#: Digests of so many files are remembered in a process.
DIGESTS_KEPT = 256
#: A file that was changed so shortly ago may be changed again with the same time.
RACY_SECONDS = 2
_DIGESTS: dict[tuple[int, ...], Any] = {}


class Array(NamedTuple):
    """What an array of an entry must be.

    Attributes:
        shape: a length each axis; None is any.
        dtype: as NumPy names it.
        finite: whether every value must be; without it, NaN and infinity may be there.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    finite: bool = True

    def fits(self, values: np.ndarray) -> bool:
        """Tell whether an array is such a one.

        Example:
            >>> Array((None, 2)).fits(np.ones((3, 2), np.float32)), Array((3,)).fits(np.ones(3))
            (True, False)
        """
        if len(self.shape) != values.ndim or values.dtype != self.dtype:
            return False
        if any(n not in (None, m) for n, m in zip(self.shape, values.shape, strict=True)):
            return False
        return not self.finite or bool(np.isfinite(values).all())


def default_folder() -> Path:
    """Return the folder of the store: ``$MULTIMODAL_SER_CACHE`` or the user's cache.

    Example:
        >>> default_folder().name != ""
        True
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "multimodal_ser"


def content_key(path: str | Path, name: str, version: int, params: Mapping[str, Any]) -> str:
    """Return the key of one file under one extractor.

    Args:
        path: the file; its bytes are hashed, not its name or time.
        name: the extractor's name.
        version: raised by the extractor's author when its numbers change.
        params: the extractor's parameters, anything JSON can hold.

    Returns:
        64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read, or is a pipe or a device.

    Example:
        >>> len(content_key(__file__, "mfcc", 1, {"rate_hz": 22050}))
        64
    """
    digest = content_digest(path).copy()
    made_by = json.dumps([name, version, dict(params)], sort_keys=True)
    digest.update(made_by.encode())
    return digest.hexdigest()


def content_digest(path: str | Path) -> Any:
    """Return the SHA-256 of a file's bytes, read once while the file stays as it is.

    A file is taken for the same while its device, inode, size and times of change stay. One
    that was written within :data:`RACY_SECONDS` is read each time: file systems' clocks are
    coarse, and another write of as many bytes may get the same time (as git's "racy" entries,
    https://git-scm.com/docs/racy-git).

    Args:
        path: the file.

    Returns:
        A hash object of hashlib; copy it before it is updated.

    Raises:
        OSError: the file cannot be read, or is a pipe or a device.

    Example:
        >>> content_digest(__file__).hexdigest() == content_digest(__file__).hexdigest()
        True
    """
    with open_regular(path) as file:
        found = os.fstat(file.fileno())
        changes = found.st_mtime_ns, found.st_ctime_ns
        key = found.st_dev, found.st_ino, found.st_size, *changes
        if key in _DIGESTS:
            return _DIGESTS[key]
        settled = time.time_ns() - max(changes) > RACY_SECONDS * 10**9
        digest = hashlib.file_digest(file, "sha256")
    if settled:
        if len(_DIGESTS) >= DIGESTS_KEPT:
            _DIGESTS.pop(next(iter(_DIGESTS)), None)
        _DIGESTS[key] = digest
    return digest


class Cache:
    """A folder of entries.

    Args:
        folder: where entries lie; made when first written to. None keeps
            nothing, and every extraction is made anew.

    Example:
        >>> import tempfile
        >>> store = Cache(tempfile.mkdtemp())
        >>> store.put("ab" * 32, {"values": np.arange(3)})
        >>> store.get("ab" * 32)["values"].tolist()
        [0, 1, 2]
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = Path(folder) if folder is not None else None

    def path(self, key: str) -> Path:
        """Return where the entry of ``key`` lies, whether or not it exists."""
        if self.folder is None:
            raise ValueError("this cache has no folder")
        return self.folder / key[:2] / f"{key}.npz"

    def get(
        self, key: str, expected: Mapping[str, Array] | None = None
    ) -> dict[str, np.ndarray] | None:
        """Return the entry's arrays, or None when it is absent, damaged or not what is expected.

        Args:
            key: of the entry.
            expected: what each of its arrays must be; None takes any.
        """
        if self.folder is None:
            return None
        try:
            with open_regular(self.path(key)) as file:
                made_by, found = _read_entry(file.read())
        except Exception:  # whatever a damaged entry makes its reader raise
            return None
        # Entries of earlier versions do not say who made them.
        if made_by and made_by != versions.libraries():
            return None
        if expected is not None and not _fits(found, expected):
            return None
        return found

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write an entry atomically, in place of whatever is there.

        Raises:
            StoreError: the disk is full or the folder cannot be written; what
                the store held before is untouched.
        """
        if self.folder is None:
            return
        try:
            self._put(self.path(key), partial(_write_entry, arrays))
        except OSError as error:
            raise StoreError(
                f"{self.folder}: features cannot be kept there ({error.strerror or error}); "
                "free space or rights in it, or name another folder with --cache; "
                "what is done stays done"
            ) from error

    def _put(self, path: Path, write: Callable[[IO[bytes]], object]) -> None:
        # One folder for all drafts: it stays small, so that looking for litter in it costs
        # the same however many entries there are.
        drafts = path.parent.parent / DRAFTS
        if not drafts.is_dir():
            for old in drafts.parent.glob("[0-9a-f][0-9a-f]"):  # where earlier versions wrote
                remove_litter(old)
        try:
            write_atomically(path, write, drafts=drafts)
        except IsADirectoryError:
            shutil.rmtree(path)
            write_atomically(path, write, drafts=drafts)
        except FileNotFoundError:  # a clock that jumped made another run take the draft for litter
            write_atomically(path, write, drafts=drafts)

    def make(
        self,
        path: str | Path,
        name: str,
        version: int,
        params: Mapping[str, Any],
        function: Callable[[], Mapping[str, np.ndarray]],
        expected: Mapping[str, Array] | None = None,
    ) -> dict[str, np.ndarray]:
        """Return the entry of a file, calling ``function`` only when there is none.

        Args:
            path: as for :func:`content_key`.
            name: as for :func:`content_key`.
            version: as for :func:`content_key`.
            params: as for :func:`content_key`.
            function: makes the arrays.
            expected: as for :meth:`get`.

        Raises:
            MediaError: the file was changed while ``function`` read it.
            StoreError: the entry cannot be written.
        """
        if self.folder is None:
            return dict(function())
        with unchanged(path):
            key = content_key(path, name, version, params)
            found = self.get(key, expected)
            if found is not None:
                return found
            made = dict(function())
        self.put(key, made)
        return made


@contextmanager
def unchanged(path: str | Path) -> Iterator[None]:
    """Refuse what was made of a file that was written meanwhile.

    A copy that is still coming in would be kept under the key of its first part.

    Raises:
        MediaError: size or time differ between the beginning and the end.

    Example:
        >>> with unchanged(__file__):
        ...     digest = content_key(__file__, "set", 1, {})
    """
    before = os.stat(path)
    yield
    after = os.stat(path)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise MediaError(path, "it was changed while it was read", "run again when it is complete")


def _fits(found: Mapping[str, np.ndarray], expected: Mapping[str, Array]) -> bool:
    same = found.keys() == expected.keys()
    return same and all(expected[name].fits(values) for name, values in found.items())


def _write_entry(arrays: Mapping[str, np.ndarray], file: IO[bytes]) -> None:
    given = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    for name, values in given.items():
        if values.dtype.hasobject or values.dtype.names:
            raise ValueError(f"{name}: arrays of {values.dtype} are not kept; give numbers or text")
    # An array of one number is given an axis by ascontiguousarray.
    kinds = [(name, given[name].dtype.str, np.shape(arrays[name])) for name in given]
    about = json.dumps([versions.libraries(), kinds], separators=(",", ":"))
    parts = [MAGIC + about.encode() + b"\n", *(values.tobytes() for values in given.values())]
    total = 0
    for part in parts:
        file.write(part)
        total = zlib.crc32(part, total)
    file.write(total.to_bytes(4, "big"))


def _read_entry(content: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """Return what made an entry, nothing where it does not say so, and its arrays.

    Raises:
        ValueError: it is damaged; an archive raises other errors too.
    """
    if not content.startswith(MAGIC):
        with np.load(io.BytesIO(content), allow_pickle=False) as entry:
            return entry.zip.comment.decode(), {name: entry[name] for name in entry.files}
    if zlib.crc32(memoryview(content)[:-4]) != int.from_bytes(content[-4:], "big"):
        raise ValueError("its checksum is another")
    at = content.index(b"\n") + 1
    made_by, kinds = json.loads(content[len(MAGIC) : at])
    found = {}
    for name, kind, shape in kinds:
        values = np.frombuffer(content, kind, math.prod(shape), at)
        found[name] = values.reshape(shape).copy()  # for the caller to change
        at += values.nbytes
    return made_by, found
