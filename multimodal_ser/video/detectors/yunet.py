"""YuNet, a small convolutional face detector that OpenCV runs.

It finds what the Haar cascade misses, turned, tilted and half hidden faces, in
a tenth of its time, and five points of each. Its 0.2 MB of weights lie in
``weights/`` with their licence. It was trained on colour and is given grey here:
on RAVDESS videos that costs 0.01 of its score and no face.

Source: W. Wu, H. Peng, S. Yu, "YuNet: a tiny millisecond-level face detector",
Machine Intelligence Research 20, 2023; weights of May 2026 in OpenCV's model
zoo, MIT licence.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import numpy as np

from multimodal_ser.download.weights import weights_bytes
from multimodal_ser.video.faces import Box

#: Faces are sought in an image whose shorter side is reduced to the first of
#: these; if none is found there as high as :data:`CLOSE` of that side, to the second.
#: On 96 frames of RAVDESS actor 05 (1280x720) the boxes at 160 have an intersection
#: over union of 0.93 with those at full size, at 320 of 0.91, and take 4 ms in place
#: of 11, and of 61. The same faces made smaller were all found at 160 down to a sixth
#: of the side (a seventh: 19 of 20, an eighth: 9), at 320 to a fourteenth
#: (``benchmarks/face_detection.py``).
SHORT_SIDES_PX = (160, 320)

#: A face of this share of the shorter side is somebody close. No other face counts
#: beside it that the smaller image may miss: see ``faces.MUCH_LARGER``.
CLOSE = 0.25

#: Images with a shorter side hold no face that it could find, and the
#: network answers some of them with boxes of infinite size.
SMALLEST_PX = 16

#: Least score of a face; OpenCV's example takes 0.9, which small and turned
#: faces miss.
SCORE = 0.7

#: Of boxes that overlap by more than this share, the best is kept.
OVERLAP = 0.3

_lock = threading.Lock()


def detect(gray: np.ndarray) -> list[Box]:
    """Return the faces of an image.

    Args:
        gray: uint8 ``(height, width)``.

    Returns:
        One box a face with five points, in pixels of ``gray``, reaching over its edge
        where the face does, best first. Its confidence is the network's score,
        :data:`SCORE` to 1.

    Raises:
        MissingWeights: there is another file in place of the weights.

    Example:
        >>> detect(np.zeros((90, 160), np.uint8))
        []
    """
    shorter = min(gray.shape)
    if shorter < SMALLEST_PX:
        return []
    boxes: list[Box] = []
    for side in SHORT_SIDES_PX:
        boxes = _detect(*_reduced(gray, side))
        if side >= shorter or any(box.h >= CLOSE * shorter for box in boxes):
            break
    return boxes


def _reduced(gray: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """Return an image whose shorter side is at most ``side``, and its scale."""
    import cv2

    scale = min(1.0, side / min(gray.shape))
    if (by := int(1 / scale)) > 1:  # by a whole number first: OpenCV is four times as fast at it
        height, width = (length // by for length in gray.shape)
        part = gray[: height * by, : width * by]
        gray, scale = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), scale * by
    size = tuple(max(1, round(length * scale)) for length in gray.shape[::-1])
    if scale < 1:
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return gray, scale / by


def _detect(small: np.ndarray, scale: float) -> list[Box]:
    import cv2

    with _lock:  # the network keeps its working images in itself
        network = _network()
        network.setInputSize(small.shape[::-1])
        found = network.detect(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))[1]
    rows = np.empty((0, 15)) if found is None else found.astype(float)
    usable = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]
    return [_box(row[:14] / scale, float(row[14])) for row in usable]


def _box(place: np.ndarray, score: float) -> Box:
    x, y, w, h, *points = place.tolist()
    return Box(x, y, w, h, score, tuple(zip(points[::2], points[1::2], strict=True)))


@cache
def _network():
    import cv2

    content = weights_bytes("yunet", packaged=Path(__file__).parent / "weights")
    nothing = np.empty(0, np.uint8)  # of a second file, which ONNX does not have
    return cv2.FaceDetectorYN.create(
        "onnx", np.frombuffer(content, np.uint8), nothing, (320, 320), SCORE, OVERLAP
    )
