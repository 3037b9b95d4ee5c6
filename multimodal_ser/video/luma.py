"""A decoded image as grey bytes, upright, over the full range.

Grey is the luma of ITU-R BT.601, as ``cv2.cvtColor(..., COLOR_BGR2GRAY)``
weighs red, green and blue. Most videos carry just that as their first plane,
which is then taken as it is; where luma was weighed otherwise (BT.709 in many
videos of high definition), FFmpeg converts it: on five films of RAVDESS, which are
BT.709, the first plane is up to 9 levels off, and by more than one in 17 % of pixels
(``benchmarks/video_frames.py``), so it is not taken there.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import av

#: Formats whose first plane is 8-bit luma.
LUMA_FIRST = ("yuv420p", "yuv422p", "yuv444p", "nv12", "nv21")
FULL_RANGE_LUMA_FIRST = ("yuvj420p", "yuvj422p", "yuvj444p")

#: Of AVColorSpace, those weighed as in BT.601: unspecified, which FFmpeg and
#: OpenCV take for it, BT.470 B/G, and SMPTE 170M.
BT601 = (2, 5, 6)

#: AVCOL_RANGE_JPEG: 0 is black and 255 white, where otherwise 16 and 235 are.
FULL_RANGE = 2

_own = threading.local()


def upright_gray(picture: av.VideoFrame) -> np.ndarray:
    """Return an image as grey bytes, turned as its rotation mark says.

    Args:
        picture: a decoded ``av.VideoFrame``.

    Returns:
        uint8 ``(height, width)``, C-contiguous, 0 black to 255 white, the same
        bytes as ``picture.to_ndarray(format="gray")`` before it is turned.
    """
    gray = _plane(picture)
    if gray is None:
        gray = _converter().reformat(picture, format="gray", threads=1).to_ndarray()
    # The mark says by how much the image is turned anticlockwise when shown,
    # and so does rot90. Marks between the quarter turns do not occur in videos.
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(gray, turns))


def _converter():
    """Return this thread's converter: a picture's own would be set up anew for each."""
    from av.video.reformatter import VideoReformatter

    if not hasattr(_own, "converter"):
        _own.converter = VideoReformatter()
    return _own.converter


def _plane(picture) -> np.ndarray | None:
    import cv2

    name = picture.format.name
    if int(picture.colorspace) not in BT601 or name not in LUMA_FIRST + FULL_RANGE_LUMA_FIRST:
        return None
    plane = picture.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    luma = rows[:, : plane.width]
    if name in FULL_RANGE_LUMA_FIRST or int(picture.color_range) == FULL_RANGE:
        return luma.copy()  # the decoder uses its memory again
    return cv2.LUT(luma, stretched())


@cache
def stretched() -> np.ndarray:
    """Return the full-range value of every limited-range one, uint8 ``(256,)``.

    16 becomes 0 and 235 becomes 255 (ITU-R BT.601), rounded to the nearest, as
    FFmpeg's swscale does it.

    Example:
        >>> stretched()[[0, 16, 126, 235, 255]].tolist()
        [0, 0, 128, 255, 255]
    """
    wide = (np.arange(256) - 16) * 255 / 219
    return np.clip(np.floor(wide + 0.5), 0, 255).astype(np.uint8)
