"""Faces through a film as tracks: a number, a place in every frame, and how each moves.

Every fifteenth of a second all faces are found, linked to those before, and measured. Two
boxes can be of one face where they overlap, or lie near each other and are about as large;
of all ways to link those that can be, the one with the largest overlap is taken (H. W. Kuhn,
"The Hungarian method for the assignment problem", 1955, as SciPy does it). A cut ends every
track. A film in which faces lie apart needs no more; faces that cross behind each other may
change their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multimodal_ser.compute import progress
from multimodal_ser.compute.cache import Cache
from multimodal_ser.compute.media import check_file
from multimodal_ser.video import detectors, frames
from multimodal_ser.video.faces import SAME_FACE, Box, overlap
from multimodal_ser.video.features import blendshapes
from multimodal_ser.video.frames import Frame

NAME = "tracks"
#: Raise when the same film and rules give other numbers.
VERSION = 1


@dataclass(frozen=True)
class Rules:
    """When two boxes are of one face.

    Attributes:
        every_s: seconds from one frame that is looked at to the next. Syllables come up to
            eight times a second; on RAVDESS, 30 frames a second name no more speakers.
        nearest: distance of two centres, in widths of the larger box.
        largest: ratio of their sizes.
        lost_s: after so many seconds unseen a face has left.
        shortest_s: a face seen for less is none, or nobody's.
        cut: mean difference of two frames of 32x32, in grey levels. PySceneDetect's
            ContentDetector cuts at 27.
    """

    every_s: float = 1 / 15
    nearest: float = 0.6
    largest: float = 1.8
    lost_s: float = 1.0
    shortest_s: float = 1.0
    cut: float = 27.0


RULES = Rules()


class Tracks(NamedTuple):
    """The faces of a film, a row per frame and face, by time.

    Attributes:
        time_s: float64 ``(n,)``, seconds from the first frame.
        person: int32 ``(n,)``, from 0, in the order in which they come, from the left.
        box: float32 ``(n, 5)``: x, y, w, h in pixels of the film, and confidence.
        shapes: float32 ``(n, 52)``, ``blendshapes.frame_names``; NaN where not measured.
    """

    time_s: np.ndarray
    person: np.ndarray
    box: np.ndarray
    shapes: np.ndarray

    @property
    def persons(self) -> list[int]:
        """The numbers of those there are."""
        return np.unique(self.person).tolist()

    def of(self, person: int) -> Tracks:
        """Return the rows of one person."""
        own = self.person == person
        return Tracks(*(values[own] for values in self))

    def at(self, time_s: float, within_s: float = 0.25) -> dict[int, Box]:
        """Return where everybody is at a time: between where they are before and after it.

        Args:
            time_s: seconds from the first frame.
            within_s: who is not seen so shortly before or after is not there.

        Example:
            >>> rows = np.float32([[0, 0, 9, 9, 1], [10, 0, 9, 9, 1]]), np.zeros((2, 52))
            >>> Tracks(np.array([0.0, 0.1]), np.zeros(2, int), *rows).at(0.05)[0].x
            5.0
        """
        near = slice(*np.searchsorted(self.time_s, (time_s - within_s, time_s + within_s)))
        times, whose, boxes = self.time_s[near], self.person[near], self.box[near]
        found = {}
        for person in np.unique(whose).tolist():
            own = whose == person
            x, y, w, h, sure = (np.interp(time_s, times[own], values) for values in boxes[own].T)
            found[person] = Box(float(x), float(y), float(w), float(h), float(sure))
        return found


@dataclass
class Tracker:
    """Links the faces of frames that come in order.

    Attributes:
        rules: when two boxes are of one face.

    Example:
        >>> tracker, dark = Tracker(), np.zeros((90, 160), np.uint8)
        >>> left, right = Box(9, 9, 30, 30, 0.9), Box(99, 9, 30, 30, 0.9)
        >>> tracker.add(Frame(0, 0.0, dark), [left, right])
        [0, 1]
        >>> tracker.add(Frame(1, 0.1, dark), [right])
        [1]
    """

    rules: Rules = RULES
    _last: dict[int, tuple[float, Box]] = field(default_factory=dict)
    _image: np.ndarray | None = None
    _count: int = 0

    def add(self, frame: Frame, boxes: Sequence[Box]) -> list[int]:
        """Return the number of each face of the next frame."""
        if self._is_cut(frame.gray):
            self._last.clear()
        self._last = {
            number: seen
            for number, seen in self._last.items()
            if frame.time_s - seen[0] <= self.rules.lost_s
        }
        linked = self._linked(boxes)
        for at in sorted(set(range(len(boxes))) - set(linked), key=lambda at: boxes[at].x):
            linked[at] = self._count
            self._count += 1
        self._last |= {linked[at]: (frame.time_s, box) for at, box in enumerate(boxes)}
        return [linked[at] for at in range(len(boxes))]

    def _linked(self, boxes: Sequence[Box]) -> dict[int, int]:
        from scipy.optimize import linear_sum_assignment

        numbers = list(self._last)
        gain = np.array([[self._gain(self._last[one][1], box) for box in boxes] for one in numbers])
        if not gain.size:
            return {}
        pairs = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
        return {int(at): numbers[one] for one, at in pairs if gain[one, at] > 0}

    def _gain(self, last: Box, box: Box) -> float:
        """Return how well two boxes fit; 0 where they are of two faces."""
        share = overlap(last, box)
        wide = max(last.w, box.w)
        apart = np.hypot(last.x - box.x + (last.w - box.w) / 2, last.y - box.y) / wide
        close = apart <= self.rules.nearest and wide <= self.rules.largest * min(last.w, box.w)
        # Overlap counts for more than any nearness.
        return 1 + share if share >= SAME_FACE else 1 - apart if close else 0.0

    def _is_cut(self, gray: np.ndarray) -> bool:
        small, before = frames.resize(gray, 32).astype(np.float32), self._image
        self._image = small
        return before is not None and float(np.abs(small - before).mean()) >= self.rules.cut


def tracked(
    film: Iterable[tuple[Frame, Sequence[Box]]], rules: Rules = RULES, *, measured: bool = True
) -> Tracks:
    """Return the tracks of faces that were found.

    Args:
        film: frames in order, each with its faces.
        rules: when two boxes are of one face.
        measured: whether blendshapes are measured, which takes most of the time.
    """
    tracker, rows = Tracker(rules), []
    blank = np.full(len(blendshapes.frame_names()), np.nan, np.float32)
    for frame, boxes in film:
        for number, box in zip(tracker.add(frame, boxes), boxes, strict=True):
            shapes = blendshapes.measure(frame.gray, box) if measured else blank
            rows.append((frame.time_s, number, box[:5], shapes))
        progress.reached(frame.time_s)
    times, numbers, boxes_, shapes_ = zip(*rows, strict=True) if rows else ((), (), (), ())
    every = Tracks(
        np.array(times, np.float64),
        np.array(numbers, np.int32),
        np.array(boxes_, np.float32).reshape(-1, 5),
        np.array(shapes_, np.float32).reshape(-1, len(blank)),
    )
    return _lasting(every, rules.shortest_s)


def _lasting(every: Tracks, shortest_s: float) -> Tracks:
    """Return the tracks that last long enough, numbered from 0."""
    kept = [n for n in every.persons if np.ptp(every.of(n).time_s) >= shortest_s]
    own = np.isin(every.person, kept)
    found = Tracks(*(values[own] for values in every))
    return found._replace(person=np.searchsorted(kept, found.person).astype(np.int32))


def tracks_of(
    path: str | Path, detector: str = detectors.DEFAULT, *, cache: Cache | None = None
) -> Tracks:
    """Return the tracks of a film.

    Args:
        path: of a film.
        detector: one of ``detectors.NAMES``.
        cache: where they are kept; None keeps nothing.

    Raises:
        MediaError: the film cannot be decoded.
        UnknownName: there is no such detector.

    Example:
        >>> tracks_of("talk.mp4").persons  # doctest: +SKIP
        [0, 1]
    """
    check_file(path)
    detect = detectors.load(detector).detect

    def boxed() -> Iterator[tuple[Frame, list[Box]]]:
        for frame in frames.iter_frames(path, every_seconds=RULES.every_s):
            yield frame, detect(frame.gray)

    made_by = {"detector": detector, "shapes": blendshapes.VERSION, **asdict(RULES)}
    found = (cache or Cache(None)).make(
        path, NAME, VERSION, made_by, lambda: tracked(boxed())._asdict()
    )
    return Tracks(**found)
