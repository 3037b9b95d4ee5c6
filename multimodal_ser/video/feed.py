"""Frames that come one by one, from a camera: sampled and cut as those of a file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from multimodal_ser.errors import SerError
from multimodal_ser.video import faces
from multimodal_ser.video.extract import ClipFrames, FrameParams, box_arrays, picture
from multimodal_ser.video.frames import Frame
from multimodal_ser.video.sampling import Sampling


def gray_of(image: np.ndarray) -> np.ndarray:
    """Return an image as grey as that of a file is: its luma (ITU-R BT.601), by OpenCV.

    Args:
        image: uint8, upright: grey ``(height, width)``, or red, green, blue
            ``(height, width, 3)``.

    Returns:
        uint8 ``(height, width)``.

    Raises:
        SerError: it is no such image.

    Example:
        >>> gray_of(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).tolist()
        [[76, 150, 29]]
    """
    import cv2

    image = np.asarray(image)
    shape = image.shape
    is_image = image.dtype == np.uint8 and len(shape) in (2, 3) and shape[2:] in ((), (3,))
    if not is_image or not image.size:
        raise SerError(
            f"an image of {image.dtype} {shape} is none; give uint8 (height, width) or "
            "(height, width, 3)"
        )
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


class FrameFeed:
    """The front end of a video network, fed with images.

    Args:
        params: as of the network; key frames are not known of images.

    Raises:
        SerError: the parameters sample key frames.

    Example:
        >>> feed = FrameFeed(FrameParams(every=2, size_px=8))
        >>> image = np.zeros((90, 160), np.uint8)
        >>> [feed.add(image, at / 25) is not None for at in range(3)]
        [True, False, True]
    """

    def __init__(self, params: FrameParams) -> None:
        if params.keyframes_only:
            raise SerError("images have no key frames; use a model that samples another way")
        self.params = params
        self._wanted = Sampling(params.every, params.every_seconds).picker()
        self._index = -1
        self._waiting: deque[Frame] = deque()
        self._boxed = faces.detect_faces(self._frames(), params.detector)

    def add(self, image: np.ndarray, time_s: float) -> ClipFrames | None:
        """Return what the network sees of an image, one row; None where it is not sampled.

        Args:
            image: uint8, upright: grey ``(height, width)``, or red, green, blue
                ``(height, width, 3)``.
            time_s: seconds since the first image.

        Raises:
            SerError: it is no such image.
        """
        found = self.sampled(image, time_s)
        if found is None:
            return None
        frame, box = found
        usable = self.params.crop == "frame" or box is not None
        edges, points = box_arrays([box])
        return ClipFrames.of_pictures(picture(frame, box, self.params)[None])._replace(
            index=np.array([frame.index], np.int32),
            time_s=np.array([time_s], np.float32),
            box=edges,
            points=points,
            usable=np.array([usable]),
        )

    def sampled(self, image: np.ndarray, time_s: float) -> tuple[Frame, faces.Box | None] | None:
        """Return an image as a grey frame with the box of its face; None where it is not sampled.

        Args:
            image: as for :meth:`add`.
            time_s: as for :meth:`add`.

        Raises:
            SerError: it is no such image.
        """
        gray = gray_of(image)
        self._index += 1
        if not self._wanted(self._index, time_s, False):
            return None
        frame = Frame(self._index, time_s, gray)
        if self.params.crop == "frame":
            return frame, None
        self._waiting.append(frame)
        return next(self._boxed)

    def _frames(self) -> Iterator[Frame]:
        while True:
            yield self._waiting.popleft()
