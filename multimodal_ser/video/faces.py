"""Faces in pictures: which one counts, and how it is cut out.

Every frame is searched by itself and whole. Where no face is found there is no
box; the box of the frame before is never carried over, since that would show
the network a wall and call it an emotion. It only decides which of several
faces is meant, so that the images of a clip show one person.

Searching first around the last box was tried and left out: it takes the Haar
cascade 4 ms in place of 28, but its boxes then depend on where the search
began (intersection over union with the whole search 0.93 to 0.99), it misses
who comes in, and YuNet searches the whole image in 4 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from multimodal_ser.video import detectors
from multimodal_ser.video.frames import Frame, resize

#: Boxes with at least this intersection over union are of the same face: of two
#: equal ones, those shifted by at most two thirds of their width.
SAME_FACE = 0.2

#: A followed face is left for one of more than this many times its area: it was
#: a passer-by, or a fold of clothes.
MUCH_LARGER = 2.0


class Box(NamedTuple):
    """Where a face is.

    Attributes:
        x: left edge in pixels.
        y: upper edge in pixels.
        w: width in pixels.
        h: height in pixels.
        confidence: 0 to 1, comparable within one detector only.
        points: (x, y) of the person's right eye, left eye, nose tip, right and left
            corner of the mouth, to align by; empty where the detector gives none.
    """

    x: float
    y: float
    w: float
    h: float
    confidence: float
    points: tuple[tuple[float, float], ...] = ()


def detect_faces(
    frames: Iterable[Frame], detector: str = detectors.DEFAULT
) -> Iterator[tuple[Frame, Box | None]]:
    """Pair every frame of one clip with the box of its main face, or None.

    Args:
        frames: as :func:`multimodal_ser.video.frames.iter_frames` yields them,
            all of one clip: the face is followed from one to the next.
        detector: one of ``detectors.NAMES``.

    Yields:
        ``(frame, box)``, one per frame, in the order given.

    Raises:
        UnknownName: there is no such detector.
        MissingWeights: the detector's weights are not on this machine.

    Example:
        >>> dark = Frame(0, 0.0, np.zeros((90, 160), np.uint8))
        >>> [box for frame, box in detect_faces([dark])]
        [None]
    """
    detect = detectors.load(detector).detect
    last = None
    for frame in frames:
        box = choose(detect(frame.gray), frame.gray.shape, last)
        last = box or last
        yield frame, box


def choose(boxes: Sequence[Box], shape: tuple[int, int], last: Box | None = None) -> Box | None:
    """Return the box of the main face.

    That is the largest, among equally large ones the most central; but the
    face that was chosen last, where it is here and none is much larger
    (:data:`SAME_FACE`, :data:`MUCH_LARGER`), so that two people of about one
    size do not take turns.

    Args:
        boxes: the faces found, possibly none.
        shape: ``(height, width)`` of the image.
        last: the box chosen last in this clip.

    Example:
        >>> left, right = Box(0, 0, 19, 19, 0.9), Box(50, 5, 20, 20, 0.6)
        >>> choose([left, right], (90, 160)) == right
        True
        >>> choose([left, right], (90, 160), last=Box(1, 0, 19, 19, 0.9)) == left
        True
        >>> choose([], (90, 160), last=left) is None
        True
    """
    largest = _largest(boxes, shape)
    if largest is None or last is None:
        return largest
    followed = max(boxes, key=lambda box: overlap(box, last))
    gone = overlap(followed, last) < SAME_FACE
    dwarfed = largest.w * largest.h > MUCH_LARGER * followed.w * followed.h
    return largest if gone or dwarfed else followed


def _largest(boxes: Sequence[Box], shape: tuple[int, int]) -> Box | None:
    height, width = shape

    def rank(box: Box) -> tuple[float, float]:
        off_centre = np.hypot(box.x + box.w / 2 - width / 2, box.y + box.h / 2 - height / 2)
        return box.w * box.h, -off_centre

    return max(boxes, key=rank, default=None)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, 0 to 1.

    Example:
        >>> overlap(Box(0, 0, 4, 4, 1.0), Box(2, 0, 4, 4, 1.0))
        0.3333333333333333
    """
    width = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    height = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    both = max(0.0, width) * max(0.0, height)
    union = one.w * one.h + other.w * other.h - both
    return both / union if union > 0 else 0.0


def crop(gray: np.ndarray, box: Box, size: int, margin: float = 0.0) -> np.ndarray:
    """Cut a square around a face and bring it to ``size``.

    Where the square leaves the image, the image's edge is repeated, so
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
    if top >= 0 and left >= 0 and top + side <= height and left + side <= width:
        return resize(gray[top : top + side, left : left + side], size)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return resize(gray[np.ix_(rows, columns)], size)
