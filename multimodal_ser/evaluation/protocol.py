"""The one loop over folds: fit on the training part, predict the test part.

What is fitted never sees the test part: the callable that fits is given the
training and the validation clips and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from multimodal_ser.evaluation import metrics, significance
from multimodal_ser.evaluation.folds import Fold

#: Columns of the ``scores`` table.
SCORE_COLUMNS = ("model", "modality", "protocol", "fold", "actor", "metric", "value", "n")

Predict = Callable[[pd.DataFrame], Mapping[str, pd.DataFrame]]
Fit = Callable[[pd.DataFrame, pd.DataFrame], Predict]


def run(
    clips: pd.DataFrame, folds: Iterable[Fold], fit: Fit, *, progress: bool = True
) -> dict[str, pd.DataFrame]:
    """Return the held-out probabilities of every test clip.

    Args:
        clips: a clips table with labels.
        folds: from :func:`folds.make_folds`.
        fit: called with the training and the validation clips (the latter may
            be empty); returns a function from clips to probabilities by
            modality.
        progress: whether to show a bar over the folds.

    Returns:
        Modality -> probability table over the test clips of all folds.
    """
    from tqdm import tqdm

    folds = list(folds)
    parts: dict[str, list[pd.DataFrame]] = {}
    for fold in tqdm(folds, desc="folds", unit="fold", disable=not progress or len(folds) < 2):
        predict = fit(clips.loc[fold.train], clips.loc[fold.validation])
        unlabelled = clips.loc[fold.test].assign(emotion=None)
        for modality, table in predict(unlabelled).items():
            parts.setdefault(modality, []).append(table)
    return {modality: pd.concat(tables) for modality, tables in parts.items()}


def summary(probabilities: pd.DataFrame, clips: pd.DataFrame, *, seed: int = 0) -> dict:
    """Return the metrics of a probability table with intervals over actors.

    Args:
        probabilities: index ``clip``, held out.
        clips: the clips table.
        seed: of the bootstrap.

    Returns:
        The values of :func:`metrics.score`, and ``uar_low``, ``uar_high``,
        ``war_low``, ``war_high``, the ends of 95 % intervals.
    """
    result = metrics.score(probabilities, clips["emotion"])
    for metric in ("uar", "war"):
        low, high = significance.bootstrap_interval(probabilities, clips, metric=metric, seed=seed)
        result |= {f"{metric}_low": low, f"{metric}_high": high}
    return result
