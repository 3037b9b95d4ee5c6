"""Which ONNX files were checked before, so that each is looked at once on this machine.

Looking at a graph takes the import of ONNX and a walk through all its shapes, 0.1 s for a
model of five networks: more than they take to predict a clip. What was found is kept in a small
file in the user's cache folder, named by the SHA-256 of the network, of the limits that it was
judged by, and of the versions of this package, of ONNX and of ONNX Runtime. A network that
differs in one byte, or a program that differs in one of these, finds no record, and so all is
looked at again; so it is where the record is missing, damaged, of another owner, or where
others may write it.

A record says that a network is harmless, and is believed. To forge one takes the right to write
files in the user's name into the user's cache folder, and who has that needs no forged network.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import stat
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from multimodal_ser import VERSION
from multimodal_ser.compute.cache import default_folder
from multimodal_ser.compute.files import open_regular, write_atomically
from multimodal_ser.errors import SerError
from multimodal_ser.tables.records import read_record, write_record

#: The folder of the records, within the user's cache.
FOLDER = "checked-networks"
#: Longer networks are looked at each time: that takes no part of what running them takes.
LARGEST_BYTES = 2**25
#: Shapes of inputs that a record remembers; of more the latest.
MOST_SHAPES = 16
_LARGEST_RECORD = 2**14

Axis = Annotated[int, Meta(ge=0, le=2**40)]
Shape = Annotated[list[Axis], Meta(min_length=1, max_length=8)]
OpenShape = Annotated[list[Axis | None], Meta(max_length=8)]


class Findings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a network that was checked.

    Attributes:
        input_shape: with None where any size goes; the first axis is the batch.
        output_shape: likewise.
        within: shapes of inputs that stay within the limits, and so do fewer rows of each.
    """

    input_shape: OpenShape
    output_shape: OpenShape
    within: Annotated[list[Shape], Meta(max_length=MOST_SHAPES)]


def record_path(content: bytes, limits: object) -> Path | None:
    """Return where the record of a network is, whether or not there is one.

    Args:
        content: of the ONNX file.
        limits: all that the check depends on beside versions; printed, it must say all of it.

    Returns:
        None of a network longer than :data:`LARGEST_BYTES`, or where it cannot be told which
        ONNX is installed: then there is none.

    Example:
        >>> record_path(b"network", (2**30,)).suffix
        '.json'
    """
    checker = checkers()
    if len(content) > LARGEST_BYTES or not all(checker):
        return None
    digest = hashlib.sha256(content)
    digest.update(f"\n{VERSION} {checker} {limits!r}".encode())
    return default_folder() / FOLDER / f"{digest.hexdigest()}.json"


@functools.cache
def checkers() -> tuple[str, ...]:
    """Return which ONNX and ONNX Runtime are installed, without importing them.

    The names of the folders of their metadata, which hold name and version; reading them by
    ``importlib.metadata`` takes as long as a clip.

    Example:
        >>> len(checkers())
        2
    """
    found = []
    for name in ("onnx", "onnxruntime"):
        spec = importlib.util.find_spec(name)
        folder = Path(spec.origin).parents[1] if spec and spec.origin else Path(os.devnull)
        # ONNX Runtime has variants, such as onnxruntime_gpu.
        of_it = re.compile(rf"{name}(_\w+)?-[^-]+\.dist-info")
        inside = os.listdir(folder) if folder.is_dir() else ()
        found.append(" ".join(sorted(one for one in inside if of_it.fullmatch(one))))
    return tuple(found)


def find(path: Path | None) -> Findings | None:
    """Return what is on record, or None where there is nothing that can be believed.

    Args:
        path: of :func:`record_path`.

    Example:
        >>> find(Path("nowhere.json")) is None
        True
    """
    if path is None:
        return None
    try:
        with open_regular(path, _LARGEST_RECORD) as file:
            if not _is_own(os.fstat(file.fileno())):
                return None
            return read_record(file.read(), Findings, "a record", limit_bytes=_LARGEST_RECORD)
    except (OSError, ValueError, SerError):
        return None


def keep(path: Path | None, findings: Findings) -> None:
    """Write a record atomically, where the cache can be written; where not, go on without.

    Args:
        path: of :func:`record_path`.
        findings: of the check.

    Example:
        >>> keep(None, Findings([None, 3], [None, 2], [[1, 3]]))
    """
    if path is None:
        return
    try:
        content = write_record(findings)
        write_atomically(path, lambda file: file.write(content))
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
    except (OSError, SerError):  # the latter of axes longer than any that is used
        return


def _is_own(found: os.stat_result) -> bool:
    """Return whether a file is the user's, and no one else may write it."""
    if hasattr(os, "getuid"):
        return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return True  # Windows: the rights of the user's folder have to do
