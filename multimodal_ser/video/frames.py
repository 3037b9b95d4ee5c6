"""The only decoder of pictures: sampled grey frames of a film, one at a time.

A frame is converted straight from the film's own luma to 8-bit grey over the
full range 0 to 255, without a colour picture in between; the result agrees
with ``cv2.cvtColor(..., COLOR_BGR2GRAY)`` of what OpenCV decodes. Frames
between the sampled ones are decoded, because later ones are coded as changes
to them, but not converted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multimodal_ser.errors import MediaError
from multimodal_ser.media import COPY_AGAIN, check_file, check_whole

#: System A keeps every 20th frame, about 1.5 a second at 29.97 frames a second.
EVERY = 20

#: Each thread of the decoder holds a frame of its own, and clips are already
#: decoded in parallel: more would cost memory and gain nothing.
DECODER_THREADS = 2


class Frame(NamedTuple):
    """One decoded frame.

    Attributes:
        index: position in the decoded film, from 0.
        time_s: presentation time in seconds, 0 at the first frame.
        gray: uint8 ``(height, width)``, upright, 0 black to 255 white.
    """

    index: int
    time_s: float
    gray: np.ndarray


def iter_frames(path: str | Path, *, every: int = EVERY) -> Iterator[Frame]:
    """Yield frames 0, ``every``, 2 * ``every``, ... of a film.

    The film's rotation mark is honoured, so that a film taken with a telephone
    held upright comes out upright. Memory does not depend on the film's
    length. A frame that the decoder marks as corrupt is left out.

    Args:
        path: any film that FFmpeg reads.
        every: distance between the frames yielded, at least 1.

    Yields:
        One :class:`Frame` after another, ``index`` rising.

    Raises:
        MediaError: the file is missing, empty, not a film or has sound only;
            or, after the frames that there are, that it is cut short: that
            less can be decoded of it than its header promises.
        ValueError: ``every`` is below 1.

    Example:
        >>> for frame in iter_frames("clip.mp4", every=20):  # doctest: +SKIP
        ...     print(frame.index, frame.gray.shape)
        0 (720, 1280)
        20 (720, 1280)
    """
    if every < 1:
        raise ValueError(f"every is {every}; it must be at least 1")
    path = check_file(path)
    found = 0
    with _open(path) as container:
        stream = _picture_stream(container, path)
        for frame in _decode(container, stream, every, path):
            found += 1
            yield frame
    if not found:
        raise MediaError(path, "no frame of it can be decoded", COPY_AGAIN)


def resize(gray: np.ndarray, size: int) -> np.ndarray:
    """Squeeze a picture to a square, averaging over area.

    Args:
        gray: uint8 ``(height, width)``.
        size: the square's side in pixels.

    Returns:
        uint8 ``(size, size)``.

    Example:
        >>> resize(np.full((720, 1280), 7, np.uint8), 4).tolist()[0]
        [7, 7, 7, 7]
    """
    import cv2

    return cv2.resize(gray, (size, size), interpolation=cv2.INTER_AREA)


def _open(path: Path):
    import av

    try:
        # Only local files: a play list under the name of a film must not make
        # the decoder reach for the network.
        return av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError):
        with open(path, "rb") as file:
            head = file.read(12)
        # Every mp4 and mov names its kind in bytes 4 to 8. If that is there,
        # what is missing is the index (moov), which is written last.
        if head[4:8] == b"ftyp":
            problem = "it is cut short: the index of its frames is missing"
            raise MediaError(path, problem, COPY_AGAIN) from None
        raise MediaError(path, "it is not a film", "give an mp4, mov, avi, mkv or webm") from None


def _picture_stream(container, path: Path):
    import av

    attached = av.stream.Disposition.attached_pic  # a sound file's cover picture
    films = [stream for stream in container.streams.video if not stream.disposition & attached]
    if not films:
        problem = (
            "it has no picture, only sound" if container.streams.audio else "it has no picture"
        )
        raise MediaError(path, problem, "use it as audio, or give a film")
    stream = films[0]
    if stream.codec_context is None:
        raise MediaError(path, "its kind of compression is unknown", "convert it to H.264 mp4")
    stream.thread_type = "FRAME"
    stream.codec_context.thread_count = DECODER_THREADS
    return stream


def _decode(container, stream, every: int, path: Path) -> Iterator[Frame]:
    start, time_s, index = None, 0.0, -1
    for index, picture in enumerate(_pictures(container, stream)):
        time_s = _time(picture, index, stream)
        start = time_s if start is None else start
        if index % every == 0 and not picture.is_corrupt:
            yield Frame(index, time_s - start, _upright_gray(picture))
    if index >= 0:
        frame_s = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        check_whole(path, "picture", time_s - start + frame_s, _stated_seconds(stream))


def _pictures(container, stream) -> Iterator:
    import av

    decoded = container.decode(stream)
    while True:
        try:
            picture = next(decoded, None)
        except (av.error.FFmpegError, OSError):
            return  # how much is missing is told by the stated duration
        if picture is None:
            return
        yield picture


def _stated_seconds(stream) -> float:
    return float(stream.duration * stream.time_base) if stream.duration else 0.0


def _time(picture, index: int, stream) -> float:
    if picture.time is not None:
        return float(picture.time)
    # Raw streams carry no times; their nominal rate is all there is.
    return index / float(stream.average_rate or stream.guessed_rate or 25)


def _upright_gray(picture) -> np.ndarray:
    gray = picture.to_ndarray(format="gray")
    # The mark says by how much the picture is turned anticlockwise when shown,
    # and so does rot90. Marks between the quarter turns do not occur in films.
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(gray, turns))
