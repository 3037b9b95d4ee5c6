"""Fixed-size descriptions of a clip's image, one file each.

A feature set is a module with ``NAME``, ``VERSION`` (raised when its numbers
change), ``names()`` of what ``summarise`` makes of a clip, and ``frame_names()``
of what is known of each frame; how frames are read is each file's own.
"""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin

NAMES = ("blendshapes", "estimated_action_units", "openface")


def load(name: str) -> ModuleType:
    """Return the module of a feature set.

    Raises:
        UnknownName: there is none of this name.

    Example:
        >>> load("openface").NAME
        'openface'
    """
    return load_plugin(__name__, "video feature set", name, NAMES)
