"""Clips to stored pictures: sampled, cut to what the network sees, kept on disk.

Only small grey squares are kept, one entry a clip in the feature store, so
neither training nor prediction holds the data set in memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser import tables
from multimodal_ser.compute import progress as media_progress
from multimodal_ser.compute.cache import Array, Cache, content_key, unchanged
from multimodal_ser.compute.media import check_file
from multimodal_ser.compute.parallel import Engine, Outcome, map_clips
from multimodal_ser.errors import MediaError, SerError, TableError, UnknownName
from multimodal_ser.video import detectors, faces, frames, looks, people, tracks
from multimodal_ser.video.opened import Opened
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
    detector: str = detectors.DEFAULT

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


def changed_params(
    params: FrameParams, sampling: str | None = None, detector: str | None = None
) -> FrameParams:
    """Return a front end that looks at other frames, or finds faces in another way.

    Args:
        params: as they are.
        sampling: ``every=20``, ``seconds=0.5`` or ``keyframes``; None changes nothing.
        detector: one of ``detectors.NAMES``; None changes nothing.

    Raises:
        SerError: there is no such sampling.
        UnknownName: there is no such detector.

    Example:
        >>> changed_params(FrameParams(size_px=48), "seconds=0.5").every_seconds
        0.5
    """
    try:
        changes: dict[str, Any] = asdict(Sampling.of(sampling)) if sampling is not None else {}
    except ValueError as error:
        raise SerError(str(error)) from None
    return replace(params, **changes, detector=detector or params.detector)


class ClipFrames(NamedTuple):
    """The sampled frames of one clip, a row each.

    Attributes:
        index: int32 ``(n,)``, position in the video.
        time_s: float32 ``(n,)``, seconds from the first frame.
        box: float32 ``(n, 5)``: x, y, w, h in pixels of the video and
            confidence; NaN where no face was looked for or found.
        points: float32 ``(n, 5, 2)``: x, y of the face's right eye, left eye, nose tip,
            right and left corner of the mouth, in pixels of the video; NaN where
            there is no face, or from a detector that gives none.
        faces: float32 ``(m, 9)``, all faces of all frames: ``people.COLUMNS``.
        pictures: uint8 ``(n, size_px, size_px)``; zero where no face was found.
        usable: bool ``(n,)``: whether the row has an image to predict from.
    """

    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index
    time_s: np.ndarray
    box: np.ndarray
    points: np.ndarray
    faces: np.ndarray
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
        order, times = np.arange(n, dtype=np.int32), np.zeros(n, np.float32)
        box, points = box_arrays([None] * n)
        nobody = people.People().table()
        return cls(order, times, box, points, nobody, pictures, np.ones(n, bool))


class FrontEnd:
    """What a front end makes of a video's frames, see :mod:`~multimodal_ser.video.looks`.

    Args:
        params: the front end.
        crowd: who is in the video; None begins with nobody.
    """

    def __init__(self, params: FrameParams, crowd: people.People | None = None) -> None:
        self.params, self.crowd = params, people.People() if crowd is None else crowd
        self.sampling = sampling_of(params)
        self.detector = None if params.crop == "frame" else params.detector
        self._rows: list[tuple] = []
        self._pictures = bytearray()

    def add(self, frame: frames.Frame, boxes: Sequence[faces.Box]) -> None:
        """Take the next frame, and all faces in it."""
        box = self.crowd.add(frame, boxes) if self.detector else None
        self._rows.append((frame.index, frame.time_s, box, _usable_row(box, self.params)))
        # Bytes grow in place; a list to be stacked would need twice the memory.
        self._pictures += picture(frame, box, self.params).data

    def clip_frames(self) -> ClipFrames:
        """Return what was made of the frames."""
        index, time_s, boxes, usable = zip(*self._rows, strict=True)
        size = self.params.size_px
        return ClipFrames(
            np.array(index, np.int32),
            np.array(time_s, np.float32),
            *box_arrays(boxes),
            self.crowd.table(),
            np.frombuffer(self._pictures, np.uint8).reshape(-1, size, size),
            np.array(usable, bool),
        )


def clip_frames(path: str | Path, params: FrameParams) -> ClipFrames:
    """Return the sampled images of one video.

    Where the face that was followed turns out to be a poster, and somebody moves, the
    video is read again to follow that one; see :mod:`~multimodal_ser.video.people`.

    Memory holds them once: an hour at 29.97 frames a second, every 20th, is
    5,395 images of 64 kB at 256 px (353 MB), or of 2 kB at 48 px.

    Raises:
        MediaError: the video cannot be decoded, or ``crop`` is ``face`` and no
            sampled frame shows one.

    Example:
        >>> clip_frames("clip.mp4", FrameParams()).pictures.shape  # doctest: +SKIP
        (5, 256, 256)
    """
    with Opened(path) as video:
        look = FrontEnd(params)
        looks.run([look], video)
        return seen(look, video)


def seen(look: FrontEnd, video: Opened) -> ClipFrames:
    """Return what :func:`clip_frames` does, of a look that has seen all frames.

    Args:
        look: of the video.
        video: read again, where a poster was followed.

    Raises:
        MediaError: see :func:`clip_frames`.
    """
    if posters := look.crowd.posters():
        look = FrontEnd(look.params, people.People(posters))
        looks.run([look], video)
    made = look.clip_frames()
    if not made.usable.any():
        problem = f"{NO_FACE} in any of its {len(made.usable)} sampled frames"
        remedy = "give a clip that shows one, or train a model with --crop frame"
        raise MediaError(video.path, problem, remedy)
    return made


def person_frames(
    path: str | Path, params: FrameParams, found: tracks.Tracks
) -> dict[int, ClipFrames]:
    """Return the sampled images of each person of a video.

    Args:
        path: of the video.
        params: the front end, whose ``crop`` is ``face``.
        found: its tracks.

    Returns:
        Person -> one row per sampled frame, as :func:`clip_frames` gives it; without
        ``points`` and ``faces``.

    Raises:
        MediaError: the video cannot be decoded.
    """
    rows: dict[int, list] = {person: [] for person in found.persons}
    for frame in _sampled(path, params):
        places = found.at(frame.time_s)
        for person, own in rows.items():
            box = places.get(person)
            own.append((frame.index, frame.time_s, box, picture(frame, box, params)))
        media_progress.reached(frame.time_s)
    made = {}
    for person, own in rows.items():
        index, time_s, boxes, images = zip(*own, strict=True)
        edges, points = box_arrays(boxes)
        there = np.array([box is not None for box in boxes])
        made[person] = ClipFrames.of_pictures(np.stack(images))._replace(
            index=np.array(index, np.int32),
            time_s=np.array(time_s, np.float32),
            box=edges,
            points=points,
            usable=there,
        )
    return made


def box_arrays(boxes: Sequence[faces.Box | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return the arrays ``box`` and ``points`` of :class:`ClipFrames`."""
    nowhere = faces.Box(*(np.nan,) * 5)
    points = [(box or nowhere).points or ((np.nan,) * 2,) * 5 for box in boxes]
    edges = np.array([(box or nowhere)[:5] for box in boxes], np.float32)
    return edges.reshape(-1, 5), np.array(points, np.float32).reshape(-1, 5, 2)


