"""Rooms of plug-ins: one file each, named in the room's ``NAMES``."""

from __future__ import annotations

import importlib
from types import ModuleType

from multimodal_ser.errors import UnknownName


def load_plugin(room: str, kind: str, name: str, names: tuple[str, ...]) -> ModuleType:
    """Return a room's module of that name.

    Args:
        room: the package that holds it, its ``__name__``.
        kind: what to call it in an error.
        name: which one.
        names: those there are; only these are ever imported.

    Raises:
        UnknownName: there is none; the error lists those there are.

    Example:
        >>> load_plugin("multimodal_ser.datasets", "data set", "ravdess", ("ravdess",)).NAME
        'ravdess'
    """
    if name not in names:
        raise UnknownName(kind, name, names)
    return importlib.import_module(f"{room}.{name}")
