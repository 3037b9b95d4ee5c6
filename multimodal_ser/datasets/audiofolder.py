"""Own recordings in a folder of Hugging Face's ``datasets``: AudioFolder and VideoFolder.

``metadata.csv``, ``metadata.jsonl`` or ``metadata.parquet`` with a column ``file_name``, relative
to its folder, and whatever is known; or no such table, and the folders' names are the labels
(https://huggingface.co/docs/datasets/audio_dataset). Both may lie in folders named after splits
(``train/``, ``validation/``, ``test/``), which begin the clips' ids and are no labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from multimodal_ser.datasets import folder, takes
from multimodal_ser.datasets.files import absolute, expanded, walk
from multimodal_ser.errors import SerError
from multimodal_ser.tables import io as tableio

NAME = "audiofolder"
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
#: Words that a split's folder is called by, as the library knows them.
SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval")


def is_one(root: str | Path) -> bool:
    """Tell whether a folder, or one of its folders, holds a table of files.

    Example:
        >>> is_one("no-such-folder")
        False
    """
    return next(_tables(root), None) is not None


def _tables(root: str | Path) -> Iterator[Path]:
    """Yield the tables of a folder: one in each place, the first of the three names."""
    top = expanded(root)
    for place in (top, *sorted(path for path in top.glob("*") if path.is_dir())):
        there = (place / name for name in METADATA)
        yield from list(filter(Path.is_file, there))[:1]


def index(root: str | Path, numbers: Sequence[str] = ()) -> pd.DataFrame:
    """Return the clips table of such a folder.

    Args:
        root: folder to walk.
        numbers: further columns of its tables to keep, such as ``arousal``.

    Returns:
        A clips table. A file that is in no table is in it where there is no table at all.

    Raises:
        TableError: a table cannot be read, or has no paths.
        SerError: there is no such folder, or no recording in it.
    """
    top = expanded(root)
    parts = [_read(path, top) for path in _tables(root)]
    if parts:  # which say all the labels that there are
        return folder.listed(pd.concat(parts, ignore_index=True), root, top, numbers)
    paths = [str(absolute(path).relative_to(absolute(top))) for path in walk(root)]
    if not paths:
        raise SerError(f"{root}: no recording in this folder")
    table = pd.DataFrame({"path": paths})
    return folder.listed(table, root, top, label=lambda path: _label(path, top))


def _read(path: Path, top: Path) -> pd.DataFrame:
    """Return a table with paths that count from the top."""
    table = tableio.read(path)
    if "file_name" not in table:
        raise SerError(f"{path}: no column file_name; name the recordings in it")
    with warnings.catch_warnings():  # the format says that it is the path
        warnings.simplefilter("ignore")
        table = tableio.read_as(path, folder.LIST_COLUMNS)
    place = path.parent.relative_to(top).as_posix()
    return table if place == "." else table.assign(path=f"{place}/" + table["path"].astype(str))


def _label(path: Path, top: Path) -> str | None:
    """Return the name of a file's folder, which a split's is not."""
    place = absolute(path).parent
    is_label = place != absolute(top) and place.name.lower() not in SPLITS
    return place.name if is_label else None


def validate(root: str | Path, probe: takes.Probe | None = None) -> pd.DataFrame:
    """Say what is missing, unlabelled, identical or unreadable in such a folder.

    Args:
        root: its folder.
        probe: as for ``folder.validate``.

    Returns:
        As ``folder.validate`` does.

    Raises:
        SerError: as for :func:`index`.
    """
    return folder.validate_listed(index(root), root, probe)
