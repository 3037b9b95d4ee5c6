"""The only decoder of pictures: sampled grey frames of a video, one at a time.

No more is decoded than the wanted frames need. The packets of the video are
read first, which tells where every frame is (:mod:`~multimodal_ser.video.packets`);
then each wanted frame is decoded from the last key frame before it on, groups
of images that hold none are passed over, and nothing after the last is
decoded. What comes out is compared with what the packets promised. Where they
tell nothing certain (times that are missing or doubled, damage, codecs whose
packets need not hold a frame) the video is decoded whole; both ways give the
same frames.
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from multimodal_ser.compute.media import COPY_AGAIN, check_whole
from multimodal_ser.errors import MediaError
from multimodal_ser.video.luma import upright_gray
from multimodal_ser.video.opened import NO_IMAGE as NO_IMAGE
from multimodal_ser.video.opened import Opened, open_video, picture_stream
from multimodal_ser.video.packets import ONE_FRAME_A_PACKET, Plan, Survey, plan
from multimodal_ser.video.sampling import EVERY as EVERY
from multimodal_ser.video.sampling import Sampling, Several

if TYPE_CHECKING:
    from av import VideoFrame

#: Containers that say in their header what FFmpeg otherwise finds out by
#: decoding the first frames, which costs about as much as seven of them.
MATROSKA = "matroska,webm"
SELF_DESCRIBING = ("mov,mp4,m4a,3gp,3g2,mj2", MATROSKA)

#: Images that a decoder may hold back at most (ITU-T Rec. H.264, A.3.1). One that was taken for
#: left out, and comes after all, comes within so many; none is given away before.
MOST_WAITING = 16


class Frame(NamedTuple):
    """One decoded frame.

    Attributes:
        index: position in the decoded video, from 0.
        time_s: presentation time in seconds, 0 at the first frame.
        gray: uint8 ``(height, width)``, upright, 0 black to 255 white.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index
    time_s: float
    gray: np.ndarray


#: Packet after which an image came, and the image.
_Held = deque[tuple[int, "VideoFrame"]]


class _Uncertain(Exception):
    """The packets do not tell, or told wrongly, which frame is which."""


def iter_frames(
    path: str | Path,
    *,
    every: int | None = None,
    every_seconds: float | None = None,
    keyframes_only: bool = False,
) -> Iterator[Frame]:
    """Yield the sampled frames of a film: every 20th, if no other way is named.

    The video's rotation mark is honoured, so that a video taken with a telephone
    held upright comes out upright. An image at a time is held, and 18 bytes
    of every packet: 2 MB for an hour. A frame that the decoder marks as corrupt
    is left out.

    Args:
        path: any video that FFmpeg reads.
        every: frames 0, ``every``, 2 * ``every``, ...; at least 1.
        every_seconds: the first frame at or after each multiple of so many
            seconds; at least 0.001.
        keyframes_only: the frames that are coded by themselves, and nothing
            else is decoded: the fastest way, at the video's own distances.

    Yields:
        One :class:`Frame` after another, ``index`` rising.

    Raises:
        MediaError: the file is missing, empty, not a video, has sound only, or
            is cut short: less is in it than its header promises. That a video
            is damaged can turn out after some of its frames.
        ValueError: more than one way to sample is named, or out of range.

    Example:
        >>> for frame in iter_frames("clip.mp4", every=20):  # doctest: +SKIP
        ...     print(frame.index, frame.gray.shape)
        0 (720, 1280)
        20 (720, 1280)
    """
    sampling = Sampling(every, every_seconds, keyframes_only)
    with Opened(path) as video:
        yield from frames_of(video, sampling)


def frames_of(video: Opened, sampling: Sampling | Several) -> Iterator[Frame]:
    """Yield the sampled frames of an open video, see :func:`iter_frames`.

    Args:
        video: it may be read again afterwards.
        sampling: one way to choose frames, or several, of which a frame need be chosen by one.

    Raises:
        MediaError: see :func:`iter_frames`.
    """
    last = -1
    try:
        for frame in _decode_needed(video, sampling):
            yield frame
            last = frame.index
    except _Uncertain:
        for frame in _decode_all(video.path, sampling):
            if frame.index > last:
                yield frame
                last = frame.index
    if last < 0:
        raise MediaError(video.path, "no frame of it can be decoded", COPY_AGAIN)


