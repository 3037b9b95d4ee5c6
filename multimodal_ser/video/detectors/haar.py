"""The Viola-Jones frontal face detector, which comes with OpenCV.

It needs no download, takes tens of milliseconds an image, finds upright faces seen
from the front, and misses turned ones. FER2013, on which many face networks
are trained, was cut out with a detector of this kind.

Source: P. Viola, M. Jones, "Rapid object detection using a boosted cascade of
simple features", CVPR 2001; cascade ``haarcascade_frontalface_default.xml``
by R. Lienhart, distributed with OpenCV.
"""

from __future__ import annotations

import threading
from functools import cache

import numpy as np

from multimodal_ser.video.faces import Box

#: Faces are sought in an image reduced to this height: the cascade's window
#: is 24 px, and a face that matters here fills much more than 24/320 of it.
HEIGHT_PX = 320

#: Nearly all of the time goes into the small windows. Those from this side on are tried
#: first, and if they find a face twice as large, no smaller one could be the main face
#: (``faces.MUCH_LARGER``), nor have had a part in its box: on 96 frames of RAVDESS actor
#: 05 the same boxes and confidences in a third of the time.
LARGE_PX = 80

#: Each scale of the search is this much larger than the one before.
SCALE = 1.1

#: A face is reported where at least this many windows overlap; OpenCV's
#: default of 3 finds faces in folds of clothes.
NEIGHBOURS = 5

_lock = threading.Lock()


def detect(gray: np.ndarray) -> list[Box]:
    """Return the frontal faces of an image.

    Args:
        gray: uint8 ``(height, width)``, upright.

    Returns:
        One box a face, in pixels of ``gray``, in no particular order; beside a close
        one only those of at least half its side. Its confidence is n / (n + 5) of the n
        overlapping windows that agreed: it orders faces, from 0.5 up, and is not a
        probability.

    Example:
        >>> detect(np.zeros((90, 160), np.uint8))
        []
    """
    import cv2

    height, width = gray.shape
    scale = min(1.0, HEIGHT_PX / height)
    small = gray
    if scale < 1:
        size = (max(1, round(width * scale)), HEIGHT_PX)
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    with _lock:  # a cascade keeps its working images in itself
        boxes, counts = _search(small, LARGE_PX)
        if max((box[2] for box in boxes), default=0) < 2 * LARGE_PX:
            boxes, counts = _search(small, 0)
    places = np.array(boxes, float).reshape(-1, 4) / scale
    agreed = np.array(counts, float).reshape(-1)
    pairs = zip(places.tolist(), (agreed / (agreed + NEIGHBOURS)).tolist(), strict=True)
    return [Box(x, y, w, h, share) for (x, y, w, h), share in pairs]


def _search(small: np.ndarray, least_px: int) -> tuple:
    return _cascade().detectMultiScale2(
        small, scaleFactor=SCALE, minNeighbors=NEIGHBOURS, minSize=(least_px, least_px)
    )


@cache
def _cascade():
    import cv2

    return cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
