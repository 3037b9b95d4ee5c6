"""A video that is opened once, for its sound and its images.

One pass over the packets of an mp4 or mov decodes the sound and notes where the images
are (:mod:`~multimodal_ser.video.packets`); images are then decoded from the same handle, as
often as they are asked for. Where anything about the file is unusual (another format, a
packet missing, damage) sound and images are read each by itself, so that samples and
frames are those of :func:`audio.signal.read` and :func:`video.frames.iter_frames` always.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.audio import signal
from multimodal_ser.compute.media import COPY_AGAIN, MOST_PIXELS, check_file, open_container
from multimodal_ser.errors import MediaError
from multimodal_ser.video.packets import Survey, Surveyor, survey

#: Clips are already decoded in parallel, and two threads decode one no faster;
#: with one, what is made of a damaged video is the same every time.
DECODER_THREADS = 1

#: What is wrong with a video that is a voice recording: a missing modality, no damage.
NO_IMAGE = "it has no image, only sound"


class Opened:
    """One video file. It is opened when it is first read, and closed by ``with``.

    Args:
        path: any video that FFmpeg reads.

    Raises:
        MediaError: the file is missing, empty or no file.

    Example:
        >>> with Opened("clip.mp4") as video:  # doctest: +SKIP
        ...     sound = video.sound(22050)
        ...     frames = list(frames_of(video, Sampling(every=20)))
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_file(path)
        self._container: Any = None
        self._stream: Any = None
        self._found: Survey | None = None
        self._read = False  # whether any packet was

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it is opened anew if it is read again."""
        if self._container is not None:
            self._container.close()
        self._container, self._stream, self._found, self._read = None, None, None, False

    @property
    def container(self) -> Any:
        """The ``av.container.InputContainer``, opened without probing.

        Raises:
            MediaError: it is no video, or cut short.
        """
        if self._container is None:
            self._container = open_video(self.path, signal.NO_PROBE)
        return self._container

    @property
    def stream(self) -> Any:
        """Its stream of images, ready to be decoded.

        Raises:
            MediaError: it has none, or of an unknown or absurd kind.
        """
        if self._stream is None:
            self._stream = picture_stream(self.container, self.path)
        return self._stream

    @property
    def survey(self) -> Survey | None:
        """What :func:`packets.survey` finds, noted once."""
        if not self._read:
            self._found, self._read = survey(self.container, self.stream), True
        return self._found

    @property
    def duration_s(self) -> float:
        """Its length in seconds as the header states it, see :func:`signal.duration_seconds`.

        Raises:
            MediaError: it cannot be read.
        """
        try:
            stated_s = signal.stated_seconds(self.container)
        except MediaError:
            stated_s = None
        return signal.duration_seconds(self.path) if stated_s is None else stated_s

    def sound(self, rate_hz: int) -> np.ndarray:
        """Return its sound, as :func:`signal.read` does, and note where the images are.

        Raises:
            NoSound: it has no sound track.
            MediaError: its sound cannot be read.
        """
        found = None if self._read else self._sound_and_survey(rate_hz)
        return signal.read(self.path, rate_hz=rate_hz) if found is None else found

    def _sound_and_survey(self, rate_hz: int) -> np.ndarray | None:
        """Return the sound; None where it is to be read by itself."""
        try:
            pass_ = _Pass(self.stream)
            blocks = signal.described_blocks(self.path, self.container, pass_.sound_frames)
            if blocks is None:
                self._read = pass_.begun
            else:
                self._read = True
                sound = signal.resampled(self.path, blocks, rate_hz)
                if pass_.whole:
                    self._found = pass_.notes.survey()
                    return sound
        except signal.NoSound:
            raise
        except MediaError:
            pass  # reading it by itself says what is wrong with which
        if self._read:
            self.close()
        return None


class _Pass:
    """One pass over the packets of sound and images.

    Attributes:
        notes: of the images.
        begun: whether a packet was read.
        whole: whether the sound came up to the end that the header states.
    """

    def __init__(self, pictures: Any) -> None:
        self.pictures, self.notes = pictures, Surveyor(pictures)
        self.begun = self.whole = False

    def sound_frames(self, container: Any, sound: Any) -> Iterator[Any]:
        """Yield the decoded frames of the sound, or at last the error that ended them."""
        import av

        self.begun, end = True, 0
        try:
            for packet in container.demux(sound, self.pictures):
                if packet.stream.index == self.pictures.index:
                    self.notes.add(packet)
                    continue
                if packet.pts is not None:
                    end = max(end, packet.pts + (packet.duration or 0))
                yield from packet.decode()
        except (av.FFmpegError, OSError, ValueError) as error:
            yield error
            return
        # Otherwise the file is cut short, and each stream by itself may reach further.
        self.whole = bool(sound.duration) and end - (sound.start_time or 0) >= sound.duration


def open_video(path: Path, options: dict[str, str] | None = None) -> Any:
    """Open a video with FFmpeg's libraries.

    Args:
        path: the file.
        options: FFmpeg's.

    Raises:
        MediaError: it is no video, or the index of its frames is missing.
    """
    import av

    try:
        return open_container(path, options)
    except (av.error.FFmpegError, OSError, ValueError):
        with open(path, "rb") as file:
            head = file.read(12)
        # Every mp4 and mov names its kind in bytes 4 to 8. If that is there,
        # what is missing is the index (moov), which is written last.
        if head[4:8] == b"ftyp":
            raise _no_index(path) from None
        raise MediaError(path, "it is not a video", "give an mp4, mov, avi, mkv or webm") from None


def _no_index(path: Path) -> MediaError:
    return MediaError(path, "it is cut short: the index of its frames is missing", COPY_AGAIN)


def _box_is_cut(path: Path) -> bool:
    """Return whether an mp4's last box claims more bytes than there are."""
    at, size = 0, path.stat().st_size
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the length follows the name, as 64 bits
                length = int.from_bytes(head[8:], "big")
            if length < 8:
                return False  # 0: to the end of the file; others are no boxes
            at += length
    return at > size


def picture_stream(container: Any, path: Path) -> Any:
    """Return the stream of images of an open video, ready to be decoded.

    Args:
        container: an ``av.container.InputContainer``.
        path: of the file, for errors.

    Raises:
        MediaError: it has none, or of an unknown or absurd kind.
    """
    import av

    attached = av.stream.Disposition.attached_pic  # a sound file's cover image
    films = [stream for stream in container.streams.video if not stream.disposition & attached]
    known = films and films[0].codec_context is not None
    if not known and "mp4" in container.format.name and _box_is_cut(path):
        raise _no_index(path)
    if not films:
        problem = NO_IMAGE if container.streams.audio else "it has no image"
        raise MediaError(path, problem, "use it as audio, or give a video")
    stream = films[0]
    if stream.codec_context is None:
        raise MediaError(path, "its kind of compression is unknown", "convert it to H.264 mp4")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MOST_PIXELS:
        problem = f"its images have {width} x {height} pixels, more than 8K"
        raise MediaError(path, problem, "make them smaller")
    # A header may state fewer than there are in the images.
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    stream.thread_type = "FRAME"
    stream.codec_context.thread_count = DECODER_THREADS
    return stream
