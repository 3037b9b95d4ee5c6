"""How sure a score or a difference is: clips of one actor are alike, so actors count.

The unit is the speaker throughout: intervals draw actors with all their clips,
and the comparison of two models swaps them actor by actor.

:func:`sign_flip_test`: if two models were as good as each other, which of them
answered an actor's clips would not matter, and swapping them for any actors
would give a difference as likely as the one observed. Both metrics are sums
over actors, ``T = sum_s d_s`` with ``d_s = (hits_a - hits_b) / n`` for WAR and its
mean over classes with per-class counts for UAR, so a swap turns the sign of
``d_s``. The p-value is the share of the assignments of signs with
``|sum_s sign_s d_s| >= |T|``. All ``2 ** n_actors`` are counted up to
:data:`EXACT_ACTORS` actors; beyond, ``n_draws`` random ones and the observed one:
``p = (1 + count) / (1 + n_draws)``.

Sources: Fisher, "The Design of Experiments", 1935, section 21; Winkler et al.,
"Permutation inference for the general linear model", NeuroImage 92, 2014 (sign
flipping of whole blocks); Phipson and Smyth, "Permutation P-values should never
be zero", SAGMB 9(1), 2010 (the added one).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError
from multimodal_ser.evaluation.metrics import aligned
from multimodal_ser.tables import actor_groups

#: Up to so many actors every assignment of signs is counted: 16,384 of them.
EXACT_ACTORS = 14
#: Differences closer than this are one: sums of the same terms in another order.
_TIE = 1e-12

#: Draws of fewer actors than this hardly differ; an interval of them would
#: claim a certainty that is not there.
MIN_ACTORS = 3


class SignFlip(NamedTuple):
    """Outcome of :func:`sign_flip_test`.

    Attributes:
        p_value: two-sided, above 0 to 1; NaN with fewer than two actors.
        difference: metric of the first table minus that of the second, -1 to 1.
    """

    p_value: float
    difference: float


def bootstrap_interval(
    probabilities: pd.DataFrame,
    clips: pd.DataFrame,
    *,
    metric: str = "uar",
    level: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a metric by a bootstrap over actors.

    Cluster bootstrap (Field and Welsh, "Bootstrapping clustered data", JRSS B
    69(3), 2007): actors are drawn with replacement, each with all its clips.

    Args:
        probabilities: index ``clip``; rows of NaN are left out.
        clips: the clips table.
        metric: ``uar`` or ``war``.
        level: of the interval.
        n_draws: bootstrap draws.
        seed: of the draws.

    Returns:
        Lower and upper end, 0 to 1; both NaN with fewer than
        :data:`MIN_ACTORS` actors.

    Raises:
        ValueError: another metric is asked for.
        TableError: a clip is not in the clips table or has no label there, or
            the table is malformed.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [dict(clip=f"{a}", actor=f"{a}", emotion="sad") for a in range(4)]
        >>> table = pd.DataFrame([[0.9, 0.1]] * 4, list("0123"), ["sad", "happy"])
        >>> bootstrap_interval(table, make_clips(rows))
        (1.0, 1.0)
    """
    _check_metric(metric)
    hits, totals = _counts(probabilities, clips)
    if len(hits) < MIN_ACTORS:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(hits), size=(n_draws, len(hits)))
    values = _METRICS[metric](hits[drawn].sum(axis=1), totals[drawn].sum(axis=1))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sign_flip_test(
    a: pd.DataFrame,
    b: pd.DataFrame,
    clips: pd.DataFrame,
    *,
    metric: str = "uar",
    n_draws: int = 10000,
    seed: int = 0,
) -> SignFlip:
    """Test whether two models differ, by a paired permutation over actors.

    The p-value is the share of swaps of actors between the models that give a
    difference at least as far from 0; formula and sources: see the module.

    Args:
        a: probability table of one model, index ``clip``.
        b: of the other, of the same clips. A clip of NaN in either is left out
            of both.
        clips: the clips table.
        metric: ``uar`` or ``war``.
        n_draws: random assignments of signs, at least 1.
        seed: of the draws.

    Returns:
        The two-sided p-value and the difference of the metric, a minus b. The
        p-value is NaN with fewer than two actors; with n actors it is at least
        ``2 ** (1 - n)``.

    Raises:
        ValueError: another metric, or no draw, is asked for.
        TableError: the tables' clips or labels differ, a clip is not in the
            clips table or has no label there, or a table is malformed.

    Example:
        >>> from multimodal_ser.tables import make_clips
        >>> rows = [dict(clip=f"{a}", actor=f"{a}", emotion="sad") for a in range(3)]
        >>> right = pd.DataFrame([[0.9, 0.1]] * 3, list("012"), ["sad", "happy"])
        >>> sign_flip_test(right, 1 - right, make_clips(rows))
        SignFlip(p_value=0.25, difference=1.0)
    """
    _check_metric(metric)
    if n_draws < 1:
        raise ValueError(f"n_draws is {n_draws}; ask for at least 1")
    parts = _actor_differences(*_paired(a, b), clips, metric)
    observed = float(parts.sum())
    if len(parts) < 2:
        return SignFlip(float("nan"), observed if len(parts) else float("nan"))
    exact = len(parts) <= EXACT_ACTORS
    signs = _all_signs(len(parts)) if exact else _random_signs(n_draws, len(parts), seed)
    as_far = int((np.abs(signs @ parts) >= abs(observed) - _TIE).sum())
    p_value = as_far / len(signs) if exact else (1 + as_far) / (1 + n_draws)
    return SignFlip(p_value, observed)


