"""Who is in a clip: the faces of its frames linked into persons, and the one that is followed.

Every frame's faces are found by themselves (:mod:`~multimodal_ser.video.faces`);
here they are linked from one sampled frame to the next by where they are, so
that a table can say which rows are of one person. A person who crosses the
image between two sampled frames counts as another one.

A face on a poster, or in a still image on a screen, does not change at the place
where it was first seen while the clip goes on; a person's does. Where a still face
was the largest and a person is there too, the person is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multimodal_ser.video.faces import SAME_FACE, Box, choose, crop, overlap
from multimodal_ser.video.frames import Frame

#: Columns of the array of all faces: the row of the frame, the person's number, edges
#: in pixels, confidence, and 0 or 1: whether it was followed, and does not move.
COLUMNS = ("row", "person", "x", "y", "w", "h", "confidence", "followed", "still")

#: A face is still if the 16x16 image of its first place, brightness apart, never
#: differs from the first by this many grey levels on average. Posters in H.264 and
#: MPEG-4 with noise of 4 levels: up to 0.8; five films of RAVDESS: 9.3 and more.
STILL_LEVELS = 2.0
#: Over less time nobody can be told from a poster.
STILL_SECONDS = 1.0
_SIDE_PX = 16

#: A poster is where one was found before, at this intersection over union or above.
_SAME_PLACE = 0.4


@dataclass
class _Person:
    """A face through the frames: where it was first and last, and how its first place changed."""

    first: Box
    last: Box
    picture: np.ndarray
    since_s: float
    seen: int = 1
    seconds: float = 0.0
    change: float = 0.0

    @classmethod
    def of(cls, frame: Frame, box: Box) -> _Person:
        return cls(box, box, _place(frame.gray, box), frame.time_s)

    def again(self, frame: Frame, box: Box) -> None:
        self.last, self.seen = box, self.seen + 1
        self.seconds = frame.time_s - self.since_s
        if self.change < STILL_LEVELS:
            change = float(np.abs(_place(frame.gray, self.first) - self.picture).mean())
            self.change = max(self.change, change)

    @property
    def still(self) -> bool:
        return self.seconds >= STILL_SECONDS and self.change < STILL_LEVELS


def _place(gray: np.ndarray, box: Box) -> np.ndarray:
    # Of whole 16th parts: OpenCV averages those several times as fast.
    side = max(1, round(max(box.w, box.h)) // _SIDE_PX) * _SIDE_PX
    left, top = box.x + (box.w - side) / 2, box.y + (box.h - side) / 2
    picture = crop(gray, Box(left, top, side, side, 1.0), _SIDE_PX).astype(np.float32)
    return picture - picture.mean()


class People:
    """The persons of one clip, given its frames in order.

    Args:
        posters: places of faces that are not to be followed.

    Example:
        >>> people, dark = People(), np.zeros((90, 160), np.uint8)
        >>> [people.add(Frame(0, t, dark), [Box(9, 9, 30, 30, 0.9)]).x for t in (0.0, 1.5)]
        [9, 9]
        >>> people.table()[:, COLUMNS.index("person")].tolist()
        [0.0, 0.0]
    """

    def __init__(self, posters: Sequence[Box] = ()) -> None:
        self._posters = posters
        self._persons: list[_Person] = []
        self._rows: list[tuple] = []
        self._frames = 0
        self._last: Box | None = None

    def add(self, frame: Frame, boxes: Sequence[Box]) -> Box | None:
        """Take the faces of the next frame; return the one that is followed, or None."""
        alive = [box for box in boxes if not self._is_poster(box)]
        followed = choose(alive, frame.gray.shape, self._last)
        self._last = followed or self._last
        for box, person in zip(boxes, self._linked(frame, boxes), strict=True):
            self._rows.append((self._frames, person, *box[:5], box is followed))
        self._frames += 1
        return followed

    def _is_poster(self, box: Box) -> bool:
        return any(overlap(box, poster) >= _SAME_PLACE for poster in self._posters)

    def _linked(self, frame: Frame, boxes: Sequence[Box]) -> list[int]:
        """Return the number of the person of each box: the nearest pairs first."""
        links = [
            (overlap(one.last, box), number, at)
            for number, one in enumerate(self._persons)
            for at, box in enumerate(boxes)
        ]
        found: dict[int, int] = {}
        for share, number, at in sorted(links, key=lambda link: (-link[0], *link[1:])):
            if share >= SAME_FACE and at not in found and number not in found.values():
                found[at] = number
                self._persons[number].again(frame, boxes[at])
        for at, box in enumerate(boxes):
            if at not in found:
                found[at] = len(self._persons)
                self._persons.append(_Person.of(frame, box))
        return [found[at] for at in range(len(boxes))]

    def posters(self) -> list[Box]:
        """Return the places of still faces, if one was followed though somebody moves."""
        wanted = {row[1] for row in self._rows if row[-1]}
        shown = len({row[0] for row in self._rows})
        lively = any(not one.still and 2 * one.seen >= shown for one in self._persons)
        fooled = any(self._persons[number].still for number in wanted)
        return [one.first for one in self._persons if one.still] if lively and fooled else []

    def table(self) -> np.ndarray:
        """Return all faces so far, float32 ``(n_faces, 9)`` of :data:`COLUMNS`."""
        rows = [(*row, self._persons[row[1]].still) for row in self._rows]
        return np.array(rows, np.float32).reshape(-1, len(COLUMNS))


def note(faces: np.ndarray) -> str:
    """Say what a reader of a prediction should know about the faces of its clip.

    Args:
        faces: what :meth:`People.table` gives.

    Returns:
        Empty where one face that moves is all there is. As many faces count as
        are in at least half of the frames that show any.

    Example:
        >>> two = [[0, 0, 5, 5, 40, 40, 0.9, 1, 0], [0, 1, 80, 5, 30, 30, 0.9, 0, 0]]
        >>> note(np.array(two, np.float32)), note(np.zeros((0, 9), np.float32))
        ('2 faces, the largest was followed', '')
    """
    row, _, _, _, w, h, _, followed, still = faces.T
    if not followed.any():
        return ""
    counts = np.unique(row, return_counts=True)[1]
    n_faces = int(np.sort(counts)[len(counts) // 2])
    is_still = still[followed > 0].mean() > 0.5
    if n_faces < 2:
        return "the face does not move" if is_still else ""
    largest = np.zeros(int(row.max()) + 1)
    np.maximum.at(largest, row.astype(int), w * h)
    is_largest = ((w * h) >= largest[row.astype(int)])[followed > 0].mean() >= 0.5
    which = "the largest" if is_largest else "one of them"
    if not is_still and not is_largest and still[followed == 0].any():
        which = "the largest that moves"
    said = f"{n_faces} faces, {which} was followed"
    return f"{said}, which does not move" if is_still else said
