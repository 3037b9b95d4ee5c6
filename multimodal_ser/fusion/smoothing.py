"""Predictions of segments over time: a hidden Markov model whose states are the labels.

A label stays, or is drawn anew from all labels alike; it has stayed for t seconds with the
probability exp(-t / seconds). So segments that are close agree, and ones far apart do not
matter to each other. What was predicted of a segment is taken for the likelihood of each label.
Filter and smoother are Rabiner's forward and backward recursions ("A tutorial on hidden Markov
models and selected applications in speech recognition", Proc. IEEE 77(2), 1989, eq. 19 to 27),
with transitions that depend on time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.errors import SerError
from multimodal_ser.fusion.numeric import FLOOR

NONE, CAUSAL = "none", "causal"


@dataclass(frozen=True)
class Smoothing:
    """How predictions are smoothed.

    Attributes:
        seconds: for how long a label stays, on average, before any label may follow.
        causal: whether nothing later than a segment may matter to it, as in a live use.

    Raises:
        SerError: ``seconds`` is not between 0.01 and a day.
    """

    seconds: float
    causal: bool = False

    def __post_init__(self) -> None:
        if not 0.01 <= self.seconds <= 86400:
            raise SerError(f"smoothing over {self.seconds} s; give seconds from 0.01 up, or none")


def parse(given: str | float | Smoothing | None) -> Smoothing | None:
    """Return what a text or a number asks for; None where nothing is smoothed.

    Raises:
        SerError: it is no such text.

    Example:
        >>> parse("5,causal"), parse("none")
        (Smoothing(seconds=5.0, causal=True), None)
    """
    if given is None or given == NONE or isinstance(given, Smoothing):
        return given if isinstance(given, Smoothing) else None
    number, _, causal = str(given).partition(",")
    try:
        if causal.strip() not in ("", CAUSAL):
            raise ValueError
        return Smoothing(float(number), bool(causal))
    except ValueError:
        raise SerError(f"{given!r} is no smoothing; give seconds, 5,causal or none") from None


def smooth(
    table: pd.DataFrame, starts_s: np.ndarray, ends_s: np.ndarray, how: Smoothing
) -> pd.DataFrame:
    """Return the probabilities of one recording's segments, smoothed over time.

    Args:
        table: a probability table, a row per segment in the order of time.
        starts_s: where segments begin, in seconds, ``(n,)``.
        ends_s: where they end. Of overlapping segments each counts by the share of it that
            the one before does not cover, for they heard the same.
        how: over how many seconds, and whether from the past alone.

    Returns:
        A table of the same shape; a row of NaN stays one, and time goes on over it.

    Example:
        >>> rows = pd.DataFrame([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]], columns=["sad", "happy"])
        >>> starts = np.array([0.0, 2.0, 4.0])
        >>> smooth(rows, starts, starts + 2, Smoothing(10)).round(2)["sad"].tolist()
        [0.96, 0.94, 0.96]
    """
    there = table.notna().all(axis=1).to_numpy()
    values = np.maximum(table.to_numpy(float)[there], FLOOR)
    starts, ends = np.asarray(starts_s, float)[there], np.asarray(ends_s, float)[there]
    if not len(values):
        return table.copy()
    likelihood = values ** _new(starts, ends)[:, None]
    stays = np.exp(-np.maximum(0, np.diff((starts + ends) / 2)) / how.seconds)
    past = _recursion(likelihood, stays)
    result = past * likelihood
    if not how.causal:
        result *= _recursion(likelihood[::-1], stays[::-1])[::-1]
    smoothed = np.full(table.shape, np.nan)
    smoothed[there] = result / result.sum(axis=1, keepdims=True)
    return pd.DataFrame(smoothed, table.index, table.columns)


class Filter:
    """The causal half of :func:`smooth`, a segment at a time.

    Args:
        how: over how many seconds.

    Example:
        >>> steps = Filter(Smoothing(10, causal=True))
        >>> steps.step(np.array([0.9, 0.1]), 0, 2).round(2).tolist()
        [0.9, 0.1]
        >>> steps.step(np.array([0.4, 0.6]), 2, 4).round(2).tolist()
        [0.76, 0.24]
    """

    def __init__(self, how: Smoothing) -> None:
        self.how = how
        self._known: np.ndarray | None = None
        self._spans: list[tuple[float, float]] = []

    def step(self, values: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
        """Return the probabilities of a segment, given those before.

        Args:
            values: its own, ``(n_labels,)``; NaN comes back and changes nothing.
            start_s: where it begins, not before the last.
            end_s: where it ends.
        """
        if np.isnan(values).any():
            return values
        reached_s = max((end for _, end in self._spans), default=-np.inf)
        # The furthest end and the last centre are all that later segments depend on.
        starts, ends = np.array([[reached_s, reached_s], [start_s, end_s]]).T
        share = 1.0 if self._known is None else _new(starts, ends)[1]
        result = np.maximum(values, FLOOR) ** share
        if self._known is not None:
            passed_s = max(0.0, (start_s + end_s) / 2 - sum(self._spans[-1]) / 2)
            stays = np.exp(-passed_s / self.how.seconds)
            result = result * (stays * self._known + (1 - stays) / len(values))
        self._known = result / result.sum()
        self._spans = [(reached_s, reached_s), (start_s, end_s)]
        return self._known


def _new(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the share of each segment that those before it do not cover, 0 to 1."""
    reached = np.maximum.accumulate(np.append(-np.inf, ends[:-1]))
    length = np.maximum(ends - starts, 1e-9)
    return np.clip((ends - np.maximum(starts, reached)) / length, 0, 1)


def _recursion(likelihood: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """Return what the rows before each one say of it, ``(n, n_labels)``, each summing to 1."""
    n, n_labels = likelihood.shape
    said = np.full((n, n_labels), 1 / n_labels)
    for at in range(1, n):
        known = said[at - 1] * likelihood[at - 1]
        known /= known.sum()
        said[at] = stays[at - 1] * known + (1 - stays[at - 1]) / n_labels
    return said
