"""Face detectors: each a module with ``detect(gray) -> list[Box]``.

Example:
    >>> load("haar").__name__
    'multimodal_ser.video.detectors.haar'
"""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin

NAMES = ("haar", "yunet")
#: What front ends take that name none.
DEFAULT = "yunet"


def load(name: str) -> ModuleType:
    """Return the detector module of that name.

    Raises:
        UnknownName: there is none; the error lists those there are.
    """
    return load_plugin(__name__, "face detector", name, NAMES)
