"""The figures of a report; each takes plain tables and returns inline SVG.

Sizes are those of a phone's column, so text is as large there as on a wide
screen, where figures stand side by side instead of growing. Keys to the colours are
the page's, where long names wrap.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from multimodal_ser.reports import svg
from multimodal_ser.reports.wording import MINUS, NONE, points

#: Page pixels of a figure; a phone of 390 pixels leaves this for a column.
WIDTH = 350
#: Of a series, in the order of its colours, and how a page writes them.
MARKERS = "oDs^vP"
MARKER_SIGNS = "●◆■▲▼✚"
#: Longer names of labels, actors and models are cut in figures, not in tables.
_LONGEST = 16
#: Quantiles that a box shows: its whiskers' ends outside, its own ends, and the median.
BOX_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: What a line below one of two panels has room for.
_PANEL_CHARACTERS = 24
#: Units in the names of features, as an axis writes them.
_UNITS = {"hz": "(Hz)", "db": "(dB)"}


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _folded(name: object) -> str:
    """Return a name in two lines where it is long."""
    return textwrap.fill(str(name), _LONGEST, max_lines=2, placeholder="…")


def _percent_axis(axis, label: str) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
    axis.set_label_text(label)


@svg.drawn
def confusion(counts: pd.DataFrame, name: str = "the model") -> svg.Drawing:
    """Draw a confusion matrix: colour is the share of the true label, text the count.

    Args:
        counts: from ``metrics.confusion``: rows are true labels; columns may have more.
        name: of the model, for the description.

    Returns:
        SVG. The column at the right is each label's recall; a dash where no
        clip has the label.

    Example:
        >>> table = pd.DataFrame([[3, 1], [0, 0]], ["sad", "happy"], ["sad", "happy"])
        >>> confusion(table).startswith("<svg")
        True
    """
    values = counts.to_numpy(dtype=float)
    total = values.sum(axis=1)
    share = np.divide(values, total[:, None], out=np.zeros_like(values), where=total[:, None] > 0)
    rows, columns = counts.shape
    own = [list(counts.columns).index(label) for label in counts.index]
    figure, axes = svg.new_figure(WIDTH, WIDTH * (0.36 + 0.62 * rows / max(columns, 1)))
    _cells(axes, share, values, own)
    for row in range(rows):
        said = f"{100 * share[row, own[row]]:.0f} %" if total[row] else NONE
        axes.text(columns + 0.1, row, said, va="center", ha="left", color=svg.MUTED)
    axes.set_xticks(range(columns), map(_folded, counts.columns), rotation=90)
    axes.set_yticks(range(rows), map(_folded, counts.index))
    axes.set(xlim=(-0.5, columns + 0.9), ylim=(rows - 0.5, -0.5), ylabel="true label")
    axes.set_xlabel("predicted label")
    axes.spines[:].set_visible(False)
    return figure, f"Confusion matrix of {name}: true labels in rows, predictions in columns"


def _cells(axes, share: np.ndarray, counts: np.ndarray, diagonal: Sequence[int]) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    places = list(np.ndindex(*share.shape))
    squares = [Rectangle((column - 0.47, row - 0.47), 0.94, 0.94) for row, column in places]
    alpha = np.maximum(share, 0.04).ravel()
    axes.add_collection(PatchCollection(squares, facecolor=svg.HEAT, linewidth=0, alpha=alpha))
    own = [squares[places.index(place)] for place in enumerate(diagonal)]
    axes.add_collection(PatchCollection(own, facecolor="none", edgecolor=svg.INK, linewidth=0.7))
    for row, column in places:
        count = int(counts[row, column])
        if count:
            colour = svg.ON_HEAT if share[row, column] > 0.6 else svg.INK
            look = {"color": colour, "fontsize": 10.5 if count < 1000 else 8}
            said = axes.text(column, row, count, va="center", ha="center", **look)
            said.set_in_layout(False)


@svg.drawn
def curves(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    kind: str,
    name: str = "the model",
    labels: Sequence[str] = (),
) -> svg.Drawing:
    """Draw one-vs-rest curves, a line a label and a bold one for their mean.

    Args:
        lines: label -> x and y, 0 to 1; ``macro`` is drawn bold.
        kind: ``roc`` or ``pr``.
        name: of the model, for the description.
        labels: in the order of their colours; by default that of the lines.
    """
    figure, axes = svg.new_figure(WIDTH, WIDTH * 0.82)
    single = [label for label in lines if label != "macro"]
    places = {label: at for at, label in enumerate(labels or single)}
    for label in single:
        at = places[label]
        colour = svg.LABELS[at % len(svg.LABELS)]
        dash = "-" if at < len(svg.LABELS) else "--"
        axes.plot(*lines[label], dash, color=colour, linewidth=1.3)
    if "macro" in lines:
        axes.plot(*lines["macro"], color=svg.INK, linewidth=2.6)
    roc = kind == "roc"
    if roc:
        axes.plot([0, 1], [0, 1], ":", color=svg.MUTED, linewidth=1)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.grid(True)
    words = ("false alarms, % of other clips", "found, % of the label's clips")
    words = words if roc else ("found (recall), %", "right among those called so (precision), %")
    _percent_axis(axes.xaxis, words[0])
    _percent_axis(axes.yaxis, words[1])
    if not lines:
        axes.text(0.5, 0.5, "no label has both kinds of clips", ha="center", color=svg.MUTED)
    title = "ROC" if roc else "Precision-recall"
    return figure, f"{title} curves of {name}, one line per label against all others"


@svg.drawn
def reliability(bins: pd.DataFrame, name: str = "the model") -> svg.Drawing:
    """Draw how often predictions of each confidence were right, and how many there were.

    Args:
        bins: columns ``low``, ``high``, ``confidence``, ``accuracy``, ``n``;
            NaN where a bin is empty.
        name: of the model, for the description.
    """
    ratio = {"height_ratios": [3.4, 1]}
    figure, (top, below) = svg.new_figure(
        WIDTH, WIDTH * 0.95, rows=2, sharex=True, gridspec_kw=ratio
    )
    width = (bins["high"] - bins["low"]) * 0.9
    middle = (bins["low"] + bins["high"]) / 2
    top.plot([0, 1], [0, 1], ":", color=svg.MUTED, linewidth=1.2)
    top.bar(middle, bins["accuracy"].fillna(0), width, color=svg.HEAT, alpha=0.55)
    gap = (bins["confidence"] - bins["accuracy"]).fillna(0)
    over = np.where(gap > 0, svg.BAD, svg.GOOD)
    top.bar(middle, gap, width, bottom=bins["accuracy"].fillna(0), color="none", edgecolor=over)
    top.plot(bins["confidence"], bins["accuracy"], "o", color=svg.INK, markersize=3.5)
    share = bins["n"] / max(bins["n"].sum(), 1)
    below.bar(middle, share, width, color=svg.MUTED, alpha=0.6)
    top.set(xlim=(0, 1), ylim=(0, 1.01))
    for axes in (top, below):
        axes.grid(True, axis="y")
    _percent_axis(top.yaxis, "were right, %")
    _percent_axis(below.yaxis, "clips, %")
    _percent_axis(below.xaxis, "confidence of the prediction, %")
    return figure, f"Reliability diagram of {name}: share of right predictions by confidence"


@svg.drawn
def actors(
    points: pd.DataFrame,
    overall: pd.DataFrame,
    colours: Mapping[str, int],
) -> svg.Drawing:
    """Draw each actor's score, and above them the whole with its interval.

    Args:
        points: index actor, a column per model, 0 to 1; NaN is left out.
        overall: index model, columns ``value``, ``low``, ``high``; NaN ends
            draw no interval.
        colours: model -> place in the series colours.
    """
    count = len(points)
    head = len(overall)
    figure, axes = svg.new_figure(WIDTH, 60 + 15 * count + 14 * head)
    ends = overall[["value", "low", "high"]]
    for at, (model, value, low, high) in enumerate(ends.itertuples()):
        look = _look(colours[model])
        height = -1.1 - 0.9 * (head - 1 - at)
        if np.isfinite(low):
            axes.plot([low, high], [height] * 2, color=look["color"], linewidth=2.5)
        axes.plot(value, height, **look, markersize=8)
        axes.plot(points[model], np.arange(count), **look, markersize=5.5, alpha=0.9)
    axes.axhline(-0.55, color=svg.MUTED, linewidth=0.8)
    axes.hlines(range(count), 0, 1, color=svg.LINE, linewidth=0.6, zorder=0)
    place = -1.1 - 0.45 * (head - 1)
    axes.set_yticks([place, *range(count)], ["all", *map(_short, points.index)])
    axes.set(xlim=(-0.015, 1.015), ylim=(count - 0.4, place - 0.45 * head - 0.3))
    axes.grid(True, axis="x")
    _percent_axis(axes.xaxis, "UAR, %")
    return figure, "UAR of every actor, and over all actors with 95 % intervals"


def _look(at: int) -> dict:
    return {
        "color": svg.SERIES[at % len(svg.SERIES)],
        "marker": MARKERS[at % len(MARKERS)],
        "linestyle": "none",
        "markeredgecolor": svg.PAPER,
        "markeredgewidth": 0.6,
    }


@svg.drawn
def bars(
    values: pd.DataFrame, colours: Mapping[str, int], axis_label: str = "recall, %"
) -> svg.Drawing:
    """Draw grouped bars: a group per label, a bar per model or modality.

    Args:
        values: index label, a column per model, 0 to 1; NaN is left out.
        colours: model -> place in the series colours.
        axis_label: what the bars are.
    """
    groups, series = values.shape
    height = 0.78 / max(series, 1)
    figure, axes = svg.new_figure(WIDTH, 40 + groups * (16 + 9 * series))
    for at, name in enumerate(values.columns):
        place = np.arange(groups) + (at - (series - 1) / 2) * height
        colour = svg.SERIES[colours[name] % len(svg.SERIES)]
        given = values[name].fillna(0)
        axes.barh(place, given, height * 0.88, color=colour)
        for where, value in zip(place, values[name], strict=True):
            said = NONE if np.isnan(value) else f"{100 * value:.0f}"
            start = 0 if np.isnan(value) else value
            text = axes.text(start + 0.012, where, said, va="center", fontsize=8, color=svg.MUTED)
            text.set_in_layout(False)
    axes.set_yticks(range(groups), map(_folded, values.index))
    axes.set(xlim=(0, 1.07), ylim=(groups - 0.45, -0.55))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(True, axis="x")
    _percent_axis(axes.xaxis, axis_label)
    return figure, f"{axis_label} of {', '.join(map(str, values.columns))} by label"


@svg.drawn
def gains(values: pd.Series, what: str) -> svg.Drawing:
    """Draw what fusion adds or takes, a bar each, to the right or to the left.

    Args:
        values: index label or actor; a difference of shares, -1 to 1; NaN is
            a group that has no value.
        what: names the differences on the axis.
    """
    shown = values.fillna(0).to_numpy() * 100
    names = [_folded(name) for name in values.index]
    step_px = 28 if any("\n" in name for name in names) else 16
    figure, axes = svg.new_figure(WIDTH, 60 + step_px * len(values))
    colours = [svg.GOOD if value >= 0 else svg.BAD for value in shown]
    axes.barh(range(len(values)), shown, 0.7, color=colours)
    axes.axvline(0, color=svg.INK, linewidth=0.9)
    reach = max(np.abs(shown).max(initial=0), 1) * 1.28
    for at, value in enumerate(values):
        said = points(value)
        side = "left" if shown[at] >= 0 else "right"
        step = reach * (0.025 if shown[at] >= 0 else -0.025)
        axes.text(shown[at] + step, at, said, va="center", ha=side, fontsize=9, color=svg.MUTED)
    axes.set_yticks(range(len(values)), names)
    axes.set(xlim=(-reach, reach), ylim=(len(values) - 0.4, -0.6), xlabel=what)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
    axes.grid(True, axis="x")
    return figure, f"{what}: fusion's gain (right) or loss (left)"


@svg.drawn
def distributions(values: pd.DataFrame, groups: pd.Series, labels: Sequence[str]) -> svg.Drawing:
    """Draw how the values of features are spread within each label: a box a label.

    A box holds the middle half of a label's clips, the line in it is the median,
    and the whiskers end at 5 % and 95 %: values further out would make the boxes
    too narrow to compare.

    Args:
        values: index clip, one or more columns, named by feature, each of which
            has a panel with a scale of its own. Values that are not finite are
            left out.
        groups: index clip; each clip's label.
        labels: the boxes from above, in the order of their colours; one without
            a clip has no box.

    Example:
        >>> clips = pd.DataFrame({"rms_mean": [0.1, 0.3]}, ["a", "b"])
        >>> groups = pd.Series(["sad", "happy"], ["a", "b"])
        >>> distributions(clips, groups, ["happy", "sad"]).startswith("<svg")
        True
    """
    count = values.shape[1]
    columns = min(count, 2)
    rows = -(-count // columns)
    size = WIDTH, rows * (50 + 14 * len(labels))
    figure, axes = svg.new_figure(*size, rows, columns, sharey=True, squeeze=False)
    for panel, feature in zip(axes.flat, values.columns, strict=False):
        _boxes(panel, box_quantiles(values[feature], groups, labels))
        panel.set_xlabel(_in_words(feature), fontsize=10)
    for panel in axes.flat[count:]:
        panel.set_visible(False)
    axes[0, 0].set_yticks(range(len(labels)), [_short(label) for label in labels])
    axes[0, 0].set_ylim(len(labels) - 0.45, -0.55)
    features = ", ".join(map(str, values.columns))
    return figure, f"Distributions of {features} by label: median, quartiles, 5 % and 95 %"


def box_quantiles(values: pd.Series, groups: pd.Series, labels: Sequence[str]) -> np.ndarray:
    """Return what the boxes of :func:`distributions` show.

    Args:
        values: of one feature, index clip; what is not finite is left out.
        groups: index clip; each clip's label.
        labels: of the rows.

    Returns:
        float64 ``(n_labels, 5)``, :data:`BOX_QUANTILES` of each label, interpolated
        linearly between values; NaN where a label has none.

    Example:
        >>> values = pd.Series([0.0, 1.0, 2.0, 3.0, 4.0])
        >>> box_quantiles(values, pd.Series(["sad"] * 5), ["sad"]).round(2).tolist()
        [[0.2, 1.0, 2.0, 3.0, 3.8]]
    """
    numbers = values.to_numpy(dtype=float)
    of_clips = groups.reindex(values.index).to_numpy(dtype=object)
    found = np.full((len(labels), len(BOX_QUANTILES)), np.nan)
    for at, label in enumerate(labels):
        own = numbers[(of_clips == label) & np.isfinite(numbers)]
        if len(own):
            found[at] = np.quantile(own, BOX_QUANTILES)
    return found


def _boxes(axes, quantiles: np.ndarray) -> None:
    """Draw lying boxes, the first at 0, each in its label's colour."""
    for at, (low, first, median, third, high) in enumerate(quantiles):
        if np.isfinite(median):
            colour = svg.LABELS[at % len(svg.LABELS)]
            axes.hlines(at, low, high, color=svg.MUTED, linewidth=1, zorder=0.9)
            axes.barh(at, third - first, 0.66, left=first, color=colour)
            axes.vlines(median, at - 0.33, at + 0.33, color=svg.INK, linewidth=1.8)
    # A box at the edge of a panel would seem to be cut off.
    axes.use_sticky_edges = False
    axes.grid(True, axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))


def _in_words(feature: object) -> str:
    """Return a feature's name as the label of a panel's axis, its unit in brackets."""
    words = (_UNITS.get(word, word) for word in str(feature).split("_"))
    return textwrap.fill(" ".join(words), _PANEL_CHARACTERS, max_lines=2, placeholder="…")
