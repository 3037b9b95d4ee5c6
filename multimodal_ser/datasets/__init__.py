"""Data sets: each file turns a folder of recordings into a clips table."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from multimodal_ser.plugins import load_plugin

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("cremad", "folder", "ravdess")


def load(name: str) -> ModuleType:
    """Return the module of a data set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("ravdess").NAME
        'ravdess'
    """
    return load_plugin(__name__, "data set", name, NAMES)


def index(root: str | Path, dataset: str = "ravdess") -> pd.DataFrame:
    """Return the clips table of a folder of recordings.

    Args:
        root: folder to walk.
        dataset: one of :data:`NAMES`: how the folder is read.

    Raises:
        UnknownName: there is no such data set.
        SerError: there is no such folder, or no recording in it.

    Example:
        >>> index("interviews", "folder")  # doctest: +SKIP
    """
    return load(dataset).index(root)
