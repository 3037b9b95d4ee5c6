"""YuNet, a small convolutional face detector that OpenCV runs.

It finds what the Haar cascade misses, turned, tilted and half hidden faces, in
a quarter of its time. Its 0.2 MB of weights do not come with OpenCV; see
:mod:`multimodal_ser.download.weights`. It was trained on colour and is given grey here:
on RAVDESS videos that costs 0.01 of its score and no face.

Source: W. Wu, H. Peng, S. Yu, "YuNet: a tiny millisecond-level face detector",
Machine Intelligence Research 20, 2023; weights of May 2026 in OpenCV's model
zoo, MIT licence.
"""

from __future__ import annotations

import threading
from functools import cache

import numpy as np

from multimodal_ser.download.weights import weights_bytes
from multimodal_ser.video.faces import Box

#: Faces are sought in an image whose shorter side is reduced to this. RAVDESS
#: faces made as small as a ninth of that side were all found, of those of a
#: twelfth 72 %, of an eighteenth 4 %.
SHORT_SIDE_PX = 320

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
        One box a face, in pixels of ``gray``, reaching over its edge where the
        face does, best first. Its confidence is the network's score,
        :data:`SCORE` to 1.

    Raises:
        MissingWeights: the weights are not on this machine.

    Example:
        >>> detect(np.zeros((90, 160), np.uint8))  # doctest: +SKIP
        []
    """
    import cv2

    height, width = gray.shape
    if min(height, width) < SMALLEST_PX:
        return []
    scale = min(1.0, SHORT_SIDE_PX / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    with _lock:  # the network keeps its working images in itself
        network = _network()
        network.setInputSize(size)
        found = network.detect(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))[1]
    # Columns 4 to 13 are five points of the face.
    rows = np.empty((0, 15)) if found is None else found.astype(float)
    usable = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]
    return [Box._make((*(row[:4] / scale).tolist(), float(row[14]))) for row in usable]


@cache
def _network():
    import cv2

    content = np.frombuffer(weights_bytes("yunet"), np.uint8)
    nothing = np.empty(0, np.uint8)  # of a second file, which ONNX does not have
    return cv2.FaceDetectorYN.create("onnx", content, nothing, (320, 320), SCORE, OVERLAP)
