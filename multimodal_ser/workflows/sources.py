"""What may be given as recordings: paths, folders, tables, and what is in memory.

What is in memory (samples, images, bytes, an open file) is written into a temporary folder
without loss, as wav and as the lossless codec MagicYUV, and read from there like any other
file. So its numbers are those of the file to the last bit, it is read by worker processes,
cut into segments and kept in the cache under its content, and there is one way to do each.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import pandas as pd

from multimodal_ser import datasets
from multimodal_ser.audio import signal
from multimodal_ser.datasets import folder
from multimodal_ser.datasets.files import is_audio, is_video
from multimodal_ser.errors import MediaError, SerError, TableError
from multimodal_ser.tables import CLIP_COLUMNS, check_clips, make_clips
from multimodal_ser.tables import io as tableio

#: One recording: a path, samples or an image, bytes, or a file that is open for reading.
Source: TypeAlias = "str | os.PathLike[str] | np.ndarray | bytes | IO[bytes]"
#: Recordings with labels, as :func:`as_clips` takes them.
Labelled: TypeAlias = "pd.DataFrame | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
#: Endings of single images that FFmpeg reads.
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
#: More channels than any recorder has: samples and channels were exchanged, or it is an image.
MOST_CHANNELS = 32
#: Samples beyond 20 dB above full scale are integers that became floats.
LOUDEST = 10.0
#: What could be iterated over, and is one recording.
_ALONE = (str, os.PathLike, bytes, bytearray, memoryview)
#: Seconds per tick of the files that images are written to.
_TICK = Fraction(1, 1_000_000)
ACCEPTED = (
    "give a path, a folder, a table, bytes, an open file, an array of samples with rate_hz, a "
    "uint8 image, frames with times_s, or a list of those"
)


@dataclass
class Given:
    """Recordings as a clips table.

    Attributes:
        clips: the clips table.
        unusable: one error per source that is no recording.
        shown: path of a temporary file -> what its recording is called.
        owner: keeps these files; they are removed with it.
    """

    clips: pd.DataFrame
    unusable: list[MediaError] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    owner: object = None

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return predictions or failures without the names of temporary files."""
        if not self.shown:
            return table
        table = table.assign(path=table["path"].replace(self.shown))
        if "error" in table:
            for path, name in self.shown.items():
                table["error"] = table["error"].str.replace(path, name, regex=False)
        return table


def gathered(
    sources: Any = None,
    *,
    rate_hz: float | None = None,
    frames: Iterable[np.ndarray] | None = None,
    times_s: Sequence[float] | np.ndarray | None = None,
) -> Given:
    """Return the recordings that are given, as a clips table.

    Args:
        sources: a :data:`Source`, a folder, several of them, a clips table, or a table with
            the column ``path``, or the file of one. Samples are ``(n_samples,)``, or with channels
            ``(n_samples, n_channels)`` as soundfile gives them or the other way round, as
            librosa does: float between -1 and 1, or int16. A uint8 array without a rate is an
            image.
        rate_hz: of samples.
        frames: images of one recording, uint8 ``(height, width)`` or, red, green and blue,
            ``(height, width, 3)``; ``sources`` is then its sound, or None.
        times_s: of the frames, rising; the first counts as 0.

    Raises:
        SerError: what is given is of another type, shape or range.
        TableError: a table has neither paths nor is one of clips.

    Example:
        >>> given = gathered(np.zeros(16000, np.int16), rate_hz=16000)
        >>> given.clips.index.tolist(), given.clips["audio"].notna().tolist()
        (['array'], [True])
        >>> gathered(42)
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: an int is no recording; give a path, ...
    """
    staging = _Staging(rate_hz)
    if frames is not None or times_s is not None:
        staging.film(frames, times_s, sources)
        return staging.given([])
    if isinstance(sources, pd.DataFrame):
        paths_alone = _listing(sources)
        if paths_alone is None or "actor" in paths_alone:
            return Given(as_clips(sources))
        sources = paths_alone["path"].dropna()
    if isinstance(sources, str | Path) and tableio.is_table(sources):
        return Given(as_clips(sources))
    paths = []
    for one in _each(sources):
        if not isinstance(one, str | os.PathLike):
            staging.add(one)
        elif Path(one).suffix.lower() in IMAGE_ENDINGS:
            staging.row(Path(one).stem, video=os.fspath(one))
        else:
            paths.append(os.fspath(one))
    if rate_hz is not None and not staging.has_samples:
        raise SerError(f"rate_hz={rate_hz:g} goes with an array of samples; leave it out")
    return staging.given(paths)


