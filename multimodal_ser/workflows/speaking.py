"""Which of several faces speaks: the one that moves as the voice lets expect.

What the voice lets expect (:mod:`~multimodal_ser.audio.articulation`) and what a face shows
are compared where syllables are, 1 to 8 times a second, within 30 ms of each other. The
score of a face is the mean correlation of lips and jaw. The face with the highest speaks, if it
is high enough; otherwise it cannot be told. The limit was chosen, and the network taught, on
actors 01 to 04 of RAVDESS (``pipelines/fit_articulation.py``: a lead over the next face, too, made
nothing better); ``pipelines/speaking_faces.py`` tells how often that is right on films of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multimodal_ser.audio import articulation, signal
from multimodal_ser.video.features import estimated_action_units as units
from multimodal_ser.video.tracks import Tracks

#: Rises and falls that count, per second.
BAND_HZ = (1.0, 8.0)
#: Frames of 30 ms by which face and voice may be apart.
LAGS = 1
#: Sound is heard so long before and after, and so long at least, in seconds.
MARGIN_S, SHORTEST_S = 0.5, 3.0
#: A face that is seen for less of that time has no score.
LEAST_SEEN = 0.6
#: Least score of who speaks.
LEAST_SCORE = 0.46


class Speaking(NamedTuple):
    """Who speaks in one span.

    Attributes:
        person: the number of the track, or None where it cannot be told.
        scores: person -> score, -1 to 1, of those that are seen for long enough.
    """

    person: int | None
    scores: dict[int, float]


def who_speaks(
    path: str | Path, tracks: Tracks, spans: Iterable[tuple[float, float]]
) -> list[Speaking]:
    """Return who speaks in each span of a film.

    Args:
        path: of the sound: the film, or its recording in another file.
        tracks: of the film, with blendshapes.
        spans: starts and ends in seconds.

    Raises:
        MediaError: the sound cannot be read.

    Example:
        >>> who_speaks("talk.mp4", tracks_of("talk.mp4"), [(0, 4)])[0].person  # doctest: +SKIP
        1
    """
    wide = [widened(*span) for span in spans]
    own = {person: tracks.of(person) for person in tracks.persons}
    found = []
    for (start_s, _), (sound, rate) in zip(wide, signal.read_spans(path, wide), strict=True):
        if len(sound) < rate:  # too short for syllables
            found.append(Speaking(None, {}))
            continue
        heard = articulation.expected(sound, rate)
        times = start_s + np.arange(len(heard)) / articulation.RATE_HZ
        seen = {person: mouth(one, times) for person, one in own.items()}
        scores = {who: score(heard, move) for who, move in seen.items() if move is not None}
        found.append(Speaking(named(scores), scores))
    return found


def widened(start_s: float, end_s: float) -> tuple[float, float]:
    """Return a span with what is heard before and after it.

    Example:
        >>> widened(2.0, 3.0)
        (1.0, 4.0)
    """
    more = max(MARGIN_S, (SHORTEST_S - (end_s - start_s)) / 2)
    return max(0.0, start_s - more), end_s + more


def mouth(one: Tracks, times: np.ndarray) -> np.ndarray | None:
    """Return how a mouth moves, float64 ``(n, 2)``, at times in seconds.

    Args:
        one: the track of one person.
        times: rising.

    Returns:
        Estimated lips apart and jaw dropped; None where the face is not seen for
        :data:`LEAST_SEEN` of the time.
    """
    there = np.isfinite(one.shapes).all(axis=1)
    there &= (one.time_s >= times[0]) & (one.time_s <= times[-1])
    at = one.time_s[there]
    if len(at) < 2 or np.diff(at)[np.diff(at) < 0.25].sum() < LEAST_SEEN * np.ptp(times):
        return None
    moved = units.estimate(one.shapes[there])
    columns = [units.names().index(unit) for unit in articulation.UNITS]
    return np.stack([np.interp(times, at, moved[:, column]) for column in columns], axis=1)


def score(heard: np.ndarray, seen: np.ndarray) -> float:
    """Return how well a mouth's movement fits a voice, -1 to 1.

    Args:
        heard: from :func:`articulation.expected`, ``(n, 2)``.
        seen: of the same times, ``(n, 2)``.

    Example:
        >>> wave = np.sin(np.arange(90) / 3)[:, None].repeat(2, axis=1)
        >>> score(wave, wave) > 0.99, score(wave, -wave) < 0
        (True, True)
    """
    pairs = zip(syllables(heard).T, syllables(seen).T, strict=True)
    return float(np.mean([_correlation(one, other) for one, other in pairs]))


def named(scores: Mapping[int, float]) -> int | None:
    """Return who has the highest score, or None where that is too low.

    Args:
        scores: person -> score.

    Example:
        >>> named({0: 0.8, 1: 0.1}), named({0: 0.3, 1: 0.1}), named({})
        (0, None, None)
    """
    best = max(scores, key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] >= LEAST_SCORE else None


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    best, size = -1.0, len(one)
    for lag in range(-LAGS, LAGS + 1):
        early = one[max(0, -lag) : size - max(0, lag)]
        late = other[max(0, lag) : size + min(0, lag)]
        norm = float(np.sqrt((early @ early) * (late @ late)))
        best = max(best, float(early @ late) / norm if norm > 1e-9 else 0.0)
    return best


def syllables(series: np.ndarray) -> np.ndarray:
    """Return the rises and falls of :data:`BAND_HZ`, float64, forwards in the first axis."""
    from scipy.signal import sosfiltfilt

    padding = min(15, len(series) - 1)
    return sosfiltfilt(_filter(), np.asarray(series, np.float64), axis=0, padlen=padding)


@cache
def _filter() -> np.ndarray:
    from scipy.signal import butter

    return butter(2, BAND_HZ, "bandpass", fs=articulation.RATE_HZ, output="sos")
