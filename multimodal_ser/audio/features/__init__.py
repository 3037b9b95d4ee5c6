"""Feature sets: each file turns one signal into one fixed-size array.

A feature set is a module with ``NAME``, ``VERSION`` (raised when its numbers
change), ``RATE_HZ``, ``names()`` and ``extract(signal) -> float32``.
"""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin

NAMES = ("aei157", "functionals")


def load(name: str) -> ModuleType:
    """Return the module of a feature set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> len(load("aei157").names())
        157
    """
    return load_plugin(__name__, "feature set", name, NAMES)