def _each(sources: Any) -> Iterator[Any]:
    """Yield what was given one by one."""
    values = np.asarray(sources) if _is_array(sources) else None
    if values is not None and values.dtype.kind in "OUST":  # a column of paths
        yield from values.ravel().tolist()
    elif values is not None or hasattr(sources, "read") or isinstance(sources, _ALONE):
        yield sources if values is None else values
    elif isinstance(sources, Iterable) and not isinstance(sources, dict):
        yield from sources
    else:
        raise _no_recording(sources)


def _is_array(one: Any) -> bool:
    # Of NumPy, PyTorch and others; a PIL image says it the second way.
    return hasattr(one, "__array__") or hasattr(one, "__array_interface__")


def _no_recording(one: Any) -> SerError:
    kind = type(one).__name__
    return SerError(f"{'an' if kind[0] in 'aeioAEIO' else 'a'} {kind} is no recording; {ACCEPTED}")


def in_order(recordings: Any, rate_hz: float | None = None) -> Given:
    """Return recordings one by one, each a clip of its own, in the order given.

    Args:
        recordings: several of :data:`Source`, however often the same; a clips table, or a
            table with the column ``path``.
        rate_hz: of samples.

    Raises:
        SerError: what is given is of another type, shape or range.

    Example:
        >>> in_order(["b.wav", "a.mp4", "b.wav"]).clips["audio"].tolist()
        ['b.wav', 'a.mp4', 'b.wav']
    """
    if isinstance(recordings, pd.DataFrame):
        if (listing := _listing(recordings)) is None:
            return Given(as_clips(recordings))
        recordings = listing["path"]
    staging = _Staging(rate_hz)
    several = isinstance(recordings, np.ndarray) and recordings.ndim == 2
    for at, one in enumerate(recordings if several else _each(recordings)):
        if isinstance(one, str | os.PathLike):
            sound = Path(one).suffix.lower() not in IMAGE_ENDINGS
            path = os.fspath(one)
            staging.row("", path if sound else None, None if is_audio(path) else path)
        else:
            staging.add(one)
        staging.rows[-1]["clip"] = f"{at:08d}"  # clips are sorted by their ids
    return staging.given([])


class _Staging:
    """Recordings in memory on their way into files."""

    def __init__(self, rate_hz: float | None) -> None:
        self.rate_hz, self.has_samples = rate_hz, False
        self.rows: list[dict] = []
        self.shown: dict[str, str] = {}
        self._folder: str | None = None

    def given(self, paths: list[str]) -> Given:
        """Return all recordings, those of paths too."""
        clips, unusable = folder.gather(paths)
        if self.rows:
            taken = set(clips.index)
            for row in self.rows:
                row["clip"] = _free(row["clip"], taken)
            own = make_clips(self.rows).loc[[row["clip"] for row in self.rows]]
            clips = pd.concat([clips, own]) if len(clips) else own
        return Given(clips, unusable, self.shown, self)

    def row(self, clip: str, audio: str | None = None, video: str | None = None) -> None:
        self.rows.append({"clip": clip, "dataset": folder.NAME, "audio": audio, "video": video})

    def place(self, name: str, ending: str) -> str:
        """Return the path of a new file that holds what is called so."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="multimodal_ser-")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = os.path.join(self._folder, f"{len(self.shown)}{ending}")
        self.shown[path] = name
        return path

    def add(self, one: Any) -> None:
        """Take in what is no path."""
        if isinstance(one, bytes | bytearray | memoryview):
            self._content(io.BytesIO(one), "bytes")
        elif hasattr(one, "read"):
            name = getattr(one, "name", None)
            self._content(one, name if isinstance(name, str) and name else "file")
        elif _is_array(one):
            values = np.asarray(one)
            if values.dtype == np.uint8 and self.rate_hz is None:
                self.row("image", video=self._film([values], [0.0], "image"))
            else:
                self.row("array", audio=self._sound(values))
        else:
            raise _no_recording(one)

    def film(self, frames: Any, times_s: Any, sound: Any) -> None:
        """Take in frames, and the sound that goes with them."""
        if frames is None or times_s is None:
            raise SerError("frames go with times_s, the seconds of each; give both")
        if sound is not None and _is_array(sound):
            audio: str | None = self._sound(np.asarray(sound))
        elif sound is not None:
            audio = _sound_of(self, sound)
        else:
            audio = None
        self.row("frames", audio=audio, video=self._film(frames, times_s, "frames"))

    def _content(self, file: IO[bytes], name: str) -> None:
        head = file.read(_HEAD_BYTES)
        if not isinstance(head, bytes):
            raise SerError(f"{name} gives {type(head).__name__}; open it for reading in binary")
        ending = Path(name).suffix.lower()
        if not (is_audio(name) or is_video(name) or ending in IMAGE_ENDINGS):
            ending = _ending(head)
        path = self.place(name, ending)
        with open(path, "wb") as copy:
            copy.write(head)
            shutil.copyfileobj(file, copy)
        sound = None if ending in IMAGE_ENDINGS else path
        # What it holds shows when it is read: a film without sound, or sound alone, is no error.
        self.row(Path(name).stem, audio=sound, video=None if is_audio(path) else path)

    def _sound(self, samples: np.ndarray) -> str:
        import soundfile

        self.has_samples = True
        if self.rate_hz is None:
            raise SerError("samples need their rate; give rate_hz, such as rate_hz=16000")
        values, rate = check_samples(samples), _checked_rate(self.rate_hz)
        path = self.place("array", ".wav")
        subtype = "PCM_16" if values.dtype == np.int16 else "FLOAT"
        soundfile.write(path, values, rate, subtype=subtype)
        return path

    def _film(self, frames: Iterable[Any], times_s: Iterable[float], name: str) -> str:
        path = self.place(name, ".nut")
        _write_film(path, frames, np.asarray(list(times_s), float))
        return path


def _sound_of(staging: _Staging, sound: Any) -> str:
    """Return the path of the one recording that goes with frames."""
    given = list(_each(sound))
    if len(given) != 1:
        raise SerError(f"{len(given)} recordings are given as the sound of frames; give one")
    if isinstance(given[0], str | os.PathLike):
        return os.fspath(given[0])
    staging.add(given[0])
    row = staging.rows.pop()
    return row["audio"]


def _free(name: str, taken: set[str]) -> str:
    """Return a clip id that is not taken, and take it."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    taken.add(found)
    return found


