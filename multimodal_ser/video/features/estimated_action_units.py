"""OpenFace's action units, estimated from blendshapes: 17 mean intensities of a clip.

A classifier that learnt from published tables of action units, without a single
film, can so read films. Each intensity is a sum of the few blendshapes that move
the same muscles (AU12 of mouthSmile, AU04 of browDown, ...), with weights of at
least 0 and a constant. They lie in ``weights/action_units.json``, fitted by
``pipelines/fit_action_units.py`` on the frames of one actor, and with them how far
off the mean of a clip is: the classifier is taught by intensities with such errors.

Sources: T. Baltrusaitis et al., "OpenFace 2.0", FG 2018; P. Ekman and W. Friesen,
"Facial Action Coding System", 1978, for what each unit moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from multimodal_ser.video.faces import Box
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.features.openface import INTENSITIES
from multimodal_ser.video.frames import Frame

NAME = "estimated_action_units"
VERSION = 1

#: Blendshapes that each unit is made of; of those with two sides the mean of both.
MADE_OF = {
    "AU01_r": ("browInnerUp", "browOuterUp", "eyeWide"),
    "AU02_r": ("browInnerUp", "browOuterUp", "eyeWide"),
    "AU04_r": ("browDown", "eyeSquint", "mouthFrown"),
    "AU05_r": ("eyeWide", "jawOpen"),
    "AU06_r": ("cheekSquint", "eyeSquint", "mouthSmile"),
    "AU07_r": ("browDown", "cheekSquint", "eyeSquint", "mouthSmile"),
    "AU09_r": ("browDown", "mouthUpperUp", "noseSneer"),
    "AU10_r": ("mouthSmile", "mouthUpperUp", "noseSneer"),
    "AU12_r": ("mouthSmile",),
    "AU14_r": ("mouthDimple", "mouthPress", "mouthSmile"),
    "AU15_r": ("mouthFrown", "mouthShrugLower", "mouthShrugUpper"),
    "AU17_r": ("mouthPress", "mouthRollLower", "mouthShrugLower", "mouthShrugUpper"),
    "AU20_r": ("mouthLowerDown", "mouthStretch"),
    "AU23_r": ("mouthFunnel", "mouthPress", "mouthPucker", "mouthRollLower", "mouthRollUpper"),
    "AU25_r": ("jawOpen", "mouthFunnel", "mouthLowerDown", "mouthUpperUp"),
    "AU26_r": ("jawOpen", "mouthFunnel", "mouthLowerDown"),
    "AU45_r": ("eyeBlink",),
}
FILE = Path(__file__).parent / "weights" / "action_units.json"


def frame_names() -> tuple[str, ...]:
    """Return the names of what :func:`sequence` gives of a frame, in its order.

    Example:
        >>> len(frame_names()), frame_names()[0]
        (17, 'AU01_r')
    """
    return INTENSITIES


def names() -> tuple[str, ...]:
    """Return the names of what :func:`summarise` gives, in its order.

    Example:
        >>> names() == frame_names()
        True
    """
    return INTENSITIES


def sequence(found: Iterable[tuple[Frame, Box | None]]) -> np.ndarray:
    """Return the estimated intensities of every frame of a clip.

    Args:
        found: as :func:`multimodal_ser.video.faces.detect_faces` yields them.

    Returns:
        float32 ``(n_frames, 17)``, about 0 to 5; NaN where there is no face.
    """
    return estimate(blendshapes.sequence(found))


def estimate(values: np.ndarray) -> np.ndarray:
    """Return the intensities that blendshapes amount to.

    Args:
        values: ``(n, 52)``, see :func:`blendshapes.frame_names`; rows of NaN stay so.

    Returns:
        float32 ``(n, 17)``.

    Example:
        >>> estimate(np.zeros((2, 52))).shape
        (2, 17)
    """
    weights, constants = _map()
    return (np.asarray(values, np.float64) @ weights + constants).astype(np.float32)


def summarise(values: np.ndarray) -> np.ndarray:
    """Return the root of each mean intensity over the frames with a face.

    The root is that of ``workflows.data.read_tables``: intensities near 0 are crowded.

    Args:
        values: from :func:`sequence`.

    Returns:
        float32 ``(17,)``; all NaN where there is no face.

    Example:
        >>> summarise(np.full((3, 17), 4.0))[0]
        np.float32(2.0)
    """
    rows = values[np.isfinite(values).all(axis=1)]
    if not len(rows):
        return np.full(len(names()), np.nan, np.float32)
    return np.sqrt(np.maximum(rows.mean(axis=0), 0)).astype(np.float32)


def errors() -> np.ndarray:
    """Return how far off :func:`summarise` is, ``(17,)``: the deviation on held-out clips.

    Example:
        >>> bool((errors() > 0).all())
        True
    """
    return np.array([_content()[unit]["error"] for unit in names()])


def sides(name: str) -> list[int]:
    """Return where a blendshape stands among :func:`blendshapes.frame_names`, or both its sides.

    Example:
        >>> sides("jawOpen"), sides("mouthSmile")
        ([25], [44, 45])
    """
    known = blendshapes.frame_names()
    return [known.index(one) for one in (name, f"{name}Left", f"{name}Right") if one in known]


@cache
def _content() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


@cache
def _map() -> tuple[np.ndarray, np.ndarray]:
    """Return weights ``(52, 17)`` and constants ``(17,)``."""
    content = _content()
    weights = np.zeros((len(blendshapes.frame_names()), len(names())))
    for column, unit in enumerate(names()):
        for name, weight in content[unit]["weights"].items():
            weights[sides(name), column] = weight / len(sides(name))
    return weights, np.array([content[unit]["constant"] for unit in names()])