def sampling_of(params: FrameParams) -> Sampling:
    """Return which frames a front end looks at."""
    return Sampling(params.every, params.every_seconds, params.keyframes_only)


def _sampled(path: str | Path, params: FrameParams) -> Iterator[frames.Frame]:
    return frames.iter_frames(path, **asdict(sampling_of(params)))


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

    def faces(self, clips: Iterable[str] | None = None) -> pd.DataFrame:
        """Return all faces that were found, where faces were looked for.

        Args:
            clips: clip ids; None takes all.

        Returns:
            DataFrame with ``tables.FACE_COLUMNS``: one row per clip, sampled frame and
            face, or one of NaN for a frame without any.

        Example:
            >>> store = FrameStore({"a": ClipFrames.of_pictures(np.ones((2, 48, 48), np.uint8))})
            >>> store.faces()["x"].isna().tolist()
            [True, True]
        """
        parts = [
            _faces_table(clip, self[clip]) for clip in (self.clips if clips is None else clips)
        ]
        empty = pd.DataFrame(columns=list(tables.FACE_COLUMNS))
        return tables.check_faces(pd.concat(parts, ignore_index=True)) if parts else empty

    def face_note(self, clip: str) -> str:
        """Return what there is to know about a clip's faces, such as that there are three."""
        return people.note(self[clip].faces)

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
    known: Mapping[str, Outcome] | None = None,
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
        known: clip -> what :func:`entry` gave, of clips that are read already.

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
        entry, items, workers=workers, description="video", progress=progress, known=known
    )
    for clip, value, error in outcomes:
        if error is None:
            entries[clip] = value
        else:
            failures.append((clip, str(films[clip]), "video", error))
    return FrameStore(entries, cache), tables.failure_table(failures)


