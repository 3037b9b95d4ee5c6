"""Data sets: each file turns a folder of recordings into a clips table."""

from __future__ import annotations

import importlib
from types import ModuleType

from multimodal_ser.errors import UnknownName

NAMES = ("folder", "ravdess")


def load(name: str) -> ModuleType:
    """Return the module of a data set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("ravdess").NAME
        'ravdess'
    """
    if name not in NAMES:
        raise UnknownName("data set", name, NAMES)
    return importlib.import_module(f"{__name__}.{name}")
