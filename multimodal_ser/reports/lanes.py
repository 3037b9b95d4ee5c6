"""A recording over time: one lane per person and modality, of smoothed lines.

What is said of segments or sampled frames is averaged with weights that fall off as a
Gaussian: over a second in a short recording, over more in a long one, so that an hour has as
many bends as a minute. Where nothing is said for three such widths a line has a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from multimodal_ser.reports import svg
from multimodal_ser.tables import MODALITIES, source_order, sources

#: Places on a line, and the width of the Gaussian as a part of the recording's length.
PLACES, WIDTH_SHARE, LEAST_WIDTH_S = 400, 1 / 150, 1.0
#: A label that a lane never gives so much of the smoothed probability is drawn thin.
TOLD = 0.3
#: Seconds between marks on the axis, of which there are so many at most.
STEPS_S, MOST_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600), 9
_LANE_PX, _WIDE_PX = 96, 640


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


def of_rows(rows: pd.DataFrame, labels: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the lanes of one recording's rows, fused first.

    Args:
        rows: of its segments, with ``start_s`` and ``end_s``, and of its sampled frames, with
            ``time_s``, where there are any.
        labels: columns of probabilities.

    Returns:
        Name of a lane -> ``time_s``, ``weight`` and a column per label, by time. A face's lane
        is of its frames, where there are frames.
    """
    found = {}
    timed = rows["frame"].notna() if "frame" in rows else pd.Series(False, rows.index)
    source = sources(rows)
    for name in sorted(source_order(source), key=lambda name: -MODALITIES.index(name.split()[-1])):
        own = source == name
        seen = own & timed
        if seen.any():
            times, weights = rows.loc[seen, "time_s"], pd.Series(1.0, rows.index[seen])
        else:
            seen = own
            spans = rows.loc[seen, ["start_s", "end_s"]]
            times, weights = spans.mean(axis=1), spans["end_s"] - spans["start_s"]
        part = rows.loc[seen, list(labels)].astype(float)
        part = part.assign(time_s=times.astype(float), weight=weights.astype(float))
        found[name] = part.sort_values("time_s")
    return found


@svg.drawn
def drawing(
    lanes: Mapping[str, pd.DataFrame], labels: Sequence[str], length_s: float, name: str
) -> svg.Drawing:
    """Draw lanes above each other over one axis of minutes and seconds.

    Args:
        lanes: from :func:`of_rows`.
        labels: the columns drawn, in the order of their colours.
        length_s: of the recording.
        name: of it, for the description.
    """
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    figure, axes = svg.new_figure(
        _WIDE_PX, 40 + _LANE_PX * len(lanes), len(lanes), sharex=True, squeeze=False
    )
    at_s, width = np.linspace(0, length_s, PLACES), width_s(length_s)
    for lane, (title, part) in zip(axes[:, 0], lanes.items(), strict=True):
        values = part[list(labels)].to_numpy(float)
        lines = smoothed(part["time_s"].to_numpy(), values, part["weight"].to_numpy(), at_s, width)
        for at in range(len(labels)):
            told = np.nanmax(lines[:, at], initial=0.0) >= TOLD
            colour, dash = svg.LABELS[at % len(svg.LABELS)], "-" if at < len(svg.LABELS) else "--"
            lane.plot(at_s, lines[:, at], dash, color=colour, linewidth=2.0 if told else 0.7)
        lane.set_title(title, loc="left", pad=3)
        lane.set(ylim=(0, 1), xlim=(0, length_s), yticks=(0, 0.5, 1))
        lane.set_yticklabels(["0", "50 %", "100 %"])
        lane.grid(True)
    below = axes[-1, 0].xaxis
    step_s = next((step for step in STEPS_S if length_s / step <= MOST_TICKS), 7200)
    below.set_major_locator(MultipleLocator(step_s))
    below.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    below.set_label_text("time, minutes:seconds" if length_s < 3600 else "time, hours:min:s")
    said = f"What is said of {name} over time, a lane each for {', '.join(lanes)}"
    return figure, f"{said}: one line per label"
