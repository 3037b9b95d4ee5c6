"""Data sets: each file turns a folder of recordings into a clips table."""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin

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
