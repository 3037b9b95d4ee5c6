"""Faces in pictures: which one counts, and how it is cut out.

Every frame is looked at by itself. Where no face is found there is no box;
the box of the frame before is never carried over, since that would show the
network a wall and call it an emotion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from multimodal_ser.video import detectors
from multimodal_ser.video.frames import Frame, resize


class Box(NamedTuple):
    """Where a face is.

    Attributes:
        x: left edge in pixels.
        y: upper edge in pixels.
        w: width in pixels.
        h: height in pixels.
        confidence: 0 to 1, comparable within one detector only.
    """

    x: float
    y: float
    w: float
    h: float
    confidence: float


def detect_faces(
    frames: Iterable[Frame], detector: str = "haar"
) -> Iterator[tuple[Frame, Box | None]]:
    """Pair every frame with the box of its main face, or None.

    Args:
        frames: as :func:`multimodal_ser.video.frames.iter_frames` yields them.
        detector: one of ``detectors.NAMES``.

    Yields:
        ``(frame, box)``, one a frame, in the order given.

    Raises:
        UnknownName: there is no such detector.

    Example:
        >>> dark = Frame(0, 0.0, np.zeros((90, 160), np.uint8))
        >>> [box for frame, box in detect_faces([dark])]
        [None]
    """
    detect = detectors.load(detector).detect
    for frame in frames:
        yield frame, choose(detect(frame.gray), frame.gray.shape)


def choose(boxes: Sequence[Box], shape: tuple[int, int]) -> Box | None:
    """Return the largest box; among equally large ones the most central.

    Args:
        boxes: the faces found, possibly none.
        shape: ``(height, width)`` of the picture.

    Example:
        >>> choose([Box(0, 0, 9, 9, 0.9), Box(5, 5, 20, 20, 0.6)], (90, 160)).w
        20
        >>> choose([], (90, 160)) is None
        True
    """
    height, width = shape

    def rank(box: Box) -> tuple[float, float]:
        off_centre = np.hypot(box.x + box.w / 2 - width / 2, box.y + box.h / 2 - height / 2)
        return box.w * box.h, -off_centre

    return max(boxes, key=rank, default=None)


def crop(gray: np.ndarray, box: Box, size: int, margin: float = 0.0) -> np.ndarray:
    """Cut a square around a face and bring it to ``size``.

    Where the square leaves the picture, the picture's edge is repeated, so
    that the face stays in the middle and keeps its proportions.

    Args:
        gray: uint8 ``(height, width)``.
        box: the face.
        size: side of the result in pixels.
        margin: how much longer than the box's longer side the square's side
            is, as a fraction; 0.2 adds a tenth on each side.

    Returns:
        uint8 ``(size, size)``.

    Example:
        >>> crop(np.eye(4, dtype=np.uint8), Box(0, 0, 2, 2, 1.0), 2).tolist()
        [[1, 0], [0, 1]]
    """
    height, width = gray.shape
    side = max(1, round(max(box.w, box.h) * (1 + margin)))
    top = round(box.y + box.h / 2 - side / 2)
    left = round(box.x + box.w / 2 - side / 2)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return resize(gray[np.ix_(rows, columns)], size)