def resize(gray: np.ndarray, size: int) -> np.ndarray:
    """Squeeze an image to a square, averaging over area.

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


def _decode_needed(video: Opened, sampling: Sampling | Several) -> Iterator[Frame]:
    """Yield the wanted frames, decoding only what they need, or raise _Uncertain."""
    container = video.container
    if container.format.name not in SELF_DESCRIBING:
        raise _Uncertain
    stream = video.stream
    if stream.codec_context.codec.canonical_name not in ONE_FRAME_A_PACKET:
        raise _Uncertain
    found = video.survey
    if found is None:
        raise _Uncertain
    unit_s, times = float(stream.time_base), found.pts[found.shown]
    seen_s = float(times.max() - times.min()) * unit_s + _frame_seconds(stream)
    start_s = float(times.min()) * unit_s
    check_whole(video.path, "picture", seen_s, _stated_seconds(container, stream, start_s))
    if not found.whole:
        raise _Uncertain
    wanted = plan(found, unit_s, sampling)
    _rewind(container, stream, found)
    for picture in _planned_pictures(container, stream, found, wanted):
        if not picture.is_corrupt:
            time_s = picture.pts * unit_s - start_s
            yield Frame(wanted.index[picture.pts], time_s, upright_gray(picture))


def _rewind(container, stream, found: Survey) -> None:
    import av

    context = stream.codec_context
    if context.is_open:  # it has decoded before, perhaps not to the end
        context.flush_buffers()
        context.skip_frame = "DEFAULT"
    try:
        container.seek(int(found.pts.min()), stream=stream)
    except (av.error.FFmpegError, OSError):
        raise _Uncertain from None


def _planned_pictures(container, stream, found: Survey, wanted: Plan) -> Iterator:
    """Yield the images of the wanted frames, in order."""
    import av

    context, packets = stream.codec_context, enumerate(container.demux(stream))
    due, held = _Due(wanted, context), _Held()
    try:
        for start, stop in wanted.runs:
            for position, packet in packets:
                if position < start:
                    continue
                if packet.pts != found.pts[position]:
                    raise _Uncertain
                for picture in context.decode(due.prepare(packet, found.shown[position])):
                    held.extend((position, one) for one in due.arrived(picture))
                while held and position - held[0][0] > MOST_WAITING:
                    yield held.popleft()[1]
                if position == stop - 1:
                    break
            for picture in context.decode(None):
                held.extend((stop, one) for one in due.arrived(picture))
            due.none_left()
            while held:
                yield held.popleft()[1]
            context.flush_buffers()
    except (av.error.FFmpegError, OSError):
        raise _Uncertain from None
    if due.count < len(wanted.index):
        raise _Uncertain


class _Due:
    """Which images the packets given to the decoder must become."""

    def __init__(self, wanted: Plan, context):
        self.index, self.count, self.context = wanted.index, 0, context
        self.waiting: list[tuple[int, bool]] = []  # a heap of (pts, whether it may be left out)
        # H.264 alone says of an image for certain that no other refers to it.
        self.may_leave_out, self.leaves_out = context.name == "h264", False

    def prepare(self, packet, shown: bool):
        """Note a packet that is about to be decoded, and return it."""
        idle = self.may_leave_out and packet.pts not in self.index
        if idle != self.leaves_out:
            self.context.skip_frame = "NONREF" if idle else "DEFAULT"
            self.leaves_out = idle
        if shown:
            heapq.heappush(self.waiting, (packet.pts, idle))
        return packet

    def arrived(self, picture) -> Iterator:
        while self.waiting and self.waiting[0][0] != picture.pts:
            self._give_up()
        if not self.waiting:
            raise _Uncertain
        heapq.heappop(self.waiting)
        if picture.pts in self.index:
            self.count += 1
            yield picture

    def none_left(self) -> None:
        while self.waiting:
            self._give_up()

    def _give_up(self) -> None:
        if not heapq.heappop(self.waiting)[1]:
            raise _Uncertain


def _decode_all(path: Path, sampling: Sampling | Several) -> Iterator[Frame]:
    """Yield the wanted frames, decoding every frame of the video."""
    wanted = sampling.picker()
    with open_video(path) as container:
        stream = picture_stream(container, path)
        start, time_s = None, 0.0
        for index, picture in enumerate(_pictures(container, stream)):
            time_s = _time(picture, index, stream)
            start = time_s if start is None else start
            if wanted(index, time_s - start, picture.key_frame) and not picture.is_corrupt:
                yield Frame(index, time_s - start, upright_gray(picture))
        if start is not None:
            seen_s = time_s - start + _frame_seconds(stream)
            check_whole(path, "picture", seen_s, _stated_seconds(container, stream, start))


def _pictures(container, stream) -> Iterator:
    import av

    decoded = container.decode(stream)
    while True:
        try:
            picture = next(decoded, None)
        except (av.error.FFmpegError, OSError):
            return  # the stated duration says how much is missing
        if picture is None:
            return
        yield picture


def _stated_seconds(container, stream, start_s: float) -> float:
    """Return how long the header says that the video is, 0 where it does not."""
    if container.format.name != MATROSKA:
        return float(stream.duration * stream.time_base) if stream.duration else 0.0
    # Matroska tells when a video ends, not how long it is: for each stream in a
    # tag, and otherwise for the file, whose sound may go on for longer.
    ends = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))
    if ends:
        hours, minutes, seconds = map(float, ends.groups())
        end_s = 3600 * hours + 60 * minutes + seconds
    else:
        end_s = 0.0 if container.streams.audio else (container.duration or 0) / 1e6
    return max(0.0, end_s - max(0.0, start_s))


def _frame_seconds(stream) -> float:
    return 1 / float(stream.average_rate or stream.guessed_rate or 25)


def _time(picture, index: int, stream) -> float:
    if picture.time is not None:
        return float(picture.time)
    # Raw streams carry no times; their nominal rate is all there is.
    return index * _frame_seconds(stream)
