"""How sure a score is: clips of one actor are alike, so actors are drawn, not clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from multimodal_ser.tables import actor_groups


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
        Lower and upper end, 0 to 1; both NaN with fewer than two actors.

    Raises:
        ValueError: another metric is asked for.
    """
    if metric not in ("uar", "war"):
        raise ValueError(f"no interval for {metric!r}; use 'uar' or 'war'")
    scored = probabilities.dropna(how="all")
    table = clips.loc[scored.index]
    actors, owner = np.unique(actor_groups(table), return_inverse=True)
    if len(actors) < 2:
        return float("nan"), float("nan")
    codes = scored.columns.get_indexer(table["emotion"].astype(object))
    right = scored.to_numpy().argmax(axis=1) == codes
    # Counts an actor and class: a draw is then a sum of rows, not of clips.
    hits = np.zeros((len(actors), scored.shape[1]))
    totals = np.zeros_like(hits)
    np.add.at(hits, (owner, codes), right)
    np.add.at(totals, (owner, codes), 1)
    drawn = np.random.default_rng(seed).integers(len(actors), size=(n_draws, len(actors)))
    values = _METRICS[metric](hits[drawn].sum(axis=1), totals[drawn].sum(axis=1))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _uar(hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    recall = np.divide(hits, totals, out=np.full_like(hits, np.nan), where=totals > 0)
    return np.nanmean(recall, axis=1)


def _war(hits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return hits.sum(axis=1) / totals.sum(axis=1)


_METRICS: dict[str, Callable] = {"uar": _uar, "war": _war}
