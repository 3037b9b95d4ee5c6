"""Blendshapes: 52 movements of a face, 0 to 1, as MediaPipe's networks measure them.

One network finds 478 points of a face in an image of 256 x 256, another
makes of 146 of them the 52 weights with which an animator would move a neutral
face: brows, lids, gaze, jaw, mouth, nose. Both are those of MediaPipe's Face
Landmarker (Apache-2.0), as ONNX in ``weights/``, made by
``pipelines/convert_landmarker.py``; MediaPipe itself, which brings another OpenCV along,
is not needed. The face comes from our own detectors.

The points are found twice: in a square around the detector's box, then in one
that is turned and scaled by the points found first, as MediaPipe does from one
frame of a video to the next. On 874 face images of one RAVDESS actor the
weights differ from MediaPipe 1.2's by 0.012 in the mean (correlation over
pictures: median 0.95); its own differ by 0.013 between an image in colour and
in grey.

Sources: MediaPipe, ``face_landmarks_detector_graph.cc`` and
``face_blendshapes_graph.cc`` (the 146 points, the names, the factor 1.5);
Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on
Mobile GPUs", CVPR workshop 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from multimodal_ser.video.faces import Box
from multimodal_ser.video.frames import Frame

NAME = "blendshapes"
VERSION = 2

SIZE_PX = 256
#: The first square's side, of the longer side of the detector's box.
MARGIN = 1.25
#: The second square's side, of the longer side of the points' bounding box.
POINTS_MARGIN = 1.5
#: Least probability, by the network, that the square shows a face.
PRESENCE = 0.5

#: Outer corners of the eyes among the 478 points: their line is made level.
_RIGHT_EYE, _LEFT_EYE = 33, 263
#: Of the 478 points, those that blendshapes are made of.
_POINTS_TEXT = """
    0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87
    88 91 93 95 103 105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159
    160 161 162 163 168 172 173 176 178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282
    283 284 285 288 291 293 295 296 297 300 308 310 311 312 314 317 318 321 323 324 332 334 336 338
    356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 387 388 389 390 397 398 400 402
    405 409 415 454 466 468 469 470 471 472 473 474 475 476 477