def _paired(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    if list(a.columns) != list(b.columns):
        raise TableError("the two tables have different labels; compare models of one scheme")
    lone = a.index.symmetric_difference(b.index)
    if len(lone):
        raise TableError(
            f"{len(lone)} clip(s) are in one table and not in the other, first {lone[0]!r}; "
            "compare models on the same clips"
        )
    both = a.index[(a.notna().all(axis=1) & b.loc[a.index].notna().all(axis=1)).to_numpy()]
    return a.loc[both], b.loc[both]


def _actor_differences(
    a: pd.DataFrame, b: pd.DataFrame, clips: pd.DataFrame, metric: str
) -> np.ndarray:
    """Return what each actor adds to the metric's difference, ``(n_actors,)``."""
    hits, totals = _counts(a, clips)
    other, _ = _counts(b, clips)
    per_label = totals.sum(axis=0)
    if metric == "war":
        return (hits - other).sum(axis=1) / max(per_label.sum(), 1)
    present = per_label > 0
    return ((hits - other)[:, present] / per_label[present]).sum(axis=1) / max(present.sum(), 1)


def _all_signs(count: int) -> np.ndarray:
    return 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)


def _random_signs(n_draws: int, count: int, seed: int) -> np.ndarray:
    return 1.0 - 2.0 * np.random.default_rng(seed).integers(2, size=(n_draws, count))


def _check_metric(metric: str) -> None:
    if metric not in _METRICS:
        raise ValueError(f"no interval or test for {metric!r}; use 'uar' or 'war'")


def _counts(probabilities: pd.DataFrame, clips: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return correct and all clips by actor (sorted) and label, ``(n_actors, n_labels)``."""
    scored = probabilities.dropna(how="all")
    unknown = scored.index.difference(clips.index)
    if len(unknown):
        raise TableError(f"{unknown[0]!r} is not in the clips table; add it or leave it out")
    values, codes = aligned(scored, clips["emotion"])
    actors, owner = np.unique(actor_groups(clips.loc[scored.index]), return_inverse=True)
    # Counts an actor and class: a draw is then a sum of rows, not of clips.
    hits = np.zeros((len(actors), values.shape[1]))
    totals = np.zeros_like(hits)
    np.add.at(hits, (owner, codes), values.argmax(axis=1) == codes)
    np.add.at(totals, (owner, codes), 1)
    return hits, totals


def _uar(hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    recall = np.divide(hits, totals, out=np.full_like(hits, np.nan), where=totals > 0)
    return np.nanmean(recall, axis=1)


def _war(hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return hits.sum(axis=1) / totals.sum(axis=1)


_METRICS: dict[str, Callable] = {"uar": _uar, "war": _war}
