"""What a page shows of a recording beside its predictions: waveform, boxes, judged faces.

Reports and the app are given this as :class:`~multimodal_ser.reports.player.Media`; they read
no media themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.audio import signal, waveform
from multimodal_ser.compute.cache import Cache
from multimodal_ser.errors import MediaError
from multimodal_ser.reports import model_card
from multimodal_ser.reports.clips import About
from multimodal_ser.reports.player import Media
from multimodal_ser.tables import MODALITIES
from multimodal_ser.video import detectors, frames, tracks
from multimodal_ser.video.faces import Box, choose, crop
from multimodal_ser.video.frames import Frame
from multimodal_ser.workflows import released

#: Images of a recording that faces are looked for in, at most: a minute, fifteen a second.
LOOKS = 900
#: Images of all recordings of one page.
LOOKS_OF_PAGE = 6000
#: Columns of a waveform; fewer where a page has many.
COLUMNS, FEW_COLUMNS, MANY = 400, 100, 100
#: Side of a face's picture in pixels, and how much more than the box it shows.
FACE_PX, MARGIN = 112, 0.3

Boxes = Mapping[int | None, Box]


def media_of(
    predictions: pd.DataFrame,
    *,
    detector: str = detectors.DEFAULT,
    cache: Cache | None = None,
    of_page: int = 1,
) -> Media:
    """Return what there is to show of one recording, without a place where it is played.

    Args:
        predictions: rows of one clip, as ``inference.predict`` gives them.
        detector: what finds the faces; persons are numbered by it.
        cache: where tracks are kept; those of films with several faces are there already.
        of_page: recordings on the same page, among which the work is shared.

    Returns:
        Whatever can be read; of a file that cannot be read, what is wrong is in the note.

    Example:
        >>> media_of(predictions).peaks.shape  # doctest: +SKIP
        (370, 2)
    """
    paths = paths_of(predictions)
    shown, heard = paths[-1], paths[0]
    try:
        length_s = signal.duration_seconds(shown)
    except MediaError as error:
        where = Path(error.path).name  # no page names folders
        return Media(note=f"{where} cannot be shown: {error.problem}; {error.remedy}.")
    length_s = length_s if np.isfinite(length_s) else 0.0
    looks = max(6, min(LOOKS, LOOKS_OF_PAGE // of_page))
    every_s = max(tracks.RULES.every_s, length_s / looks)
    seen = _seen(predictions, shown, detector, cache, every_s)
    columns = FEW_COLUMNS if of_page > MANY else COLUMNS
    return Media(length_s=length_s, peaks=_peaks(heard, columns, length_s), **seen)


def about(model: str | Path | None) -> About:
    """Return what a page says of a model: its name, and of its card what it is not for.

    Args:
        model: as ``inference.predict`` takes it.

    Raises:
        ModelError: there is no such model.

    Example:
        >>> about(None).model, list(about(None).caveats)
        ('ravdess', ['Not for', 'Limits'])
    """
    folder = released.find(model)
    card = folder / model_card.NAME
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    return About(folder.resolve().name, model_card.sections(text, ("Not for", "Limits")))


def paths_of(predictions: pd.DataFrame) -> list[str]:
    """Return the files that a clip's rows rest on: that of the sound first, of the image last."""
    paths = predictions.drop_duplicates("path")
    order = paths["modality"].map(dict(zip(MODALITIES, (0, 2, 1), strict=True)))
    return list(map(str, paths["path"][order.sort_values(kind="stable").index]))


def _peaks(path: str, columns: int, length_s: float) -> np.ndarray | None:
    try:
        return waveform.peaks(path, columns, length_s)
    except MediaError:
        return None


def _seen(
    predictions: pd.DataFrame, path: str, detector: str, cache: Cache | None, every_s: float
) -> dict:
    """Return what :class:`Media` says of images; nothing where there are none."""
    rows = predictions[predictions["modality"] == "video"]
    whose = rows["person"].dropna() if "person" in rows else rows["path"][:0]
    persons = sorted(set(whose.astype(int)))
    seen = Seen()
    try:
        found = tracks.tracks_of(path, detector, cache=cache) if persons else None
        where = _followed(detector) if found is None else _tracked(found, persons)
        for frame in frames.iter_frames(path, every_seconds=every_s):
            seen.add(frame, {} if rows.empty else where(frame))
            if rows.empty:
                break
    except MediaError:
        if seen.size is None:
            return {}  # it has no image; where it is damaged, what came before shows
    boxes = seen.rows if found is None else _rows(found, persons)
    return {
        "has_image": True,
        "size": seen.size,
        "boxes": _as_shares(boxes, seen.size),
        "faces": {who: _jpeg(face) for who, (_, face) in sorted(seen.best.items(), key=_number)},
    }


def _followed(detector: str) -> Callable[[Frame], Boxes]:
    """Return what finds the one face that counts, as prediction follows it."""
    detect = detectors.load(detector).detect
    last: Box | None = None

    def where(frame: Frame) -> Boxes:
        nonlocal last
        found = choose(detect(frame.gray), frame.gray.shape[:2], last)
        last = found or last
        return {} if found is None else {None: found}

    return where


def _tracked(found: tracks.Tracks, persons: list[int]) -> Callable[[Frame], Boxes]:
    def where(frame: Frame) -> Boxes:
        return {who: box for who, box in found.at(frame.time_s).items() if who in persons}

    return where


@dataclass
class Seen:
    """What is kept of the images that are looked at: boxes, and the clearest face of each.

    Attributes:
        size: width and height in pixels; None before the first image.
        rows: time in seconds, person, and x, y, w, h in pixels.
        best: person -> how clear the face is, and its picture.
    """

    size: tuple[int, int] | None = None
    rows: list[tuple] = field(default_factory=list)
    best: dict[int | None, tuple[float, np.ndarray]] = field(default_factory=dict)

    def add(self, frame: Frame, boxes: Boxes) -> None:
        """Look at an image."""
        height, width = frame.gray.shape[:2]
        self.size = width, height
        for who, box in boxes.items():
            self.rows.append((frame.time_s, who, *box[:4]))
            face = crop(frame.gray, box, FACE_PX, MARGIN)
            if (clear := clearness(face)) > self.best.get(who, (-1.0,))[0]:
                self.best[who] = clear, face


def clearness(face: np.ndarray) -> float:
    """Return how sharp a picture is: the variance of its Laplacian.

    J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000.

    Args:
        face: uint8 ``(side, side)``.

    Example:
        >>> flat, striped = np.zeros((8, 8), np.uint8), np.uint8([[0, 255] * 4] * 8)
        >>> clearness(flat), clearness(striped) > 0
        (0.0, True)
    """
    import cv2

    return float(cv2.Laplacian(face, cv2.CV_32F).var())


def _number(item: tuple) -> int:
    return -1 if item[0] is None else item[0]


def _rows(found: tracks.Tracks, persons: list[int]) -> list[tuple]:
    own = np.isin(found.person, persons)
    boxes = found.box[own, :4].astype(float)
    return [
        (at, int(who), *box)
        for at, who, box in zip(found.time_s[own], found.person[own], boxes, strict=True)
    ]


def _as_shares(rows: list[tuple], size: tuple[int, int] | None) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["time_s", "person", *"xywh"])
    width, height = size or (1, 1)
    return table.assign(
        x=table["x"] / width, y=table["y"] / height, w=table["w"] / width, h=table["h"] / height
    )


def _jpeg(face: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
