"""A recording over time: one lane per person and modality, of stacked columns.

A column is a segment or a sampled frame. Where there are more than can be told apart they are
averaged with weights that fall off as a Gaussian: over a second in a short recording, over more
in a long one, so that an hour has as many columns as a minute. Where nothing is said (for three
such widths, in a smoothed lane) there is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from multimodal_ser.tables import MODALITIES, source_order, sources

#: Columns of a lane, and the width of the Gaussian as a part of the recording's length.
PLACES, WIDTH_SHARE, LEAST_WIDTH_S = 240, 1 / 150, 1.0
#: Seconds between marks on the axis.
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600)
#: Below so many seconds a phone has room for so many marks: their texts get longer.
MOST_TICKS = ((600, 7), (3600, 6), (math.inf, 4))
#: Of a phone's lane: what a character of a mark takes, and what is beside the lane.
_CHARACTER, _BESIDE = 0.023, 0.03


def clock(seconds: float) -> str:
    """Return a time as an axis or a table shows it.

    Example:
        >>> clock(75), clock(3725)
        ('1:15', '1:02:05')
    """
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def width_s(length_s: float) -> float:
    """Return the width of the Gaussian for a recording, in seconds.

    Example:
        >>> width_s(60), width_s(3600)
        (1.0, 24.0)
    """
    return max(LEAST_WIDTH_S, length_s * WIDTH_SHARE)


def smoothed(
    times_s: np.ndarray, values: np.ndarray, weights: np.ndarray, at_s: np.ndarray, width: float
) -> np.ndarray:
    """Return means of neighbouring values.

    Args:
        times_s: of the values, ``(n,)``.
        values: ``(n, k)``.
        weights: of the values, ``(n,)``, such as the length of their segments.
        at_s: where means are wanted, ``(m,)``.
        width: of the Gaussian in seconds.

    Returns:
        float64 ``(m, k)``; NaN where there is no value within three widths.

    Example:
        >>> one = np.ones((1, 1))
        >>> smoothed(np.zeros(1), one, np.ones(1), np.array([0.0, 9.0]), 1.0).ravel().tolist()
        [1.0, nan]
    """
    found = np.full((len(at_s), values.shape[1]), np.nan)
    order = np.argsort(times_s, kind="stable")
    times, values, weights = times_s[order], values[order], weights[order]
    firsts = np.searchsorted(times, at_s - 3 * width)
    lasts = np.searchsorted(times, at_s + 3 * width, side="right")
    for place, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
        near = np.exp(-0.5 * ((times[first:last] - at_s[place]) / width) ** 2)
        near = near * weights[first:last]
        if near.sum() > 0:
            found[place] = near @ values[first:last] / near.sum()
    return found


def of_rows(rows: pd.DataFrame, labels: Sequence[str], length_s: float) -> dict[str, pd.DataFrame]:
    """Return the lanes of one recording's rows, fused first.

    Args:
        rows: what ``inference.predict`` says of one recording: of the whole, of its segments
            and of its sampled frames, as far as there are any.
        labels: columns of probabilities.
        length_s: of the recording; what is said of the whole holds from 0 to there.

    Returns:
        Name of a lane -> ``start_s``, ``end_s`` and a column per label, by time. A lane is of
        sampled frames where there are any, else of segments, else of the whole.
    """
    nothing = pd.Series(pd.NA, rows.index)
    timed, cut = (rows.get(name, nothing).notna() for name in ("frame", "segment"))
    source = sources(rows)
    found = {}
    for name in sorted(source_order(source), key=lambda name: -MODALITIES.index(name.split()[-1])):
        own = source == name
        kind = next((one for one in (own & timed, own & cut) if one.any()), None)
        if kind is None:
            # What is said of the whole of a recording in segments is no lane.
            part = rows[own].assign(start_s=0.0, end_s=length_s).head(0 if cut.any() else 1)
        elif timed[kind].all():
            part = rows[kind].sort_values("time_s", kind="stable")
            edges = frame_edges(part["time_s"].to_numpy(float))
            part = part.assign(start_s=edges[:, 0].clip(0), end_s=edges[:, 1])
        else:
            part = rows[kind].sort_values("start_s", kind="stable")
        part = part[["start_s", "end_s", *labels]].astype(float).reset_index(drop=True)
        if len(part):
            found[name] = part
    return found


def frame_edges(times_s: np.ndarray) -> np.ndarray:
    """Return the stretch that each sampled frame stands for, ``(n, 2)``, in seconds.

    It reaches half the way to the neighbours, and where they are far (frames without a face
    lie between) half the usual step.

    Args:
        times_s: of the frames, ascending, ``(n,)``, at least one.

    Example:
        >>> frame_edges(np.array([0.0, 1.0, 2.0, 6.0])).tolist()
        [[-0.5, 0.5], [0.5, 1.5], [1.5, 2.5], [5.5, 6.5]]
    """
    steps = np.diff(times_s)
    usual = float(np.median(steps)) if len(steps) else 1.0
    half = np.where(steps <= 1.5 * usual, steps, usual) / 2
    before, after = np.append(usual / 2, half), np.append(half, usual / 2)
    return np.column_stack([times_s - before, times_s + after])


def bounded(part: pd.DataFrame, length_s: float, most: int = PLACES) -> tuple[pd.DataFrame, bool]:
    """Return a lane of so many columns at most, none of which overlaps the next.

    Args:
        part: of :func:`of_rows`.
        length_s: of the recording.
        most: columns; where there are more rows, they are smoothed over :func:`width_s`.

    Returns:
        The lane, and whether it is smoothed.

    Example:
        >>> rows = pd.DataFrame({"start_s": [0.0, 1.0], "end_s": [3.0, 4.0], "sad": [1.0, 0.5]})
        >>> bounded(rows, 4.0)[0]["end_s"].tolist()  # windows that overlap
        [1.0, 4.0]
    """
    labels = [name for name in part if name not in ("start_s", "end_s")]
    if len(part) > most:
        edges = np.linspace(0, length_s, most + 1)
        spans = part[["start_s", "end_s"]].to_numpy()
        middle, weights = spans.mean(axis=1), spans[:, 1] - spans[:, 0]
        at_s, width = (edges[:-1] + edges[1:]) / 2, width_s(length_s)
        values = smoothed(middle, part[labels].to_numpy(), weights, at_s, width)
        made = pd.DataFrame(values, columns=labels).assign(start_s=edges[:-1], end_s=edges[1:])
        return made.dropna(), True
    following = part["start_s"].shift(-1, fill_value=np.inf)
    return part.assign(end_s=np.minimum(part["end_s"], following)), False


def paths(part: pd.DataFrame, labels: Sequence[str], length_s: float) -> list[str]:
    """Return stacked columns as SVG paths, one per label, of 1000 by 100 units.

    Args:
        part: of :func:`bounded`.
        labels: of the paths, from above.
        length_s: what 1000 units stand for.

    Returns:
        The ``d`` of each path; empty where a label has nowhere half a percent.

    Example:
        >>> row = pd.DataFrame({"start_s": [0.0], "end_s": [1.0], "sad": [0.75], "calm": [0.25]})
        >>> paths(row, ["sad", "calm"], 2.0)
        ['M0 0h500v75h-500z', 'M0 75h500v25h-500z']
    """
    ends = np.clip(part[["start_s", "end_s"]].to_numpy() * (1000 / length_s), 0, 1000)
    ends = np.rint(ends).astype(int)
    floors = np.rint(100 * np.cumsum(part[list(labels)].to_numpy(), axis=1)).astype(int)
    tops = np.hstack([np.zeros((len(part), 1), int), floors[:, :-1]])
    return [
        "".join(
            f"M{x} {y}h{end - x}v{floor - y}h{x - end}z"
            for (x, end), y, floor in zip(ends, tops[:, at], floors[:, at], strict=True)
            if floor > y and end > x
        )
        for at in range(len(labels))
    ]


def ticks(length_s: float) -> list[tuple[float, str, bool]]:
    """Return the marks of an axis: where they stand, 0 to 1, their times, and which end there.

    Example:
        >>> ticks(2.5)
        [(0.0, '0:00', False), (0.4, '0:01', False), (0.8, '0:02', False)]
    """
    most = next(count for below, count in MOST_TICKS if length_s < below)
    hours = 3600 * math.ceil(length_s / 3600 / most)
    step_s = next((step for step in STEPS_S if length_s / step < most), hours)
    places = [at * step_s / length_s for at in range(int(length_s / step_s) + 1)]
    times = [clock(at * step_s) for at in range(len(places))]
    wide = [_CHARACTER * len(time) for time in times]
    last = len(places) - 1
    # The text of a mark stands right of it, but for one that would stand out at the end.
    ends = last > 0 and places[-1] + wide[-1] > 1 + _BESIDE
    if ends and places[-1] - wide[-1] < places[-2] + wide[-2]:
        return [(place, time, False) for place, time in zip(places[:-1], times, strict=False)]
    return [(places[at], times[at], ends and at == last) for at in range(last + 1)]
