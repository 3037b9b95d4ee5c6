"""Clips to stored pictures: sampled, cut to what the network sees, kept on disk.

Only small grey squares are kept, one entry a clip in the feature store, so
neither training nor prediction holds the data set in memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser import tables
from multimodal_ser.compute import progress as media_progress
from multimodal_ser.compute.cache import Cache, content_key, unchanged
from multimodal_ser.compute.media import check_file
from multimodal_ser.compute.parallel import Engine, map_clips
from multimodal_ser.errors import MediaError, SerError, TableError, UnknownName
from multimodal_ser.video import detectors, faces, frames
from multimodal_ser.video.sampling import Sampling

NAME = "video_frames"
#: Raise when the same video and parameters give other numbers.
VERSION = 2

CROPS = ("frame", "face")
#: Begins the error of a video in which no sampled frame shows a face.
NO_FACE = "no face found"

#: How many bytes of images a store keeps at hand. Enough for 12 MB of a
#: whole data set of 48 px faces, and for the clips of a batch of 256 px ones.
RECENT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class FrameParams:
    """The front end of a video network, saved beside its weights.

    Attributes:
        every: distance between sampled frames, at least 1. This or one of the
            next two; every 20th when none is given.
        every_seconds: seconds between sampled frames, at least 0.001.
        keyframes_only: sample the frames that are coded by themselves, which
            is fastest; see :class:`~multimodal_ser.video.sampling.Sampling`.
        size_px: side of the square image, 8 to 1024 pixels.
        crop: ``frame`` squeezes the whole image to a square, as aei_2019
            did; ``face`` cuts out the main face.
        detector: which detector finds faces; unused when ``crop`` is ``frame``.

    Raises:
        SerError: a value is out of range, or there are two ways to sample.
        UnknownName: there is no such crop or detector.

    Example:
        >>> FrameParams(size_px=48, crop="face").every
        20
        >>> FrameParams(every_seconds=0.5).every is None
        True
    """

    every: int | None = None
    every_seconds: float | None = None
    keyframes_only: bool = False
    size_px: int = 256
    crop: str = "frame"
    detector: str = "haar"

    def __post_init__(self) -> None:
        try:
            sampling = Sampling(self.every, self.every_seconds, self.keyframes_only)
        except ValueError as error:
            raise SerError(str(error)) from None
        object.__setattr__(self, "every", sampling.every)
        if type(self.size_px) is not int or not 8 <= self.size_px <= 1024:
            raise SerError(f"size_px is {self.size_px!r}; give a whole number from 8 to 1024")
        if self.crop not in CROPS:
            raise UnknownName("crop", self.crop, CROPS)
        if self.detector not in detectors.NAMES:
            raise UnknownName("face detector", self.detector, detectors.NAMES)


class ClipFrames(NamedTuple):
    """The sampled frames of one clip, a row each.

    Attributes:
        index: int32 ``(n,)``, position in the video.
        time_s: float32 ``(n,)``, seconds from the first frame.
        box: float32 ``(n, 5)``: x, y, w, h in pixels of the video and
            confidence; NaN where no face was looked for or found.
        pictures: uint8 ``(n, size_px, size_px)``; zero where no face was found.
        usable: bool ``(n,)``: whether the row has an image to predict from.
    """

    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index
    time_s: np.ndarray
    box: np.ndarray
    pictures: np.ndarray
    usable: np.ndarray

    @classmethod
    def of_pictures(cls, pictures: np.ndarray) -> ClipFrames:
        """Return rows for images that come from no video, such as FER2013's.

        Args:
            pictures: uint8 ``(n, size, size)``.

        Example:
            >>> ClipFrames.of_pictures(np.ones((2, 48, 48), np.uint8)).usable.tolist()
            [True, True]
        """
        n = len(pictures)
        nothing = np.full((n, 5), np.nan, np.float32)
        order = np.arange(n, dtype=np.int32)
        return cls(order, np.zeros(n, np.float32), nothing, pictures, np.ones(n, bool))


def clip_frames(path: str | Path, params: FrameParams) -> ClipFrames:
    """Return the sampled images of one video.

    Memory holds them once: an hour at 29.97 frames a second, every 20th, is
    5,395 images of 64 kB at 256 px (353 MB), or of 2 kB at 48 px.

    Raises:
        MediaError: the video cannot be decoded, or ``crop`` is ``face`` and no
            sampled frame shows one.

    Example:
        >>> clip_frames("clip.mp4", FrameParams()).pictures.shape  # doctest: +SKIP
        (5, 256, 256)
    """
    rows, pictures = [], bytearray()
    for frame, box in _boxed(path, params):
        rows.append((frame.index, frame.time_s, box or (np.nan,) * 5, _usable_row(box, params)))
        # Bytes grow in place; a list to be stacked would need twice the memory.
        pictures += picture(frame, box, params).data
        media_progress.reached(frame.time_s)
    index, time_s, boxes, usable = zip(*rows, strict=True)
    if not any(usable):
        problem = f"{NO_FACE} in any of its {len(rows)} sampled frames"
        raise MediaError(path, problem, "use --crop frame, or a clip that shows a face")
    return ClipFrames(
        np.array(index, np.int32),
        np.array(time_s, np.float32),
        np.array(boxes, np.float32).reshape(-1, 5),
        np.frombuffer(pictures, np.uint8).reshape(-1, params.size_px, params.size_px),
        np.array(usable, bool),
    )


def _boxed(path: str | Path, params: FrameParams) -> Iterable[tuple]:
    film = frames.iter_frames(
        path,
        every=params.every,
        every_seconds=params.every_seconds,
        keyframes_only=params.keyframes_only,
    )
    if params.crop == "frame":
        return ((frame, None) for frame in film)
    return faces.detect_faces(film, params.detector)


def _usable_row(box: faces.Box | None, params: FrameParams) -> bool:
    return params.crop == "frame" or box is not None


def picture(frame: frames.Frame, box: faces.Box | None, params: FrameParams) -> np.ndarray:
    """Return what a network sees of a frame, uint8 ``(size_px, size_px)``.

    Args:
        frame: whole.
        box: of its main face; None gives black where the face is wanted.
        params: the front end.
    """
    if params.crop == "frame":
        return frames.resize(frame.gray, params.size_px)
    if box is None:
        return np.zeros((params.size_px, params.size_px), np.uint8)
    return faces.crop(frame.gray, box, params.size_px)


class FrameStore:
    """The frames of many clips, read from the feature store when asked for.

    Memory holds one small array of flags a clip and the clips read last, up
    to 64 MiB, whatever the number of clips.

    Args:
        entries: clip -> ``(key, usable)`` of an entry in ``cache``, or a
            :class:`ClipFrames` to keep in memory.
        cache: where the keyed entries lie; not needed for those in memory.

    Example:
        >>> store = FrameStore({"a": ClipFrames.of_pictures(np.ones((2, 48, 48), np.uint8))})
        >>> store["a"].pictures.shape, store.rows(["a"])
        ((2, 48, 48), [('a', 0), ('a', 1)])
    """

    def __init__(
        self, entries: Mapping[str, tuple | ClipFrames], cache: Cache | None = None
    ) -> None:
        self.clips = pd.Index(list(entries), dtype=object, name="clip")
        self._entries, self._cache = dict(entries), cache
        self._usable = {clip: _usable(entry) for clip, entry in self._entries.items()}
        self._recent: OrderedDict[str, ClipFrames] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.clips)

    def __contains__(self, clip: object) -> bool:
        return clip in self._entries

    def __getitem__(self, clip: str) -> ClipFrames:
        entry = self._entries.get(clip)
        if entry is None:
            raise TableError(f"the clip {clip!r} has no frames; extract them or leave it out")
        if isinstance(entry, ClipFrames):
            return entry
        with self._lock:
            if clip not in self._recent:
                self._remember(clip, self._read(clip, entry[0]))
            self._recent.move_to_end(clip)
            return self._recent[clip]

    def rows(self, clips: Iterable[str]) -> list[tuple[str, int]]:
        """Return ``(clip, k)`` of every usable frame k, in the order of ``clips``.

        Raises:
            TableError: a clip has no frames here; the error names it.
        """
        clips = list(clips)
        lost = [clip for clip in clips if clip not in self._entries]
        if lost:
            raise TableError(
                f"{len(lost)} clip(s) have no frames, among them {lost[0]!r}; "
                "extract them first or leave them out"
            )
        return [(clip, int(k)) for clip in clips for k in np.flatnonzero(self._usable[clip])]

    def face_rates(self) -> pd.Series:
        """Return the share of each clip's sampled frames in which a face was found.

        Returns:
            Index ``clip``, 0 to 1; 1 throughout where whole frames are used.

        Example:
            >>> store = FrameStore({"a": ClipFrames.of_pictures(np.ones((2, 48, 48), np.uint8))})
            >>> store.face_rates().to_dict()
            {'a': 1.0}
        """
        rates = [float(self._usable[clip].mean()) for clip in self.clips]
        return pd.Series(rates, self.clips, name="face_rate", dtype=float)

    def digest(self, clip: str) -> bytes:
        """Return bytes that tell a clip's frames from any others, for keys of results.

        Raises:
            TableError: the clip has no frames here.
        """
        entry = self._entries.get(clip)
        if isinstance(entry, tuple) and not isinstance(entry, ClipFrames):
            return entry[0].encode()  # of the recording's content and the parameters
        return b"".join(np.ascontiguousarray(part).tobytes() for part in self[clip])

    def _read(self, clip: str, key: str) -> ClipFrames:
        found = _stored(self._cache, key)
        if found is None:
            raise TableError(f"the stored frames of {clip!r} are gone; extract them again")
        return found

    def _remember(self, clip: str, found: ClipFrames) -> None:
        self._recent[clip] = found
        self._held += found.pictures.nbytes
        while self._held > RECENT_BYTES and len(self._recent) > 1:
            self._held -= self._recent.popitem(last=False)[1].pictures.nbytes


def extract(
    clips: pd.DataFrame,
    params: FrameParams,
    *,
    cache: Cache,
    workers: int | Engine | None = None,
    progress: bool = True,
) -> tuple[FrameStore, pd.DataFrame]:
    """Return the frames of every clip that has a video, and what failed.

    Args:
        clips: a clips table; rows without a ``video`` are passed over, since a
            missing modality is no failure.
        params: the front end.
        cache: frames made before are taken from here. Without a folder they
            are kept in memory instead.
        workers: processes, None for one per core, or an engine.
        progress: whether to show a bar.

    Returns:
        The store, in the order of ``clips``, and a failure table whose stage is
        ``video``.

    Raises:
        TableError: ``clips`` is not a clips table.

    Example:
        >>> store, failures = extract(clips, FrameParams(), cache=Cache("x"))  # doctest: +SKIP
    """
    films = tables.check_clips(clips)["video"].dropna()
    pairs = zip(films.index, films, strict=True)
    items = {clip: (str(path), params, cache.folder) for clip, path in pairs}
    entries, failures = {}, []
    outcomes = map_clips(
        _extract_one, items, workers=workers, description="video", progress=progress
    )
    for clip, value, error in outcomes:
        if error is None:
            entries[clip] = value
        else:
            failures.append((clip, str(films[clip]), "video", error))
    return FrameStore(entries, cache), tables.failure_table(failures)


def _extract_one(path: str, params: FrameParams, folder: Path | None) -> tuple | ClipFrames:
    """Make or find one clip's entry; return its key and flags, not its images."""
    if folder is None:
        return clip_frames(path, params)
    cache = Cache(folder)
    check_file(path)
    with unchanged(path):
        key = content_key(path, NAME, VERSION, _key_params(params))
        found = _stored(cache, key)
        if found is not None:
            return key, found.usable
        made = clip_frames(path, params)
    cache.put(key, made._asdict())
    return key, made.usable


def _key_params(params: FrameParams) -> dict:
    # Without a crop no detector runs, so its name must not split the entries.
    if params.crop == "frame":
        params = replace(params, detector="haar")
    named = asdict(params).items()
    return {name: value for name, value in named if value is not None and value is not False}


def _stored(cache: Cache | None, key: str) -> ClipFrames | None:
    found = cache.get(key) if cache is not None else None
    if found is None or set(found) != set(ClipFrames._fields):
        return None
    return ClipFrames(**found)


def _usable(entry: tuple | ClipFrames) -> np.ndarray:
    return entry.usable if isinstance(entry, ClipFrames) else entry[1]
