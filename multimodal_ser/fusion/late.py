"""Late fusion: one prediction from the probabilities of several modalities.

A modality that is missing from a clip takes no part in that clip: its weight
goes to the others, and nothing is imputed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from multimodal_ser.errors import TableError, UnknownName
from multimodal_ser.fusion.numeric import above_mean, as_shares, logs, normalise, pool_weights

NAMES = ("mean", "product", "weighted")


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
    labels, clips, terms, present = _evidence(tables, method, weights)
    pooled = terms.sum(axis=0)
    if method != "mean":
        pooled = normalise(pooled)
    pooled[~present.any(axis=0)] = np.nan
    return pd.DataFrame(pooled, index=clips, columns=labels)


def contributions(
    tables: Mapping[str, pd.DataFrame],
    method: str = "mean",
    weights: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return how much of each fused decision is owed to each modality.

    A modality's evidence for a label is its term in the method's sum: ``w_m
    log p_m[label]`` for ``weighted``. It counts by how much that exceeds its mean
    over the labels, at the label that wins; a share is this excess divided by
    the sum of the absolute excesses of all modalities.

    Args:
        tables: as for :func:`fuse`.
        method: as for :func:`fuse`.
        weights: as for :func:`fuse`.

    Returns:
        One column a modality, index as the fused table. Shares are -1 to 1,
        their absolute values sum to 1; negative speaks against the label that
        won, NaN is missing. All 0 where nothing speaks for any label.

    Raises:
        UnknownName: as for :func:`fuse`.
        TableError: as for :func:`fuse`.

    Example:
        >>> audio = pd.DataFrame([[0.1, 0.9]], ["a"], ["sad", "happy"])
        >>> video = pd.DataFrame([[0.5, 0.5]], ["a"], ["sad", "happy"])
        >>> contributions({"audio": audio, "video": video}, "product").loc["a"].tolist()
        [1.0, 0.0]
    """
    _, clips, terms, present = _evidence(tables, method, weights)
    shares = as_shares(above_mean(terms, terms.sum(axis=0).argmax(axis=1)))
    shares[~present] = np.nan
    return pd.DataFrame(shares.T, index=clips, columns=list(tables))


def _evidence(tables, method: str, weights) -> tuple[list[str], pd.Index, np.ndarray, np.ndarray]:
    """Return labels, clips, each modality's term for each label, and what is present."""
    if method not in NAMES:
        raise UnknownName("fusion", method, NAMES)
    labels, clips = _common(tables)
    values = np.stack([table.reindex(clips).to_numpy(dtype=float) for table in tables.values()])
    present = ~np.isnan(values).any(axis=2)
    parts = _parts(present, list(tables), method, weights)[:, :, None]
    terms = values if method == "mean" else logs(values)
    return labels, clips, parts * np.where(present[:, :, None], terms, 0), present


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
        truth: true labels indexed by clip; clips without one do not count.

    Returns:
        Modality -> weight, each 0 to ``numeric.HIGHEST_WEIGHT``; their sum is
        free, because independent evidence adds up. Equal weights that sum to
        1 when no labelled clip has all modalities.

    Example:
        >>> sure = pd.DataFrame([[0.8, 0.2], [0.2, 0.8]], ["a", "b"], ["sad", "happy"])
        >>> idle = pd.DataFrame(0.5, ["a", "b"], ["sad", "happy"])
        >>> truth = pd.Series({"a": "sad", "b": "happy"})
        >>> fit_weights({"audio": sure, "video": idle}, truth)["audio"]
        3.0
    """
    names = list(tables)
    shared = tables[names[0]].dropna(how="all").index
    for name in names[1:]:
        shared = shared.intersection(tables[name].dropna(how="all").index)
    if len(names) < 2 or not len(shared):
        return dict.fromkeys(names, 1 / len(names))
    codes = tables[names[0]].columns.get_indexer(truth.reindex(shared).astype(object))
    shared, codes = shared[codes >= 0], codes[codes >= 0]
    if not len(shared):
        return dict.fromkeys(names, 1 / len(names))
    terms = np.stack([logs(tables[name].loc[shared].to_numpy(dtype=float)) for name in names])
    weights = pool_weights(terms, codes)
    return {name: round(float(weight), 6) for name, weight in zip(names, weights, strict=True)}
