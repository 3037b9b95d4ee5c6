"""Feature sets: each file turns one signal into one fixed-size array.

A feature set is a module with ``NAME``, ``VERSION`` (raised when its numbers
change), ``RATE_HZ``, ``names()`` and ``extract(signal) -> float32``.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from multimodal_ser.errors import UnknownName

NAMES = ("aei157",)


def load(name: str) -> ModuleType:
    """Return the module of a feature set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> len(load("aei157").names())
        157
    """
    if name not in NAMES:
        raise UnknownName("feature set", name, NAMES)
    return importlib.import_module(f"{__name__}.{name}")