def check_samples(samples: np.ndarray) -> np.ndarray:
    """Return samples as float32 or int16 ``(n_samples,)`` or ``(n_samples, n_channels)``.

    Args:
        samples: of any float type, between -1 and 1, or int16; of two dimensions the smaller
            is the channels.

    Raises:
        SerError: the type, the shape or the range is that of no sound.

    Example:
        >>> check_samples(np.zeros((2, 300))).shape
        (300, 2)
        >>> check_samples(np.array([0.0, 32767.0]))
        Traceback (most recent call last):
        multimodal_ser.errors.SerError: samples reach 32767, ... give int16, or divide by 32768
    """
    if samples.dtype.kind != "f" and samples.dtype != np.int16:
        raise SerError(
            f"samples of the type {samples.dtype} are no sound; give float between -1 and 1, or "
            "int16 (an image is uint8, without rate_hz)"
        )
    if samples.ndim not in (1, 2) or not samples.size:
        raise SerError(f"samples of shape {samples.shape} are no sound; give (n_samples,) or 2-D")
    if samples.ndim == 2:
        samples = samples if samples.shape[0] >= samples.shape[1] else samples.T
        if samples.shape[1] > MOST_CHANNELS:
            raise SerError(
                f"samples of shape {samples.shape} would have {samples.shape[1]} channels; give "
                "one recording at a time, or several as a list"
            )
    if samples.dtype == np.int16:
        return np.ascontiguousarray(samples)
    if not np.isfinite(samples).all():
        raise SerError("samples hold values that are not numbers; give finite ones")
    if (most := float(np.abs(samples).max())) > LOUDEST:
        raise SerError(
            f"samples reach {most:g}, and sound lies between -1 and 1; give int16, or divide by "
            "32768"
        )
    return np.ascontiguousarray(samples, np.float32)


def _checked_rate(rate_hz: float) -> int:
    rates = signal.RATES_HZ
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float | np.number):
        raise SerError(f"rate_hz is {rate_hz!r}; give samples per second, such as 16000")
    if int(rate_hz) != rate_hz or int(rate_hz) not in rates:
        raise SerError(
            f"rate_hz is {rate_hz:g}, which no recording has; give a whole number from "
            f"{rates.start} to {rates.stop - 1}"
        )
    return int(rate_hz)


