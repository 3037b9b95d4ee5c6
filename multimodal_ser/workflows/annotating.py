"""What a prediction says of each moment of a film, to be drawn into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError
from multimodal_ser.reports.html import prediction_labels
from multimodal_ser.video import annotate, detectors, frames, tracks
from multimodal_ser.video.annotate import Reading

#: A sampled frame says something of so many seconds after it, at most.
STALE_S = 2.0
ALONE = -1


def annotated(
    predictions: pd.DataFrame, output: str | Path, *, detector: str = detectors.DEFAULT
) -> Path:
    """Write the film of a prediction with its reading drawn in.

    Args:
        predictions: of one recording, as ``inference.predict`` gives them; with
            ``timeline=True`` the bars follow the sampled frames.
        output: a name that ends in one of ``annotate.ENDINGS``.
        detector: what finds the faces that are boxed.

    Raises:
        SerError: there are several recordings, or the one there is has no image.
        MediaError: the film cannot be decoded, or not be written so.

    Example:
        >>> annotated(predictions, "read.mp4")  # doctest: +SKIP
    """
    seen = predictions[predictions["modality"] == "video"]
    paths = seen["path"].unique()
    if len(paths) != 1 or predictions["clip"].nunique() != 1:
        raise SerError(
            f"{output}: one film is drawn on at a time, and there are {len(paths)} with a face or "
            "an image that was read; predict one film"
        )
    annotate.check_output(paths[0], output)
    detect = detectors.load(detector).detect
    film = frames.iter_frames(paths[0], every_seconds=tracks.RULES.every_s)
    found = tracks.tracked(((one, detect(one.gray)) for one in film), measured=False)
    return annotate.annotate(paths[0], output, Story(predictions, found).at)


class Story:
    """What a prediction says, by time.

    Args:
        predictions: of one film.
        found: its tracks.
    """

    def __init__(self, predictions: pd.DataFrame, found: tracks.Tracks) -> None:
        self.labels = prediction_labels(predictions)
        self.tracks = found
        nobody = pd.Series(pd.NA, predictions.index, dtype="Int64")
        rows = predictions if "person" in predictions else predictions.assign(person=nobody)
        timed = rows["frame"].notna() if "frame" in rows else pd.Series(False, rows.index)
        self.frames = rows[timed].sort_values("time_s") if timed.any() else rows[timed]
        rows = rows[~timed]
        cut = rows["segment"].notna() if "segment" in rows else pd.Series(False, rows.index)
        self.rows = rows[cut] if cut.any() else rows.assign(start_s=0.0, end_s=np.inf)
        self.known = sorted(set(self.rows["person"].dropna().astype(int)))

    def at(self, time_s: float) -> Reading:
        """Return what is drawn at a time in seconds."""
        boxes = self.tracks.at(time_s)
        if not self.known and boxes:  # one face counts, and its number says nothing
            boxes = {ALONE: max(boxes.values(), key=lambda box: box.w * box.h)}
        now = self.rows[(self.rows["start_s"] <= time_s) & (time_s < self.rows["end_s"])]
        bars = {}
        for person in self.known or [ALONE]:
            if (row := self._face(now, person, time_s)) is not None:
                bars[person] = {label: float(row[label]) for label in self.labels}
        bars = {who: one for who, one in bars.items() if who in boxes or not self.known}
        return Reading(boxes, bars, _subtitle(now))

    def _face(self, now: pd.DataFrame, person: int, time_s: float) -> pd.Series | None:
        """Return what is said of a face: by the last sampled frame, or the segment."""
        last = self.frames[_of(self.frames, person)]
        if len(last):
            at = int(np.searchsorted(last["time_s"].to_numpy(float), time_s + 1e-6)) - 1
            if at >= 0 and time_s - last["time_s"].iloc[at] <= STALE_S:
                return last.iloc[at]
        own = now[_of(now, person) & (now["modality"] == "video")]
        return own.iloc[-1] if len(own) else None


def _of(rows: pd.DataFrame, person: int) -> pd.Series:
    return rows["person"].isna() if person == ALONE else (rows["person"] == person).fillna(False)


def _subtitle(now: pd.DataFrame) -> str:
    """Return the fused answer, or the only one, as a line."""
    for modality in ("fused", "audio"):
        own = now[now["modality"] == modality]
        if len(own):
            row = own.iloc[-1]
            who = "" if pd.isna(row["person"]) else f"person {row['person']}: "
            return f"{who}{row['emotion']} {row['confidence']:.0%}"
    return ""
