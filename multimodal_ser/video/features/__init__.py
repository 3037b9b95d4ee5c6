"""Fixed-size descriptions of a clip's picture, one file each.

A feature set is a module with ``NAME``, ``VERSION`` (raised when its numbers
change) and ``names()``; how it is read is each file's own.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from multimodal_ser.errors import UnknownName

NAMES = ("openface",)


def load(name: str) -> ModuleType:
    """Return the module of a feature set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("openface").NAME
        'openface'
    """
    if name not in NAMES:
        raise UnknownName("video feature set", name, NAMES)
    return importlib.import_module(f"{__name__}.{name}")