"""
_POINTS = np.array(_POINTS_TEXT.split(), int)

_FRAME_NAMES_TEXT = """
neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff
cheekSquintLeft cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight
eyeLookInLeft eyeLookInRight eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight
eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft jawOpen jawRight
mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft
mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight
mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
"""
_FRAME_NAMES = tuple(_FRAME_NAMES_TEXT.split())

_STATISTICS = ("mean", "std", "p10", "median", "p90", "max")

#: Networks, in ``weights/``.
_POINTS_FILE, _BLENDSHAPES_FILE = "face_landmarks.onnx", "face_blendshapes.onnx"


def frame_names() -> tuple[str, ...]:
    """Return the names of what :func:`measure` gives, in its order: Apple's ARKit names.

    Example:
        >>> len(frame_names()), frame_names()[-1]
        (52, 'noseSneerRight')
    """
    return _FRAME_NAMES


def names() -> tuple[str, ...]:
    """Return the names of what :func:`summarise` gives, in its order.

    Example:
        >>> len(names()), names()[-1]
        (313, 'found_share')
    """
    return (*(f"{name}_{how}" for how in _STATISTICS for name in _FRAME_NAMES), "found_share")


def measure(gray: np.ndarray, box: Box) -> np.ndarray:
    """Return the blendshapes of one face.

    Args:
        gray: uint8 ``(height, width)``.
        box: where a detector found the face.

    Returns:
        float32 ``(52,)``, 0 to 1, see :func:`frame_names`; NaN where the
        network sees no face in the box.

    Example:
        >>> blank = np.zeros((64, 64), np.uint8)
        >>> bool(np.isnan(measure(blank, Box(0, 0, 64, 64, 1.0))).all())
        True
    """
    points = _points(gray, box)
    if points is None:
        return np.full(len(_FRAME_NAMES), np.nan, np.float32)
    weights = _run(_BLENDSHAPES_FILE, points[_POINTS].astype(np.float32)[None])[0]
    return np.clip(weights, 0, 1)


def sequence(found: Iterable[tuple[Frame, Box | None]]) -> np.ndarray:
    """Return the blendshapes of every frame of a clip.

    Args:
        found: as :func:`multimodal_ser.video.faces.detect_faces` yields them.

    Returns:
        float32 ``(n_frames, 52)``; NaN where there is no face.

    Example:
        >>> sequence(detect_faces(iter_frames("clip.mp4", every=5))).shape  # doctest: +SKIP
        (22, 52)
    """
    none = np.full(len(_FRAME_NAMES), np.nan, np.float32)
    rows = [none if box is None else measure(frame.gray, box) for frame, box in found]
    return np.array(rows, np.float32).reshape(len(rows), len(_FRAME_NAMES))


def estimate(values: np.ndarray) -> np.ndarray:
    """Return what this set knows of frames, of their blendshapes: these themselves.

    Args:
        values: float32 ``(n, 52)``; rows of NaN stay so.

    Example:
        >>> estimate(np.zeros((2, 52), np.float32)).shape
        (2, 52)
    """
    return values


def summarise(values: np.ndarray) -> np.ndarray:
    """Return statistics over the frames with a face.

    Args:
        values: from :func:`sequence`.

    Returns:
        float32 ``(313,)``, see :func:`names`: mean, standard deviation,
        quantiles 10, 50 and 90 % and maximum of each blendshape, and the share
        of frames with a face. All NaN where there is none.

    Example:
        >>> summarise(np.full((3, 52), 0.25))[[0, -1]].tolist()
        [0.25, 1.0]
    """
    values = np.asarray(values, float)
    seen = np.isfinite(values).all(axis=1)
    if not seen.any():
        return np.full(len(names()), np.nan, np.float32)
    rows = values[seen]
    quantiles = np.quantile(rows, (0.1, 0.5, 0.9), axis=0)
    parts = [rows.mean(axis=0), rows.std(axis=0), *quantiles, rows.max(axis=0), [seen.mean()]]
    return np.concatenate(parts).astype(np.float32)


def _points(gray: np.ndarray, box: Box) -> np.ndarray | None:
    """Return 478 points in pixels of ``gray``, or None where there is no face."""
    centre = np.array([box.x + box.w / 2, box.y + box.h / 2])
    points, _ = _points_in_square(gray, centre, MARGIN * max(box.w, box.h), 0.0)
    low, high = points.min(axis=0), points.max(axis=0)
    along = points[_LEFT_EYE] - points[_RIGHT_EYE]
    side = POINTS_MARGIN * (high - low).max()
    if not 1 <= side <= 4 * max(gray.shape):
        return None
    points, presence = _points_in_square(
        gray, (low + high) / 2, side, float(np.arctan2(along[1], along[0]))
    )
    return points if presence >= PRESENCE else None


def _points_in_square(
    gray: np.ndarray, centre: np.ndarray, side: float, angle_rad: float
) -> tuple[np.ndarray, float]:
    import cv2

    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    to_picture = np.array([[cosine, -sine], [sine, cosine]]) * (side / SIZE_PX)
    corner = centre - to_picture @ [SIZE_PX / 2, SIZE_PX / 2]
    square = cv2.warpAffine(
        gray,
        np.column_stack([to_picture, corner]),
        (SIZE_PX, SIZE_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    colour = np.repeat(square[..., None].astype(np.float32) / 255, 3, axis=-1)
    flat, presence = _run(_POINTS_FILE, colour[None])[:2]
    points = flat.reshape(-1, 3)[:, :2].astype(float)
    return points @ to_picture.T + corner, float(1 / (1 + np.exp(-presence.item())))


def _run(file: str, values: np.ndarray) -> list[np.ndarray]:
    session = _session(file)
    return session.run(None, {session.get_inputs()[0].name: values})


@cache
def _session(file: str):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Clips are the parallel part, as in export.runtime.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = Path(__file__).parent / "weights" / file
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
