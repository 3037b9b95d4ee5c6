"""Late fusion: one prediction from the probabilities of several modalities.

A modality that is missing from a clip takes no part in that clip: its weight
goes to the others, and nothing is imputed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError, UnknownName

NAMES = ("mean", "product", "weighted")

_FLOOR = 1e-7


def fuse(
    tables: Mapping[str, pd.DataFrame],
    method: str = "mean",
    weights: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Combine the probabilities of modalities clip by clip.

    Args:
        tables: modality -> probability table with index ``clip``. Clips may
            differ between tables; rows of NaN count as missing.
        method: ``mean`` of the probabilities; ``product`` of the
            probabilities, normalised; ``weighted``, the product with each
            factor raised to its modality's weight (a logarithmic pool).
        weights: modality -> weight of at least 0, for ``weighted``. Where
            modalities are missing, the weights of the others are scaled so
            that their sum falls evenly to 1 for a single one, whose
            probabilities then pass unchanged.

    Returns:
        Probability table over the clips of all tables, in order of appearance;
        a row of NaN where every modality is missing.

    Raises:
        UnknownName: there is no such method.
        TableError: the tables' labels differ, there is no table, or a weight
            is missing, negative, or all are 0.

    Example:
        >>> audio = pd.DataFrame([[0.2, 0.8]], ["a"], ["sad", "happy"])
        >>> video = pd.DataFrame([[0.5, 0.5]], ["a"], ["sad", "happy"])
        >>> fuse({"audio": audio, "video": video}).loc["a"].round(2).tolist()
        [0.35, 0.65]
    """
    if method not in NAMES:
        raise UnknownName("fusion", method, NAMES)
    labels, clips = _common(tables)
    values = np.stack([table.reindex(clips).to_numpy(dtype=float) for table in tables.values()])
    present = ~np.isnan(values).any(axis=2)
    parts = _parts(present, list(tables), method, weights)[:, :, None]
    terms = values if method == "mean" else np.log(np.clip(values, _FLOOR, None))
    pooled = (parts * np.where(present[:, :, None], terms, 0)).sum(axis=0)
    if method != "mean":
        pooled = np.exp(pooled - pooled.max(axis=1, keepdims=True))
        pooled /= pooled.sum(axis=1, keepdims=True)
    pooled[~present.any(axis=0)] = np.nan
    return pd.DataFrame(pooled, index=clips, columns=labels)


def _parts(present, names, method, weights) -> np.ndarray:
    """Return each modality's weight in each clip, ``(n_modalities, n_clips)``."""
    if method == "product":
        return present.astype(float)
    full = np.ones(len(names)) if method == "mean" else _checked(names, weights)
    given = full[:, None] * present
    # A modality of weight 0 still speaks for a clip that has no other.
    given = np.where(given.sum(axis=0) > 0, given, present)
    count = present.sum(axis=0)
    share = given / np.maximum(given.sum(axis=0), np.finfo(float).tiny)
    if method == "mean":
        return share
    others = max(len(names) - 1, 1)
    return share * (1 + (full.sum() - 1) * (count - 1) / others)


def _common(tables: Mapping[str, pd.DataFrame]) -> tuple[list[str], pd.Index]:
    if not tables:
        raise TableError("there is nothing to fuse; give at least one modality's probabilities")
    first, *others = tables.items()
    labels = list(first[1].columns)
    clips = first[1].index
    for name, table in others:
        if list(table.columns) != labels:
            raise TableError(
                f"{name} has the labels {', '.join(table.columns)} but {first[0]} has "
                f"{', '.join(labels)}; fuse models of one label scheme"
            )
        clips = clips.append(table.index.difference(clips, sort=False))
    for name, table in tables.items():
        if table.index.has_duplicates:
            raise TableError(f"{name} has a clip twice; keep one row a clip")
    return labels, clips.rename("clip")


def _checked(names: list[str], weights: Mapping[str, float] | None) -> np.ndarray:
    weights = dict(weights or {})
    lost = [name for name in names if name not in weights]
    if lost:
        raise TableError(f"weighted fusion needs a weight for {lost[0]}; give one each")
    values = np.array([float(weights[name]) for name in names])
    if not (values >= 0).all() or not values.any():
        raise TableError(f"fusion weights {weights} must be at least 0 and not all 0")
    return values


def fit_weights(tables: Mapping[str, pd.DataFrame], truth: pd.Series) -> dict[str, float]:
    """Return the weights of a logarithmic pool with the least log-loss.

    Args:
        tables: modality -> held-out probabilities, of clips that no model was
            fitted on.
        truth: true labels indexed by clip.

    Returns:
        Modality -> weight, each 0 to :data:`HIGHEST_WEIGHT`; their sum is
        free, because independent evidence adds up. Equal weights that sum to
        1 when no clip has all modalities.
    """
    names = list(tables)
    shared = tables[names[0]].dropna(how="all").index
    for name in names[1:]:
        shared = shared.intersection(tables[name].dropna(how="all").index)
    if len(names) < 2 or not len(shared):
        return dict.fromkeys(names, 1 / len(names))
    codes = tables[names[0]].columns.get_indexer(truth.reindex(shared).astype(object))
    logs = np.stack([np.log(tables[n].loc[shared].clip(lower=_FLOOR).to_numpy()) for n in names])
    return dict(zip(names, _least_loss(logs, codes), strict=True))


#: No modality counts for more than three of itself, whatever a small
#: validation part says.
HIGHEST_WEIGHT = 3.0


def _least_loss(logs: np.ndarray, codes: np.ndarray) -> list[float]:
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    def loss(weights: np.ndarray) -> float:
        pooled = np.tensordot(weights, logs, axes=1)
        right = pooled[np.arange(len(codes)), codes]
        return float((logsumexp(pooled, axis=1) - right).mean())

    bounds = [(0.0, HIGHEST_WEIGHT)] * len(logs)
    best = minimize(loss, np.full(len(logs), 1 / len(logs)), method="L-BFGS-B", bounds=bounds)
    # All 0 would be no opinion at all; it wins only where nothing was learnt.
    values = best.x if best.x.sum() > 0.01 else np.full(len(logs), 1 / len(logs))
    return [round(float(weight), 6) for weight in values]