def entry(
    path: str,
    params: FrameParams,
    folder: Path | None,
    make: Callable[[], ClipFrames] | None = None,
) -> tuple | ClipFrames:
    """Make or find one clip's entry of a :class:`FrameStore`.

    Args:
        path: of the video.
        params: the front end.
        folder: of the feature store; None keeps nothing.
        make: makes the frames where they are not kept; None takes :func:`clip_frames`.

    Returns:
        Its key and flags, not its images; or its frames, where nothing is kept.

    Raises:
        MediaError: see :func:`clip_frames`, or the video was changed meanwhile.
        StoreError: the entry cannot be written.
    """
    if folder is None:
        return make() if make else clip_frames(path, params)
    cache = Cache(folder)
    check_file(path)
    with unchanged(path):
        key = _key(path, params)
        found = _stored(cache, key)
        if found is not None:
            return key, found.usable
        made = make() if make else clip_frames(path, params)
    cache.put(key, made._asdict())
    return key, made.usable


def is_kept(path: str, params: FrameParams, folder: Path | None) -> bool:
    """Return whether there is an entry of a video in the feature store.

    Raises:
        OSError: the video cannot be read.
    """
    return folder is not None and Cache(folder).path(_key(path, params)).exists()


def _key(path: str, params: FrameParams) -> str:
    return content_key(path, NAME, VERSION, _key_params(params))


def _key_params(params: FrameParams) -> dict:
    # Without a crop no detector runs, so its name must not split the entries.
    if params.crop == "frame":
        params = replace(params, detector="haar")
    named = asdict(params).items()
    return {name: value for name, value in named if value is not None and value is not False}


_ARRAYS = {
    "index": Array((None,), "int32"),
    "time_s": Array((None,)),
    "box": Array((None, 5), finite=False),
    "points": Array((None, 5, 2), finite=False),
    "faces": Array((None, len(people.COLUMNS)), finite=False),
    "pictures": Array((None, None, None), "uint8"),
    "usable": Array((None,), "bool"),
}


def _stored(cache: Cache | None, key: str) -> ClipFrames | None:
    found = cache.get(key, _ARRAYS) if cache is not None else None
    if found is None or len({len(found[name]) for name in found if name != "faces"}) > 1:
        return None
    return ClipFrames(**found)


def _faces_table(clip: str, found: ClipFrames) -> pd.DataFrame:
    rows = pd.DataFrame(found.faces, columns=list(people.COLUMNS))
    shown = pd.DataFrame({"frame": found.index, "time_s": found.time_s})
    table = shown.merge(rows, how="left", left_index=True, right_on="row")
    table = table.assign(clip=clip, person=table["person"].astype("Int64"))
    table["followed"] = table["followed"].fillna(0).astype(bool)
    return table[list(tables.FACE_COLUMNS)].reset_index(drop=True)


def _usable(entry: tuple | ClipFrames) -> np.ndarray:
    return entry.usable if isinstance(entry, ClipFrames) else entry[1]