_HEAD_BYTES = 512
#: How files begin that libsndfile or FFmpeg's image readers are to read.
_BEGINNINGS = (
    (b"fLaC", ".flac"),
    (b"ID3", ".mp3"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
)


def _ending(head: bytes) -> str:
    """Return the ending that the content asks for; none where FFmpeg finds out by itself."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return ".wav"
    if head[:4] == b"OggS" and b"theora" not in head[:64]:
        return ".ogg"
    # An MPEG frame of layer I to III; AAC has the layer 0.
    if head[:1] == b"\xff" and head[1:2] and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return ".mp3" if head[:3] != b"\xff\xd8\xff" else ".jpg"
    return next((ending for begins, ending in _BEGINNINGS if head.startswith(begins)), "")


def _write_film(path: str, frames: Iterable[Any], times_s: np.ndarray) -> None:
    """Write images without loss, as grey as a camera's are seen.

    Raises:
        SerError: an image is none or of another size, or the times do not fit.
    """
    import av

    if times_s.ndim != 1 or not len(times_s) or not np.isfinite(times_s).all():
        raise SerError("times_s are no times; give the seconds of each frame")
    ticks = np.rint((times_s - times_s[0]) / float(_TICK)).astype(np.int64)
    if (np.diff(ticks) <= 0).any():
        at = int(np.argmax(np.diff(ticks) <= 0)) + 1
        raise SerError(f"frame {at} is at {times_s[at]:g} s, not after the one before it")
    last = int(np.median(np.diff(ticks))) if len(ticks) > 1 else 40_000
    lengths = np.append(np.diff(ticks), last)
    with av.open(f"file:{path}", "w") as container:
        stream: Any = None
        for gray, at, length in zip(_checked(frames, len(ticks)), ticks, lengths, strict=True):
            if stream is None:
                stream = container.add_stream("magicyuv", rate=25)
                stream.height, stream.width = gray.shape
                stream.pix_fmt, stream.codec_context.time_base = "gray", _TICK
            picture = av.VideoFrame.from_ndarray(gray, format="gray")
            picture.pts, picture.time_base, picture.duration = int(at), _TICK, int(length)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _checked(frames: Iterable[Any], count: int) -> Iterator[np.ndarray]:
    """Yield images as grey ones of one size, as many as there are times."""
    from multimodal_ser.video.feed import gray_of

    size: tuple[int, ...] = ()
    at = -1
    for at, image in enumerate(frames):
        gray = gray_of(image)
        size = size or gray.shape
        if gray.shape != size:
            raise SerError(f"frame {at} is {gray.shape}, the first is {size}; give one size")
        if at >= count:
            break
        yield gray
    if at + 1 != count:
        many = f"more than {count}" if at >= count else str(at + 1)
        raise SerError(f"there are {many} frames and {count} times; give a time for each")


def as_clips(data: Any, dataset: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Return the clips table of recordings with labels, however they are named.

    Args:
        data: a clips table, a table with the column ``path`` (and ``label``, ``actor``,
            ``sex``), the file of such a table, a folder, recordings, or several of these.
        dataset: how folders are read: one of ``datasets.NAMES``, or one for each; None
            recognises each by the names of its files.

    Raises:
        TableError: the table is neither.
        SerError: there is no such file or folder, or it is of another type.

    Example:
        >>> as_clips(pd.DataFrame({"path": ["may/a.wav"], "label": ["sad"]}))["emotion"].tolist()
        ['sad']
    """
    if isinstance(data, pd.DataFrame):
        if (listing := _listing(data)) is not None:
            return folder.listed(listing, "the table", ".")
        if not set(data.columns) & set(CLIP_COLUMNS):
            names = ", ".join(map(str, data.columns[:5])) or "none"
            raise TableError(
                f"a table with the columns {names} names no recordings; give it the column path, "
                "or a clips table as mser.index makes it"
            )
        return check_clips(data)
    paths = list(_each(data))
    wrong = next((one for one in paths if not isinstance(one, str | os.PathLike)), None)
    if wrong is not None or not paths:
        kind = type(data if wrong is None else wrong).__name__
        raise SerError(f"no labelled recordings are named by {kind}; give a folder or a table")
    paths = [Path(one) for one in paths]
    places = [one for one in paths if one.is_dir() or tableio.is_table(one)]
    files = [one for one in paths if one not in places]
    ways = zip(places, datasets.paired(places, dataset), strict=True)
    parts: list[tuple[str | Path, pd.DataFrame]] = [(one, _read(one, way)) for one, way in ways]
    if files:
        clips, unusable = folder.gather(files)
        if unusable:
            raise unusable[0]
        parts.append(("files", clips))
    return datasets.joined(parts)


#: What :func:`as_clips` is called by users.
index = as_clips


def _listing(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return a table with the column ``path``, whatever it is called; None of a clips table."""
    if set(CLIP_COLUMNS) <= set(table.columns):
        return None
    found, _ = tableio.renamed(table, folder.LIST_COLUMNS)
    return found if "path" in found else None


def _read(place: Path, dataset: str | None) -> pd.DataFrame:
    if not tableio.is_table(place):
        return datasets.index(place, dataset)
    return folder.read_list(place) if folder.is_list(place) else tableio.read_clips(place)
