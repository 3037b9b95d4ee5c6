"""A store of extracted features, keyed by what they were made from.

The key is a hash of the file's content, the extractor's name and version, and
its parameters. So a file may be renamed or moved without being read again,
and changing the file, a parameter or the extractor makes just that anew.
Entries are written to a temporary name and renamed, so an interrupted run
leaves either a whole entry or none, and several runs may share a store; a
damaged entry counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from multimodal_ser.errors import MediaError, StoreError

#: Names the folder of the store when none is given on the command line.
CACHE_VARIABLE = "MULTIMODAL_SER_CACHE"

#: How the name of a file begins while it is being written, and after how many
#: seconds such a file is taken for what a killed run left behind.
WRITING, LITTER_SECONDS = ".writing-", 24 * 3600


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
        OSError: the file cannot be read.

    Example:
        >>> len(content_key(__file__, "mfcc", 1, {"rate_hz": 22050}))
        64
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    made_by = json.dumps([name, version, dict(params)], sort_keys=True)
    digest.update(made_by.encode())
    return digest.hexdigest()


class Cache:
    """A folder of ``.npz`` entries.

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

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Return the entry's arrays, or None when it is absent or damaged."""
        if self.folder is None:
            return None
        try:
            with np.load(self.path(key), allow_pickle=False) as entry:
                return {name: entry[name] for name in entry.files}
        except Exception:  # whatever a damaged archive makes its reader raise
            return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write an entry atomically.

        Raises:
            StoreError: the disk is full or the folder cannot be written; what
                the store held before is untouched.
        """
        if self.folder is None:
            return
        path = self.path(key)
        _remove_litter(path.parent)
        try:
            write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
        except OSError as error:
            raise StoreError(
                f"{self.folder}: features cannot be kept there ({error.strerror or error}); "
                "free space or rights in it, or name another folder with --cache; "
                "what is done stays done"
            ) from error

    def make(
        self,
        path: str | Path,
        name: str,
        version: int,
        params: Mapping[str, Any],
        function: Callable[[], Mapping[str, np.ndarray]],
    ) -> dict[str, np.ndarray]:
        """Return the entry of a file, calling ``function`` only when there is none.

        Raises:
            MediaError: the file was changed while ``function`` read it.
            StoreError: the entry cannot be written.
        """
        if self.folder is None:
            return dict(function())
        with unchanged(path):
            key = content_key(path, name, version, params)
            found = self.get(key)
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


def _remove_litter(folder: Path) -> None:
    """Remove what runs killed a day ago or longer were writing."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(WRITING):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > LITTER_SECONDS:
                        os.unlink(entry.path)


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: the file to write; its folder is made.
        write: called with a binary file object open for writing.

    Raises:
        OSError: the folder or file cannot be written; the old file stays.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a" / "b.txt"
        >>> write_atomically(target, lambda file: file.write(b"done"))
        >>> target.read_text()
        'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=WRITING)
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
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp ignores it and makes
    # files that only their owner can read.
    mask = os.umask(0)
    os.umask(mask)
    return mask
