"""Face detectors: each a module with ``detect(gray) -> list[Box]``.

Example:
    >>> load("haar").__name__
    'multimodal_ser.video.detectors.haar'
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from multimodal_ser.errors import UnknownName

NAMES = ("haar",)


def load(name: str) -> ModuleType:
    """Return the detector module of that name.

    Raises:
        UnknownName: there is none; the error lists those there are.
    """
    if name not in NAMES:
        raise UnknownName("face detector", name, NAMES)
    return import_module(f"{__name__}.{name}")
